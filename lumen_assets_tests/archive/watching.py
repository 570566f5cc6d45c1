"""What this process writes to, as Python's audit events tell it: https://peps.python.org/pep-0578/."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NAMING: Final = {"os.rename": 2, "os.link": 2, "os.symlink": 2, "os.mkdir": 1, "os.truncate": 1}
"""How many of an event's arguments are paths that it writes to."""

_watched: list[tuple[str, str]] | None = None
_hooked = False


@contextmanager
def watched_writes() -> Iterator[list[tuple[str, str]]]:
    """A list that fills with each event and path that something is written to, renamed to or made at in the block."""
    global _watched, _hooked  # noqa: PLW0603 - a hook stays for ever
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _watched = seen = []
    try:
        yield seen
    finally:
        _watched = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watched is None:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
        paths = arguments[:1]
    else:
        paths = arguments[: NAMING.get(event, 0)]
    _watched.extend((event, os.fsdecode(path)) for path in paths if isinstance(path, str | bytes | os.PathLike))

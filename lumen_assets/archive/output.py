"""What an operator names to write to: made with the folders above it, and what is said where it cannot be used."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError

_ROOM: Final = "free room there, or choose another place"
_ACCESS: Final = "give Lumen access to it, or choose another place"
_PLACE: Final = "choose another place: what stands there, or above it, is in the way"
_HINTS: Final = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: _ACCESS,
    errno.ENOTDIR: _PLACE,
    errno.EEXIST: _PLACE,
    errno.EISDIR: _PLACE,
    errno.ELOOP: _PLACE,
    errno.ENAMETOOLONG: "choose a shorter name",
}


def unusable(action: str, output: Path, cause: str, hint: str) -> PermanentError:
    """The error of an output that cannot be used; ``action`` as in "extract to"."""
    return PermanentError(action=action, subject=str(output), cause=cause, error_class="output", hint=hint)


@contextmanager
def new_output(action: str, output: Path) -> Iterator[None]:
    """Make the folders above ``output``, which the block makes; where that fails, they go again.

    Raises:
        PermanentError: with ``error_class="output"`` for any ``OSError``, of the block too.
    """
    missing = [folder for folder in output.parents if not os.path.lexists(folder)]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        with suppress(OSError):  # somebody else has put something there
            for folder in missing:
                folder.rmdir()
        if not isinstance(error, OSError):
            raise
        cause = error.strerror or type(error).__name__
        hint = f"{_HINTS.get(error.errno or 0, _PLACE)}; nothing was left behind"
        raise unusable(action, output, cause, hint) from error

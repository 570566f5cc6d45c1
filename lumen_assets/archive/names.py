"""Which paths an archive may hold: those that unpack everywhere to the same files, and nowhere else."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MAX_BYTES: Final = 32_000
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def path_problem(path: str) -> str | None:
    """What is wrong with a relative path with ``/``; None if nothing is."""
    parts = path.split("/")
    problems = {
        "an empty name": not path,
        "a name that is not Unicode text": _SURROGATE.search(path) is not None,
        f"a name of more than {_MAX_BYTES} bytes": len(path.encode("utf-8", "surrogatepass")) > _MAX_BYTES,
        "a name with a NUL character": "\0" in path,
        "an absolute path": path.startswith("/"),
        "a path with '..'": ".." in parts,
        "a path with an empty part or '.'": "" in parts or "." in parts,
    }
    return next((problem for problem, holds in problems.items() if holds), None)


class Collisions:
    """Finds names that a file system without case, or with another Unicode form, would take for one."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def add(self, path: str) -> str | None:
        """Take in a path; returns the earlier one that it, or a folder of it, collides with, if any."""
        prefix = path
        while prefix:
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", prefix).casefold())
            known = self._known.setdefault(prefix if folded == prefix else folded, prefix)  # mostly one text, not two
            if known != prefix:
                return known
            prefix = prefix.rpartition("/")[0]
        return None

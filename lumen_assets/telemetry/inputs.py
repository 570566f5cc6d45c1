"""Which files under the data root are inputs: patterns to names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lumen_assets.durable import TEMPORARY_PREFIX
from lumen_assets.telemetry.layout import ROLES
from lumen_assets.telemetry.lines import unchanged_mark

_log = logging.getLogger(__name__)


def is_pattern(text: str) -> bool:
    """Whether ``text`` has a wildcard; without one it names a file that is expected."""
    return any(sign in text for sign in "*?[")


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def matches(name: str, pattern: str) -> bool:
    """Whether a path under the data root is one that ``pattern`` means."""
    return _matches(PurePosixPath(name).parts, PurePosixPath(pattern).parts)


def _is_input(path: Path, root: Path) -> bool:
    if path.name.startswith(TEMPORARY_PREFIX) or not path.is_file():
        return False
    if path.resolve().is_relative_to(root.resolve()):
        return True
    _log.warning("%s leads out of LUMEN_DATA_ROOT and is not taken; copy or mount the file there instead", path)
    return False


def _found(root: Path, pattern: str) -> set[str]:
    if not is_pattern(pattern):
        return {pattern} if _is_input(root / pattern, root) else set()
    return {path.relative_to(root).as_posix() for path in root.glob(pattern) if _is_input(path, root)}


def inputs_mark(root: Path, names: Iterable[str]) -> tuple[object, ...] | None:
    """What the inputs are known by as long as nobody writes to them; None where one was written to just now."""
    marks: list[object] = []
    for name in names:
        try:
            mark = unchanged_mark((root / name).stat())
        except OSError:
            marks.append((name, "absent"))
            continue
        if mark is None:
            return None
        marks.append((name, mark))
    return tuple(marks)


def input_names(root: Path, telemetry_path: str, extra: Sequence[str]) -> dict[str, str]:
    """Every configured input: role by path under ``root``, sorted by path.

    Included although they may be absent: the telemetry file, literal paths, and the ledgers of ``layout.py`` that
    a pattern means.
    """
    telemetry = PurePosixPath(telemetry_path).as_posix()
    names = {telemetry}
    for pattern in (PurePosixPath(text).as_posix() for text in extra):
        names |= _found(root, pattern)
        names |= {name for name in ROLES if matches(name, pattern)}
        if not is_pattern(pattern):
            names.add(pattern)
    return {name: "telemetry" if name == telemetry else ROLES.get(name, "extra") for name in sorted(names)}

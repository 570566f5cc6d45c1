"""Which files under the data root are inputs: patterns to names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import PurePosixPath

from lumen_assets.telemetry.layout import ROLES
from lumen_assets.telemetry.model import TelemetryFile
from lumen_assets.telemetry.roots import DataRoot, is_pattern, matches


def inputs_mark(root: DataRoot, names: Iterable[str]) -> Hashable | None:
    """What the inputs are known by as long as nobody writes to them; None where one was written to just now."""
    marks = tuple((name, root.mark(name)) for name in names)
    return None if any(mark is None for _, mark in marks) else marks


def input_names(root: DataRoot, telemetry: Sequence[TelemetryFile], extra: Sequence[str]) -> dict[str, str]:
    """Every configured input: role by path under ``root``, sorted by path.

    Included although they may be absent: the telemetry, literal paths, and the ledgers of ``layout.py`` that a pattern
    means.
    """
    of_telemetry = {file.name for file in telemetry}
    names = set(of_telemetry)
    for pattern in (PurePosixPath(text).as_posix() for text in extra):
        names |= root.found(pattern) if is_pattern(pattern) else {pattern}
        names |= {name for name in ROLES if matches(name, pattern)}
    return {name: "telemetry" if name in of_telemetry else ROLES.get(name, "extra") for name in sorted(names)}

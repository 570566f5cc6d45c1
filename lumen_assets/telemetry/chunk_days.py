"""Which days the lines of a file are of, chunk by chunk: rows that came late are found without reading all that came
after their day each time.

Chunks lie on a fixed grid, so what is known of one holds as long as the file only grows. They are known by their
fingerprints, which nearly any other change changes; what is known of them is a cache, and can be removed at any time.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_assets.days import day_bounds
from lumen_assets.durable import replace_bytes
from lumen_assets.telemetry.instants import microseconds
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.preamble import Dating, LineInstant, block_lines

CHUNK: Final = 1 << 21
"""Bytes: a fifteenth of a day of 5 Hz telemetry."""

_BLOCK: Final = 1 << 20
_VERSION: Final = 1
"""To be raised when a line may be of another day than before."""

_SAMPLED: Final = 20_000
"""Chunks whose fingerprints are remembered."""

_MOST: Final = 64
"""Days that are told apart in a chunk; one with more, of a file with few rows a day, may have rows of any."""

_FIRST: Final = date(1970, 1, 1)
_START: Final = microseconds(day_bounds(_FIRST)[0])
_DAY: Final = 86_400_000_000  # microseconds

Days = frozenset[int] | None
"""KST days since 1970-01-01; None for any."""


class ChunkDays:
    """What is known of the chunks of all inputs.

    Args:
        file: where other processes find it too; None to keep it in this one.
        size: of a chunk, bytes; smaller only in tests.
    """

    def __init__(self, file: Path | None = None, *, size: int = CHUNK) -> None:
        self.size = size
        self._file = file
        self._loaded: int | None = None
        self._known: dict[str, Days] = {}
        self._unsaved: dict[str, Days] = {}
        self._keys: dict[Hashable, str] = {}

    def may_have(self, source: Source, how: Dating, number: int, day: date) -> bool:
        """Whether lines that begin in a chunk may be of ``day``; of one that is being written to: True.

        Args:
            source: the file.
            how: how its lines are dated.
            number: of the chunk, from 0.
        """
        start, end = number * self.size, (number + 1) * self.size
        if end + source.max_line > source.size:
            return True
        key = self._key(source, how, start, end)
        if key not in self._known:
            self._load()
        if key not in self._known:
            bounds = (source.line_start(at, how.start, source.size) for at in (start, end))
            self._known[key] = self._unsaved[key] = days_of(source, how.line_instant, *bounds)
        days = self._known[key] = self._known.pop(key)  # the last ones are those that were used last
        return days is None or (day - _FIRST).days in days

    def _key(self, source: Source, how: Dating, start: int, end: int) -> str:
        """What is known of a chunk is filed under this. Nobody writes to a file with a ``mark``: it is sampled once."""
        name = f"{_VERSION} {getattr(how.line_instant, '__qualname__', None) or repr(how.line_instant)}"
        if source.mark is None:
            return f"{name} {source.fingerprint(start, end)}"
        marked = (source.mark, name, start, end)
        if marked not in self._keys:
            if len(self._keys) >= _SAMPLED:
                self._keys.clear()
            self._keys[marked] = f"{name} {source.fingerprint(start, end)}"
        return self._keys[marked]

    def save(self, kept: int) -> None:
        """Let other processes find what was found since.

        Args:
            kept: chunks; what was not used for longest is forgotten.
        """
        if self._file is None or not self._unsaved:
            return
        self._load()
        self._known = dict(list(self._known.items())[-kept:])
        self._unsaved = {}
        content = {key: None if days is None else sorted(days) for key, days in self._known.items()}
        with suppress(OSError):  # a full disk fails what matters
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_bytes(self._file, json.dumps(content).encode())

    def _load(self) -> None:
        """Take what other processes found. A file that is damaged holds nothing."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            if self._file is None or self._loaded == (changed := self._file.stat().st_mtime_ns):
                return
            content = json.loads(self._file.read_bytes())
            found = {key: None if days is None else frozenset(map(int, days)) for key, days in content.items()}
            self._known = {**found, **self._known}
            self._loaded = changed


def days_of(source: Source, line_instant: LineInstant, start: int, end: int) -> Days:
    """The days that lines of ``[start, end)`` are of."""
    found: set[int] = set()
    for _, block in source.blocks(start, end, _BLOCK):
        lines = block_lines(block, line_instant)
        found |= _days_of_instants(lines.instants[lines.dated])
        if len(found) > _MOST:
            return None
    return frozenset(found)


def _days_of_instants(instants: NDArray[np.int64]) -> set[int]:
    if not len(instants):
        return set()
    first, last = (int(bound - _START) // _DAY for bound in (instants.min(), instants.max()))
    return {first} if first == last else set(np.unique((instants - _START) // _DAY).tolist())

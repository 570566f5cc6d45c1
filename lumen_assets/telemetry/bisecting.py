"""Where a day lies in an append-only file, found without reading what came before.

The rules, and why they hold:

* Rows are in order of time except that the clock may step back by at most ``MAX_DISORDER``: with M the highest
  timestamp so far, every row has ``ts >= M - MAX_DISORDER``. Besides there may be strays (rows of any other time,
  a few in a row), lines without a timestamp, and late rows: any number of older ones, one by one or together.
* ``position(T)`` is where time T is first crossed: the first line with ``ts >= T`` that is not a stray. A stray
  from the future shows by what follows it: most of the next ``WITNESSES`` dated lines are older than
  ``T - MAX_DISORDER``, which bounded disorder does not allow after a genuine crossing.
* It is bisected for ``T - 2 * MAX_DISORDER``, by the upper quartile of a block's timestamps, so that neither a few
  strays nor late rows between others mislead, and then scanned for line by line. A genuine row older than that
  proves that every row before it is older than T - MAX_DISORDER, so no crossing is missed, and no stray in between
  can be taken for one.
* A block may be older because it came late. So an older block is not believed before lines in front of it were looked
  at, as far back as where it is known that nothing was late: near it, farther and farther off by a ratio of
  ``LOOK_BACK``, and everywhere, in ``_EVERYWHERE`` places. One that is older even than there is late for sure, and what
  came before it is halved for its end. So late rows mislead only where there are few rows between the crossing and
  them, and ``cutting.py`` looks for those for some days around.
* What is halved is not the file but a power of two above its size. So the same blocks are compared when it has grown,
  and cutting a frozen day again gives the same bytes.
* ``zone_end(T)`` is behind the last row before T. A stray may be taken for the crossing of ``T + ZONE``, but then
  most of its witnesses are at or after ``T + MAX_DISORDER``; behind the first genuine one of them bounded disorder
  allows no row before T. Where rows are sparse the witnesses span hours, so the zone ends behind them.
* ``position`` never decreases with T, whatever the file holds: blocks are compared with the same midpoints until
  two searches part, and a line that counts as crossing a later time crosses an earlier one too; ``zone_end`` does
  not decrease either. So the sections between positions are disjoint and together they are the whole file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar, TypeVarTuple

import numpy as np

from lumen_assets.telemetry.instants import at_microsecond, microseconds
from lumen_assets.telemetry.lines import Line, Source
from lumen_assets.telemetry.preamble import LineInstant, block_instants, length_before

MAX_DISORDER: Final = timedelta(hours=1)
"""How far the clock of a writer may step back. Rows that lie further off count as rows of another day."""

ZONE: Final = 2 * MAX_DISORDER
"""After a midnight is first crossed, rows of both days may lie mixed for this long (see ``cutting.py``)."""

WITNESSES: Final = 15
"""Dated lines that a crossing is judged by: 3 s of telemetry; a run of up to 8 strays is seen through."""


LOOK_BACK: Final = 1.5
_FARTHEST: Final = 1 << 28
"""Bytes in front of a block that are looked at: ten days of telemetry."""

_EVERYWHERE: Final = 64
"""Places between the last block that is not late and one that may be."""

_GLIMPSED: Final = 9
"""Lines."""

_KEPT: Final = 10_000
_POSITIONS: Final[dict[tuple[object, ...], int]] = {}
"""Those that were found in files that nobody writes to: a day ends where the next one starts."""
_LEVELS: Final[dict[tuple[object, ...], tuple[int, datetime | None]]] = {}
"""Of blocks of such files: the searches for two days nearly all begin alike."""


_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class Bisection:
    """Positions in one file.

    Args:
        source: the file.
        start: where its first line with data starts.
        line_instant: the instant of a line.
        block: bytes whose quartile is taken at a time: about 200 rows of telemetry.
        scanned: bytes below which it is cheaper to scan than to halve.
    """

    def __init__(
        self,
        source: Source,
        start: int,
        line_instant: LineInstant,
        *,
        block: int = 1 << 14,
        scanned: int = 1 << 16,
    ) -> None:
        self._source = source
        self._start = start
        self._instant = line_instant
        self._block = block
        self._scanned = max(2, scanned)
        self._own: dict[str, dict[tuple[object, ...], Any]] = {}

    def position(self, time: datetime) -> int:
        """Offset of the line where ``time`` is first crossed; the file's size if it is not.

        The file's start if no line before the crossing has a timestamp, so that dirt in front of the first row
        belongs to that row's day.
        """
        return self._known(_POSITIONS, self._found, time)

    def _known(
        self, known: dict[tuple[object, ...], _Result], find: Callable[[*_Arguments], _Result], *args: *_Arguments
    ) -> _Result:
        """What was found before in the same file; of one that is written to, by this bisection."""
        known = known if self._source.mark else self._own.setdefault(find.__name__, {})
        sought = (self._source.mark, self._start, self._instant, self._block, self._scanned, *args)
        if sought not in known:
            if len(known) >= _KEPT:
                known.clear()
            known[sought] = find(*args)
        return known[sought]

    def _found(self, time: datetime) -> int:
        goal = time - 2 * MAX_DISORDER
        low, node, width = self._start, 0, 1 << self._source.size.bit_length()
        while width > self._scanned:
            width //= 2
            middle = node + width
            if middle <= low:
                node = middle
                continue
            begin, level = self._block_level(middle, min(middle + width, self._source.size))
            if level is not None and level < goal and not self._is_late(low, begin, level, goal):
                low, node = begin, middle
        return self._scan(low, time)

    def _is_late(self, low: int, begin: int, level: datetime, goal: datetime) -> bool:
        """Whether lines between ``low`` and an older block at ``begin`` are at ``goal`` or later, as far as is seen."""
        low_level = self._glimpse(low)
        if low_level is not None and level < low_level - MAX_DISORDER:
            peak = self._peak(low, begin, low_level)
            return peak is not None and peak >= goal
        return any(self._is_at(place, low, begin, goal) for place in self._places(low, begin))

    def _peak(self, low: int, high: int, level: datetime) -> datetime | None:
        """The last level before the lines between ``low`` and ``high`` fall below that at ``low``."""
        found: datetime | None = level
        while high - low > self._block:
            middle = (low + high) // 2
            there = self._glimpse(middle)
            if there is None or there < level - MAX_DISORDER:
                high = middle
            else:
                low, found = middle, there
        return found

    def _places(self, low: int, begin: int) -> Iterator[int]:
        """Where lines in front of a block are looked at: near it, and everywhere."""
        distance = 4 * self._block
        while distance <= _FARTHEST and begin - distance > low:
            yield begin - distance
            distance = int(distance * LOOK_BACK)
        step = max((begin - low) // _EVERYWHERE, 16 * self._block)
        yield from range(low + step, begin - step + 1, step)

    def _is_at(self, place: int, low: int, begin: int, goal: datetime) -> bool:
        """Whether lines are at ``goal`` or later, and others a little behind them too.

        Without the latter a clock that ran ahead for moments would cost a long scan.
        """
        levels = (self._glimpse(at) for at in (place, place + 3 * self._block) if low < at < begin)
        return all(level is not None and level >= goal for level in levels)

    def _glimpse(self, at: int) -> datetime | None:
        """The level of a few lines."""
        return self._known(_LEVELS, self._found_glimpse, at)[1]

    def _found_glimpse(self, at: int) -> tuple[int, datetime | None]:
        begin = self._source.line_start(at, self._start, self._source.size)
        lines = islice(self._source.lines(begin, chunk=1 << 10), _GLIMPSED)
        moments = (self._instant(line.content) for line in lines if line.content is not None)
        return begin, _level([moment for moment in moments if moment is not None])

    def zone_end(self, midnight: datetime) -> int:
        """Offset behind the last line that can be a row before ``midnight``: where rows of both days end."""
        left = WITNESSES + 1  # the crossing itself is dated too
        for line in self._source.lines(self.position(midnight + ZONE)):
            if line.content is not None and self._instant(line.content) is not None:
                left -= 1
                if left == 0:
                    return line.end
        return self._source.size

    def _block_level(self, at: int, limit: int) -> tuple[int, datetime | None]:
        """The first block between ``at`` and ``limit`` with timestamps: its start and their level."""
        return self._known(_LEVELS, self._found_level, at, limit) if at < limit else (limit, None)

    def _found_level(self, at: int, limit: int) -> tuple[int, datetime | None]:
        begin = self._source.line_start(at, self._start, limit)
        while begin < limit:
            data = self._source.read(begin, self._block)
            known = block_instants(data[: data.rfind(b"\n") + 1], self._instant)
            if known is not None:
                return begin, at_microsecond(int(np.sort(known)[_quartile(len(known))]))
            instants = []
            end = begin
            for line in self._source.lines(begin, chunk=self._block):
                moment = None if line.content is None else self._instant(line.content)
                if moment is not None:
                    instants.append(moment)
                end = line.end
                if end - begin >= self._block:
                    break
            if instants:
                return begin, _level(instants)
            begin = end
        return limit, None

    def _scan(self, low: int, time: datetime) -> int:
        def needless(block: bytes) -> int:
            return 0 if candidates or nothing_before else length_before(block, microseconds(time), self._instant)

        allowed = time - MAX_DISORDER
        candidates: deque[_Candidate] = deque()
        nothing_before = low == self._start
        for line in self._lines_from(low, needless):
            moment = None if line.content is None else self._instant(line.content)
            if moment is None:
                continue
            if candidates:
                agrees = moment >= allowed
                for candidate in candidates:
                    candidate.witnesses += 1
                    candidate.agreeing += agrees
                while candidates and candidates[0].witnesses == WITNESSES:
                    candidate = candidates.popleft()
                    if candidate.is_crossing:
                        return candidate.offset
            if moment >= time:
                candidates.append(_Candidate(self._start if nothing_before else line.offset))
            nothing_before = False
        return next((c.offset for c in candidates if c.is_crossing), self._source.size)

    def _lines_from(self, low: int, needless: Callable[[bytes], int]) -> Iterator[Line]:
        """The lines from ``low`` on, but for as many bytes at the start of each block as are not needed."""
        while low < self._source.size:
            block = self._source.block(low)
            end = low + len(block) if block else self._source.size
            yield from self._source.lines(low + needless(block), end)
            low = end


def _level(instants: list[datetime]) -> datetime | None:
    """Their upper quartile, one of them."""
    return sorted(instants)[_quartile(len(instants))] if instants else None


def _quartile(count: int) -> int:
    return (count - 1) * 3 // 4


class _Candidate:
    """A line at or after the time that is sought, and what the lines behind it say."""

    __slots__ = ("agreeing", "offset", "witnesses")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.witnesses = 0
        self.agreeing = 0

    @property
    def is_crossing(self) -> bool:
        return 2 * self.agreeing >= self.witnesses

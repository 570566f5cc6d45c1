"""The day's slice of every input: a small folder, cut out of files that only ever grow.

A file with timestamps is cut at the positions of ``bisecting.py``. A day's section is from the position of its first
instant T to that of the next day's; rows of it may also lie behind, up to the next day's ``zone_end``. A line dated
in a day belongs to that day if it lies in that day's section or zone behind it; every other line belongs to the day in
whose section it lies. So each line is in the slice of exactly one day; strays are where they physically lie, and
reading rejects them there as ``other_day``. Behind its first zone a section is copied as it is.
Besides, a slice has the lines of its day that lie in the sections of ``Reach.days`` days behind its own, since they
came late, and as many before it, since late rows in front of them may have moved a position. They are in the slice of
the day on which they came, too.
A file that has no timestamp at all cannot be assigned: it is whole in every day's slice, as every other file is that
is not cut by lines. Telemetry is refused then, once it is longer than ``UNDATED_LIMIT``; shorter, reading reports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from lumen_assets.days import day_bounds
from lumen_assets.durable import temporary_beside
from lumen_assets.errors import PermanentError
from lumen_assets.telemetry.bisecting import Bisection
from lumen_assets.telemetry.chunk_days import ChunkDays
from lumen_assets.telemetry.inputs import input_names
from lumen_assets.telemetry.instants import microseconds
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import Clock, DaySlice, InputSlice, TelemetryFile
from lumen_assets.telemetry.preamble import (
    BlockLines,
    Dating,
    LineInstant,
    block_lines,
    csv_line_instant,
    csv_preamble,
    first_line_start,
    header_hint,
    json_line_instant,
    telemetry_line_instant,
)
from lumen_assets.telemetry.rejections import shown
from lumen_assets.telemetry.roots import WHERE_SET, DataRoot
from lumen_assets.telemetry.slices import load_slice, remove_tree, save_description, swap_folders

UNDATED_LIMIT: Final = 1 << 20
"""Bytes of telemetry of which no line has a timestamp: more are no mishap of a writer that just began."""

_FRONT: Final = 1 << 14
"""Bytes at the start of the lines, in which a file with timestamps nearly always has one."""

_COPIED: Final = 1 << 20
_BEFORE_EVERYTHING: Final = datetime(2, 1, 1, tzinfo=UTC)
_BEHIND_EVERYTHING: Final = datetime(9998, 12, 31, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_DAY_LONG: Final = _DAY // timedelta(microseconds=1)
_CHUNKS_KEPT: Final = 3000
"""Of all inputs together: 6 GiB; of telemetry at 5 Hz a day and the 28 around it are some 450."""

MakeBisection = Callable[[Source, int, LineInstant], Bisection]
Wanted = Callable[[BlockLines, int], NDArray[np.bool_]]
"""Which lines of a block are; the second argument is where it starts in the file."""


def dating(source: Source, name: str, clock: Clock | None = None) -> Dating | None:
    """How the lines of a file are dated; None if it is one to take whole, as none of them has a timestamp.

    Args:
        clock: of telemetry; None for other inputs, whose timestamps are ISO 8601 with an offset: under the key ``ts``
            in ``.jsonl``, in the first column in ``.csv`` where that is called one of ``TIMESTAMP_COLUMNS``.
    """
    how = _dating_by_form(source, name, clock)
    return how if how and _is_dated(source, how) else None


def _dating_by_form(source: Source, name: str, clock: Clock | None) -> Dating | None:
    if clock is None and name.endswith(".jsonl"):
        return Dating(b"", first_line_start(source), json_line_instant)
    if clock or name.endswith(".csv"):
        preamble = csv_preamble(source, clock)
        if preamble.header or clock:
            front = source.read(preamble.start, preamble.end - preamble.start)
            line_instant = telemetry_line_instant(clock, preamble.column) if clock else csv_line_instant
            return Dating(front, preamble.end, line_instant)
    return None


def _is_dated(source: Source, how: Dating) -> bool:
    """Whether any line has a timestamp. All are asked: a long undated front makes no file one without timestamps."""
    if any(map(how.line_instant, source.block(how.start, size=_FRONT).split(b"\n"))):
        return True
    lines = (line.content for line in source.lines(how.start))
    return any(content is not None and how.line_instant(content) is not None for content in lines)


class Output:
    """A slice being written: the file, its size and its digest. Without a file, what would be written."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> None:
        """Append to the slice."""
        if self._file is not None:
            self._file.write(content)
        self._digest.update(content)
        self.size += len(content)

    def sha256(self) -> str:
        """Digest of what was written so far, lower-case hex."""
        return self._digest.hexdigest()


def _copy(source: Source, start: int, end: int, output: Output) -> None:
    while start < end and (data := source.read(start, min(_COPIED, end - start))):
        output.write(data)
        start += len(data)


@dataclass(frozen=True)
class Reach:
    """How far from its section lines of a day are looked for.

    Attributes:
        days: before and behind it; 0 to look nowhere else.
        chunks: what is known of the days of a file's parts.
    """

    days: int = 0
    chunks: ChunkDays = field(default_factory=ChunkDays)


def cut_lines(
    source: Source,
    how: Dating,
    day: date,
    output: Output,
    make_bisection: MakeBisection = Bisection,
    reach: Reach = Reach(),
) -> tuple[int, int]:
    """Write the lines of ``day`` behind the preamble; returns the day's section of the file."""
    start, end = day_bounds(day)
    bisection = make_bisection(source, how.start, how.line_instant)
    cut = _Cut(source, how, day, output, bisection)
    output.write(how.preamble)
    first = bisection.position(start)
    last = bisection.position(end)
    if reach.days:
        cut.copy_strays(bisection.position(_moved(start, -reach.days)), first, reach.chunks)
    cut.copy_section(first, last)
    if last < source.size:
        behind = bisection.zone_end(end)
        cut.copy_dated(last, behind)
        if reach.days:
            cut.copy_strays(behind, bisection.position(_moved(end, reach.days)), reach.chunks)
    return first, last


def _moved(midnight: datetime, days: int) -> datetime:
    """Some days later, or what there is of them."""
    return min(max(midnight + days * _DAY, _BEFORE_EVERYTHING), _BEHIND_EVERYTHING)


class _Cut:
    """A day being cut out of a file."""

    def __init__(self, source: Source, how: Dating, day: date, output: Output, bisection: Bisection) -> None:
        self._source = source
        self._how = how
        self._day = day
        self._start, _ = day_bounds(day)
        self._output = output
        self._bisection = bisection
        self._zone_end_behind = cache(self._found_zone_end_behind)

    def copy_section(self, first: int, last: int) -> None:
        """The day's section, without rows of earlier days whose zone reaches into it."""

        def wanted(lines: BlockLines, position: int) -> NDArray[np.bool_]:
            off = self._days_off(lines)
            which = ~lines.dated | (off >= 0)
            for line in np.flatnonzero(~which).tolist():
                which[line] = is_behind_its_zone(position + int(lines.starts[line]), int(off[line]))
            return which

        def is_behind_its_zone(offset: int, off: int) -> bool:
            if off < -1 and self._zone_end_behind(-2) <= first:  # then the zones behind still earlier days end there
                return True
            return offset >= self._zone_end_behind(off)

        mixed = min(self._bisection.zone_end(self._start), last)
        self._copy_lines(first, mixed, wanted)
        _copy(self._source, mixed, last, self._output)

    def copy_dated(self, start: int, end: int) -> None:
        """Lines of the day between two line starts."""
        self._copy_lines(start, end, lambda lines, _: lines.dated & (self._days_off(lines) == 0))

    def _copy_lines(self, start: int, end: int, wanted: Wanted) -> None:
        """Copy the lines that are wanted; neighbours in one go."""
        begin = until = position = start
        for stop, block in self._source.blocks(start, end):
            lines = block_lines(block, self._how.line_instant)
            edges = np.flatnonzero(np.diff(wanted(lines, position), prepend=False, append=False))
            bounds = position + np.append(lines.starts, stop - position)[edges]
            for first, last in bounds.reshape(-1, 2).tolist():
                if first != until:
                    _copy(self._source, begin, until, self._output)
                    begin = first
                until = last
            position = stop
        _copy(self._source, begin, until, self._output)

    def copy_strays(self, start: int, end: int, chunks: ChunkDays) -> None:
        """The same where there are hardly any: chunks that are known to have none are not read."""
        source, size = self._source, chunks.size
        for number in range(start // size, -(-end // size)):
            if chunks.may_have(source, self._how, number, self._day):
                first, last = (source.line_start(n * size, self._how.start, source.size) for n in (number, number + 1))
                self.copy_dated(max(first, start), min(last, end))

    def _days_off(self, lines: BlockLines) -> NDArray[np.int64]:
        """How many days later than this one each line is."""
        return (lines.instants - microseconds(self._start)) // _DAY_LONG

    def _found_zone_end_behind(self, offset: int) -> int:
        return self._bisection.zone_end(_moved(self._start, offset + 1))


def _undated(place: str, source: Source, clock: Clock) -> PermanentError:
    front = csv_preamble(source, clock)
    if front.header:
        cause = "not one of its lines has a time of the form that is configured"
        hint = "correct it in sources: timestamp, timestamp_form, timestamp_offset (docs/sources.md)"
    else:
        cause = f"it has no header line with a column {clock.column}"
        hint = header_hint(shown(source.read(front.end, 1 << 10).partition(b"\n")[0]))
    return PermanentError(action="cut a day out of", subject=place, cause=cause, error_class="input", hint=hint)


def _cut_input(
    root: DataRoot,
    name: str,
    role: str,
    day: date,
    *,
    clock: Clock | None,
    folder: Path | None,
    make_bisection: MakeBisection,
    reach: Reach,
) -> InputSlice:
    """Cut one input into ``folder``; without one nothing is written, and the description is the same."""
    with root.open(name) as source:
        if source is None:
            if role == "telemetry":
                raise PermanentError(
                    action="read",
                    subject=root.place(name),
                    cause="there is no such file",
                    error_class="input",
                    hint=WHERE_SET,
                )
            return InputSlice(role, name, False, 0, (0, 0), 0, hashlib.sha256().hexdigest())
        try:
            how = dating(source, name, clock)
            if how is None and clock and source.size > UNDATED_LIMIT:
                raise _undated(root.place(name), source, clock)
            with _new_file(folder / name) if folder else nullcontext() as file:
                output = Output(file)
                if how is None:
                    section = (0, source.size)
                    _copy(source, 0, source.size, output)
                else:
                    section = cut_lines(source, how, day, output, make_bisection, reach)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise PermanentError(action="cut", subject=root.place(name), cause=cause, error_class="input") from error
    return InputSlice(
        role,
        name,
        True,
        source.size,
        section,
        output.size,
        output.sha256(),
        by_day=how is not None,
        link=source.link,
        preamble=len(how.preamble) if how else 0,
    )


def _new_file(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def describe_day(
    root: DataRoot, day: date, *, telemetry: Sequence[TelemetryFile], extra: Sequence[str], reach: Reach = Reach()
) -> tuple[InputSlice, ...]:
    """What ``cut_day`` would cut, with its digests, written nowhere: whether a day is still what it was.

    Args, Raises: as for ``cut_day``.
    """
    return _cut_inputs(root, day, None, telemetry, extra, Bisection, reach)


def _cut_inputs(
    root: DataRoot,
    day: date,
    folder: Path | None,
    telemetry: Sequence[TelemetryFile],
    extra: Sequence[str],
    make_bisection: MakeBisection,
    reach: Reach,
) -> tuple[InputSlice, ...]:
    clocks = {file.name: file.clock for file in telemetry}
    found = tuple(
        _cut_input(
            root,
            name,
            role,
            day,
            clock=clocks.get(name),
            folder=folder,
            make_bisection=make_bisection,
            reach=reach,
        )
        for name, role in input_names(root, telemetry, extra).items()
    )
    reach.chunks.save(max(_CHUNKS_KEPT, 40 * reach.days))
    return found


def cut_day(
    root: DataRoot,
    day: date,
    folder: Path,
    *,
    telemetry: Sequence[TelemetryFile],
    extra: Sequence[str],
    make_bisection: MakeBisection = Bisection,
    reach: Reach = Reach(),
) -> DaySlice:
    """Cut ``day`` out of every input into ``folder``, replacing an earlier cut of it.

    What it costs depends on the day, not on the history before it. The folder appears whole, described by
    ``<folder>.json`` beside it; unchanged inputs give the same bytes, and then nothing is touched.

    Args:
        root: where the inputs are.
        day: the KST day.
        folder: where the slices go, each under its path under ``root``.
        telemetry: the files of telemetry; they must exist.
        extra: further inputs, as glob patterns under ``root``.
        make_bisection: for tests with small blocks.
        reach: how far from its section lines of the day are looked for.

    Raises:
        PermanentError: ``error_class="input"``, if the telemetry is missing, or long and without any timestamp, or an
            input cannot be read.
        TransientError: if the service that has the inputs does not answer.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(folder)
    temporary.mkdir()
    try:
        cut = DaySlice(day, folder, _cut_inputs(root, day, temporary, telemetry, extra, make_bisection, reach))
        if load_slice(folder) != cut:
            swap_folders(temporary, folder)
            save_description(cut)
    finally:
        with suppress(FileNotFoundError):
            remove_tree(temporary)
    return cut

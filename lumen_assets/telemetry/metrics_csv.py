"""The day's slice of the telemetry CSV as columns of numbers, each line accounted for.

Most lines are of one plain form: a digit or minus first, the right number of commas, ASCII without quotes. Those are
found in whole blocks, and those of them whose timestamps are written alike are read straight into numbers; an odd line
among them is read by itself and costs the others nothing. 432,000 rows take about a fifth of a second.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.days import day_bounds
from lumen_assets.telemetry.instants import clock_microseconds, microseconds
from lumen_assets.telemetry.lines import MAX_LINE, Source
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.numbers import BAD, NumberColumn, cell_number, column_numbers
from lumen_assets.telemetry.preamble import csv_preamble, has_returns, split_cells
from lumen_assets.telemetry.rejections import Rejections
from lumen_assets.telemetry.stamps import line_starts, microseconds_of_lines

BLOCK: Final = 1 << 21
_USUAL: Final = Clock()
_DAY: Final = 86_400_000_000  # microseconds
_NEWLINE, _RETURN, _COMMA, _QUOTE, _SPACE, _DELETE = b'\n\r," \x7f'
_ZERO, _NINE, _MINUS = b"09-"


@dataclass(frozen=True)
class MetricsReading:
    """What a telemetry CSV of a day holds; ``rows`` and ``text_columns`` as in ``DayTelemetry``, ``other_days`` as in
    ``InputReading``.
    """

    rows: pl.DataFrame
    rejections: Rejections
    notes: dict[str, int]
    comments: tuple[str, ...]
    other_days: dict[date, int] = field(default_factory=dict)
    text_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Form:
    """How many cells a line has, which of them is its timestamp, from 0, and what that means."""

    cells: int
    column: int
    clock: Clock

    @property
    def is_usual(self) -> bool:
        """Whether lines begin with a timestamp in ISO 8601 with an offset."""
        return self.clock.is_usual and self.column == 0


@dataclass(frozen=True)
class _Rows:
    """Well-formed lines: their numbers, their instants and which of them have one, and their other cells."""

    lines: NDArray[np.int64]
    instants: NDArray[np.int64]
    dated: NDArray[np.bool_]
    cells: pl.DataFrame

    def only(self, which: NDArray[np.bool_]) -> _Rows:
        """Some of them."""
        if which.all():
            return self
        return _Rows(self.lines[which], self.instants[which], self.dated[which], self.cells.filter(which))


@dataclass(frozen=True)
class _Part:
    """Well-formed lines of the day, in file order: their numbers, their instants, and one column a signal."""

    lines: NDArray[np.int64]
    instants: NDArray[np.int64]
    columns: list[NumberColumn]


def _blocks(source: Source, start: int, block: int) -> Iterator[tuple[int, bytes]]:
    """The file in pieces of whole lines, and where each starts.

    Of a line that is too long only as much as shows that it is.
    """
    while data := source.read(start, block):
        end = start + data.rfind(b"\n") + 1
        if end == start:
            end = next(source.lines(start)).end
            data = source.read(start, min(end - start, MAX_LINE + 1))
        yield start, data[: end - start]
        start = end


class _Lines:
    """A block as arrays: where each line starts and ends (without newline and carriage return)."""

    def __init__(self, data: bytes, first_line: int) -> None:
        self.data = data
        self.octets = np.frombuffer(data, dtype=np.uint8)
        self.newlines = np.flatnonzero(self.octets == _NEWLINE)
        self.terminated = data.endswith(b"\n")
        self.ends = self.newlines if self.terminated else np.append(self.newlines, len(data))
        self.starts = line_starts(self.ends)
        self.numbers = np.arange(first_line, first_line + len(self.ends))

    def __len__(self) -> int:
        return len(self.ends)

    def content(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]

    def plain(self, cells: int) -> NDArray[np.bool_]:
        """Which lines are of the plain form with so many cells."""
        octets = self.octets
        first = octets[np.minimum(self.starts, len(octets) - 1)]
        commas = np.flatnonzero(octets == _COMMA)
        number = np.diff(np.searchsorted(commas, np.append(self.starts, len(octets))))
        number_first = ((first >= _ZERO) & (first <= _NINE)) | (first == _MINUS)
        plain: NDArray[np.bool_] = number_first & (number == cells - 1) & (self.ends - self.starts <= MAX_LINE)
        odd = np.flatnonzero((octets >= _DELETE) | (octets == _QUOTE) | ((octets <= _SPACE) & (octets != _NEWLINE)))
        if len(odd):
            following = octets[np.minimum(odd + 1, len(octets) - 1)]
            odd = odd[(octets[odd] != _RETURN) | (following != _NEWLINE)]
            plain[np.searchsorted(self.ends, odd)] = False
        if not self.terminated:
            plain[-1] = False
        return plain

    def plain_in_sum(self, cells: int) -> bool:
        """Whether all are, asked in few passes over the bytes, except that one may have more cells and another fewer.

        False also where it takes a closer look.
        """
        octets, lines = self.octets, len(self)
        if cells < 2 or not self.terminated or octets.max() >= _DELETE or b'"' in self.data:
            return False
        first = octets[self.starts]
        return (
            np.count_nonzero(octets == _COMMA) == lines * (cells - 1)
            and np.count_nonzero(octets <= _SPACE) == lines
            and bool(((first >= _ZERO) & (first <= _NINE) & (self.ends - self.starts <= MAX_LINE)).all())
        )

    def only(self, plain: NDArray[np.bool_]) -> _Lines:
        """Some plain lines alone, without carriage returns."""
        returns = b"\r" in self.data
        if plain.all() and not returns:
            return self
        edges = np.flatnonzero(np.diff(plain, prepend=False, append=False))
        runs = np.append(self.starts, len(self.data))[edges].reshape(-1, 2).tolist()
        data = b"".join(self.data[start:end] for start, end in runs)
        lines = _Lines(data.replace(b"\r\n", b"\n") if returns else data, 0)
        lines.numbers = self.numbers[plain]
        return lines

    def cells(self, kinds: list[type[pl.DataType]], *, ignore_errors: bool = False) -> pl.DataFrame:
        """The cells of lines that are plain but for the number of cells.

        Raises:
            ComputeError, SchemaError: of polars, if one has more cells than there are kinds.
            ComputeError: if a cell is not of its column's kind, and ``ignore_errors`` does not make it null.
        """
        return pl.read_csv(
            self.data,
            has_header=False,
            schema={f"c{n}": kind for n, kind in enumerate(kinds)},
            quote_char=None,
            ignore_errors=ignore_errors,
        )


def _kind(cell: str) -> type[pl.DataType]:
    """What a column is read as whose first cell this is."""
    if cell in ("true", "false"):
        return pl.Boolean
    return pl.String if cell_number(cell)[1] == BAD else pl.Float64


def _classify(content: bytes, form: _Form, terminated: bool) -> str | list[str] | None:
    """The cells of a line, or why it has none for us; None for a comment."""
    result: str | list[str] | None
    if len(content) > MAX_LINE:
        return "too_long"
    try:
        text = content.decode("utf-8").removeprefix("\ufeff").removesuffix("\r")
        cells = split_cells(text)
    except UnicodeDecodeError:
        return "not_utf8"
    except csv.Error:
        return "torn"
    if not text.strip():
        result = "blank"
    elif text.lstrip().startswith("#"):
        result = None
    elif len(cells) > form.column and cells[form.column].strip().lower() == form.clock.column.lower():
        result = "repeated_header"
    elif not terminated or len(cells) != form.cells:
        result = "torn"
    else:
        result = cells
    return result


def _block_rows(block: _Lines, form: _Form, rejections: Rejections) -> list[_Rows]:
    """The well-formed lines of a block, in up to three pieces, each in file order."""
    if block.plain_in_sum(form.cells):
        with suppress(pl.exceptions.ComputeError, pl.exceptions.SchemaError):  # a line has too many cells
            return _plain_rows(block, form)
    plain = block.plain(form.cells)
    found: dict[int, list[str]] = {}
    for index in np.flatnonzero(~plain).tolist():
        number, content = int(block.numbers[index]), block.content(index)
        result = _classify(content, form, block.terminated or index < len(block) - 1)
        if isinstance(result, str):
            rejections.add(result, number, content)
        elif result is not None:
            found[number] = result
    rows = []
    if found:
        texts = pl.DataFrame(list(found.values()), schema=[f"c{n}" for n in range(form.cells)], orient="row")
        rows.append(_text_rows(np.array(list(found)), texts, form))
    if plain.any():
        rows += _plain_rows(block.only(plain), form)
    return rows


def _plain_rows(lines: _Lines, form: _Form) -> list[_Rows]:
    """Those that begin with a timestamp of the usual form, their cells as numbers if they are; and the others.

    A column is read as numbers, or as truth values, if its first cell is one. The parser takes what ``column_numbers``
    would, and refuses the rest: then lines with a refused or an empty cell are among the others.

    Raises:
        ComputeError, SchemaError: of polars, if a line has more cells.
    """
    rows = []
    if not form.is_usual:
        return [_text_rows(lines.numbers, lines.cells([pl.String] * form.cells), form)]
    instants, usual = microseconds_of_lines(lines.octets, lines.starts, lines.ends)
    if usual.any():
        first = lines.content(int(usual.argmax())).decode("ascii").split(",")
        kinds = [_kind(cell) for cell in first[: form.cells]]
        try:
            frame = lines.cells(kinds)
        except pl.exceptions.ComputeError:
            frame = lines.cells(kinds, ignore_errors=True)
            for column in frame:
                if column.dtype != pl.String:
                    usual &= column.is_not_null().to_numpy()
        frame.drop_in_place("c0")
        rows.append(_Rows(lines.numbers, instants, usual, frame).only(usual))
    if not usual.all():
        others = lines.only(~usual)
        rows.append(_text_rows(others.numbers, others.cells([pl.String] * form.cells), form))
    return rows


def _text_rows(numbers: NDArray[np.int64], texts: pl.DataFrame, form: _Form) -> _Rows:
    stamps = f"c{form.column}"
    instants = clock_microseconds(form.clock, texts[stamps])
    return _Rows(numbers, instants.fill_null(0).to_numpy(), instants.is_not_null().to_numpy(), texts.drop(stamps))


def _of_day(rows: _Rows, day: date, rejections: Rejections, other_days: Counter[date]) -> _Part:
    """The rows that are of the day; the others are rejected, and counted by the days that they are of."""
    start, end = (microseconds(bound) for bound in day_bounds(day))
    ours = rows.dated & (rows.instants >= start) & (rows.instants < end)
    for kind, mask in (("bad_timestamp", ~rows.dated), ("other_day", rows.dated & ~ours)):
        rejections.add_many(kind, rows.lines[mask], int(mask.sum()))
    ordinals = day.toordinal() + np.floor_divide(rows.instants[rows.dated & ~ours] - start, _DAY)
    for ordinal, count in zip(*np.unique(ordinals, return_counts=True), strict=True):
        if 1 <= ordinal <= date.max.toordinal():  # an offset may lead out of the years that there are
            other_days[date.fromordinal(int(ordinal))] += int(count)
    rows = rows.only(ours)
    return _Part(rows.lines, rows.instants, [column_numbers(column) for column in rows.cells.get_columns()])


def column_names(header: tuple[str, ...], timestamps: int = 0) -> tuple[list[str], int]:
    """Unique, non-empty names for the columns but for that of the timestamps, and how many had to be changed."""
    names: list[str] = []
    changed = 0
    for position, cell in enumerate(header, start=1):
        if position == timestamps + 1:
            continue
        name = base = cell or f"column_{position}"
        suffix = 2
        while name in names or name == "ts":
            name, suffix = f"{base}_{suffix}", suffix + 1
        changed += name != cell
        names.append(name)
    return names, changed


def read_metrics(
    path: Path,
    day: date,
    clock: Clock = _USUAL,
    configured: Collection[str] | None = None,
    *,
    block: int = BLOCK,
) -> MetricsReading:
    """Read a slice of a telemetry CSV, which tells the time by ``clock``.

    Args:
        configured: the columns that the settings name; None: all that there are.
    """
    rejections = Rejections()
    with path.open("rb") as file:
        source = Source(file.fileno())
        front = csv_preamble(source, clock)
        line = source.read(0, front.end).count(b"\n") + 1
        if front.header is None:
            reading = _without_header(source, front.end, line, rejections)
            return MetricsReading(_no_rows([]), rejections, reading, front.comments)
        form = _Form(len(front.header), front.column, clock)
        names, changed = column_names(front.header, front.column)
        parts = []
        other_days: Counter[date] = Counter()
        starts = {}
        for start, data in _blocks(source, front.end, block):
            lines = _Lines(data, line)
            starts[line] = start
            parts += [_of_day(rows, day, rejections, other_days) for rows in _block_rows(lines, form, rejections)]
            _complete(lines, rejections)
            line += len(lines)
        strict = {n for n, name in enumerate(names) if configured is None or name in configured}
        rows, notes = _together(parts, names, strict, rejections)
        text_columns = tuple(name for name in names if name not in rows.columns)
        if changed:
            notes["renamed_columns"] = changed
        for line in {max(first for first in starts if first <= number) for number in rejections.missing_texts()}:
            _, data = next(_blocks(source, starts[line], block))
            _complete(_Lines(data, line), rejections)
    return MetricsReading(rows, rejections, notes, front.comments, dict(sorted(other_days.items())), text_columns)


def _without_header(source: Source, start: int, line: int, rejections: Rejections) -> dict[str, int]:
    for number, found in enumerate(source.lines(start), start=line):
        content = found.content
        if content is None:
            rejections.add("too_long", number, source.read(found.offset, 1024))
        elif not content.strip():
            rejections.add("blank", number, content)
        elif has_returns(content) or not content.lstrip().startswith(b"#"):
            rejections.add("no_header", number, content)
    return {"empty_file": 1} if source.size == 0 else {"no_header": 1}


def _no_rows(names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(schema={"ts": pl.Datetime("us", "UTC"), **dict.fromkeys(names, pl.Float64)})


def _is_text(column: NumberColumn, cells: int, *, strict: bool) -> bool:
    """Whether a column is left out: if none of its cells is a number, or, where not strict, fewer than half."""
    filled = cells - len(column.empty)
    return len(column.bad) == filled > 0 if strict else 2 * len(column.bad) > filled


def _together(
    parts: list[_Part], names: list[str], strict: Collection[int], rejections: Rejections
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows of parts in any order as one frame; what can only be judged over the whole day is judged here.

    Args:
        strict: the columns of which a cell that is no number costs its row; in others it is empty.
    """
    if not sum(len(part.lines) for part in parts):
        return _no_rows(names), {}
    lines = np.concatenate([part.lines for part in parts])
    instants = np.concatenate([part.instants for part in parts])
    offsets = np.cumsum([0, *(len(part.lines) for part in parts)])
    columns = [_joined([part.columns[n] for part in parts], offsets) for n in range(len(names))]

    notes = {}
    text_columns = {n for n, c in enumerate(columns) if _is_text(c, len(lines), strict=n in strict)}
    kept = np.ones(len(lines), dtype=np.bool_)
    for number, column in enumerate(columns):
        if number in strict and number not in text_columns:
            kept[column.bad] = False
    rejections.add_many("bad_number", np.sort(lines[~kept]), int((~kept).sum()))
    in_file = np.argsort(lines, kind="stable")
    good = in_file[kept[in_file]]
    notes["clock_backwards"] = int((np.diff(instants[good]) < 0).sum())
    order = good[np.argsort(instants[good], kind="stable")]
    again = np.flatnonzero(np.diff(instants[order]) == 0) + 1
    if len(again):
        kept[order[again]] = False
        rejections.add_many("duplicate_timestamp", np.sort(lines[order[again]]), len(again))
        order = np.delete(order, again)
    for kind, rows in (("empty_cells", "empty"), ("nan_cells", "not_finite"), ("text_cells", "bad")):
        notes[kind] = sum(int(kept[getattr(c, rows)].sum()) for n, c in enumerate(columns) if n not in text_columns)
    notes["text_columns"] = len(text_columns)

    ts = pl.Series("ts", instants).cast(pl.Datetime("us", "UTC"))
    values = [columns[n].values.alias(name) for n, name in enumerate(names) if n not in text_columns]
    frame = pl.DataFrame([ts, *values]).rechunk()
    in_order = len(order) == len(lines) and bool((np.diff(order) == 1).all())
    return frame if in_order else frame[order], {kind: count for kind, count in notes.items() if count}


def _joined(parts: list[NumberColumn], offsets: NDArray[np.int64]) -> NumberColumn:
    def rows(kind: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(part, kind) + offset for part, offset in zip(parts, offsets, strict=False)])

    values = pl.concat([part.values for part in parts], rechunk=False)
    return NumberColumn(values, rows("empty"), rows("not_finite"), rows("bad"))


def _complete(lines: _Lines, rejections: Rejections) -> None:
    """Give the examples among the lines of a block their texts, those that are only known by number."""
    first = int(lines.numbers[0])
    for number in rejections.missing_texts():
        if first <= number < first + len(lines):
            rejections.complete(number, lines.content(number - first))

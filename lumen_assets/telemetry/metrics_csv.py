"""The day's slice of the telemetry CSV as columns of numbers, each line accounted for.

Most lines are of one plain form: a digit first, the right number of commas, ASCII without quotes. Those are found
and read in whole blocks; every other line is classified by itself. Blocks of nothing else, whose timestamps are all
written alike, are read straight into numbers: 432,000 rows take about a fifth of a second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.days import day_bounds
from lumen_assets.telemetry.instants import column_microseconds, microseconds
from lumen_assets.telemetry.lines import MAX_LINE, Source
from lumen_assets.telemetry.numbers import BAD, NumberColumn, cell_number, column_numbers
from lumen_assets.telemetry.preamble import csv_preamble, split_cells
from lumen_assets.telemetry.rejections import Rejections
from lumen_assets.telemetry.stamps import line_starts, microseconds_of_lines

BLOCK: Final = 1 << 21
_NEWLINE, _RETURN, _COMMA, _QUOTE, _SPACE = b'\n\r," '
_ZERO, _NINE = b"09"


@dataclass(frozen=True)
class MetricsReading:
    """What the telemetry CSV of a day holds; ``rows`` as in ``DayTelemetry``."""

    rows: pl.DataFrame
    rejections: Rejections
    notes: dict[str, int]
    comments: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """The well-formed, dated rows of a block: line numbers, instants, and one column a signal."""

    lines: NDArray[np.int64]
    instants: NDArray[np.int64]
    columns: list[NumberColumn]


def _blocks(source: Source, start: int, block: int) -> Iterator[bytes]:
    """The file in pieces of whole lines; of a line that is too long only as much as shows that it is."""
    carry = b""
    while data := source.read(start, block):
        start += len(data)
        data = carry + data
        cut = data.rfind(b"\n") + 1
        if cut:
            yield data[:cut]
        carry = data[cut : cut + MAX_LINE + 1]
    if carry:
        yield carry


class _Lines:
    """A block as arrays: where each line starts and ends (without newline and carriage return)."""

    def __init__(self, data: bytes, first_line: int) -> None:
        self.data = data
        self.first_line = first_line
        self.octets = np.frombuffer(data, dtype=np.uint8)
        self.newlines = np.flatnonzero(self.octets == _NEWLINE)
        self.terminated = data.endswith(b"\n")
        self.ends = self.newlines if self.terminated else np.append(self.newlines, len(data))
        self.starts = line_starts(self.ends)

    def __len__(self) -> int:
        return len(self.ends)

    def content(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]

    def plain(self, cells: int) -> NDArray[np.bool_]:
        """Which lines are of the plain form with so many cells."""
        if self._all_plain(cells):
            return np.ones(len(self), np.bool_)
        octets = self.octets
        first = octets[np.minimum(self.starts, len(octets) - 1)]
        commas = np.flatnonzero(octets == _COMMA)
        number = np.diff(np.searchsorted(commas, np.append(self.starts, len(octets))))
        plain: NDArray[np.bool_] = (
            (first >= _ZERO) & (first <= _NINE) & (number == cells - 1) & (self.ends - self.starts <= MAX_LINE)
        )
        odd = np.flatnonzero((octets >= 127) | (octets == _QUOTE) | ((octets <= _SPACE) & (octets != _NEWLINE)))
        if len(odd):
            following = octets[np.minimum(odd + 1, len(octets) - 1)]
            odd = odd[(octets[odd] != _RETURN) | (following != _NEWLINE)]
            plain[np.searchsorted(self.ends, odd)] = False
        if not self.terminated:
            plain[-1] = False
        return plain

    def _all_plain(self, cells: int) -> bool:
        """Whether all are, asked in few passes over the bytes; False where that takes a closer look."""
        data, octets, lines = self.data, self.octets, len(self)
        if not (self.terminated and data.isascii() and b'"' not in data and b"\x7f" not in data):
            return False
        commas = np.flatnonzero(octets == _COMMA)
        if cells < 2 or len(commas) != lines * (cells - 1) or np.count_nonzero(octets <= _SPACE) != lines:
            return False
        of_line, first = commas.reshape(lines, cells - 1), octets[self.starts]
        digits = (first >= _ZERO) & (first <= _NINE)
        short = self.ends - self.starts <= MAX_LINE
        return bool((digits & short & (of_line[:, 0] > self.starts) & (of_line[:, -1] < self.ends)).all())

    def only(self, plain: NDArray[np.bool_]) -> _Lines:
        """The plain lines alone, without carriage returns."""
        octets = self.octets
        kept = octets != _RETURN
        if not plain.all():
            kept &= np.repeat(plain, np.diff(np.append(self.starts, len(octets))))
        return self if kept.all() else _Lines(octets[kept].tobytes(), self.first_line)

    def texts(self, cells: int) -> pl.DataFrame:
        """The cells of plain lines."""
        return pl.read_csv(
            self.data, has_header=False, schema={f"c{n}": pl.String for n in range(cells)}, quote_char=None
        )

    def usual(self, cells: int) -> tuple[NDArray[np.int64], pl.DataFrame] | None:
        """Instants and cells of plain lines; None unless their timestamps are of one form, and each column's cells too.

        A column is read as numbers, or as truth values, if its first cell is one. The parser takes what
        ``column_numbers`` would, and refuses the rest.
        """
        instants = microseconds_of_lines(self.octets, self.starts, self.ends)
        if instants is None:
            return None
        kinds = [_kind(cell) for cell in self.content(0).decode("ascii").split(",")]
        try:
            frame = pl.read_csv(
                self.data,
                has_header=False,
                schema={f"c{n}": kind for n, kind in enumerate(kinds)},
                columns=list(range(1, cells)),
                quote_char=None,
            )
        except pl.exceptions.ComputeError:
            return None
        return instants, frame


def _kind(cell: str) -> type[pl.DataType]:
    """What a column is read as whose first cell this is."""
    if cell in ("true", "false"):
        return pl.Boolean
    return pl.String if cell_number(cell)[1] == BAD else pl.Float64


def _classify(content: bytes, header: tuple[str, ...], terminated: bool) -> str | list[str] | None:
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
    elif cells[0].strip().lower() == header[0].lower():
        result = "repeated_header"
    elif not terminated or len(cells) != len(header):
        result = "torn"
    else:
        result = cells
    return result


@dataclass(frozen=True)
class _Rows:
    """The well-formed lines of a block: line numbers, instants (null: not dated), and the cells behind them."""

    lines: NDArray[np.int64]
    instants: pl.Series
    cells: pl.DataFrame


def _block_rows(block: _Lines, header: tuple[str, ...], rejections: Rejections) -> _Rows:
    plain = block.plain(len(header))
    found: list[list[str]] = []
    found_at: list[int] = []
    for index in np.flatnonzero(~plain).tolist():
        terminated = block.terminated or index < len(block) - 1
        result = _classify(block.content(index), header, terminated)
        if isinstance(result, str):
            rejections.add(result, block.first_line + index, block.content(index))
        elif result is not None:
            found.append(result)
            found_at.append(block.first_line + index)
    schema = {f"c{number}": pl.String for number in range(len(header))}
    texts = pl.DataFrame(found, schema=schema, orient="row") if found else pl.DataFrame(schema=schema)
    numbers = np.array(found_at, dtype=np.int64)
    if plain.any():
        lines, plain_numbers = block.only(plain), np.flatnonzero(plain) + block.first_line
        usual = lines.usual(len(header)) if not found else None
        if usual is not None:
            return _Rows(plain_numbers, pl.Series(usual[0]), usual[1])
        numbers = np.concatenate((plain_numbers, numbers))
        order = np.argsort(numbers, kind="stable")
        numbers, texts = numbers[order], pl.concat([lines.texts(len(header)), texts])[order]
    return _Rows(numbers, column_microseconds(texts["c0"]), texts)


def _read_block(block: _Lines, day: date, header: tuple[str, ...], rejections: Rejections) -> _Part:
    rows = _block_rows(block, header, rejections)
    numbers, cells = rows.lines, rows.cells
    dated = rows.instants.is_not_null().to_numpy()
    known = rows.instants.fill_null(0).to_numpy()
    start, end = (microseconds(bound) for bound in day_bounds(day))
    ours = dated & (known >= start) & (known < end)
    for kind, mask in (("bad_timestamp", ~dated), ("other_day", dated & ~ours)):
        rejections.add_many(kind, numbers[mask], int(mask.sum()))
    if not ours.all():
        cells, numbers, known = cells.filter(pl.Series(ours)), numbers[ours], known[ours]
    return _Part(numbers, known, [column_numbers(cells[f"c{n}"]) for n in range(1, len(header))])


def column_names(header: tuple[str, ...]) -> tuple[list[str], int]:
    """Unique, non-empty names for the columns after the first, and how many had to be changed."""
    names: list[str] = []
    changed = 0
    for position, cell in enumerate(header[1:], start=2):
        name = base = cell or f"column_{position}"
        suffix = 2
        while name in names or name == "ts":
            name, suffix = f"{base}_{suffix}", suffix + 1
        changed += name != cell
        names.append(name)
    return names, changed


def read_metrics(path: Path, day: date, *, block: int = BLOCK) -> MetricsReading:
    """Read a slice of the telemetry CSV."""
    rejections = Rejections()
    with path.open("rb") as file:
        source = Source(file.fileno())
        front = csv_preamble(source)
        line = source.read(0, front.end).count(b"\n") + 1
        if front.header is None:
            reading = _without_header(source, front.end, line, rejections)
            return MetricsReading(_no_rows([]), rejections, reading, front.comments)
        names, changed = column_names(front.header)
        parts = []
        for data in _blocks(source, front.end, block):
            lines = _Lines(data, line)
            line += len(lines)
            parts.append(_read_block(lines, day, front.header, rejections))
        rows, notes = _together(parts, names, rejections)
        if changed:
            notes["renamed_columns"] = changed
        _complete(source, front.end, rejections, block)
    return MetricsReading(rows, rejections, notes, front.comments)


def _without_header(source: Source, start: int, line: int, rejections: Rejections) -> dict[str, int]:
    for number, found in enumerate(source.lines(start), start=line):
        content = found.content
        if content is None:
            rejections.add("too_long", number, source.read(found.offset, 1024))
        elif not content.strip():
            rejections.add("blank", number, content)
        elif not content.lstrip().startswith(b"#"):
            rejections.add("no_header", number, content)
    return {"empty_file": 1} if source.size == 0 else {"no_header": 1}


def _no_rows(names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(schema={"ts": pl.Datetime("us", "UTC"), **dict.fromkeys(names, pl.Float64)})


def _together(parts: list[_Part], names: list[str], rejections: Rejections) -> tuple[pl.DataFrame, dict[str, int]]:
    """All blocks' rows as one frame; what can only be judged over the whole day is judged here."""
    if not sum(len(part.lines) for part in parts):
        return _no_rows(names), {}
    lines = np.concatenate([part.lines for part in parts])
    instants = np.concatenate([part.instants for part in parts])
    offsets = np.cumsum([0, *(len(part.lines) for part in parts)])
    columns = [_joined([part.columns[n] for part in parts], offsets) for n in range(len(names))]

    notes = {}
    text_columns = {n for n, c in enumerate(columns) if len(c.bad) and len(c.bad) + len(c.empty) == len(lines)}
    kept = np.ones(len(lines), dtype=np.bool_)
    for number, column in enumerate(columns):
        if number not in text_columns:
            kept[column.bad] = False
    rejections.add_many("bad_number", lines[~kept], int((~kept).sum()))
    good = np.flatnonzero(kept)
    notes["clock_backwards"] = int((np.diff(instants[good]) < 0).sum())
    order = good[np.argsort(instants[good], kind="stable")]
    again = np.flatnonzero(np.diff(instants[order]) == 0) + 1
    if len(again):
        kept[order[again]] = False
        rejections.add_many("duplicate_timestamp", np.sort(lines[order[again]]), len(again))
        order = np.delete(order, again)
    for kind, rows in (("empty_cells", "empty"), ("nan_cells", "not_finite")):
        notes[kind] = sum(int(kept[getattr(c, rows)].sum()) for n, c in enumerate(columns) if n not in text_columns)
    notes["text_columns"] = len(text_columns)

    ts = pl.Series("ts", instants[order]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    values = [columns[n].values.gather(order).alias(name) for n, name in enumerate(names) if n not in text_columns]
    return pl.DataFrame([ts, *values]), {kind: count for kind, count in notes.items() if count}


def _joined(parts: list[NumberColumn], offsets: NDArray[np.int64]) -> NumberColumn:
    def rows(kind: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(part, kind) + offset for part, offset in zip(parts, offsets, strict=False)])

    return NumberColumn(pl.concat([part.values for part in parts]), rows("empty"), rows("not_finite"), rows("bad"))


def _complete(source: Source, start: int, rejections: Rejections, block: int) -> None:
    """Look up the text of the examples that were only known by number."""
    wanted = sorted(rejections.missing_texts())
    line = source.read(0, start).count(b"\n") + 1
    for data in _blocks(source, start, block) if wanted else ():
        lines = _Lines(data, line)
        while wanted and wanted[0] < line + len(lines):
            number = wanted.pop(0)
            rejections.complete(number, lines.content(number - line))
        line += len(lines)
        if not wanted:
            break

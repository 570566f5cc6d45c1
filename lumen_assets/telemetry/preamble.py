"""What stands at the front of an input: byte order mark, comment lines, the header."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.telemetry.instants import clock_instant, clock_microseconds, instant, microseconds
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.stamps import line_starts, microseconds_of_lines

BOM: Final = b"\xef\xbb\xbf"
TIMESTAMP_COLUMNS: Final = ("ts", "rule_ts")
_NEWLINE: Final = ord("\n")
_LIMIT: Final = 1 << 20  # bytes of preamble that are looked at; a real one has a few hundred

LineInstant = Callable[[bytes], datetime | None]
"""The instant of a line, None if it has none."""


@dataclass(frozen=True)
class Preamble:
    """The front of a CSV file.

    Attributes:
        start: first byte of it, after a byte order mark.
        end: where the lines with data start.
        comments: the comment lines' text, without newlines.
        header: names of the columns, as they stand there without surrounding blanks; None without a header.
        column: which of them holds the timestamps, from 0.
    """

    start: int
    end: int
    comments: tuple[str, ...]
    header: tuple[str, ...] | None
    column: int = 0


@dataclass(frozen=True)
class Dating:
    """How a file's lines are dated.

    Attributes:
        preamble: bytes that open every slice of it.
        start: where its lines with data start.
        line_instant: the instant of a line.
    """

    preamble: bytes
    start: int
    line_instant: LineInstant


def first_line_start(source: Source) -> int:
    """Where the text starts: after a byte order mark, if there is one."""
    return len(BOM) if source.read(0, len(BOM)) == BOM else 0


def split_cells(text: str) -> list[str]:
    """The cells of one CSV line.

    Raises:
        csv.Error: if its quotes do not match.
    """
    if '"' not in text:
        return text.split(",")
    rows = list(csv.reader([text], strict=True))
    return rows[0] if rows else [""]


def header_cells(content: bytes, column: str | None = None) -> tuple[str, ...] | None:
    """The column names of a header line; None if the line is not one.

    Args:
        column: the name that one of its cells has, whatever the case; default: the first is one of
            ``TIMESTAMP_COLUMNS``.
    """
    try:
        cells = tuple(cell.strip() for cell in split_cells(content.decode("utf-8").removeprefix("\ufeff").rstrip("\r")))
    except (UnicodeDecodeError, csv.Error):
        return None
    names = [cell.lower() for cell in cells]
    return cells if (column.lower() in names if column else names[0] in TIMESTAMP_COLUMNS) else None


def has_returns(content: bytes) -> bool:
    """Whether a line is several, which end with a carriage return alone, as old writers wrote them."""
    return b"\r" in content.rstrip(b"\r") and b'"' not in content


def csv_preamble(source: Source, clock: Clock | None = None) -> Preamble:
    """Find comments and header; a file whose first other line is not a header has none.

    Args:
        clock: of telemetry, whose timestamps may be in any column; those of other inputs are in the first, which is
            called one of ``TIMESTAMP_COLUMNS``.
    """
    start = end = first_line_start(source)
    comments = []
    header = None
    for line in source.lines(start, chunk=1 << 14):
        content = line.content
        if content is None or line.end - start > _LIMIT:
            break
        if has_returns(content):
            break
        if content.lstrip().startswith(b"#"):
            comments.append(content.decode("utf-8", "replace").rstrip("\r"))
        elif content.strip():
            header = header_cells(content, clock.column if clock else None)
            end = line.end if header else end
            break
        end = line.end
    return Preamble(start, end, tuple(comments), header, timestamp_column(header, clock) if header and clock else 0)


def header_hint(first: str) -> str:
    """What to do about a file whose first line is no header that can be read.

    Args:
        first: that line, as ``rejections.shown`` shows it.
    """
    odd = "\N{REPLACEMENT CHARACTER}" in first  # which stands for a tab, too
    if "," not in first and (";" in first or odd):
        return "its cells are not separated by commas, maybe by semicolons or tabs: have it written with commas"
    if odd:
        return "it is not in UTF-8, maybe in CP949, or its lines end with CR alone: have it written in UTF-8 with LF"
    return "put the header back, or correct it in sources: its path, or its timestamp"


def timestamp_column(header: Sequence[str], clock: Clock) -> int:
    """Which column holds the timestamps, from 0.

    Raises:
        ValueError: if there is none.
    """
    return [cell.strip().lower() for cell in header].index(clock.column.lower())


def csv_line_instant(content: bytes) -> datetime | None:
    """The instant in a CSV line's first cell."""
    cell = content.partition(b",")[0]
    try:
        return instant(cell.decode("ascii").strip().strip('"').strip())
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True)
class CellInstant:
    """The instant in a CSV line's cell, as a ``LineInstant``."""

    column: int
    clock: Clock

    def __call__(self, content: bytes) -> datetime | None:
        """That of a line."""
        try:
            cells = split_cells(content.decode("utf-8").removeprefix("\ufeff").rstrip("\r"))
        except (UnicodeDecodeError, csv.Error):
            return None
        return clock_instant(self.clock, cells[self.column]) if len(cells) > self.column else None


def telemetry_line_instant(clock: Clock, column: int) -> LineInstant:
    """The instant of a line of telemetry whose timestamps are in a column, from 0."""
    return csv_line_instant if clock.is_usual and column == 0 else CellInstant(column, clock)


@dataclass(frozen=True)
class BlockLines:
    """The lines of a block: where they start and end, and the instants of those that are ``dated``.

    Instants are microseconds since 1970 UTC.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    instants: NDArray[np.int64]
    dated: NDArray[np.bool_]


def block_lines(block: bytes, line_instant: LineInstant) -> BlockLines:
    """The lines of a block of at least one whole line, a hundred times as fast as line by line where it is CSV."""
    known = _at_a_glance(block, line_instant)
    if known is None:
        ends = _newlines(block)
        known = BlockLines(line_starts(ends), ends, np.zeros(len(ends), np.int64), np.zeros(len(ends), np.bool_))
    return _completed(known, block, line_instant)


def block_instants(block: bytes, line_instant: LineInstant) -> NDArray[np.int64] | None:
    """The instants of a block of whole CSV lines, microseconds since 1970 UTC.

    Returns:
        None where the lines do not all start in one of the forms that writers use: then each is to be asked.
    """
    known = _at_a_glance(block, line_instant)
    return known.instants if known and known.dated.all() else None


def length_before(block: bytes, time: int, line_instant: LineInstant) -> int:
    """Bytes in front of the first line of a block that is at a time, microseconds since 1970 UTC, or later.

    Where to know that takes as long as to ask each line: 0.
    """
    known = _at_a_glance(block, line_instant)
    if known is None:
        return 0
    known = _completed(known, block, line_instant)
    later = np.flatnonzero(known.dated & (known.instants >= time))
    return int(known.starts[later[0]]) if len(later) else len(block)


def _newlines(block: bytes) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)


def _at_a_glance(block: bytes, line_instant: LineInstant) -> BlockLines | None:
    """What can be told of a block's lines together: maybe not of all that are dated. None if nothing can."""
    if not block or not (line_instant is csv_line_instant or isinstance(line_instant, CellInstant)):
        return None
    ends = _newlines(block)
    starts = line_starts(ends)
    if not isinstance(line_instant, CellInstant):
        return BlockLines(starts, ends, *microseconds_of_lines(np.frombuffer(block, np.uint8), starts, ends))
    instants = _cell_instants(block, line_instant)
    if instants is None or len(instants) != len(starts):
        return None
    return BlockLines(starts, ends, instants.fill_null(0).to_numpy(), instants.is_not_null().to_numpy())


def _completed(known: BlockLines, block: bytes, line_instant: LineInstant) -> BlockLines:
    """The same with the lines that were not known to be dated, asked one by one."""
    odd = np.flatnonzero(~known.dated).tolist()
    if not odd:
        return known
    instants, dated = known.instants.copy(), known.dated.copy()
    for line in odd:
        moment = line_instant(block[known.starts[line] : known.ends[line]])
        if moment is not None:
            instants[line], dated[line] = microseconds(moment), True
    return BlockLines(known.starts, known.ends, instants, dated)


def _cell_instants(block: bytes, cell: CellInstant) -> pl.Series | None:
    """The instants in a column, null where a line has none; None where cells are not what is between commas."""
    if b'"' in block:
        return None
    try:
        texts = pl.read_csv(
            block,
            has_header=False,
            columns=[cell.column],
            infer_schema=False,
            quote_char=None,
            truncate_ragged_lines=True,
        ).to_series()
    except pl.exceptions.PolarsError:  # too few columns, or not UTF-8
        return None
    return clock_microseconds(cell.clock, texts)


def json_line_instant(content: bytes) -> datetime | None:
    """The instant under the key ``ts`` of a JSON line."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):  # also UnicodeDecodeError and numbers of too many digits
        return None
    text = record.get("ts") if isinstance(record, dict) else None
    return instant(text.strip()) if isinstance(text, str) else None

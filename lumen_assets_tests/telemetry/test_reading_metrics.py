"""Reading the telemetry CSV: each kind of bad line, and the numbers against an independent reader."""

from __future__ import annotations

import csv
import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.telemetry.lines import MAX_LINE
from lumen_assets.telemetry.metrics_csv import MetricsReading, column_names, read_metrics

DAY = date(2025, 11, 21)
HEADER = "ts,a,b\n"


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(content: str | bytes, **options) -> MetricsReading:
        path = tmp_path / "metrics.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_metrics(path, DAY, **options)

    return write_and_read


def row(second: float, *cells: object) -> str:
    moment = datetime.fromisoformat("2025-11-21T09:00:00+09:00") + timedelta(seconds=second)
    return ",".join([moment.isoformat(), *map(str, cells)]) + "\n"


BAD_LINES = [
    ("blank", b"\n"),
    ("blank", b"  \r\n"),
    ("repeated_header", b"ts,a,b\n"),
    ("repeated_header", b"\xef\xbb\xbfts,a,b,new\r\n"),
    ("torn", b"2025-11-21T10:00:00+09:00,1\n"),
    ("torn", b"2025-11-21T10:00:00+09:00,1,2,3\n"),
    ("torn", b'2025-11-21T10:00:00+09:00,1,"2\n'),
    ("torn", b"\0\0\0\n"),
    ("bad_timestamp", b"2025-11-21T10:00:00,1,2\n"),
    ("bad_timestamp", b"21.11.2025 10:00,1,2\n"),
    ("bad_timestamp", b",1,2\n"),
    ("bad_timestamp", b"2025-11-21T10:00:60+09:00,1,2\n"),
    ("bad_number", b"2025-11-21T10:00:00+09:00,err,2\n"),
    ("bad_number", b"2025-11-21T10:00:00+09:00,1,0x2\n"),
    ("other_day", b"2025-11-22T00:00:00+09:00,1,2\n"),
    ("other_day", b"2025-11-20T14:59:59.999Z,1,2\n"),
    ("duplicate_timestamp", b"2025-11-21T09:00:00+09:00,8,8\n"),
    ("duplicate_timestamp", b"2025-11-21T00:00:00Z,8,8\n"),
    ("not_utf8", b"2025-11-21T10:00:00+09:00,\xff,2\n"),
    ("too_long", b"2025-11-21T10:00:00+09:00," + b"1" * MAX_LINE + b",2\n"),
]


@pytest.mark.parametrize("block", [64, 1 << 23])
@pytest.mark.parametrize(("kind", "line"), BAD_LINES)
def test_a_bad_line_is_counted_shown_and_left_out(read, kind, line, block):
    reading = read(HEADER.encode() + row(0, 1, 2).encode() + line + row(7, 3, 4).encode(), block=block)
    assert dict(reading.rejections.counts) == {kind: 1}
    (example,) = reading.rejections.examples()
    assert (example.line, example.kind) == (3, kind)
    assert example.text[:20] == line.decode("utf-8", "replace").rstrip("\r\n").replace("\0", "\ufffd")[:20]
    assert len(example.text) <= 120
    assert reading.rows.rows() == [
        (datetime(2025, 11, 21, 0, 0, 0, tzinfo=UTC), 1.0, 2.0),
        (datetime(2025, 11, 21, 0, 0, 7, tzinfo=UTC), 3.0, 4.0),
    ]


def test_a_last_line_without_newline_is_torn_even_if_it_looks_whole(read):
    reading = read(HEADER + row(0, 1, 2) + row(1, 1, 2).rstrip("\n"))
    assert dict(reading.rejections.counts) == {"torn": 1}
    assert reading.rows.height == 1


def test_the_first_five_of_each_kind_are_shown_in_file_order(read):
    reading = read(HEADER + "\nts,a,b\n" * 9 + row(0, 1, 2))
    assert dict(reading.rejections.counts) == {"blank": 9, "repeated_header": 9}
    assert [(e.line, e.kind) for e in reading.rejections.examples()] == [
        (n, "repeated_header" if n % 2 else "blank") for n in range(2, 12)
    ]


def test_the_first_five_are_those_of_the_file_however_each_is_read(read):
    quoted = '"2025-11-21T12:00:00+09:00","err",1\n'
    reading = read(HEADER + row(0, 1, 2) + "".join(row(second, "err", 2) for second in range(1, 7)) + quoted)
    assert dict(reading.rejections.counts) == {"bad_number": 7}
    assert [example.line for example in reading.rejections.examples()] == [3, 4, 5, 6, 7]


def test_empty_and_not_finite_cells_are_null_and_the_row_stays(read):
    reading = read(HEADER + row(0, "", "NaN") + row(1, "-inf", 2) + row(2, 3, " ") + row(3, "1e999", 0) + row(4, 1, 1))
    assert reading.rows["a"].to_list() == [None, None, 3.0, None, 1.0]
    assert reading.rows["b"].to_list() == [None, 2.0, None, 0.0, 1.0]
    assert reading.notes == {"empty_cells": 2, "nan_cells": 3}
    assert not reading.rejections.counts


def test_a_clock_that_steps_back_is_noted_and_rows_are_sorted(read):
    reading = read(HEADER + row(5, 1, 1) + row(6, 2, 2) + row(3, 3, 3) + row(7, 4, 4))
    assert reading.rows["a"].to_list() == [3.0, 1.0, 2.0, 4.0]
    assert reading.notes == {"clock_backwards": 1}


def test_a_column_of_text_is_left_out_and_true_and_false_are_numbers(read):
    content = "ts,mode,flag,x\n" + row(0, "자동", "true", 1) + row(1, "manual", "False", 2) + row(2, "", "", 3)
    reading = read(content)
    assert reading.rows.columns == ["ts", "flag", "x"]
    assert reading.rows["flag"].to_list() == [1.0, 0.0, None]
    assert reading.notes == {"text_columns": 1, "empty_cells": 1}


@pytest.mark.parametrize("block", [64, 1 << 21])
@pytest.mark.parametrize("odd", ["503", "nan", "", "true"])
@pytest.mark.parametrize("at", [0, 5, 19])
def test_a_cell_of_a_column_that_nobody_configured_costs_no_row(read, block, odd, at):
    cells = [odd if n == at else "OK" for n in range(20)]
    lines = "".join(row(n, n, cell) for n, cell in enumerate(cells))
    reading = read("ts,a,http_status\n" + lines, configured={"a"}, block=block)
    assert reading.rows.columns == ["ts", "a"]
    assert reading.rows["a"].to_list() == list(range(20))
    assert (reading.text_columns, reading.notes, dict(reading.rejections.counts)) == (
        ("http_status",),
        {"text_columns": 1},
        {},
    )


@pytest.mark.parametrize("block", [64, 1 << 21])
@pytest.mark.parametrize(
    ("texts", "values"), [(9, None), (8, [None] * 8 + [1.0] * 8 + [None] * 4), (0, [1.0] * 16 + [None] * 4)]
)
def test_of_a_column_that_nobody_configured_more_than_half_the_filled_cells_make_it_text(read, block, texts, values):
    cells = ["x"] * texts + ["1"] * (16 - texts) + [""] * 4
    reading = read("ts,a,b\n" + "".join(row(n, 1, cell) for n, cell in enumerate(cells)), configured=(), block=block)
    assert (reading.rows.height, dict(reading.rejections.counts)) == (20, {})
    assert (reading.rows["b"].to_list() if "b" in reading.rows.columns else None) == values
    assert reading.notes.get("text_cells", 0) == (texts if values else 0)


def test_an_empty_column_stays(read):
    reading = read(HEADER + row(0, "", 1) + row(1, "", 2))
    assert reading.rows["a"].to_list() == [None, None]
    assert reading.rows["a"].dtype == pl.Float64


@pytest.mark.parametrize(
    ("header", "names", "changed"),
    [
        (("ts", "a", "b"), ["a", "b"], 0),
        (("ts", "a", "a", "a"), ["a", "a_2", "a_3"], 2),
        (("ts", "", "ts", "a"), ["column_2", "ts_2", "a"], 2),
        (("ts", "a_2", "a", "a"), ["a_2", "a", "a_3"], 1),
    ],
)
def test_names_are_unique(header, names, changed):
    assert column_names(header) == (names, changed)


@pytest.mark.parametrize(
    ("content", "notes", "rejected"),
    [
        (b"", {"empty_file": 1}, {}),
        (b"# only a comment\n", {"no_header": 1}, {}),
        (b"2025-11-21T09:00:00+09:00,1,2\n\n", {"no_header": 1}, {"no_header": 1, "blank": 1}),
        (b"ts,a\n", {}, {}),
        (b"ts\n2025-11-21T09:00:00+09:00\n", {}, {}),
    ],
)
def test_files_with_little_in_them(read, content, notes, rejected):
    reading = read(content)
    assert (reading.notes, dict(reading.rejections.counts)) == (notes, rejected)
    assert reading.rows.schema["ts"] == pl.Datetime("us", "UTC")
    assert reading.rows.height == (content.count(b"2025") if content.startswith(b"ts") else 0)


def test_quotes_comments_and_carriage_returns(read):
    content = '\ufeff# SAMPLE DATA\r\n"ts","a",b\r\n"2025-11-21T09:00:00+09:00","1",2\r\n# note\r\n' + row(1, 3, 4)
    reading = read(content)
    assert reading.rows.select("a", "b").rows() == [(1.0, 2.0), (3.0, 4.0)]
    assert not reading.rejections.counts
    assert reading.comments == ("# SAMPLE DATA",)


usual = st.tuples(st.integers(-8, 300), st.floats(-10, 10), st.booleans()).map(
    lambda t: row(t[0] * 300, t[1], str(t[2]).lower())
)
numbers = st.one_of(
    st.floats(-10, 10).map(repr),
    st.sampled_from(["", "NaN", "-inf", "1e999", "err", " 1", '"2"', "true", "False", "-0.0", "+1.", "1e", "infinit"]),
)
odd = st.one_of(
    st.tuples(st.integers(-8, 300), numbers, numbers, st.sampled_from(["+09:00", ".000+09:00", " +09:00", ""]))
    .map(lambda t: row(t[0] * 300, t[1], t[2]).replace("+09:00", t[3]))
    .flatmap(lambda line: st.sampled_from([line, line.replace("\n", "\r\n")])),
    st.sampled_from(["\n", " \r\n", "ts,a,b\n", "# x\n", "2025-11-21T09:00\n", "x,1,2\n"]),
    st.sampled_from(["2025-11-21T09:00:00+09:00,1\n", "2025-11-21T25:00:00+09:00,1,2\n"]),
)


def moment_in(cell: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def judged(line: str) -> str | tuple[datetime, list[str]] | None:
    """A line's instant and cells, or why it has none; None for a comment."""
    cells = next(csv.reader([line]), [""])
    if line.startswith("#"):
        return None
    if not line.strip():
        return "blank"
    if cells[0] == "ts":
        return "repeated_header"
    if len(cells) != 3:
        return "torn"
    moment = moment_in(cells[0])
    if moment is None:
        return "bad_timestamp"
    ours = datetime(2025, 11, 20, 15, tzinfo=UTC) <= moment < datetime(2025, 11, 21, 15, tzinfo=UTC)
    return (moment, cells[1:]) if ours else "other_day"


TRUTH = {"true": "1", "False": "0", "false": "0", "": "nan"}


def is_number(cell: str) -> bool:
    try:
        float(TRUTH.get(cell, cell))
    except ValueError:
        return False
    return True


def number_in(cell: str) -> float | None:
    value = float(TRUTH.get(cell, cell)) if is_number(cell) else math.nan
    return value if math.isfinite(value) else None


def is_text_where_nobody_configured_it(content: str, column: int) -> bool:
    judgements = [judged(line.removesuffix("\r")) for line in content.split("\n")[1:-1]]
    cells = [found[1][column] for found in judgements if isinstance(found, tuple) and found[1][column].strip()]
    numeric = [cell for cell in cells if is_number(cell)]
    return len(cells) - len(numeric) > len(numeric)


def independent(
    content: str, configured: str = "ab"
) -> tuple[dict[datetime, list[float | None]], list[tuple[int, str, str]], Counter[str]]:
    """What the data contract says, line by line with csv and float: rows, what is left out, notes."""
    text = ["ab"[n] not in configured and is_text_where_nobody_configured_it(content, n) for n in (0, 1)]
    rows: dict[datetime, list[float | None]] = {}
    left_out: list[tuple[int, str, str]] = []
    notes: Counter[str] = Counter()
    before = datetime.min.replace(tzinfo=UTC)
    for number, line in enumerate(content.split("\n")[1:-1], start=2):
        kind = judged(line.removesuffix("\r"))
        if isinstance(kind, tuple):
            (moment, cells), kind = kind, None
            if any(name in configured and not is_number(cell) for name, cell in zip("ab", cells, strict=True)):
                kind = "bad_number"
            else:
                notes["clock_backwards"] += moment < before
                before = moment
                if moment in rows:
                    kind = "duplicate_timestamp"
                else:
                    cells = [cell for cell, is_text in zip(cells, text, strict=True) if not is_text]
                    rows[moment] = [number_in(cell) for cell in cells]
                    bad = sum(not is_number(cell) for cell in cells)
                    notes["empty_cells"] += cells.count("")
                    notes["text_cells"] += bad
                    notes["nan_cells"] += rows[moment].count(None) - cells.count("") - bad
        if kind is not None:
            left_out.append((number, kind, line.removesuffix("\r")))
    notes["text_columns"] = sum(text)
    return rows, left_out, +notes


def is_read_as_independently(path: Path, content: str, block: int, configured: str = "ab") -> None:
    path.write_bytes(content.encode())
    reading = read_metrics(path, DAY, configured=configured, block=block)
    rows, left_out, notes = independent(content, configured)
    assert [(ts, list(values)) for ts, *values in reading.rows.rows()] == sorted(rows.items())
    assert dict(reading.rejections.counts) == Counter(kind for _, kind, _ in left_out)
    of_kind = [[line for line in left_out if line[1] == kind] for kind in reading.rejections.counts]
    shown = sorted(line for left in of_kind for line in left[:5])
    assert [(example.line, example.kind, example.text) for example in reading.rejections.examples()] == shown
    assert reading.notes == notes


@settings(max_examples=400)
@given(st.lists(st.one_of(usual, usual, usual, odd), max_size=60), st.integers(20, 400) | st.integers(400, 4000))
def test_all_that_is_read_is_what_an_independent_reader_says(tmp_path_factory, lines, block):
    # one row of numbers, so that no column is text
    content = HEADER + row(-1, 0.5, "true") + "".join(lines)
    is_read_as_independently(tmp_path_factory.getbasetemp() / "independent.csv", content, block)


texts = st.sampled_from(["OK", "err", "1e", "5,", "", "7", "NaN", "true"]).map(lambda cell: cell.replace("5,", '"5,"'))
with_texts = st.tuples(st.integers(-8, 300), numbers, texts).map(lambda t: row(t[0] * 300, t[1], t[2]))


@settings(max_examples=400)
@given(
    st.lists(st.one_of(usual, with_texts, with_texts, odd), max_size=60),
    st.integers(20, 400) | st.integers(400, 4000),
    st.sampled_from(["", "a"]),
)
def test_columns_that_nobody_configured_are_read_as_an_independent_reader_says(
    tmp_path_factory, lines, block, configured
):
    content = HEADER + row(-1, 0.5, "true") + "".join(lines)
    is_read_as_independently(tmp_path_factory.getbasetemp() / "not_configured.csv", content, block, configured)


@pytest.mark.parametrize("block", [150, 1 << 21])
@pytest.mark.parametrize("cell", ["7", "", "x"])
def test_a_line_does_not_make_up_for_the_cell_that_another_lacks(tmp_path, cell, block):
    for more, fewer in permutations(range(6), 2):
        lines = [row(second, 0.5, "true") for second in range(6)]
        lines[more] = lines[more].replace("\n", f",{cell}\n")
        lines[fewer] = lines[fewer].replace(",true", "")
        is_read_as_independently(tmp_path / "metrics.csv", HEADER + "".join(lines), block)


def test_lines_of_other_days_are_counted_by_their_days_and_those_beyond_the_calendar_break_nothing(read):
    lines = ["2025-11-20T12:00:00+09:00,1,2\n"] * 2 + [
        "9999-12-31T23:00:00Z,1,2\n",
        "0001-01-01T00:00:00+14:00,1,2\n",
    ]
    reading = read(HEADER + row(0, 1, 1) + "".join(lines))
    assert reading.rejections.counts == {"other_day": 4}
    assert reading.other_days == {date(2025, 11, 20): 2}

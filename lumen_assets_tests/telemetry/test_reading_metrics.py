"""Reading the telemetry CSV: each kind of bad line, and the numbers against an independent reader."""

from __future__ import annotations

import csv
import math
from datetime import UTC, date, datetime, timedelta
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


numbers = st.one_of(
    st.floats(-10, 10).map(repr), st.sampled_from(["", "NaN", "inf", "err", " 1", '"2"', "true", "-0.0", "1e-300"])
)
lines = st.one_of(
    st.tuples(st.integers(-3, 60), numbers, numbers).map(lambda t: row(t[0] * 1800, t[1], t[2])),
    st.tuples(st.integers(-3, 60), numbers, numbers).map(lambda t: row(t[0] * 1800, t[1], t[2]).replace("\n", "\r\n")),
    st.sampled_from(["\n", "ts,a,b\n", "# x\n", "2025-11-21T09:00\n", "x,1,2\n", "2025-11-21T09:00:00+09:00,1\n"]),
)


def independent(content: str) -> dict[datetime, list[float | None]]:
    """What the data contract says, with csv and float."""
    found: dict[datetime, list[float | None]] = {}
    for line in content.split("\n")[1:-1]:
        cells = next(csv.reader([line.rstrip("\r")]), [])
        if line.startswith("#") or len(cells) != 3:
            continue
        try:
            moment = datetime.fromisoformat(cells[0]).astimezone(UTC)
            values = [{"true": "1", "": "nan"}.get(cell, cell) for cell in cells[1:]]
            parsed = [value if math.isfinite(value := float(cell)) else None for cell in values]
        except ValueError:
            continue
        if datetime(2025, 11, 20, 15, tzinfo=UTC) <= moment < datetime(2025, 11, 21, 15, tzinfo=UTC):
            found.setdefault(moment, parsed)
    return found


@settings(max_examples=200)
@given(st.lists(lines, max_size=30), st.integers(20, 400))
def test_rows_are_those_of_an_independent_reader(tmp_path_factory, given_lines, block):
    # one row of numbers, so that no column is text
    content = HEADER + row(-1, 0.5, 0.5) + "".join(given_lines)
    path = tmp_path_factory.getbasetemp() / "independent.csv"
    path.write_bytes(content.encode())
    reading = read_metrics(path, DAY, block=block)
    expected = independent(content)
    assert [(ts, list(values)) for ts, *values in reading.rows.rows()] == sorted(expected.items())
    data_lines = [line for line in content.split("\n")[1:-1] if not line.startswith("#")]
    assert reading.rows.height + sum(reading.rejections.counts.values()) == len(data_lines)

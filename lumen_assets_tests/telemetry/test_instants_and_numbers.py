"""Columns are read as single cells are; single cells as the standard library does."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lumen_assets.telemetry.instants import column_microseconds, instant, microseconds
from lumen_assets.telemetry.numbers import BAD, EMPTY, FINE, NOT_FINITE, cell_number, column_numbers

stamps = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
nearly = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][T t][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{0,9})?)?"
    r"(Z|z|[+-][0-2][0-9]:?[0-6][0-9](:[0-9]{2})?|[+-][0-9]{2}| )?",
    fullmatch=True,
)


@settings(max_examples=400)
@given(st.lists(st.one_of(stamps, nearly, st.text(max_size=30)), min_size=1, max_size=20))
@example(["2025-10-23T24:00:00+09:00", "2016-12-31T23:59:60Z", "2025-02-29T00:00:00Z", "0001-01-01T00:00:00+14:00"])
@example(["9999-12-31T23:59:59.999999-23:59", "2025-10-23T13:20:01+24:00", " 2025-10-23T13:20:01Z ", "2025-W43-4T10Z"])
def test_a_column_of_timestamps_is_read_as_single_ones(texts):
    found = column_microseconds(pl.Series(texts, dtype=pl.String)).to_list()
    single = [instant(text.strip()) for text in texts]
    assert found == [None if moment is None else microseconds(moment) for moment in single]


def test_instants():
    assert instant("2025-10-23T13:20:01.200+09:00") == datetime(2025, 10, 23, 4, 20, 1, 200_000, UTC)
    assert instant("2025-10-23T13:20:01.200") is None
    assert instant("yesterday") is None
    assert microseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1


cells = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,3})?", fullmatch=True),
    st.sampled_from(["", " ", " 1.5 ", "true", "False", "NaN", "-nan", "Infinity", "1e999", "1_0", "0x10", "١", "err"]),
    st.text(max_size=6),
)


@settings(max_examples=400)
@given(st.lists(cells, min_size=1, max_size=20))
@example(["1e", "+", ".", "e5", "1e5", ".5", "5.", "+.5e-3", "infinity", "+inf", "inf ", "nan(1)", "1d5"])
def test_a_column_of_numbers_is_read_as_single_cells(texts):
    column = column_numbers(pl.Series(texts, dtype=pl.String))
    states = [FINE] * len(texts)
    for state, rows in ((EMPTY, column.empty), (NOT_FINITE, column.not_finite), (BAD, column.bad)):
        for row in rows:
            states[row] = state
    assert list(zip(column.values.to_list(), states, strict=True)) == [cell_number(text) for text in texts]


@settings(max_examples=400)
@given(cells)
def test_numbers_are_those_of_float(text):
    value, state = cell_number(text)
    if state == FINE and text.strip().lower() not in ("true", "false"):
        assert value == float(text)
    if state == NOT_FINITE:
        assert not math.isfinite(float(text))


@pytest.mark.parametrize(("text", "expected"), [("true", 1.0), ("FALSE", 0.0), (" 0.5", 0.5), ("1e-3", 0.001)])
def test_fine_numbers(text, expected):
    assert cell_number(text) == (expected, FINE)


@pytest.mark.parametrize("text", ["1_0", "0x10", "١", "1,5", "err", "--1", "1e"])
def test_bad_numbers(text):
    assert cell_number(text) == (None, BAD)

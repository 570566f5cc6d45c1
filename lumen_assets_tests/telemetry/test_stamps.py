"""Timestamps of many lines at once are those of each line alone, where one is given."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumen_assets.telemetry.instants import instant, microseconds
from lumen_assets.telemetry.stamps import line_starts, microseconds_of_lines

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def read(lines: list[str]) -> list[int | None]:
    text = "".join(line + "\n" for line in lines).encode()
    octets = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(octets == ord("\n"))
    found, usual = microseconds_of_lines(octets, line_starts(ends), ends)
    return [value if given else None for value, given in zip(found.tolist(), usual.tolist(), strict=True)]


def one_by_one(lines: list[str]) -> list[int | None]:
    moments = [instant(line.partition(",")[0]) for line in lines]
    return [None if moment is None else microseconds(moment) for moment in moments]


@given(
    st.lists(st.datetimes(), min_size=1, max_size=20), OFFSETS, st.integers(0, 6), st.text("0123456789.,", max_size=9)
)
@example(
    [datetime.fromisoformat("0001-01-01"), datetime.fromisoformat("9999-12-31T23:59:59.999999")],
    timezone(timedelta(hours=14)),
    6,
    "",
)
def test_lines_of_one_form_are_read_at_once(moments, zone, digits, rest):
    def written(moment: datetime) -> str:
        fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
        offset = moment.replace(tzinfo=zone, microsecond=0).isoformat()[19:]
        return f"{moment.replace(microsecond=0).isoformat()}{fraction}{offset},{rest}"

    lines = [written(moment) for moment in moments]
    assert read(lines) == one_by_one(lines)


ODD = st.sampled_from(
    [
        "2025-10-23T13:20:01.200+09:00,1",
        "2025-10-23T13:20:01.2+09:00,1",
        "2025-10-23T13:20:01.200Z,1",
        "2025-10-23T13:20:01.200+08:00,1",
        "2025-10-23T13:20:60.200+09:00,1",
        "2025-10-23T24:00:00.000+09:00,1",
        "2025-02-30T13:20:01.200+09:00,1",
        "0000-02-20T13:20:01.200+09:00,1",
        "2025-10-23 13:20:01.200+09:00,1",
        "2025-10-23T13:2O:01.200+09:00,1",
        "2025-10-23T13:20:01.200+09:00",
        "2025-10-23T13:20:01.200+09:00;1",
        "2025-10-23T13:20:01/200+09:00,1",
        "",
        "ts,a,b",
    ]
)


@given(st.lists(ODD, min_size=1, max_size=12))
def test_what_is_given_is_what_each_line_says(lines):
    assert all(found in (None, alone) for found, alone in zip(read(lines), one_by_one(lines), strict=True))


USUAL = st.integers(0, 59).map("2025-10-23T13:20:{:02d}.200+09:00,1".format)


@given(st.integers(0, 7), USUAL, st.lists(st.tuples(ODD, USUAL), max_size=9))
def test_an_odd_line_costs_only_itself(front, first, pairs):
    lines = ["ts,a,b"] * front + [first]
    usual = [False] * front + [True]
    for odd, line in pairs:
        lines += [odd, line]
        usual += [odd == "2025-10-23T13:20:01.200+09:00,1", True]
    assert read(lines) == [alone if ours else None for ours, alone in zip(usual, one_by_one(lines), strict=True)]


FORMS = pytest.mark.parametrize(
    "stamp", ["2025-10-23T13:20:01+09:00", "2025-10-23T13:20:01.5Z", "1969-12-31T23:59:59.999999-00:30"]
)


@FORMS
def test_any_other_byte_anywhere_is_seen(stamp):
    lines = [bytearray(f"{stamp},1\n", "ascii") for _ in range(1 + 256 * len(f"{stamp},"))]
    for line, (place, other) in zip(lines[1:], product(range(len(f"{stamp},")), range(256)), strict=True):
        line[place] = other
    octets = np.frombuffer(b"".join(lines), np.uint8)
    ends = np.arange(1, len(lines) + 1) * len(lines[0]) - 1
    found, usual = microseconds_of_lines(octets, line_starts(ends), ends)
    texts = [line.decode("latin-1") for line, given in zip(lines, usual, strict=True) if given]
    assert len(texts) > 50
    assert found[usual].tolist() == one_by_one(texts)


@FORMS
def test_the_forms_that_writers_use_are_read(stamp):
    assert read([f"{stamp},1"] * 3) == [microseconds(datetime.fromisoformat(stamp))] * 3


def test_days_before_and_behind_midnight_are_told_apart():
    lines = ["2025-12-31T23:59:59.900+09:00,1", "2026-01-01T00:00:00.100+09:00,1", "2024-02-29T00:00:00.000+09:00,1"]
    assert read(lines) == one_by_one(lines)

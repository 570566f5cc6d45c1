from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.days import day_bounds
from lumen_assets.report.gaps import recording
from lumen_assets_tests.report.scenes import DAY, at, frame

START, END = day_bounds(DAY)


def test_a_day_without_rows_is_one_gap():
    found = recording(DAY, frame([]), 5)
    assert (found.rows, found.coverage, found.gap_count, found.silent_seconds) == (0, 0, 1, 86_400)
    assert (found.longest_gaps[0].start, found.longest_gaps[0].end) == (START, END)


def test_exactly_the_threshold_is_no_gap():
    moments = [START + timedelta(seconds=5 * i) for i in range(17_281)][:-1]
    assert recording(DAY, frame(moments), 5).gap_count == 0
    later = [moments[0], *(m + timedelta(microseconds=1) for m in moments[1:])]
    assert recording(DAY, frame(later), 5).gap_count == 1


def test_slow_rates_allow_ten_missed_rows():
    assert recording(DAY, frame([]), 5).gap_seconds == 5
    assert recording(DAY, frame([]), 0.1).gap_seconds == 100


@settings(max_examples=60)
@given(st.lists(st.integers(0, 86_400 * 10**6 - 1), unique=True, max_size=40))
def test_gaps_match_plain_python(offsets):
    moments = [START + timedelta(microseconds=offset) for offset in sorted(offsets)]
    found = recording(DAY, frame(moments), 5)
    edges = [START, *moments, END]
    gaps = [(a, b) for a, b in pairwise(edges) if b - a > timedelta(seconds=5)]
    assert found.gap_count == len(gaps)
    assert found.silent_seconds == pytest.approx(sum((b - a).total_seconds() for a, b in gaps))
    longest = sorted(gaps, key=lambda gap: (gap[0] - gap[1], gap[0]))[:10]
    assert [(gap.start, gap.end) for gap in found.longest_gaps] == longest


def test_times_are_kst():
    gap = recording(DAY, frame([at("12:00:00")]), 5).longest_gaps[0]
    assert gap.end.isoformat() == "2025-10-23T12:00:00+09:00"

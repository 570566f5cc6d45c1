"""Files of odd cells, and what the report makes of ten of their days, against plain Python on the same lines."""

from __future__ import annotations

import math
import statistics as plain
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lumen_assets.report import DayReport, build_report, render_markdown
from lumen_assets.report.model import PastDay
from lumen_assets.report.numbers import numbers_of
from lumen_assets.report.robust import ENOUGH_DAYS
from lumen_assets.telemetry import TelemetryFile, cut_day, read_day
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets_tests.report.scenes import DAY, at, configuration

CELL = st.one_of(
    st.sampled_from(["", "nan", "NaN", "inf", "-Infinity", "0.05", "0.05", "-0.0", "1e-320"]),
    st.floats(-1, 1).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
DAYS = 10
EXPECTED = 20
"""Values a day; two are a tenth."""

Cells = list[list[str]]


def reports(root: Path, days: Cells) -> list[DayReport]:
    """The report of each day, compared with those before it as if each was frozen."""
    lines, settings_ = ["ts,phase_diff"], configuration(rate_hz=EXPECTED / 86_400)
    for day, cells in zip(_days(), days, strict=True):
        lines += [
            f"{at('00:00:00', day) + timedelta(seconds=i):%Y-%m-%dT%H:%M:%S}+09:00,{c}" for i, c in enumerate(cells)
        ]
    (root / "metrics.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    history: list[PastDay] = []
    made = []
    for day in _days():
        files = [TelemetryFile("metrics.csv")]
        sliced = cut_day(FolderRoot(root), day, root / "slices" / str(day), telemetry=files, extra=())
        made.append(build_report(read_day(sliced, files), None, settings_, tuple(history)))
        history.append(numbers_of(made[-1]).past)
    return made


def _days() -> list[date]:
    return [DAY - timedelta(days=DAYS - 1 - i) for i in range(DAYS)]


def known(cells: list[str]) -> list[float]:
    return [value for value in (float(cell) for cell in cells if cell) if math.isfinite(value)]


def mean(values: list[float]) -> float:
    return float(sum(map(Fraction, values)) / len(values))


def middle(values: list[float]) -> float:
    return float(plain.median(map(Fraction, values)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=12), min_size=DAYS, max_size=DAYS))
@example([["0.1"]] * DAYS)
@example([["0.03"] * 5] * (DAYS - 1) + [["0.06"]])
@example([["0.03"] * 5] * (DAYS - 1) + [["0.06"] * 2])
@example([["nan", "inf"]] * DAYS)
def test_numbers_and_findings_are_those_of_plain_python(days: Cells) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = reports(Path(folder), days)
    levels: list[tuple[float, float]] = []
    for report, cells in zip(found, days, strict=True):
        signal, values = report.signals[0], known(cells)
        assert report.recording.rows == len(cells)
        assert (signal.values.count if signal.values else 0) == len(values)
        if not values or signal.values is None:
            continue
        near = {"rel": 1e-9, "abs": max(map(abs, values)) * 1e-14 + math.ulp(0.0)}
        share = sum(value <= 0.05 for value in values) / len(values)
        assert (signal.values.mean, signal.values.p50) == pytest.approx((mean(values), middle(values)), **near)
        assert (signal.values.minimum, signal.values.maximum) == (min(values), max(values))
        assert signal.share_on_target == share
        levels.append((signal.values.mean, share))
    told = {finding.kind: finding.numbers for finding in found[-1].findings}
    *before, (today_mean, today_share) = levels if known(days[-1]) else [*levels, (math.nan, math.nan)]
    for kind, value, past, floor in (
        ("unusual_mean", today_mean, [level for level, _ in before], None),
        ("unusual_share", today_share, [level for _, level in before], 0.01),
    ):
        if len(past) < ENOUGH_DAYS or math.isnan(value) or len(known(days[-1])) < EXPECTED / 10:
            assert kind not in told
            continue
        median = plain.median(map(Fraction, past))
        mad = plain.median(abs(Fraction(level) - median) for level in past)
        off, small = abs(Fraction(value) - median), Fraction(floor) if floor else abs(median) / 100
        limit = max(Fraction("4.4478") * mad, small)
        if kind in told:
            assert told[kind]["days"] == len(past)
            assert told[kind]["median"] == pytest.approx(float(median), rel=1e-9, abs=1e-300)
            assert told[kind]["mad"] == pytest.approx(float(mad), rel=1e-9, abs=1e-300 + float(abs(median)) * 1e-12)
            assert off >= limit * Fraction("0.999999")
        elif off < Fraction(10) ** 308:  # beyond, the difference is no number of a report
            assert off <= limit * Fraction("1.000001") + abs(median) * Fraction("1e-12")


def test_the_last_day_of_a_steady_file_is_told_to_be_odd(tmp_path: Path) -> None:
    last = reports(tmp_path, [["0.03"] * 5] * (DAYS - 1) + [["0.06"] * 2])[-1]
    kinds = [finding.kind for finding in last.findings]
    assert [kind for kind in kinds if kind.startswith("unusual")] == ["unusual_mean", "unusual_share"]
    assert last.history[0].day == _days()[0]


@pytest.mark.parametrize(
    ("language", "remark"),
    [("ko", "유한하지 않은 칸(NaN 또는 무한대) 4"), ("en", "cells that are not finite (NaN or infinite): 4")],
)
def test_cells_that_are_infinite_are_not_called_nan(tmp_path: Path, language: str, remark: str) -> None:
    last = reports(tmp_path, [["0.03"]] * (DAYS - 1) + [["nan", "1e400", "-Infinity", "inf", "0.03"]])[-1]
    assert last.inputs[0].notes == {"nan_cells": 4}
    assert remark in render_markdown(replace(last, language=language))

from __future__ import annotations

import math
import statistics as plain
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.report import build_report
from lumen_assets.report.model import SignalReport
from lumen_assets_tests.report.scenes import DAY, DAY_BEFORE, at, configuration, frame, telemetry

CELLS = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 0.05, 0.28, 1.0]),
    st.floats(allow_nan=False, allow_infinity=False),
)


def signal(
    values: list[float | None], name: str = "phase_diff", before: list[float | None] | None = None
) -> SignalReport:
    def rows(day, cells):
        moments = [at("08:00:00", day) + timedelta(seconds=7 * i) for i in range(len(cells))]
        return telemetry(day, frame(moments, {name: cells}))

    previous = rows(DAY_BEFORE, before) if before is not None else None
    report = build_report(rows(DAY, values), previous, configuration())
    return next(s for s in report.signals if s.name == name)


def percentile(values: list[float], p: float) -> float:
    ordered = sorted(values)
    position = (len(ordered) - 1) * p / 100
    low, part = math.floor(position), position - math.floor(position)
    high = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] * (1 - part) + high * part


@settings(max_examples=80)
@given(st.lists(CELLS, min_size=1, max_size=60))
def test_distribution_matches_plain_python(cells):
    known = [v for v in cells if v is not None]
    values = signal(cells).values
    if not known:
        assert values is None
        return
    assert values is not None
    peak = max(map(abs, known))
    near = {"rel": 1e-12, "abs": max(peak * 1e-15, math.ulp(0.0))}
    assert (values.count, values.minimum, values.maximum) == (len(known), min(known), max(known))
    assert values.mean == pytest.approx(float(sum(map(Fraction, known)) / len(known)), **near)
    assert values.p50 == pytest.approx(percentile(known, 50), **near)
    assert values.p5 == pytest.approx(percentile(known, 5), **near)
    assert values.p95 == pytest.approx(percentile(known, 95), **near)
    if peak < 1e100:
        assert values.std == pytest.approx(plain.pstdev(known), rel=1e-9, abs=peak * 1e-12)
    assert math.isfinite(values.std)


def test_one_value_has_no_spread():
    values = signal([0.25]).values
    assert values is not None
    assert (values.count, values.mean, values.std, values.p5, values.p95) == (1, 0.25, 0, 0.25, 0.25)


def test_constant_values_have_exactly_their_mean():
    values = signal([0.1] * 1000).values
    assert values is not None
    assert (values.mean, values.std) == (0.1, 0)


@given(st.lists(st.one_of(st.none(), st.floats(0, 0.1)), min_size=1, max_size=40))
@settings(max_examples=40)
def test_share_on_target_counts_the_bound_as_good(cells):
    known = [v for v in cells if v is not None]
    expected = sum(v <= 0.05 for v in known) / len(known) if known else None
    assert signal(cells).share_on_target == expected


def test_changes_against_the_day_before_and_their_direction():
    down = signal([0.04, 0.06], before=[0.06, 0.08])
    assert down.mean_change == pytest.approx(-0.02)
    assert down.share_change == 0.5
    assert (down.mean_improved, down.share_improved) == (True, True)
    up = signal([0.30], "creative_band", before=[0.20])
    assert (up.mean_improved, up.share_improved) == (True, True)
    worse = signal([0.20], "creative_band", before=[0.30])
    assert (worse.mean_improved, worse.share_improved) == (False, False)


def test_no_change_is_no_improvement():
    same = signal([0.04], before=[0.04])
    assert (same.mean_change, same.mean_improved, same.share_improved) == (0, None, None)


@pytest.mark.parametrize("before", [None, [], [None, None]])
def test_no_changes_without_values_the_day_before(before):
    today = signal([0.04], before=before)
    assert (today.mean_change, today.share_change, today.mean_improved) == (None, None, None)


def test_configured_signals_come_first_then_columns_in_order():
    rows = frame([at("01:00:00")], {"zeta": [1.0], "risk_band": [0.1], "alpha": [2.0], "phase_diff": [0.1]})
    report = build_report(telemetry(DAY, rows), None, configuration())
    assert [s.name for s in report.signals] == [
        "phase_diff", "entropy_rate", "creative_band", "risk_band", "zeta", "alpha",
    ]  # fmt: skip
    assert [s.present for s in report.signals] == [True, False, False, True, True, True]
    assert report.signals[4].label == "zeta"
    assert report.signals[0].label == "위상차"


def test_at_most_eight_unconfigured_signals_get_a_figure():
    rows = frame([at("01:00:00")], {"risk_band": [0.1], **{f"s{i}": [1.0] for i in range(11)}})
    report = build_report(telemetry(DAY, rows), None, configuration())
    assert [s.name for s in report.figure_signals] == ["risk_band", *(f"s{i}" for i in range(8))]


def test_the_curve_has_a_bin_a_minute():
    moments = [at("00:00:00"), at("00:00:59.999999"), at("00:01:00"), at("23:59:59.999999")]
    rows = frame(moments, {"phase_diff": [1.0, 2.0, None, 7.0]})
    curve = build_report(telemetry(DAY, rows), None, configuration()).signals[0].curve
    assert curve is not None
    assert len(curve.mean) == len(curve.minimum) == len(curve.maximum) == 1440
    assert (curve.minimum[0], curve.mean[0], curve.maximum[0]) == (1.0, 1.5, 2.0)
    assert curve.mean[1] is None
    assert curve.mean[1439] == 7.0
    assert sum(v is not None for v in curve.mean) == 2


def test_coverage_is_against_the_expected_rate():
    moments = [at("00:00:00") + timedelta(seconds=i) for i in range(864)]
    rows = frame(moments, {"phase_diff": [0.1 if i % 2 else None for i in range(864)]})
    report = build_report(telemetry(DAY, rows), None, configuration(rate_hz=0.1))
    assert report.recording.coverage == pytest.approx(0.1)
    assert report.signals[0].coverage == pytest.approx(0.05)


def test_values_at_the_edge_of_floats_stay_finite():
    found = signal([1.7e308, -1.7e308, 1.7e308], before=[-1.7e308])
    assert found.values is not None
    assert all(math.isfinite(v) for v in (found.values.mean, found.values.std, found.values.p5))
    assert found.mean_change is None or math.isfinite(found.mean_change)

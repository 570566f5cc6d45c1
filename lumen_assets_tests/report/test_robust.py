from __future__ import annotations

import math
import statistics as plain
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumen_assets.report.robust import ENOUGH_DAYS, middle, usual

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.one_of(FINITE, st.sampled_from([0.0, 0.1, 1.0])), min_size=1, max_size=30))
@example([0.1] * 28)
@example([5e-324, 0.0])
@example([1.7e308, -1.7e308, 1.7e308, 1.7e308])
def test_median_and_mad_are_those_of_exact_fractions(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    median = plain.median(exact)
    mad = plain.median(abs(value - median) for value in exact)
    peak = max(map(abs, values))
    near = {"rel": 1e-12, "abs": max(peak * 1e-15, math.ulp(0.0))}
    found = middle(values)
    assert found[0] == pytest.approx(float(median), **near)
    if peak < 1e308:
        assert found[1] == pytest.approx(float(mad), **near)
    else:
        assert found[1] == math.inf or found[1] == pytest.approx(float(mad), **near)


@given(st.lists(FINITE, max_size=ENOUGH_DAYS - 1))
def test_nothing_is_usual_on_a_few_days(values: list[float]) -> None:
    assert usual(values) is None


@given(FINITE)
def test_a_constant_has_no_deviation(value: float) -> None:
    found = usual([value] * ENOUGH_DAYS)
    assert found is not None
    assert (found.days, found.median, found.mad) == (ENOUGH_DAYS, value, 0)
    assert found.deviations(value) == 0
    assert found.deviations(math.inf) == math.inf


@given(st.lists(FINITE, min_size=ENOUGH_DAYS, max_size=28), FINITE)
def test_deviations_are_a_number_of_any_value(values: list[float], value: float) -> None:
    found = usual(values)
    if found is not None:
        assert not math.isnan(found.deviations(value))


def test_deviations_are_those_of_a_normal_distribution() -> None:
    normal = plain.NormalDist(10, 2)
    found = usual([normal.inv_cdf((i + 0.5) / 1001) for i in range(1001)])
    assert found is not None
    assert found.deviations(16) == pytest.approx(3, rel=1e-2)

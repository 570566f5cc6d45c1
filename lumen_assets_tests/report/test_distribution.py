from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from lumen_assets.report.distribution import curve, distribution, exact_mean

DICE = np.random.default_rng(7)
MANY = 50_001
LONG = {
    "shares": DICE.random(MANY),
    "both signs": DICE.normal(size=MANY),
    "nearly nothing left": np.append(x := DICE.normal(size=MANY), 1e-9 - x),
    "every size": DICE.normal(size=MANY) * 10.0 ** DICE.integers(-20, 20, MANY),
    "one giant among dwarfs": np.append(DICE.random(MANY) * 1e-12, 1e9),
    "beyond squares": DICE.normal(size=MANY) * 1e300,
    "below squares": DICE.normal(size=MANY) * 1e-300,
    "one value": np.full(MANY, 0.1),
    "zeros": np.zeros(MANY),
}


@pytest.mark.parametrize("values", LONG.values(), ids=LONG)
def test_many_values_have_the_mean_and_spread_of_exact_sums(values):
    found = distribution(values)
    assert found is not None
    scale = 2.0 ** math.frexp(abs(values).max())[1]  # a power of two: dividing by it rounds nothing
    mean = math.fsum(values / scale) / values.size
    variance = math.fsum((values / scale - mean) ** 2) / values.size
    assert exact_mean(values) == found.mean == mean * scale
    assert found.std == math.sqrt(variance) * scale


@pytest.mark.parametrize("values", LONG.values(), ids=LONG)
def test_extremes_and_percentiles_of_many_values(values):
    found = distribution(values)
    assert found is not None
    assert (found.minimum, found.maximum) == (min(values), max(values))
    assert [found.p5, found.p50, found.p95] == pytest.approx(np.percentile(values, [5, 50, 95]), rel=1e-14, abs=0)


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 1e300])
@pytest.mark.parametrize("missing", [0.0, 0.01, 0.9])
def test_a_curve_is_minimum_mean_and_maximum_of_every_bin(scale, missing):
    instants = np.flatnonzero(DICE.random(6_000) >= missing)
    instants = instants[(instants < 1_000) | (instants > 2_500)]
    values = DICE.normal(size=instants.size) * scale
    edges = np.arange(100, 5_000, 60)
    found = curve(instants, values, edges)
    bins = [values[(instants >= a) & (instants < b)] for a, b in pairwise(edges)]
    assert any(not part.size for part in bins)
    assert found.minimum == tuple(min(part, default=None) for part in bins)
    assert found.maximum == tuple(max(part, default=None) for part in bins)
    for mean, part in zip(found.mean, bins, strict=True):
        assert mean == (math.fsum(part) / part.size if part.size else None)


@pytest.mark.parametrize("values", LONG.values(), ids=LONG)
def test_a_histogram_counts_every_value(values):
    found = distribution(values)
    assert found is not None
    histogram = found.histogram
    assert histogram.below + sum(histogram.counts) + histogram.above == found.count
    assert histogram.below == np.count_nonzero(values < histogram.low)
    assert histogram.above == np.count_nonzero(values > histogram.high)
    assert found.minimum <= histogram.low <= found.p5
    assert found.p95 <= histogram.high <= found.maximum


@pytest.mark.parametrize("name", ["shares", "both signs", "every size"])
def test_a_histogram_is_numpys(name):
    values = LONG[name]
    histogram = distribution(values).histogram
    bins = np.histogram(values, 64, (histogram.low, histogram.high))[0]
    assert np.abs(np.array(histogram.counts) - bins).max() <= 1  # a value between two ways to write an edge


def test_a_bin_has_its_lower_end_and_the_last_one_both():
    assert distribution(np.arange(65.0)).histogram.counts == (*[1] * 63, 2)


def test_one_value_is_one_bin():
    assert distribution(np.full(9, 0.1)).histogram.counts == (9,)

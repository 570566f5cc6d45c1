"""Numbers over one signal's values, the same on every machine.

Sums are exact but for the last rounding: neither the order of additions nor the width of vector registers shows in the
last digit. Values near the ends of floats are scaled by a power of two first, so that nothing overflows or vanishes.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_assets.report.model import Curve, Distribution, Histogram, TargetRange

Values = NDArray[np.float64]

_FEW: Final = 2048
"""Values that are added one by one."""

_FEW_VALUES: Final = 0.1
"""Of those expected in a minute: fewer say how some rows were, not how the minute was."""

_PIECE: Final = 8192
"""Values that are taken at a time; with what becomes of them they stay in the processor's cache."""

BINS: Final = 64
"""Of a histogram."""

_SAFE: Final = 1e100
"""Squares and sums of a day's values between its inverse and it stay far from the ends of floats, 1e-308 and 1e308."""


def scale_of(peak: float) -> float:
    """A power of two to divide values up to ``peak`` by; 1 except where they are too large or too small to square."""
    return math.ldexp(1.0, math.frexp(peak)[1] - 1) if _needs_scaling(peak) else 1.0


def _scaled(values: Values, scale: float) -> Values:
    return values if scale == 1.0 else values / scale


def _needs_scaling(peak: float) -> bool:
    return peak != 0 and not 1 / _SAFE < peak < _SAFE


def sum_of(values: Values, peak: float) -> float:
    """The sum, exact but for the last rounding.

    Args:
        values: to add.
        peak: the largest magnitude among them.
    """
    if len(values) < _FEW:
        return math.fsum(values.tolist())
    coarse, fine = _sums(values, np.arange(0, len(values), _PIECE), peak)
    return math.fsum((*coarse.tolist(), *fine.tolist()))


def _sums(values: Values, starts: NDArray[np.int64], peak: float) -> tuple[Values, Values]:
    """The sums from each start to the next, in two parts that are to be added.

    Each value is parted into a multiple of one power of two, so coarse that any of them add up without rounding, and
    what is left: some 2**30 times less, and so is what its sum rounds off (Demmel and Nguyen, "Fast reproducible
    floating-point summation", 2013).
    """
    anchor = math.ldexp(1.5, math.frexp(peak)[1] + len(values).bit_length())
    at_once = max(1, len(starts) * _PIECE // len(values))
    coarse, fine = np.empty(len(starts)), np.empty(len(starts))
    for first in range(0, len(starts), at_once):
        some = slice(first, first + at_once)
        begin, end = starts[first], starts[first + at_once] if first + at_once < len(starts) else len(values)
        piece, within = values[begin:end], starts[some] - begin
        part = piece + anchor
        part -= anchor
        coarse[some] = np.add.reduceat(part, within)
        fine[some] = np.add.reduceat(np.subtract(piece, part, out=part), within)
    return coarse, fine


def exact_mean(values: Values) -> float:
    """The mean of at least one value; never outside the extremes."""
    low, high = float(values.min()), float(values.max())
    scale = scale_of(max(-low, high))
    return _mean_between(_scaled(values, scale), low / scale, high / scale) * scale


def _mean_between(values: Values, low: float, high: float) -> float:
    return min(max(sum_of(values, max(-low, high)) / values.size, low), high)


def mean_of(values: Values) -> float | None:
    """``distribution(values).mean`` alone; None without values."""
    return exact_mean(values) if values.size else None


def finite_difference(new: float, old: float) -> float | None:
    """``new - old``; None where that is too large for a float."""
    difference = new - old
    return difference if math.isfinite(difference) else None


def percentile(ordered: Values, percent: float) -> float:
    """Of values in order, with linear interpolation, as ``numpy.percentile`` has it, which would order them again."""
    at = (ordered.size - 1) * (percent / 100)
    first = math.floor(at)
    low, high, share = float(ordered[first]), float(ordered[min(first + 1, ordered.size - 1)]), at - first
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def distribution(values: Values) -> Distribution | None:
    """See ``Distribution``; None without values."""
    if not values.size:
        return None
    ordered = np.sort(values)
    low, high = float(ordered[0]), float(ordered[-1])
    scale = scale_of(max(-low, high))
    scaled = _scaled(values, scale)
    mean = _mean_between(scaled, low / scale, high / scale)
    squares = (scaled - mean) ** 2
    variance = sum_of(squares, float(squares.max())) / values.size
    ordered = _scaled(ordered, scale)
    p5, p50, p95 = (percentile(ordered, percent) for percent in (5, 50, 95))
    return Distribution(
        count=int(values.size),
        mean=mean * scale,
        std=math.sqrt(variance) * scale,
        minimum=low,
        p5=p5 * scale,
        p50=p50 * scale,
        p95=p95 * scale,
        maximum=high,
        histogram=_histogram(ordered, p5, p95, scale),
    )


def _histogram(ordered: Values, p5: float, p95: float, scale: float) -> Histogram:
    """Of values in order; all but ``scale``, which the ends are to be multiplied by, are scaled."""
    first, last, spread = float(ordered[0]), float(ordered[-1]), p95 - p5
    low, high = (max(first, p5 - spread), min(last, p95 + spread)) if spread else (first, last)
    inner = [low + (high - low) * number / BINS for number in range(1, BINS)] if high > low else []
    below, above = np.searchsorted(ordered, low), np.searchsorted(ordered, high, side="right")
    cuts = [int(below), *np.searchsorted(ordered, inner).tolist(), int(above)]
    counts = tuple(end - start for start, end in pairwise(cuts))
    return Histogram(low * scale, high * scale, counts, below=cuts[0], above=ordered.size - cuts[-1])


def share_on_target(values: Values, target: TargetRange | None) -> float | None:
    """The share of values within the bounds; None without values or target."""
    if target is None or not values.size:
        return None
    good = np.ones(values.shape, dtype=bool)
    if target.min is not None:
        good &= values >= target.min
    if target.max is not None:
        good &= values <= target.max
    return int(np.count_nonzero(good)) / int(values.size)


def curve(instants: NDArray[np.int64], values: Values, edges: NDArray[np.int64], expected: float = 0.0) -> Curve:
    """Minimum, mean and maximum between each edge and the next, None where there is no value.

    Args:
        instants: of the values, ascending.
        edges: one more than bins, ascending.
        expected: values in a bin.
    """
    cuts = np.searchsorted(instants, edges, side="left")
    inside = values[cuts[0] : cuts[-1]]
    filled = np.flatnonzero(np.diff(cuts))
    if not filled.size:
        nothing = (None,) * (len(cuts) - 1)
        return Curve(minimum=nothing, mean=nothing, maximum=nothing)
    starts, counts = (cuts - cuts[0])[filled], np.diff(cuts)[filled]
    lows, highs = np.minimum.reduceat(inside, starts), np.maximum.reduceat(inside, starts)
    peak = max(-float(lows.min()), float(highs.max()))
    means = np.clip(_means_of_bins(inside, starts, counts, peak), lows, highs)
    minimum, mean, maximum = (_placed(found, filled, len(cuts) - 1) for found in (lows, means, highs))
    few = filled[counts < _FEW_VALUES * expected]
    return Curve(minimum, mean, maximum, few=tuple(few.tolist()) if few.size < filled.size else ())


def _placed(found: Values, places: NDArray[np.intp], number: int) -> tuple[float | None, ...]:
    """What was found at some of ``number`` places, None at the others."""
    if found.size == number:
        return tuple(found.tolist())
    placed: list[float | None] = [None] * number
    for place, value in zip(places.tolist(), found.tolist(), strict=True):
        placed[place] = value
    return tuple(placed)


def _means_of_bins(inside: Values, starts: NDArray[np.int64], counts: NDArray[np.int64], peak: float) -> Values:
    if _needs_scaling(peak):
        return np.array([exact_mean(part) for part in np.split(inside, starts[1:])])
    coarse, fine = _sums(inside, starts, peak)
    means: Values = (coarse + fine) / counts
    return means

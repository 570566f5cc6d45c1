"""What is usual for a number over some days, whatever a few odd ones did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENOUGH_DAYS: Final = 7
"""Nothing is said to be usual on fewer days."""

UNUSUAL: Final = 3.0
"""Deviations, each of them ``SIGMA`` times the MAD, from the median that a value is unusual beyond."""

SIGMA: Final = 1.4826
"""MAD to standard deviation for normal values: 1 / Φ⁻¹(3/4) (Hampel 1974)."""


@dataclass(frozen=True)
class Usual:
    """Median and MAD, the median of the absolute deviations from it, of one value a day."""

    days: int
    median: float
    mad: float

    def deviations(self, value: float) -> float:
        """How far ``value`` is from the median, in deviations; infinite where the MAD is 0 and it is another."""
        off = value - self.median
        if off == 0:
            return 0.0
        return off / (SIGMA * self.mad) if self.mad else math.copysign(math.inf, off)


def usual(values: Sequence[float]) -> Usual | None:
    """Of at least ``ENOUGH_DAYS`` finite values; None of fewer, or where they lie too far apart for a float."""
    if len(values) < ENOUGH_DAYS:
        return None
    median, mad = middle(values)
    return Usual(len(values), median, mad) if math.isfinite(mad) else None


def middle(values: Sequence[float]) -> tuple[float, float]:
    """Median and MAD of at least one finite value; of an even number the mean of the two in the middle.

    The MAD is infinite where that is too large for a float.
    """
    median = _median(values)
    return median, _median([abs(value - median) for value in values])


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    total = low + high
    return total / 2 if math.isfinite(total) else low / 2 + high / 2

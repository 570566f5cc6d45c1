"""Where the ticks of an axis stand, and what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """A value axis from ``low`` to ``high`` with labelled ticks."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def position(self, value: float) -> float:
        """Where ``value`` stands between ``low`` (0) and ``high`` (1); values outside are held at the edge."""
        return min(max((value / 2 - self.low / 2) / (self.high / 2 - self.low / 2), 0.0), 1.0)

    def positions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same of many."""
        middle = (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return np.clip(middle, 0.0, 1.0)


def value_axis(low: float, high: float, *, wanted_ticks: int = 5) -> Axis:
    """An axis that holds ``low`` to ``high`` with some room, on steps of 1, 2 or 5 times a power of ten."""
    if abs(high) > 1e300 or abs(low) > 1e300:  # halves and margins below would overflow
        return Axis(low, high if high > low else low / 2, ((low, f"{low:.2e}"), (high, f"{high:.2e}")))
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    step = _nice_step((high - low) / wanted_ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((i * step, _label(i * step, step)) for i in range(first, last + 1))
    return Axis(first * step, last * step, ticks)


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.999), 10 * power)


def _label(value: float, step: float) -> str:
    if abs(value) >= 1e6 or step < 1e-5:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text

"""Where the ticks of an axis stand, and what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROOM: Final = 8
"""Digits, signs and letters that a label may have: as many have room left of a figure, and under a histogram."""


@dataclass(frozen=True)
class Axis:
    """A value axis from ``low`` to ``high`` with labelled ticks.

    Attributes:
        base: what is to be added to the labels, which would be too long with it, with its sign; empty where nothing is.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    base: str = ""

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
        return _axis_of_ends(low, high if high > low else low / 2)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    factor, power = _nice_step((high - low) / wanted_ticks)
    step = float(f"{factor}e{power}")
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [Decimal(factor * number).scaleb(power) for number in range(first, last + 1)]
    base = _base(ticks, power)
    labels = _labels([tick - base for tick in ticks])
    shown = tuple((float(tick), label) for tick, label in zip(ticks, labels, strict=True))
    return Axis(shown[0][0], shown[-1][0], shown, _signed(base) if base else "")


def _axis_of_ends(low: float, high: float) -> Axis:
    digits = next(d for d in range(2, 17) if d == 16 or float(f"{low:.{d}e}") != float(f"{high:.{d}e}"))
    labels = (f"{value:.{digits}e}".replace("e+", "e") for value in (low, high))
    return Axis(low, high, tuple(zip((low, high), labels, strict=True)))


def _nice_step(rough: float) -> tuple[int, int]:
    """1, 2 or 5, and the power of ten."""
    power = math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if float(f"{factor}e{power}") >= rough * 0.999:
            return factor, power
    return 1, power + 1


def _base(ticks: Sequence[Decimal], power: int) -> Decimal:
    """A round number near all ticks where labels would be too long without it, else 0."""
    if max(_length(label) for label in _labels(ticks)) <= ROOM:
        return Decimal(0)
    hundred = Decimal(1).scaleb(power + 2)
    return (ticks[len(ticks) // 2] / hundred).to_integral_value() * hundred


def _labels(ticks: Sequence[Decimal]) -> list[str]:
    """Of all with as many decimals, or of all with an exponent where they are tiny or would be too long."""
    plain = [_label(tick, plain=True) for tick in ticks]
    tiny = max(abs(tick) for tick in ticks) < Decimal("1e-4")
    if not tiny and max(_length(label) for label in plain) <= ROOM:
        return plain
    return [_label(tick, plain=False) for tick in ticks]


def _length(label: str) -> int:
    return len(label.replace(",", "").replace(".", ""))


def _label(tick: Decimal, *, plain: bool) -> str:
    """All of a tick's digits, so that no two ticks read alike."""
    if not tick:
        tick = abs(tick)
    if plain:
        return f"{tick:,f}"
    mantissa, exponent = f"{tick.normalize():e}".lower().split("e")
    return f"{mantissa}e{int(exponent)}" if tick else "0"


def _signed(base: Decimal) -> str:
    text = _label(abs(base), plain=Decimal("1e-4") <= abs(base) < Decimal("1e15"))
    return f"-{text}" if base < 0 else f"+{text}"

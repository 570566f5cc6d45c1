"""Which effects the installation recorded otherwise than its rows say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lumen_assets.report.model import RuleEffect, SignalReport

SAME_SHARE: Final = 0.05
SAME_SPREAD: Final = 0.02
"""A recorded effect is the measured one if they differ by no more than the larger of: this share of the greater of
them, this share of the signal's standard deviation of the day. So rounding to four decimals is no difference."""


def effect_differs(effect: RuleEffect, signal: SignalReport) -> bool:
    """Whether the recorded effect on a signal is another than the rows say; of the same windows and both known."""
    return effect.is_comparable(signal.name) and _difference(effect, signal.name) > _tolerance(effect, signal)


def differing_effects(effects: Iterable[RuleEffect], signal: SignalReport) -> list[RuleEffect]:
    """The changes whose recorded effect on a signal differs, the greatest difference first."""
    differing = [effect for effect in effects if effect_differs(effect, signal)]
    return sorted(differing, key=lambda effect: -_difference(effect, signal.name))


def _difference(effect: RuleEffect, name: str) -> float:
    return abs((effect.measured[name] or 0.0) - (effect.recorded[name] or 0.0))


def _tolerance(effect: RuleEffect, signal: SignalReport) -> float:
    greater = max(abs(effect.measured[signal.name] or 0.0), abs(effect.recorded[signal.name] or 0.0))
    return max(SAME_SHARE * greater, SAME_SPREAD * signal.values.std if signal.values else 0.0)

"""Which changes are told, and what they are held against: the day before, and what was usual in the last 28 days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lumen_assets.report.model import PastDay, SignalReport
from lumen_assets.report.robust import SIGMA, UNUSUAL, Usual, usual

MEAN_CHANGE: Final = 0.1
"""Change of the mean against the day before that is told, as a share of what it was."""

SHARE_CHANGE: Final = 0.05
"""Change of the share on target against the day before that is told."""

SMALL_MEAN: Final = 0.01
SMALL_SHARE: Final = 0.01
"""Differences from the median, of means as a share of it, that are never told, however steady the days were."""

ENOUGH_VALUES: Final = 0.1
"""Share of the expected values from which on a day is held against what is usual."""

ROUNDING: Final = 1e-9
"""Of a threshold, what a number may miss it by for being a rounded one: 0.95 - 0.90 is a little less than 0.05."""


def reaches(value: float, threshold: float) -> bool:
    """Whether a number is a threshold or more, but for its rounding."""
    return value >= threshold * (1 - ROUNDING)


def usual_mean(signal: SignalReport, history: Sequence[PastDay]) -> Usual | None:
    """What was usual for a signal's mean; None on too few days."""
    return usual([past.signals[signal.name].mean for past in history if signal.name in past.signals])


def usual_share(signal: SignalReport, history: Sequence[PastDay]) -> Usual | None:
    """The same of its share on target, on the days that had the same target."""
    levels = [past.signals[signal.name] for past in history if signal.name in past.signals]
    shares = [level.share_on_target for level in levels if level.target == signal.target]
    return usual([share for share in shares if share is not None])


def mean_moved(signal: SignalReport, history: Sequence[PastDay]) -> bool:
    """Whether the change of a signal's mean against the day before is told."""
    change = signal.mean_change
    if signal.values is None or not change:
        return False
    far = reaches(abs(change), MEAN_CHANGE * abs(signal.values.mean - change))
    return far and _beyond_the_usual(change, usual_mean(signal, history))


def share_moved(signal: SignalReport, history: Sequence[PastDay]) -> bool:
    """Whether the change of a signal's share on target against the day before is told."""
    change = signal.share_change
    far = change is not None and reaches(abs(change), SHARE_CHANGE)
    return change is not None and far and _beyond_the_usual(change, usual_share(signal, history))


def _beyond_the_usual(change: float, basis: Usual | None) -> bool:
    """Whether it is more than days were spread; of too few days it is not known how much that is."""
    return basis is None or abs(change) > UNUSUAL * SIGMA * basis.mad

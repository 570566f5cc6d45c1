"""What the installation recorded of rule changes, beside what its rows say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from lumen_assets.report.model import SignalReport
from lumen_assets.report.rule_effect import Means, RuleEffect

SAME_SHARE: Final = 0.05
SAME_SPREAD: Final = 0.02
"""A recorded number is the measured one if they differ by no more than the largest of: this share of the greater of
them, this share of the signal's standard deviation of the day, and what the recorded one was rounded by."""

_EXACTLY: Final = 1e-9
"""Of what was rounded by, what floats may add: 0.9 - 0.85 is a little more than 0.05."""

Part = Literal["effect", "before", "after"]
"""An effect is the mean after a change minus the mean before it."""

EFFECT: Final[tuple[Part, ...]] = ("effect",)
MEANS: Final[tuple[Part, ...]] = ("before", "after")

_UNKNOWN: Final = Means(None, None)


@dataclass(frozen=True)
class Compared:
    """A number that was both recorded and measured, by the same windows.

    Attributes:
        change: the number of the rule change.
        tolerated: how far apart the two may be, being the same.
    """

    change: int
    part: Part
    recorded: float
    measured: float
    tolerated: float

    @property
    def difference(self) -> float:
        """How far apart they are."""
        return abs(self.measured - self.recorded)

    @property
    def differs(self) -> bool:
        """Whether the recorded number is another than the rows say."""
        return self.difference > self.tolerated


def compared(effect: RuleEffect, signal: SignalReport, parts: Iterable[Part]) -> Iterator[Compared]:
    """What can be compared of a change for a signal: of whole windows, as what was recorded is of such."""
    if not effect.has_usual_windows:
        return
    spread = SAME_SPREAD * signal.values.std if signal.values else 0.0
    cut = {"before": effect.cut_before, "after": effect.cut_after, "effect": effect.cut_before or effect.cut_after}
    for part in parts:
        if cut[part]:
            continue
        recorded, measured = _numbers(effect, signal.name, part)
        if recorded is not None and measured is not None:
            rounded = effect.recorded_rounding.get(signal.name, 0.0) * (1 + _EXACTLY)
            tolerated = max(SAME_SHARE * max(abs(recorded), abs(measured)), spread, rounded)
            yield Compared(effect.number, part, recorded, measured, tolerated)


def is_unchecked(effect: RuleEffect) -> bool:
    """Whether an effect was recorded of whole windows in which the rows have too few values to say the same."""
    if not effect.has_usual_windows or effect.cut_before or effect.cut_after:
        return False
    return any(
        recorded is not None and name in effect.measured and effect.measured[name] is None
        for name, recorded in effect.recorded.items()
    )


def differing(all_of_them: Iterable[Compared]) -> list[Compared]:
    """Those that differ, the greatest difference first."""
    return sorted((each for each in all_of_them if each.differs), key=lambda each: -each.difference)


def _numbers(effect: RuleEffect, name: str, part: Part) -> tuple[float | None, float | None]:
    """The recorded and the measured one."""
    if part == "effect":
        return effect.recorded.get(name), effect.measured.get(name)
    recorded, measured = effect.recorded_means.get(name, _UNKNOWN), effect.measured_means.get(name, _UNKNOWN)
    return (recorded.before, measured.before) if part == "before" else (recorded.after, measured.after)

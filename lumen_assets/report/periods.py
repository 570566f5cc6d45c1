"""Weeks and months, from the numbers of their frozen days."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Literal

from lumen_assets.days import days_between, yesterday
from lumen_assets.errors import PermanentError
from lumen_assets.report.model import Language, canonical_json
from lumen_assets.report.numbers import DayNumbers, SignalNumbers
from lumen_assets.report.plain_text import visible
from lumen_assets.report.robust import middle
from lumen_assets.settings import Configuration

Kind = Literal["week", "month"]


@dataclass(frozen=True)
class Period:
    """A KST week, from Monday to Sunday, or a KST month; ``first`` and ``last`` are its first and last day."""

    kind: Kind
    first: date
    last: date

    @classmethod
    def of(cls, kind: Kind, day: date) -> Period:
        """The one that a day is in."""
        if kind == "week":
            monday = day - timedelta(days=day.weekday())
            return cls(kind, monday, monday + timedelta(days=6))
        first = day.replace(day=1)
        return cls(kind, first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    @property
    def name(self) -> str:
        """``2026-W10`` (ISO 8601) or ``2026-03``."""
        return f"{self.first:%G-W%V}" if self.kind == "week" else f"{self.first:%Y-%m}"

    @property
    def days(self) -> tuple[date, ...]:
        """Its days, oldest first."""
        return tuple(days_between(self.first, self.last))


@dataclass(frozen=True)
class RatedDay:
    """A day with its number: the share on target, or the mean where there is no target."""

    day: date
    value: float


@dataclass(frozen=True)
class PeriodSignal:
    """A signal over a period.

    Attributes:
        days: days on which it had values.
        count: its values.
        share_on_target: of all its values, on the days that had the period's last target; None without one.
        median, mad: of its means a day: the median, and that of the absolute deviations from it.
        lowest, highest: its extremes.
        best, worst: the days of the highest and lowest share on target, the earlier of equal ones; where there is no
            target, of the best and worst mean by its good direction; None where neither is known.
    """

    name: str
    label: str
    unit: str
    days: int
    count: int
    share_on_target: float | None
    median: float
    mad: float | None
    lowest: float
    highest: float
    best: RatedDay | None
    worst: RatedDay | None
    rated_by_share: bool


@dataclass(frozen=True)
class PeriodReport:
    """A week or a month.

    Attributes:
        days: its days that were frozen, with their numbers, oldest first.
        missing: its days from the installation's first on that were not.
    """

    period: Period
    title: str
    language: Language
    days: tuple[DayNumbers, ...]
    missing: tuple[date, ...]
    signals: tuple[PeriodSignal, ...]
    risks: Mapping[str, int]

    @property
    def sample(self) -> bool:
        """Whether any of its days is sample data."""
        return any(numbers.sample for numbers in self.days)

    def to_json(self) -> str:
        """See ``canonical_json``."""
        return canonical_json(_adapter().dump_python(self, mode="json"))


@cache
def _adapter() -> Any:
    """Pydantic's codec for the report, slow to build."""
    from pydantic import TypeAdapter

    return TypeAdapter(PeriodReport)


def require_over(period: Period) -> None:
    """Refuse a period that goes on.

    Raises:
        PermanentError: if its last day is not over in KST.
    """
    if period.last > yesterday():
        raise PermanentError(
            action="report on",
            subject=period.name,
            cause=f"it is not over yet in KST: its last day is {period.last}",
            error_class="configuration",
            hint="choose one that is over",
        )


def build_period_report(period: Period, days: Sequence[DayNumbers], configuration: Configuration) -> PeriodReport:
    """The report of a period; equal arguments give equal reports.

    Args:
        period: a week or a month.
        days: the numbers of its frozen days, oldest first.
        configuration: language and title, and the first day that is expected.
    """
    there = {numbers.day for numbers in days}
    expected = (day for day in period.days if day >= configuration.start_date)
    names = dict.fromkeys(name for numbers in reversed(days) for name in numbers.signals)
    risks: Counter[str] = Counter({"crit": 0, "warn": 0, "info": 0})
    for numbers in days:
        risks.update(numbers.risks)
    signals = (_signal(name, days) for name in names)
    return PeriodReport(
        period=period,
        title=visible(configuration.report.title),
        language=configuration.report.language,
        days=tuple(days),
        missing=tuple(day for day in expected if day not in there),
        signals=tuple(signal for signal in signals if signal is not None),
        risks=dict(risks),
    )


def _signal(name: str, days: Sequence[DayNumbers]) -> PeriodSignal | None:
    with_values = [
        (numbers.day, signal) for numbers in days if (signal := numbers.signals.get(name)) and signal.mean is not None
    ]
    if not with_values:
        return None
    newest = with_values[-1][1]
    median, mad = middle([signal.mean or 0.0 for _, signal in with_values])
    on_target = [
        (signal.count, signal.share_on_target)
        for _, signal in with_values
        if signal.target == newest.target and signal.share_on_target is not None
    ]
    best, worst = _extremes(with_values, newest)
    return PeriodSignal(
        name=name,
        label=newest.label,
        unit=newest.unit,
        days=len(with_values),
        count=sum(signal.count for _, signal in with_values),
        share_on_target=_share(on_target),
        median=median,
        mad=mad if math.isfinite(mad) else None,
        lowest=min(signal.minimum for _, signal in with_values if signal.minimum is not None),
        highest=max(signal.maximum for _, signal in with_values if signal.maximum is not None),
        best=best,
        worst=worst,
        rated_by_share=bool(on_target),
    )


def _share(on_target: Sequence[tuple[int, float]]) -> float | None:
    total = sum(count for count, _ in on_target)
    return math.fsum(count * share for count, share in on_target) / total if total else None


def _extremes(
    days: Sequence[tuple[date, SignalNumbers]], newest: SignalNumbers
) -> tuple[RatedDay | None, RatedDay | None]:
    """The best and the worst day."""
    if newest.target is not None:
        rated = [
            RatedDay(day, signal.share_on_target)
            for day, signal in days
            if signal.target == newest.target and signal.share_on_target is not None
        ]
        sign = 1
    elif newest.good is not None:
        rated = [RatedDay(day, signal.mean) for day, signal in days if signal.mean is not None]
        sign = 1 if newest.good == "up" else -1
    else:
        return None, None
    return max(rated, key=lambda item: sign * item.value), min(rated, key=lambda item: sign * item.value)

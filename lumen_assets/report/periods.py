"""Weeks and months, and what a report says of one; ``period_building`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Any, Literal

from lumen_assets.days import day_of, days_between, yesterday
from lumen_assets.errors import PermanentError
from lumen_assets.report.model import Finding, Language, TargetRange, canonical_json
from lumen_assets.report.numbers import DayNumbers

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

    @classmethod
    def named(cls, kind: Kind, name: str) -> Period:
        """The one of a name, as ``name`` gives it.

        Raises:
            ValueError: if it is not the name of a week or month.
        """
        try:
            period = cls.of(kind, date.fromisoformat(f"{name}-1" if kind == "week" else f"{name}-01"))
        except (ValueError, OverflowError):  # also of the last days of the year 9999, which have no next month
            period = None
        if period is None or period.name != name:  # fromisoformat also takes 2026W105-1
            form = "YYYY-Www" if kind == "week" else "YYYY-MM"
            raise ValueError(f"{name!r} is not a {kind} in the form {form}")
        return period

    @property
    def name(self) -> str:
        """``2026-W10`` (ISO 8601) or ``2026-03``."""
        return f"{self.first:%G-W%V}" if self.kind == "week" else f"{self.first:%Y-%m}"

    @property
    def file(self) -> str:
        """What its files' names begin with: ``week_2026-W10``, ``month_2026-03``."""
        return f"{self.kind}_{self.name}"

    @property
    def days(self) -> tuple[date, ...]:
        """Its days, oldest first."""
        return tuple(days_between(self.first, self.last))

    @property
    def before(self) -> Period:
        """The week or month before."""
        return Period.of(self.kind, self.first - timedelta(days=1))


def last_over(kind: Kind, moment: datetime) -> Period:
    """The newest week or month that is over at an instant (with a zone)."""
    return Period.of(kind, day_of(moment)).before


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


def require_expected(period: Period, start_date: date) -> None:
    """Refuse a period that is over before the installation's first day.

    Raises:
        PermanentError: if its last day is before ``start_date``.
    """
    if period.last < start_date:
        raise PermanentError(
            action="report on",
            subject=period.name,
            cause=f"it is before start_date, {start_date}: its last day is {period.last}",
            error_class="configuration",
            hint=f"the first {period.kind} is {Period.of(period.kind, start_date).name}, once it is over",
        )


@dataclass(frozen=True)
class RatedDay:
    """A day with its number: the share on target, or the mean where there is no target."""

    day: date
    value: float


@dataclass(frozen=True)
class PeriodChange:
    """A signal against the period before, which had values on enough days.

    Attributes:
        days: days of the period before on which it had values.
        median: of its means a day then.
        mad: that of the period before or of this one, whichever is greater: the spread that ``median_change`` is held
            against.
        median_change: this period's median minus that one.
        median_differs: whether that is more than ``robust.UNUSUAL`` deviations of that MAD, as a day's is held against
            those before it. Of two weeks that are alike, seven normal days each, 4 in 1,000 differ so (simulated).
        median_improved: whether it went in the good direction; None if it does not differ, or none is good.
        share_on_target: of all its values then; None without a target, or where it was another one.
        share_change: this period's share minus that one.
        share_improved: whether more values were on target; None if it changed by less than ``changes.SHARE_CHANGE``.
    """

    days: int
    median: float
    mad: float
    median_change: float
    median_differs: bool
    median_improved: bool | None
    share_on_target: float | None
    share_change: float | None
    share_improved: bool | None


@dataclass(frozen=True)
class PeriodSignal:
    """A signal over a period.

    Attributes:
        target, good: of its last day with values.
        days: days on which it had values; 0 only of a signal that is configured.
        count: its values.
        share_on_target: of all its values, on the days that had the period's last target; None without one.
        median, mad: of its means a day: the median, and that of the absolute deviations from it; None without values.
        lowest, highest: its extremes; None without values.
        best, worst: the days of the highest and lowest share on target, the earlier of equal ones; where there is no
            target, of the best and worst mean by its good direction; None where neither is known, and where all days
            are alike.
        change: against the period before; None where one of the two has too few days with values.
        figure: file name of its figure; None if it has none.
        configured: whether ``lumen.yaml`` names it.
    """

    name: str
    label: str
    unit: str
    target: TargetRange | None
    good: Literal["up", "down"] | None
    days: int = 0
    count: int = 0
    share_on_target: float | None = None
    median: float | None = None
    mad: float | None = None
    lowest: float | None = None
    highest: float | None = None
    best: RatedDay | None = None
    worst: RatedDay | None = None
    rated_by_share: bool = False
    change: PeriodChange | None = None
    figure: str | None = None
    configured: bool = False


@dataclass(frozen=True)
class PeriodBefore:
    """The period before.

    Attributes:
        days: its days that were frozen.
        compared: whether both periods have enough of them.
    """

    period: Period
    days: int
    compared: bool


@dataclass(frozen=True)
class PeriodReport:
    """A week or a month.

    Attributes:
        days: its days that were frozen, with their numbers, oldest first.
        missing: its days from the installation's first on that were not.
        before: what it is compared with.
        findings: what should be known first, by weight.
    """

    period: Period
    title: str
    language: Language
    days: tuple[DayNumbers, ...]
    missing: tuple[date, ...]
    signals: tuple[PeriodSignal, ...]
    risks: Mapping[str, int]
    before: PeriodBefore
    findings: tuple[Finding, ...]

    @property
    def sample(self) -> bool:
        """Whether any of its days is sample data."""
        return any(numbers.sample for numbers in self.days)

    @property
    def expected(self) -> int:
        """Its days from the installation's first on."""
        return len(self.days) + len(self.missing)

    def shares_on_target(self, signal: PeriodSignal) -> dict[date, float]:
        """Of the days that had values and the period's last target, oldest first."""
        levels = ((numbers.day, numbers.signals.get(signal.name)) for numbers in self.days)
        return {
            day: level.share_on_target
            for day, level in levels
            if level is not None and level.share_on_target is not None and level.target == signal.target
        }

    def to_json(self) -> str:
        """See ``canonical_json``."""
        return self._json

    @cached_property
    def _json(self) -> str:  # the report's file and the PDF's attachment
        return canonical_json(_adapter().dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> PeriodReport:
        """The report that ``to_json`` wrote.

        Raises:
            ValueError: if ``text`` is not one.
        """
        report: PeriodReport = _adapter().validate_json(text)
        return report


@cache
def _adapter() -> Any:
    """Pydantic's codec for the report, slow to build."""
    from pydantic import TypeAdapter

    return TypeAdapter(PeriodReport)

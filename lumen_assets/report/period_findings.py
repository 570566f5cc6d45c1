"""What a reader of a week or month should know first: sentences made from its numbers and labels only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from lumen_assets.report import formats
from lumen_assets.report.changes import reaches
from lumen_assets.report.findings import DAYS_SHOWN, PARTLY, is_few, weighty_risks
from lumen_assets.report.korean import Word
from lumen_assets.report.model import Finding
from lumen_assets.report.numbers import DayNumbers, SignalNumbers, with_few_rows
from lumen_assets.report.periods import PeriodChange, PeriodReport, PeriodSignal
from lumen_assets.report.wording import Wording

KINDS: Final = (
    "no_days",
    "missing",
    "critical_risks",
    "off_target",
    "few_days",
    "few_rows",
    "few_values",
    "gaps",
    "worsened",
    "partly_off_target",
    "risks",
    "changed",
    "improved",
    "nothing",
)
"""Every kind of finding, the weightiest first."""

_Weighted = tuple[float, Finding]
"""A finding with its weight among those of its kind."""


def find(report: PeriodReport, *, min_coverage: Mapping[str, float]) -> tuple[Finding, ...]:
    """The findings of a week or month, by weight; never none.

    Args:
        report: the period; its own ``findings`` are not looked at.
        min_coverage: share of the expected rows that a day should have, by source as in ``Sources.by_name``.
    """
    finders = _Finders(report)
    if not report.days:
        return (finders.finding("no_days", {}),)
    weighted = [
        *finders.of_missing_days(),
        *finders.of_rows(min_coverage[""]),
        *finders.of_gaps(),
        *finders.of_risks(),
    ]
    for signal in report.signals:
        weighted += [
            *finders.of_its_days(signal),
            *finders.of_few_values(signal, min_coverage),
            *finders.of_target(signal),
            *finders.of_the_period_before(signal),
        ]
    weighted.sort(key=lambda item: (KINDS.index(item[1].kind), -item[0]))
    return tuple(finding for _, finding in weighted) or (finders.finding("nothing", {}),)


class _Finders:
    def __init__(self, report: PeriodReport) -> None:
        self.report = report
        self.wording = Wording(report.language)

    def finding(
        self, kind: str, numbers: Mapping[str, float], signal: PeriodSignal | None = None, **shown: object
    ) -> Finding:
        label = {"label": Word(signal.label)} if signal else {}
        text = self.wording(f"finding_period_{kind}", **label, **shown)
        return Finding(kind, signal.name if signal else None, {name: float(n) for name, n in numbers.items()}, text)

    def of_missing_days(self) -> Iterator[_Weighted]:
        missing, total = self.report.missing, self.report.expected
        if missing:
            count, days = len(missing), self._named([(day, "") for day in missing])
            yield 0, self.finding("missing", {"count": count, "total": total}, count=count, total=total, days=days)

    def of_rows(self, min_coverage: float) -> Iterator[_Weighted]:
        few = with_few_rows({numbers.day: numbers for numbers in self.report.days}, min_coverage)
        if not few:
            return
        count, total = len(few), len(self.report.days)
        fewest = sorted(few.values(), key=lambda found: found.coverage)
        days = self._named([(found.day, formats.share(found.coverage)) for found in fewest])
        numbers = {"count": count, "total": total, "fewest": fewest[0].coverage, "min_coverage": min_coverage}
        wanted = formats.share(min_coverage)
        yield 0, self.finding("few_rows", numbers, count=count, total=total, wanted=wanted, days=days)

    def of_gaps(self) -> Iterator[_Weighted]:
        silent = [numbers for numbers in self.report.days if numbers.gap_count]
        if not silent:
            return
        count, seconds = (sum(getattr(day, name) for day in silent) for name in ("gap_count", "silent_seconds"))
        longest_seconds, longest = self._longest(silent)
        yield (
            0,
            self.finding(
                "gaps",
                {"count": count, "days": len(silent), "silent_seconds": seconds, **longest_seconds},
                count=formats.count(count),
                days=len(silent),
                length=formats.length(seconds, self.wording),
                longest=longest,
            ),
        )

    def _longest(self, silent: Sequence[DayNumbers]) -> tuple[dict[str, float], str]:
        """The longest silence of a day; where a version froze days that did not note it, the most silent day."""
        gaps = [(day.day, day.longest_gap) for day in silent if day.longest_gap]
        if len(gaps) < len(silent):
            most = max(silent, key=lambda day: day.silent_seconds)
            length = formats.length(most.silent_seconds, self.wording)
            said = self.wording("period_most_silent", day=most.day.isoformat(), length=length)
            return {"most_silent_seconds": most.silent_seconds}, said
        day, gap = max(gaps, key=lambda item: item[1].seconds)
        said = self.wording(
            "period_longest_gap",
            day=day.isoformat(),
            start=formats.time_of_day(gap.start, day),
            end=formats.time_of_day(gap.end, day),
            length=formats.length(gap.seconds, self.wording),
        )
        return {"longest_seconds": gap.seconds}, said

    def of_risks(self) -> Iterator[_Weighted]:
        counts = weighty_risks(self.report.risks)
        if counts:
            count, kind = sum(counts.values()), "critical_risks" if counts["crit"] else "risks"
            shown, by_severity = formats.count(count), formats.severities(counts, self.wording)
            yield 0, self.finding(kind, {"count": count, **counts}, count=shown, by_severity=by_severity)

    def _levels(self, signal: PeriodSignal) -> list[tuple[date, SignalNumbers]]:
        """Of the days with rows; before a signal was configured it is not missed, nor is one that never was."""
        days = self.report.days if signal.configured else ()
        return [(day.day, day.signals[signal.name]) for day in days if day.rows and signal.name in day.signals]

    def of_its_days(self, signal: PeriodSignal) -> Iterator[_Weighted]:
        """Days on which a configured signal had no value."""
        levels = self._levels(signal)
        silent = [(day, "") for day, level in levels if level.mean is None]
        if silent:
            days, total = len(levels) - len(silent), len(levels)
            numbers = {"days": days, "total": total}
            yield len(silent) / total, self.finding("few_days", numbers, signal, **numbers, silent=self._named(silent))

    def of_few_values(self, signal: PeriodSignal, min_coverage: Mapping[str, float]) -> Iterator[_Weighted]:
        """Days on which a configured signal had fewer values than it should, judged as in reports of days.

        Of those on which it had any; of sources that are configured no more there is nothing that they should have.
        """
        levels = self._levels(signal)
        few = [
            (level.coverage, day)
            for day, level in levels
            if level.mean is not None and level.coverage is not None and level.source in min_coverage
            if is_few(level.coverage, level.source_coverage, min_coverage[level.source])
        ]
        if few:
            few.sort()
            numbers = {"count": len(few), "total": len(levels), "fewest": few[0][0]}
            days = self._named([(day, formats.share(coverage)) for coverage, day in few])
            shown = {"count": len(few), "total": len(levels), "days": days}
            yield len(few) / len(levels), self.finding("few_values", numbers, signal, **shown)

    def of_target(self, signal: PeriodSignal) -> Iterator[_Weighted]:
        """On the days that had the period's last target, as the share on target is."""
        share = signal.share_on_target
        if share is None:
            return
        target = formats.target(signal.target, signal.unit, self.wording)
        judged = [
            (numbers.day, level)
            for numbers in self.report.days
            if (level := numbers.signals.get(signal.name)) and level.target == signal.target and level.mean is not None
        ]
        off = [(day, level) for day, level in judged if level.mean_on_target is False]
        numbers = {"days_off": len(off), "days": len(judged), "share_on_target": share}
        if off:
            off.sort(key=lambda item: item[1].share_on_target or 0.0)
            days = self._named([(day, self._judged(level, signal)) for day, level in off])
            shown = {"off": len(off), "total": len(judged), "days": days, "share": formats.share(share)}
            yield len(off) / len(judged), self.finding("off_target", numbers, signal, target=target, **shown)
        elif reaches(1 - share, PARTLY):
            off_share = formats.share(1 - share)
            yield 1 - share, self.finding("partly_off_target", numbers, signal, target=target, off=off_share)

    def of_the_period_before(self, signal: PeriodSignal) -> Iterator[_Weighted]:
        change = signal.change
        if change is None or not (change.median_differs or change.share_improved is not None):
            return
        parts: list[str] = []
        numbers: dict[str, float] = {"days": signal.days, "days_before": change.days}
        if change.median_differs:
            numbers |= {"median": signal.median or 0.0, "median_before": change.median, "mad": change.mad}
            parts.append(self._median_change(signal, change))
        if change.share_improved is not None:
            numbers |= {"share": signal.share_on_target or 0.0, "share_before": change.share_on_target or 0.0}
            parts.append(self._share_change(signal, change))
        improved = change.median_improved if change.share_improved is None else change.share_improved
        kind = {None: "changed", True: "improved", False: "worsened"}[improved]
        is_week = self.report.period.kind == "week"
        before = Word(self.wording("before_week") if is_week else self.wording("before_month"))
        relative = abs(change.median_change / change.median) if change.median else math.inf
        weight = max(relative if change.median_differs else 0, abs(change.share_change or 0))
        yield weight, self.finding(kind, numbers, signal, before=before, changes=", ".join(parts))

    def _median_change(self, signal: PeriodSignal, change: PeriodChange) -> str:
        return self.wording(
            "change_of_median",
            now=self._value(signal.median, signal),
            then=self._value(change.median, signal),
            change=median_change(signal, change),
            mad=self._value(change.mad, signal),
        )

    def _share_change(self, signal: PeriodSignal, change: PeriodChange) -> str:
        return self.wording(
            "change_of_shares",
            now=formats.share(signal.share_on_target),
            then=formats.share(change.share_on_target),
            change=formats.points_between(signal.share_on_target, change.share_on_target, self.wording),
        )

    def _named(self, days: Sequence[tuple[date, str]]) -> str:
        """The first of some days, each with what is to be said of it, and how many more there are."""
        shown = [f"{day.isoformat()} ({what})" if what else day.isoformat() for day, what in days[:DAYS_SHOWN]]
        more = self.wording("more_days", count=len(days) - DAYS_SHOWN) if len(days) > DAYS_SHOWN else ""
        return ", ".join(shown) + more

    @staticmethod
    def _judged(level: SignalNumbers, signal: PeriodSignal) -> str:
        return formats.with_unit(formats.judged(level.mean, level.target), signal.unit)

    @staticmethod
    def _value(value: float | None, signal: PeriodSignal) -> str:
        return formats.with_unit(formats.number(value), signal.unit)


def median_change(signal: PeriodSignal, change: PeriodChange) -> str:
    """How far a signal's median is from that of the period before, as both are shown."""
    return (
        formats.NOTHING
        if signal.median is None
        else formats.with_unit(formats.difference(signal.median, change.median), signal.unit)
    )


def basis_text(report: PeriodReport, wording: Wording) -> str:
    """What the period was compared with, or why with nothing."""
    period, before = report.period, report.before
    name = Word(before.period.name)
    if before.compared:
        return wording("period_basis", name=name, days=before.days)
    if not before.days:
        return wording("period_no_basis", name=name)
    return wording(
        "period_basis_too_short",
        name=name,
        days=len(report.days),
        total=len(period.days),
        days_before=before.days,
        total_before=len(before.period.days),
    )

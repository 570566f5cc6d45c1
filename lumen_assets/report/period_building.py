"""From the numbers of frozen days to the report of their week or month."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from lumen_assets.report.changes import SHARE_CHANGE, reaches
from lumen_assets.report.files import OTHER_FIGURES, figure_file
from lumen_assets.report.numbers import DayNumbers, SignalNumbers
from lumen_assets.report.period_findings import find
from lumen_assets.report.periods import Period, PeriodBefore, PeriodChange, PeriodReport, PeriodSignal, RatedDay
from lumen_assets.report.plain_text import visible
from lumen_assets.report.robust import SIGMA, UNUSUAL, middle
from lumen_assets.settings import Configuration

ENOUGH: Final = 0.5
"""Of a period's days that are needed to compare it."""


def build_period_report(
    period: Period, days: Sequence[DayNumbers], configuration: Configuration, before: Sequence[DayNumbers] = ()
) -> PeriodReport:
    """The report of a period; equal arguments give equal reports.

    Args:
        period: a week or a month.
        days: the numbers of its frozen days, oldest first.
        configuration: language and title, the signals, the first day that is expected, the rows that a day should have.
        before: the numbers of the frozen days of the period before, oldest first.
    """
    there = {numbers.day for numbers in days}
    expected = (day for day in period.days if day >= configuration.start_date)
    risks: Counter[str] = Counter({"crit": 0, "warn": 0, "info": 0})
    for numbers in days:
        risks.update(numbers.risks)
    compared = _enough(len(days), period) and _enough(len(before), period.before)
    report = PeriodReport(
        period=period,
        title=visible(configuration.report.title),
        language=configuration.report.language,
        days=tuple(days),
        missing=tuple(day for day in expected if day not in there),
        signals=_signals(period, days, before, configuration),
        risks=dict(risks),
        before=PeriodBefore(period.before, len(before), compared),
        findings=(),
    )
    min_coverage = {name: source.min_coverage for name, source in configuration.sources.by_name.items()}
    return replace(report, findings=find(report, min_coverage=min_coverage))


def _enough(days: int, period: Period) -> bool:
    return days >= ENOUGH * len(period.days)


def _signals(
    period: Period, days: Sequence[DayNumbers], before: Sequence[DayNumbers], configuration: Configuration
) -> tuple[PeriodSignal, ...]:
    """Every signal that had a value, and those that are configured without one, in the order of the newest day."""
    configured, others_left = {visible(name) for name in configuration.signals}, OTHER_FIGURES
    signals = []
    for name in dict.fromkeys(name for numbers in reversed(days) for name in numbers.signals):
        signal = _signal(name, days)
        if signal is None:
            if name in configured:
                signals.append(_without_values(name, days))
            continue
        signal = replace(signal, configured=name in configured)
        wants_figure = name in configured or others_left > 0
        others_left -= wants_figure and name not in configured
        figure = figure_file(period.file, name) if wants_figure else None
        signals.append(replace(signal, change=_change(signal, _signal(name, before), period), figure=figure))
    return tuple(signals)


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
        target=newest.target,
        good=newest.good,
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


def _without_values(name: str, days: Sequence[DayNumbers]) -> PeriodSignal:
    """A configured signal that had not one value, as the newest day names it."""
    newest = next(numbers.signals[name] for numbers in reversed(days) if name in numbers.signals)
    return PeriodSignal(name, newest.label, newest.unit, newest.target, newest.good, configured=True)


def _share(on_target: Sequence[tuple[int, float]]) -> float | None:
    total = sum(count for count, _ in on_target)
    return math.fsum(count * share for count, share in on_target) / total if total else None


def _extremes(
    days: Sequence[tuple[date, SignalNumbers]], newest: SignalNumbers
) -> tuple[RatedDay | None, RatedDay | None]:
    """The best and the worst day; none where all are alike."""
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
    best, worst = (pick(rated, key=lambda item: sign * item.value) for pick in (max, min))
    return (None, None) if best.value == worst.value else (best, worst)


def _change(now: PeriodSignal, then: PeriodSignal | None, period: Period) -> PeriodChange | None:
    """Of a signal against the period before; None where it had values on too few days, or they lie too far apart."""
    if then is None or not (_enough(now.days, period) and _enough(then.days, period.before)):
        return None
    if now.median is None or then.median is None:
        return None
    change = now.median - then.median
    if now.mad is None or then.mad is None or not math.isfinite(change):
        return None
    mad = max(now.mad, then.mad)
    differs = abs(change) > UNUSUAL * SIGMA * mad
    share = then.share_on_target if then.target == now.target else None
    moved = None if share is None or now.share_on_target is None else now.share_on_target - share
    return PeriodChange(
        days=then.days,
        median=then.median,
        mad=mad,
        median_change=change,
        median_differs=differs,
        median_improved=(change > 0) == (now.good == "up") if differs and now.good else None,
        share_on_target=share,
        share_change=moved,
        share_improved=moved > 0 if moved is not None and reaches(abs(moved), SHARE_CHANGE) else None,
    )

"""What each signal did over the day, and how it changed against the day before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from lumen_assets.days import day_bounds
from lumen_assets.report.before import DayBefore, Level
from lumen_assets.report.distribution import curve, distribution, finite_difference, share_on_target
from lumen_assets.report.files import OTHER_FIGURES, figure_file
from lumen_assets.report.model import MINUTES, Distribution, SignalReport
from lumen_assets.report.plain_text import visible
from lumen_assets.report.signals import microseconds, signal_names, target_of, values_of
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import DayTelemetry

SECONDS_A_DAY: Final = 86_400
_COMPARABLE: Final = 10
"""Times as many values as another day's a day may have and still be compared with it."""


def signal_reports(
    today: DayTelemetry, before: DayBefore | None, configuration: Configuration
) -> tuple[SignalReport, ...]:
    """Every signal: configured ones first, in their order, then the other columns in theirs."""
    others_left = OTHER_FIGURES
    reports = []
    sources = zip(configuration.sources.by_name, today.tables, strict=True)
    columns = {name: (source, rows) for source, rows in sources for name in signal_names(rows)}
    for name in [*configuration.signals, *(name for name in columns if name not in configuration.signals)]:
        wants_figure = name in configuration.signals or others_left > 0
        column = columns.get(name)
        report = _signal_report(name, column, today.day, before, configuration, wants_figure=wants_figure)
        report = replace(report, present=report.present or name in today.text_columns)
        if report.figure and not report.configured:
            others_left -= 1
        reports.append(report)
    return tuple(reports)


def _signal_report(
    name: str,
    column: tuple[str, pl.DataFrame] | None,
    day: date,
    before: DayBefore | None,
    configuration: Configuration,
    *,
    wants_figure: bool,
) -> SignalReport:
    """The report of a signal.

    Args:
        column: the source that it is from and the rows that it is a column of; None if there is none.
    """
    signal = configuration.signals.get(name)
    target = target_of(name, configuration)
    language = configuration.report.language
    source, rows = column or (_source_named_in(name, configuration), pl.DataFrame())
    rate_hz = (signal.rate_hz if signal else None) or configuration.sources.by_name[source].rate_hz
    moments, values = values_of(rows, name)
    found = distribution(values)
    share = share_on_target(values, target)
    level = before.levels.get(visible(name)) if before else None
    mean_change, share_change = _changes(level, found, share)
    start, _ = day_bounds(day)
    edges = microseconds(start) + np.arange(MINUTES + 1, dtype=np.int64) * 60_000_000
    return SignalReport(
        name=visible(name),
        label=visible(getattr(signal.label, language) if signal else name),
        unit=visible(signal.unit) if signal else "",
        target=target,
        good=signal.good if signal else None,
        configured=signal is not None,
        present=column is not None,
        coverage=values.size / (SECONDS_A_DAY * rate_hz),
        values=found,
        share_on_target=share,
        mean_change=mean_change,
        share_change=share_change,
        mean_improved=_improved(mean_change, signal.good if signal else None),
        share_improved=_improved(share_change, "up"),
        curve=curve(moments, values, edges, 60 * rate_hz) if found else None,
        figure=figure_file(f"report_{day.isoformat()}", name) if found and wants_figure else None,
        source=source,
        rate_hz=rate_hz,
    )


def _source_named_in(name: str, configuration: Configuration) -> str:
    """The source that a signal would be from: names of those that are read beside the day's own begin with theirs."""
    first = name.partition(".")[0]
    return first if first in configuration.sources.beside else ""


def _changes(
    before: Level | None, values: Distribution | None, share: float | None
) -> tuple[float | None, float | None]:
    """Mean and share of this day minus those of the day before, unless one has hardly any values beside the other."""
    if before is None or before.mean is None or values is None:
        return None, None
    if min(before.count, values.count) * _COMPARABLE < max(before.count, values.count):
        return None, None
    share_before = before.share_on_target
    share_change = share - share_before if share is not None and share_before is not None else None
    return finite_difference(values.mean, before.mean), share_change


def _improved(change: float | None, good: str | None) -> bool | None:
    if not change or good is None:
        return None
    return (change > 0) == (good == "up")

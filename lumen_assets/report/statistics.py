"""What each signal did over the day, and how it changed against the day before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.days import day_bounds
from lumen_assets.report.distribution import Values, curve, distribution, finite_difference, mean_of, share_on_target
from lumen_assets.report.model import MINUTES, SignalReport, TargetRange
from lumen_assets.report.plain_text import visible
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import DayTelemetry

OTHER_FIGURES: Final = 8
"""Signals that nobody configured get at most this many figures; a log with hundreds of columns stays readable."""

SECONDS_A_DAY: Final = 86_400
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def microseconds(moment: datetime) -> int:
    """Since 1970 UTC, exact."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def instants(rows: pl.DataFrame) -> NDArray[np.int64]:
    """``ts`` in microseconds since 1970 UTC, ascending."""
    return rows["ts"].to_physical().to_numpy()


def signal_names(rows: pl.DataFrame) -> list[str]:
    """The columns that are signals, in order of the file."""
    return [name for name in rows.columns if name != "ts"]


def values_of(rows: pl.DataFrame, name: str) -> tuple[NDArray[np.int64], Values]:
    """Instants and values of one signal where it has a value; both empty if there is no such column."""
    if name not in rows.columns:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    if rows[name].null_count():
        rows = rows.select("ts", name).drop_nulls()
    return instants(rows), rows[name].cast(pl.Float64).to_numpy()


def figure_file(day: date, name: str) -> str:
    """``report_YYYY-MM-DD_<signal>.svg``; a name that is no plain file name is replaced by its digest's start."""
    plain = name if _PLAIN_NAME.fullmatch(name) else f"signal-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return f"report_{day.isoformat()}_{plain}.svg"


def signal_reports(
    today: DayTelemetry, previous: DayTelemetry | None, configuration: Configuration
) -> tuple[SignalReport, ...]:
    """Every signal: configured ones first, in their order, then the other columns in theirs."""
    others_left = OTHER_FIGURES
    reports = []
    for name in _ordered_names(today.rows, configuration):
        wants_figure = name in configuration.signals or others_left > 0
        report = _signal_report(name, today, previous, configuration, wants_figure=wants_figure)
        if report.figure and not report.configured:
            others_left -= 1
        reports.append(report)
    return tuple(reports)


def _ordered_names(rows: pl.DataFrame, configuration: Configuration) -> Iterator[str]:
    yield from configuration.signals
    yield from (name for name in signal_names(rows) if name not in configuration.signals)


def _signal_report(
    name: str, today: DayTelemetry, previous: DayTelemetry | None, configuration: Configuration, *, wants_figure: bool
) -> SignalReport:
    signal = configuration.signals.get(name)
    target = TargetRange(signal.target.min, signal.target.max) if signal and signal.target else None
    language = configuration.report.language
    moments, values = values_of(today.rows, name)
    found = distribution(values)
    share = share_on_target(values, target)
    mean_change, share_change = _changes(name, previous, target, found.mean if found else None, share)
    start, _ = day_bounds(today.day)
    edges = microseconds(start) + np.arange(MINUTES + 1, dtype=np.int64) * 60_000_000
    return SignalReport(
        name=visible(name),
        label=visible(getattr(signal.label, language) if signal else name),
        unit=visible(signal.unit) if signal else "",
        target=target,
        good=signal.good if signal else None,
        configured=signal is not None,
        present=name in today.rows.columns,
        coverage=values.size / (SECONDS_A_DAY * configuration.sources.telemetry.rate_hz),
        values=found,
        share_on_target=share,
        mean_change=mean_change,
        share_change=share_change,
        mean_improved=_improved(mean_change, signal.good if signal else None),
        share_improved=_improved(share_change, "up"),
        curve=curve(moments, values, edges) if found else None,
        figure=figure_file(today.day, name) if found and wants_figure else None,
    )


def _changes(
    name: str, previous: DayTelemetry | None, target: TargetRange | None, mean: float | None, share: float | None
) -> tuple[float | None, float | None]:
    """Mean and share of this day minus those of the day before."""
    if previous is None or mean is None:
        return None, None
    _, before = values_of(previous.rows, name)
    mean_before = mean_of(before)
    if mean_before is None:
        return None, None
    share_before = share_on_target(before, target)
    share_change = share - share_before if share is not None and share_before is not None else None
    return finite_difference(mean, mean_before), share_change


def _improved(change: float | None, good: str | None) -> bool | None:
    if not change or good is None:
        return None
    return (change > 0) == (good == "up")

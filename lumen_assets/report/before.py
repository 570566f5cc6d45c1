"""What a report takes from the day before: from its telemetry, or from its report, which costs a tenth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from lumen_assets.report.distribution import mean_of, share_on_target
from lumen_assets.report.model import DayReport
from lumen_assets.report.plain_text import visible
from lumen_assets.report.signals import signal_names, target_of, values_of
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import DayTelemetry, InputSlice


@dataclass(frozen=True)
class Level:
    """How a signal was on a day.

    Attributes:
        count: of its values.
        mean: of these; None where it had none.
        share_on_target: None without values or target.
    """

    count: int
    mean: float | None
    share_on_target: float | None


@dataclass(frozen=True)
class DayBefore:
    """The day before the one that is reported on; it has rows.

    Attributes:
        day: the KST day.
        levels: of every signal, by its name as reports show it.
        tables: gives its rows, as ``DayTelemetry.tables``; asked for only where a rule changed just after midnight.
    """

    day: date
    levels: Mapping[str, Level]
    tables: Callable[[], Sequence[pl.DataFrame]]


def before_by_telemetry(telemetry: DayTelemetry, configuration: Configuration) -> DayBefore | None:
    """The day before, from its rows; None if it has none."""
    if all(rows.is_empty() for rows in telemetry.tables):
        return None
    levels = {}
    for rows in telemetry.tables:
        for name in signal_names(rows):
            _, values = values_of(rows, name)
            levels[visible(name)] = Level(
                values.size, mean_of(values), share_on_target(values, target_of(name, configuration))
            )
    return DayBefore(telemetry.day, levels, lambda: telemetry.tables)


def before_by_report(
    report: DayReport,
    inputs: Iterable[InputSlice],
    configuration: Configuration,
    tables: Callable[[], Sequence[pl.DataFrame]],
) -> DayBefore | None:
    """The same, from its report; None if that was made of other telemetry or targets, or the day has no rows.

    Args:
        inputs: what the inputs hold of the day; without the telemetry where a server has it, which is not asked again.
    """
    made_of = {item.name: item.sha256 for item in report.inputs if item.role == "telemetry" and item.present}
    there_now = {visible(item.name): item.sha256 for item in inputs if item.role == "telemetry" and item.present}
    targets = {visible(name): target_of(name, configuration) for name in configuration.signals}
    same = there_now.items() <= made_of.items()
    same = same and all(signal.target == targets.get(signal.name) for signal in report.signals)
    levels = {
        signal.name: Level(
            signal.values.count if signal.values else 0,
            signal.values.mean if signal.values else None,
            signal.share_on_target,
        )
        for signal in report.signals
    }
    if not same or not report.has_rows or len(levels) < len(report.signals):
        return None
    return DayBefore(report.day, levels, tables)

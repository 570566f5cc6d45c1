"""The numbers of every frozen day, small and beside the reports: what later days and periods are made from.

A report's JSON is large, as it holds the curves; these are its few numbers, of the revision that was frozen last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa

from lumen_assets.report.model import HISTORY, DayReport, PastDay, PastLevel, TargetRange
from lumen_assets.state import StateDatabase
from lumen_assets.telemetry.model import InputSlice

_TABLES: Final = sa.MetaData()

_NUMBERS: Final = sa.Table(
    "day_numbers",
    _TABLES,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("numbers", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class SignalNumbers:
    """A signal of a day; the numbers are None where it had no value. See ``SignalReport``."""

    label: str
    unit: str
    target: TargetRange | None
    good: Literal["up", "down"] | None
    count: int
    mean: float | None
    median: float | None
    minimum: float | None
    maximum: float | None
    share_on_target: float | None

    @property
    def mean_on_target(self) -> bool | None:
        """Whether the day's mean lies in the target range; None without target or values."""
        return None if self.mean is None or self.target is None else self.mean in self.target


@dataclass(frozen=True)
class DayNumbers:
    """A day in a few numbers; ``signals`` by name, in the report's order. See ``Recording``."""

    day: date
    sample: bool
    rows: int
    expected_rows: float
    gap_count: int
    silent_seconds: float
    rule_changes: int
    risks: Mapping[str, int]
    signals: Mapping[str, SignalNumbers]

    @property
    def past(self) -> PastDay:
        """What later days are compared with."""
        levels = {
            name: PastLevel(signal.mean, signal.share_on_target, signal.target)
            for name, signal in self.signals.items()
            if signal.mean is not None
        }
        return PastDay(self.day, levels)


def numbers_of(report: DayReport) -> DayNumbers:
    """The numbers of a report."""
    recording = report.recording
    signals = {}
    for signal in report.signals:
        values = signal.values
        signals[signal.name] = SignalNumbers(
            label=signal.label,
            unit=signal.unit,
            target=signal.target,
            good=signal.good,
            count=values.count if values else 0,
            mean=values.mean if values else None,
            median=values.p50 if values else None,
            minimum=values.minimum if values else None,
            maximum=values.maximum if values else None,
            share_on_target=signal.share_on_target,
        )
    return DayNumbers(
        day=report.day,
        sample=report.sample,
        rows=recording.rows,
        expected_rows=recording.expected_rows,
        gap_count=recording.gap_count,
        silent_seconds=recording.silent_seconds,
        rule_changes=len(report.rule_effects),
        risks=report.risks.by_severity,
        signals=signals,
    )


class NumbersLedger:
    """The numbers of frozen days; several processes may use it at once.

    Args:
        place: a SQLite file, made with its folder when something is first recorded, or a Postgres.
    """

    def __init__(self, place: Path | sa.URL) -> None:
        hint = "move it away: freezing a day again fills it"
        self._database = StateDatabase(place, _TABLES, name="the numbers of frozen days,", hint=hint)

    def record(self, numbers: DayNumbers) -> None:
        """The day was frozen with these numbers."""
        with self._database.connected() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO day_numbers VALUES (:day, :numbers) "
                    "ON CONFLICT (day) DO UPDATE SET numbers = excluded.numbers"
                ),
                {"day": numbers.day.isoformat(), "numbers": _adapter(DayNumbers).dump_json(numbers).decode()},
            )

    def between(self, first: date, last: date) -> Sequence[DayNumbers]:
        """Those of the days from ``first`` to ``last``, both included, that were frozen; oldest first."""
        if not self._database.exists:
            return ()
        day = _NUMBERS.c.day
        with self._database.connected() as connection:
            rows = connection.execute(
                sa.select(_NUMBERS.c.numbers).where(day.between(first.isoformat(), last.isoformat())).order_by(day)
            ).fetchall()
        return [_adapter(DayNumbers).validate_json(text) for (text,) in rows]

    def history(self, day: date) -> tuple[PastDay, ...]:
        """The days that a day is compared with, oldest first."""
        return tuple(numbers.past for numbers in self.between(day - HISTORY, day - timedelta(days=1)))


def history_kept(frozen_report: str, inputs: Iterable[InputSlice]) -> tuple[PastDay, ...] | None:
    """The days that a frozen report was compared with: made of the same telemetry, it is compared with them again.

    Args:
        frozen_report: its JSON.
        inputs: of the day, as they are now.

    Returns:
        None if that report was made of other telemetry, or by a version that compared nothing.
    """
    content = json.loads(frozen_report)
    made_of = {item["sha256"] for item in content["inputs"] if item["role"] == "telemetry" and item["present"]}
    there_now = {item.sha256 for item in inputs if item.role == "telemetry" and item.present}
    if made_of != there_now or "history" not in content:
        return None
    history: tuple[PastDay, ...] = _adapter(tuple[PastDay, ...]).validate_python(content["history"])
    return history


def frozen_coverage(frozen_report: str) -> float:
    """The share of the expected rows that a frozen report, its JSON, says that its day has."""
    return float(json.loads(frozen_report)["recording"]["coverage"])


@cache
def _adapter(kept: Any) -> Any:
    """Pydantic's codec, slow to build."""
    from pydantic import TypeAdapter

    return TypeAdapter(kept)

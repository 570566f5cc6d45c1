"""The numbers of every frozen day, small and beside the reports: what later days and periods are made from.

A report's JSON is large, as it holds the curves; these are its few numbers, of the revision that was frozen last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal

from lumen_assets.report.model import DayReport, Gap, PastDay, PastLevel, TargetRange
from lumen_assets.telemetry.model import InputSlice


@dataclass(frozen=True)
class SignalNumbers:
    """A signal of a day; the numbers are None where it had no value. See ``SignalReport``.

    Attributes:
        coverage: share of the expected values that it has; None where it was not configured, and of days that an
            earlier version froze.
        source: the name of its source, as in ``Sources.by_name``.
        source_coverage: share of the expected rows that this has.
    """

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
    coverage: float | None = None
    source: str = ""
    source_coverage: float = 1.0

    @property
    def mean_on_target(self) -> bool | None:
        """Whether the day's mean lies in the target range; None without target or values."""
        return None if self.mean is None or self.target is None else self.mean in self.target


@dataclass(frozen=True)
class DayNumbers:
    """A day in a few numbers. See ``Recording``.

    Attributes:
        signals: by name, in the report's order.
        longest_gap: the longest of its gaps; None without one, and of days that an earlier version froze.
    """

    day: date
    sample: bool
    rows: int
    expected_rows: float
    gap_count: int
    silent_seconds: float
    rule_changes: int
    risks: Mapping[str, int]
    signals: Mapping[str, SignalNumbers]
    longest_gap: Gap | None = None

    def to_json(self) -> str:
        """JSON that ``from_json`` reads."""
        text: bytes = _adapter(DayNumbers).dump_json(self)
        return text.decode()

    @classmethod
    def from_json(cls, text: str) -> DayNumbers:
        """The numbers that ``to_json`` wrote.

        Raises:
            ValueError: if ``text`` is not such.
        """
        numbers: DayNumbers = _adapter(DayNumbers).validate_json(text)
        return numbers

    @property
    def coverage(self) -> float:
        """Share of the rows that were expected."""
        return self.rows / self.expected_rows

    @property
    def past(self) -> PastDay:
        """What later days are compared with."""
        levels = {
            name: PastLevel(signal.mean, signal.share_on_target, signal.target)
            for name, signal in self.signals.items()
            if signal.mean is not None
        }
        return PastDay(self.day, levels)


def with_few_rows(numbers: Mapping[date, DayNumbers], min_coverage: float) -> dict[date, DayNumbers]:
    """Those of days that have a smaller share of their rows than they should."""
    return {day: found for day, found in numbers.items() if found.coverage < min_coverage}


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
            coverage=signal.coverage if signal.configured else None,
            source=signal.source,
            source_coverage=report.recordings[signal.source].coverage,
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
        longest_gap=recording.longest_gaps[0] if recording.longest_gaps else None,
    )


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


def frozen_coverage(frozen_report: str) -> dict[str, float]:
    """The share of the expected rows that a frozen report, its JSON, says that its day has, by source.

    By the name of what is read beside the day's own telemetry, which has none.
    """
    content = json.loads(frozen_report)
    recordings = {"": content["recording"], **content.get("beside", {})}
    return {name: float(recording["coverage"]) for name, recording in recordings.items()}


@dataclass(frozen=True)
class FrozenSignal:
    """How many values a frozen signal has, and which share that is of the rows that its source should have."""

    count: int
    coverage: float


def frozen_values(frozen_report: str) -> dict[str, dict[str, FrozenSignal]]:
    """What a frozen report, its JSON, says that each signal has, by source and column.

    Sources are named as in ``frozen_coverage``; a signal without values is not in it.
    """
    content = json.loads(frozen_report)
    recordings = {"": content["recording"], **content.get("beside", {})}
    found: dict[str, dict[str, FrozenSignal]] = {name: {} for name in recordings}
    for signal in content["signals"]:
        if signal["values"]:
            name, count = signal["name"], int(signal["values"]["count"])
            by_prefix = next((source for source in found if source and name.startswith(f"{source}.")), "")
            source = signal.get("source", by_prefix)  # earlier versions do not say it
            column = name.removeprefix(f"{source}." if source else "")
            found[source][column] = FrozenSignal(count, count / recordings[source]["expected_rows"])
    return found


def frozen_rows(frozen_report: str) -> dict[str, int]:
    """The rows that a frozen report, its JSON, says that its day has, by the file of telemetry that they are from."""
    inputs = json.loads(frozen_report)["inputs"]
    return {item["name"]: int(item["rows"]) for item in inputs if item["role"] == "telemetry" and item["present"]}


def frozen_bad_numbers(frozen_report: str) -> dict[str, int]:
    """The rows that a frozen report, its JSON, left out for cells that are no numbers, by the file of telemetry."""
    inputs = json.loads(frozen_report)["inputs"]
    return {item["name"]: int(item["rejected"].get("bad_number", 0)) for item in inputs if item["role"] == "telemetry"}


def frozen_configured(frozen_report: str) -> set[str]:
    """The names of the signals that were configured when a frozen report, its JSON, was made."""
    return {signal["name"] for signal in json.loads(frozen_report)["signals"] if signal["configured"]}


@cache
def _adapter(kept: Any) -> Any:
    """Pydantic's codec, slow to build."""
    from pydantic import TypeAdapter

    return TypeAdapter(kept)

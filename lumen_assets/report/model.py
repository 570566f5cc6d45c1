"""What a report says: the one value that Markdown, figures and PDF are made from.

It holds no wall clock, no random ids, no paths of the machine and no software version, so that a day whose inputs
did not change gives the same bytes. All texts of inputs in it went through ``plain_text.visible``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Any, Final, Literal

from lumen_assets.report.provenance import TelemetrySource
from lumen_assets.report.rule_effect import RuleEffect
from lumen_assets.telemetry.model import left_out

MINUTES: Final = 1440
"""Bins of a curve: the minutes of a KST day, from 00:00."""

HISTORY: Final = timedelta(days=28)
"""A day is compared with the days of four weeks before it, so that every weekday weighs the same."""

Language = Literal["ko", "en"]


@dataclass(frozen=True)
class TargetRange:
    """The values that are good, both bounds included; None is no bound on that side."""

    min: float | None
    max: float | None

    def __contains__(self, value: float) -> bool:
        """Whether a value is good."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True)
class Curve:
    """A signal over the day in ``MINUTES`` one-minute bins; null where a minute has no value.

    Attributes:
        few: minutes, from 0, with fewer than a tenth of the values that are expected, as beside a gap; none where those
            of the whole day are so, which is how it was recorded.
    """

    minimum: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    maximum: tuple[float | None, ...]
    few: tuple[int, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """How often a signal had which values.

    Attributes:
        low, high: ends of what is counted in bins: the 5th and 95th percentile and as far again on either side, within
            the extremes; so that a single odd value does not make all others one bin.
        counts: of values in bins of equal width from ``low`` to ``high``; a bin has its lower end, the last one both.
        below, above: values beyond.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    below: int
    above: int


@dataclass(frozen=True)
class Distribution:
    """A signal's values of a day.

    Attributes:
        count: values that are not null.
        mean: arithmetic mean, correctly rounded from the exact sum.
        std: population standard deviation (divided by ``count``), so that one value has 0.
        minimum, maximum: the extremes.
        p5, p50, p95: percentiles, linear between order statistics: position ``(count - 1) * p`` counted from 0
            (Hyndman and Fan 1996, type 7; numpy's and Excel's default).
        histogram: of the same values.
    """

    count: int
    mean: float
    std: float
    minimum: float
    p5: float
    p50: float
    p95: float
    maximum: float
    histogram: Histogram


@dataclass(frozen=True)
class SignalReport:
    """One signal of the day.

    Attributes:
        name: the column's name.
        label: its name in the report's language; the column's name where none is configured.
        unit: shown behind values; may be empty.
        target: the configured range, if any.
        good: direction that is an improvement, if configured.
        configured: whether ``lumen.yaml`` names it.
        present: whether the day's rows have such a column.
        coverage: ``count / (86400 * rate_hz)``, as a share; above 1 where values came faster than expected.
        values: None where the day has no value.
        share_on_target: share of values in the target range; None without target or values.
        mean_change, share_change: this day minus the day before; None if either has no value, or one has fewer than a
            tenth of the other's.
        mean_improved: whether ``mean_change`` went in the good direction; None if unchanged or unknown.
        share_improved: whether more values were on target; None if unchanged or unknown.
        curve: None where the day has no value.
        figure: file name of its figure; None if it has none.
        source: the name of the source that it is from; empty for the day's own.
        rate_hz: values a second that are expected; None in reports of versions that did not say it.
    """

    name: str
    label: str
    unit: str
    target: TargetRange | None
    good: Literal["up", "down"] | None
    configured: bool
    present: bool
    coverage: float
    values: Distribution | None
    share_on_target: float | None
    mean_change: float | None
    share_change: float | None
    mean_improved: bool | None
    share_improved: bool | None
    curve: Curve | None
    figure: str | None
    source: str = ""
    rate_hz: float | None = None

    @property
    def mean_on_target(self) -> bool | None:
        """Whether the day's mean lies in the target range; None without target or values."""
        if self.values is None or self.target is None:
            return None
        return self.values.mean in self.target


@dataclass(frozen=True)
class Gap:
    """A stretch without rows; ``start`` and ``end`` in KST, ``end`` may be the next midnight."""

    start: datetime
    end: datetime
    seconds: float


@dataclass(frozen=True)
class Recording:
    """How complete the day's rows are.

    Attributes:
        rows: rows of the day.
        expected_rows: ``86400 * rate``.
        coverage: ``rows / expected_rows``.
        rate_hz: rows a second that are expected.
        gap_seconds: silence longer than this is a gap: ``max(5, 10 / rate)``.
        gap_count, silent_seconds: number and total length of all gaps.
        longest_gaps: the ten longest, longest first, ties earlier first.
    """

    rows: int
    expected_rows: float
    coverage: float
    rate_hz: float
    gap_seconds: float
    gap_count: int
    silent_seconds: float
    longest_gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class ShownQuote:
    """A quote of the day."""

    at: datetime
    by: str
    rule: str
    delta: Mapping[str, float]
    confidence: float
    quote: str


@dataclass(frozen=True)
class Quotes:
    """Number of quotes, their mean confidence and the three of highest confidence, ties earlier first."""

    count: int
    mean_confidence: float | None
    top: tuple[ShownQuote, ...]


@dataclass(frozen=True)
class ShownRisk:
    """A risk of the day."""

    at: datetime
    severity: str
    rule: str
    signal: Mapping[str, float]
    note: str


@dataclass(frozen=True)
class Risks:
    """The risks of a day.

    Attributes:
        by_severity: number of them; ``crit``, ``warn``, ``info`` always there, ``other`` where there are any.
        latest: the latest twenty that are critical and the latest three of the others, newest first, each with its
            severity: crit, warn or info, or what else was written.
    """

    by_severity: Mapping[str, int]
    latest: tuple[ShownRisk, ...]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.by_severity.values())

    @property
    def more_critical(self) -> int:
        """Critical ones that are not among the latest."""
        return self.by_severity.get("crit", 0) - sum(risk.severity == "crit" for risk in self.latest)


@dataclass(frozen=True)
class RejectedLine:
    """A line that was left out of the numbers; ``line`` counts from 1 in the day's slice."""

    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Input:
    """What was read from one input, and the SHA-256 of its slice."""

    role: str
    name: str
    present: bool
    rows: int
    rejected: Mapping[str, int]
    examples: tuple[RejectedLine, ...]
    notes: Mapping[str, int]
    sha256: str
    other_days: Mapping[date, int] = field(default_factory=dict)

    @property
    def rejected_count(self) -> int:
        """Lines that were left out, but for blank ones, with which nothing is lost."""
        return sum(left_out(self.rejected).values())


@dataclass(frozen=True)
class Picture:
    """A picture of the day from Grafana.

    Attributes:
        file: its name among the figures.
        panel: the panel's id; empty for the whole dashboard.
        width, height: pixels.
    """

    file: str
    panel: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Grafana:
    """What Grafana gave for the report.

    Attributes:
        asked: pictures that it was asked for; 0 where it is not configured.
        pictures: those that there are, in the order of the panels.
    """

    asked: int = 0
    pictures: tuple[Picture, ...] = ()

    @property
    def missing(self) -> int:
        """Pictures that it did not give."""
        return self.asked - len(self.pictures)


NO_PICTURES: Final = Grafana()


@dataclass(frozen=True)
class PastLevel:
    """How a signal was on an earlier day; ``share_on_target`` is of the target that was configured then."""

    mean: float
    share_on_target: float | None
    target: TargetRange | None


@dataclass(frozen=True)
class PastDay:
    """An earlier day as it was frozen; a signal without values is not in it."""

    day: date
    signals: Mapping[str, PastLevel]


@dataclass(frozen=True)
class Finding:
    """Something that a reader should know first.

    Attributes:
        kind: what it is, one of ``findings.KINDS``.
        signal: the name of the signal that it is about; None for what is about the day.
        numbers: what the text says, unrounded.
        text: a sentence or two in the report's language, made from numbers and labels only.
    """

    kind: str
    signal: str | None
    numbers: Mapping[str, float]
    text: str


@dataclass(frozen=True)
class DayReport:
    """A day's report, complete.

    Attributes:
        day: the KST day.
        previous_day: the day that changes are against; None if it has no rows.
        sample: whether it is made from sample data.
        history: the days that the day is compared with, oldest first; none where there were too few.
        findings: what should be known first, by weight.
        beside: how complete the telemetry is that is read beside the day's own, by the name of its source.
        sources: of the telemetry, the day's own first; none in reports of versions that did not say it.
        gone: signals that nobody configured, with values on the day before and none on this one.
    """

    day: date
    previous_day: date | None
    title: str
    language: Language
    sample: bool
    gateway_status: str | None
    recording: Recording
    signals: tuple[SignalReport, ...]
    rule_effects: tuple[RuleEffect, ...]
    quotes: Quotes
    risks: Risks
    inputs: tuple[Input, ...]
    history: tuple[PastDay, ...]
    findings: tuple[Finding, ...]
    grafana: Grafana = NO_PICTURES
    beside: Mapping[str, Recording] = field(default_factory=dict)
    sources: tuple[TelemetrySource, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def has_rows(self) -> bool:
        """Whether any telemetry was recorded."""
        return any(recording.rows for recording in self.recordings.values())

    @property
    def recordings(self) -> dict[str, Recording]:
        """How complete each source is; the day's own, which has no name, first."""
        return {"": self.recording, **self.beside}

    @property
    def rejected_count(self) -> int:
        """As ``Input.rejected_count``, of all inputs."""
        return sum(item.rejected_count for item in self.inputs)

    @property
    def figure_signals(self) -> tuple[SignalReport, ...]:
        """The signals that have a figure, in order."""
        return tuple(signal for signal in self.signals if signal.figure is not None)

    @property
    def effect_signals(self) -> tuple[SignalReport, ...]:
        """The signals that the table of effects shows: configured ones and those with a recorded effect."""
        recorded = {name for effect in self.rule_effects for name in (*effect.recorded, *effect.recorded_means)}
        return tuple(s for s in self.signals if s.configured or s.name in recorded)

    def shares_on_target(self, signal: SignalReport) -> dict[date, float]:
        """Of this day and of those of ``history`` that had the same target and values; oldest first."""
        levels = ((past.day, past.signals.get(signal.name)) for past in self.history)
        found = {
            day: level.share_on_target
            for day, level in levels
            if level is not None and level.share_on_target is not None and level.target == signal.target
        }
        return found if signal.share_on_target is None else {**found, self.day: signal.share_on_target}

    def to_json(self) -> str:
        """See ``canonical_json``."""
        return self._json

    @cached_property
    def _json(self) -> str:  # the report's file and the PDF's attachment
        return canonical_json(_adapter().dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> DayReport:
        """The report that ``to_json`` wrote.

        Raises:
            ValueError: if ``text`` is not one.
        """
        report: DayReport = _adapter().validate_json(text)
        return report


def canonical_json(content: Any) -> str:
    """JSON with sorted keys, UTF-8 as it is, no NaN, a newline at the end."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"


@cache
def _adapter() -> Any:
    """Pydantic's codec for the report; slow to build, so once and only when asked for."""
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(DayReport))

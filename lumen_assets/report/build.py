"""From a day's telemetry to its report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lumen_assets.days import KST
from lumen_assets.report.before import DayBefore, before_by_telemetry
from lumen_assets.report.effects import rule_effects
from lumen_assets.report.findings import find
from lumen_assets.report.gaps import recording
from lumen_assets.report.model import (
    NO_PICTURES,
    DayReport,
    Grafana,
    Input,
    PastDay,
    Quotes,
    RejectedLine,
    Risks,
    ShownQuote,
    ShownRisk,
    SignalReport,
)
from lumen_assets.report.plain_text import visible
from lumen_assets.report.provenance import telemetry_sources
from lumen_assets.report.robust import ENOUGH_DAYS
from lumen_assets.report.statistics import signal_reports
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import DayTelemetry, InputReading, Quote, Risk

SHOWN: Final = 3
"""Quotes and risks that are shown in full; the inputs hold the others."""

CRITICAL_SHOWN: Final = 20
"""Risks that are critical, which nobody should have to look for."""

SEVERITIES: Final = ("crit", "warn", "info")


def build_report(
    today: DayTelemetry,
    previous: DayBefore | DayTelemetry | None,
    configuration: Configuration,
    history: Sequence[PastDay] = (),
    grafana: Grafana = NO_PICTURES,
) -> DayReport:
    """The report of a day; equal arguments give equal reports.

    Args:
        today: the day to report on.
        previous: the day before, for changes; None if there is nothing of it.
        configuration: language, title, signals and expected rate.
        history: earlier days, oldest first, that the day is compared with; fewer than ``ENOUGH_DAYS`` are left out.
        grafana: the day's pictures.
    """
    before = before_by_telemetry(previous, configuration) if isinstance(previous, DayTelemetry) else previous
    sources = configuration.sources.by_name
    recordings = {
        name: recording(today.day, rows, source.rate_hz)
        for (name, source), rows in zip(sources.items(), today.tables, strict=True)
    }
    signals = signal_reports(today, before, configuration)
    report = DayReport(
        day=today.day,
        previous_day=before.day if before else None,
        title=visible(configuration.report.title),
        language=configuration.report.language,
        sample=today.sample,
        gateway_status=visible(today.gateway_status) if today.gateway_status is not None else None,
        recording=recordings.pop(""),
        signals=signals,
        rule_effects=rule_effects(today, before),
        quotes=_quotes(today.quotes),
        risks=_risks(today.risks),
        inputs=tuple(_input(reading) for reading in today.inputs),
        history=tuple(history) if len(history) >= ENOUGH_DAYS else (),
        findings=(),
        grafana=grafana,
        beside=recordings,
        sources=tuple(telemetry_sources(today.inputs, configuration)),
        gone=_gone(signals, before),
    )
    min_coverage = {name: source.min_coverage for name, source in sources.items()}
    return replace(report, findings=find(report, min_coverage=min_coverage, late_days=configuration.sources.late_days))


def _gone(signals: Sequence[SignalReport], before: DayBefore | None) -> tuple[str, ...]:
    here = {signal.name for signal in signals if signal.configured or signal.values is not None}
    levels = before.levels if before else {}
    return tuple(name for name, level in levels.items() if level.mean is not None and name not in here)


def _quotes(quotes: Sequence[Quote]) -> Quotes:
    best = sorted(quotes, key=lambda quote: (-quote.confidence, quote.at))[:SHOWN]
    mean = math.fsum(quote.confidence for quote in quotes) / len(quotes) if quotes else None
    return Quotes(
        count=len(quotes),
        mean_confidence=mean,
        top=tuple(
            ShownQuote(
                at=quote.at.astimezone(KST),
                by=visible(quote.by),
                rule=visible(quote.rule),
                delta={visible(name): value for name, value in quote.delta.items()},
                confidence=quote.confidence,
                quote=visible(quote.quote),
            )
            for quote in best
        ),
    )


def _risks(risks: Sequence[Risk]) -> Risks:
    counts = dict.fromkeys(SEVERITIES, 0)
    for risk in risks:
        severity = risk.severity if risk.severity in SEVERITIES else "other"
        counts[severity] = counts.get(severity, 0) + 1
    newest = sorted(risks, key=lambda risk: risk.at)[::-1]
    critical = [at for at, risk in enumerate(newest) if risk.severity == "crit"][:CRITICAL_SHOWN]
    others = [at for at, risk in enumerate(newest) if risk.severity != "crit"][:SHOWN]
    return Risks(
        by_severity=counts,
        latest=tuple(
            ShownRisk(
                at=risk.at.astimezone(KST),
                severity=visible(risk.severity),
                rule=visible(risk.rule),
                signal={visible(name): value for name, value in risk.signal.items()},
                note=visible(risk.note),
            )
            for risk in (newest[at] for at in sorted(critical + others))
        ),
    )


def _input(reading: InputReading) -> Input:
    return Input(
        role=reading.role,
        name=visible(reading.name),
        present=reading.present,
        rows=reading.rows,
        rejected={visible(kind): count for kind, count in reading.rejected.items()},
        examples=tuple(RejectedLine(e.line, visible(e.kind), visible(e.text)) for e in reading.examples),
        notes={visible(kind): count for kind, count in reading.notes.items()},
        sha256=reading.sha256,
        other_days=reading.other_days,
    )

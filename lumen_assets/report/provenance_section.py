"""The section on provenance: which bytes made the report, where they came from and how, and by which settings."""

from __future__ import annotations

from collections.abc import Iterator

from lumen_assets.report import formats
from lumen_assets.report.document import Block, Cell, Column, Facts, Heading, Table, Text
from lumen_assets.report.model import DayReport
from lumen_assets.report.provenance import TelemetrySource
from lumen_assets.report.wording import Wording


def provenance_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """Which bytes and settings made the report."""
    yield Heading(wording("section_provenance"), "provenance")
    yield Text(wording("provenance_explained"), tone="quiet")
    columns = (
        Column(wording("column_input"), 2.2),
        Column(wording("column_rows"), 0.9, "right"),
        Column(wording("column_digest"), 5.4),
    )
    rows = tuple((Cell(i.name), Cell(formats.count(i.rows)), Cell(i.sha256, "quiet")) for i in report.inputs)
    if rows:
        yield Table(columns, rows, dense=True)
    yield from _sources(report, wording)
    yield Facts(tuple((name, Cell(value)) for name, value in _settings(report, wording)))


def _sources(report: DayReport, wording: Wording) -> Iterator[Block]:
    """Where telemetry came from and how it was read; of a Prometheus, what it was asked."""
    if not report.sources:
        return
    columns = (
        Column(wording("column_source"), 1.4),
        Column(wording("column_input"), 2.2),
        Column(wording("column_read_as"), 4.9),
    )
    rows = tuple(
        (Cell(source.name or wording("own_source")), Cell(source.file), Cell(_read_as(source, wording)))
        for source in report.sources
    )
    yield Table(columns, rows, dense=True)
    asked = tuple((Cell(query.signal), Cell(query.expression)) for source in report.sources for query in source.queries)
    if asked:
        yield Text(wording("provenance_asked"), tone="quiet")
        yield Table(
            (Column(wording("column_signal"), 2.2), Column(wording("column_expression"), 6.3)), asked, dense=True
        )


def _read_as(source: TelemetrySource, wording: Wording) -> str:
    if source.server is not None:
        key = "read_prometheus" if source.server else "read_prometheus_unnamed"
        return wording(key, server=source.server, step=source.step)
    form = "iso_offset" if source.timestamp_offset else source.timestamp_form
    times = wording(f"times_{form}", offset=source.timestamp_offset)
    return wording("read_csv", column=source.timestamp, times=times)


def _settings(report: DayReport, wording: Wording) -> Iterator[tuple[str, str]]:
    yield wording("setting_sample"), wording("yes" if report.sample else "no")
    yield wording("setting_gateway"), report.gateway_status or wording("gateway_unknown")
    yield wording("setting_rate"), formats.rate(report.recording.rate_hz, wording)
    for name, recording in report.beside.items():
        yield wording("setting_rate_of", name=name), formats.rate(recording.rate_hz, wording)
    previous = report.previous_day.isoformat() if report.previous_day else wording("none_short")
    yield wording("setting_previous"), previous
    grafana = report.grafana
    counted = wording("grafana_count", count=len(grafana.pictures), asked=grafana.asked)
    yield wording("setting_grafana"), counted if grafana.asked else wording("grafana_none")
    for signal in report.signals:
        if signal.configured:
            target = formats.target(signal.target, signal.unit, wording) if signal.target else wording("no_target")
            value = wording(f"good_{signal.good}", target=target) if signal.good else target
            yield wording("setting_target", label=signal.label), value
        if signal.rate_hz not in (None, report.recordings[signal.source].rate_hz):
            yield (
                wording("setting_rate_of", name=signal.label),
                formats.rate(signal.rate_hz, wording, of_values=True),
            )

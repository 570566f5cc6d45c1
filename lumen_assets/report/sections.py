"""The report's sections, from the model to blocks: signals and their record. ``ledger_sections`` has the others."""

from __future__ import annotations

from collections.abc import Iterator

from lumen_assets.days import day_bounds
from lumen_assets.report import formats
from lumen_assets.report.changes import mean_moved, share_moved
from lumen_assets.report.document import (
    Banner,
    Block,
    Cell,
    Column,
    Document,
    Facts,
    Heading,
    Photo,
    Table,
    Text,
)
from lumen_assets.report.figure_sections import calendar_section, distribution_figures, figures_section
from lumen_assets.report.finding_sections import findings_section
from lumen_assets.report.ledger_sections import (
    inputs_section,
    method_section,
    quotes_section,
    risks_section,
    rules_section,
)
from lumen_assets.report.model import DayReport, SignalReport
from lumen_assets.report.provenance_section import provenance_section
from lumen_assets.report.wording import Wording


def document(report: DayReport) -> Document:
    """All of the report, in its language."""
    wording = Wording(report.language)
    sections = (
        findings_section,
        _summary,
        figures_section,
        _grafana,
        _distribution,
        calendar_section,
        _gaps,
        rules_section,
        quotes_section,
        risks_section,
        inputs_section,
        provenance_section,
        method_section,
    )
    return Document(
        language=report.language,
        title=report.title,
        mark=report.day.isoformat(),
        subtitle=formats.long_day(report.day, wording),
        subject=wording("subject", day=report.day.isoformat()),
        keywords=(*wording("keywords").split(", "), report.day.isoformat(), *(s.label for s in report.figure_signals)),
        ends=day_bounds(report.day)[1],
        contents_title=wording("contents"),
        banners=(Banner(wording("banner_sample")),) if report.sample else (),
        blocks=tuple(block for section in sections for block in section(report, wording)),
    )


def _summary(report: DayReport, wording: Wording) -> Iterator[Block]:
    yield Heading(wording("section_summary"), "summary")
    yield Text(_verdict(report, wording), tone="strong")
    yield Facts(tuple(_facts(report, wording)))
    if report.signals:
        yield Text(_basis(report, wording), tone="quiet")
        yield _summary_table(report, wording)


def _basis(report: DayReport, wording: Wording) -> str:
    """What changes are against."""
    if report.previous_day is None:
        return wording("change_no_basis")
    return wording("change_basis", day=report.previous_day.isoformat())


def _verdict(report: DayReport, wording: Wording) -> str:
    wanted = [signal for signal in report.signals if signal.target is not None]
    judged = [signal for signal in wanted if signal.mean_on_target is not None]
    off, silent = [signal.label for signal in judged if not signal.mean_on_target], len(wanted) - len(judged)
    if not judged:
        return wording("verdict_none")
    if not off and not silent:
        return wording("verdict_all", total=len(judged))
    return "".join(
        (
            wording("verdict_some", total=len(wanted), good=len(judged) - len(off)),
            wording("verdict_off", names=", ".join(off)) if off else "",
            wording("verdict_silent", count=silent) if silent else "",
        )
    )


def _facts(report: DayReport, wording: Wording) -> Iterator[tuple[str, Cell]]:
    recording, quotes = report.recording, report.quotes
    none = Cell(wording("none_short"), "quiet")
    rows, expected = formats.count(recording.rows), formats.count(recording.expected_rows)
    yield wording("fact_rows"), Cell(wording("rows_of", rows=rows, expected=expected))
    yield wording("fact_coverage"), Cell(formats.share(recording.coverage))
    silent = formats.length(recording.silent_seconds, wording)
    gaps = Cell(wording("gaps_value", count=recording.gap_count, length=silent))
    yield wording("fact_silence"), gaps if recording.gap_count else none
    rejected = Cell(formats.count(report.rejected_count))
    yield wording("fact_rejected"), rejected if report.rejected_count else none
    yield wording("fact_rules"), Cell(_rule_changes(report, wording)) if report.rule_effects else none
    confidence = formats.confidence(quotes.mean_confidence)
    shown_quotes = Cell(wording("quotes_value", count=quotes.count, confidence=confidence))
    yield wording("fact_quotes"), shown_quotes if quotes.count else none
    shown_risks = Cell(formats.severities(report.risks.by_severity, wording))
    yield wording("fact_risks"), shown_risks if report.risks.count else none
    yield wording("fact_gateway"), Cell(report.gateway_status or wording("gateway_unknown"))


def _rule_changes(report: DayReport, wording: Wording) -> str:
    """How many there are; findings count those of the ledger alone, so what only has an effect is told apart."""
    lost = sum(not effect.in_history for effect in report.rule_effects)
    return wording("times_and_lost" if lost else "times", count=len(report.rule_effects), lost=lost)


def _summary_table(report: DayReport, wording: Wording) -> Table:
    columns = (
        Column(wording("column_signal"), 2.6),
        Column(wording("column_target"), 1.2, "right"),
        Column(wording("column_mean"), 1.2, "right"),
        Column(wording("column_verdict"), 1.1),
        Column(wording("column_mean_change"), 1.6, "right"),
        Column(wording("column_share"), 1.2, "right"),
        Column(wording("column_share_change"), 1.6, "right"),
    )
    return Table(columns, tuple(_summary_row(signal, report, wording) for signal in report.signals), dense=True)


def _summary_row(signal: SignalReport, report: DayReport, wording: Wording) -> tuple[Cell, ...]:
    mean = formats.judged(signal.values.mean if signal.values else None, signal.target)
    return (
        signal_cell(signal),
        Cell(formats.target(signal.target, signal.unit, wording), "quiet"),
        Cell(formats.with_unit(mean, signal.unit), "strong") if signal.values else _absence(signal, report, wording),
        _judgement(signal, wording),
        change_cell(
            formats.number(signal.mean_change, signed=True),
            _if(mean_moved(signal, report.history), signal.mean_improved),
            wording,
        ),
        Cell(formats.share(signal.share_on_target)),
        change_cell(
            formats.points(signal.share_change, wording),
            _if(share_moved(signal, report.history), signal.share_improved),
            wording,
        ),
    )


def _if(told: bool, improved: bool | None) -> bool | None:
    """What the findings do not tell of is not called better or worse."""
    return improved if told else None


def signal_cell(signal: formats.Named) -> Cell:
    """A signal's label with the column's name under it."""
    return Cell(signal.label if signal.label == signal.name else f"{signal.label}\n{signal.name}")


def _absence(signal: SignalReport, report: DayReport, wording: Wording) -> Cell:
    """Why a signal has no values; where there are no rows, it is not for want of a column."""
    return Cell(wording("no_values" if signal.present or not report.has_rows else "no_column"), "quiet")


def _judgement(signal: SignalReport, wording: Wording) -> Cell:
    if signal.mean_on_target is None:
        return Cell(formats.NOTHING, "quiet")
    return Cell(wording("on_target"), "good") if signal.mean_on_target else Cell(wording("off_target"), "bad")


def change_cell(text: str, improved: bool | None, wording: Wording) -> Cell:
    """A change with its judgement; none where it rounds to nothing."""
    if improved is None or not any(digit in text for digit in "123456789"):
        return Cell(text)
    if improved:
        return Cell(f"{text} {wording('improved')}", "good")
    return Cell(f"{text} {wording('worsened')}", "bad")


def _distribution(report: DayReport, wording: Wording) -> Iterator[Block]:
    signals = [signal for signal in report.signals if signal.values]
    if not signals:
        return
    yield Heading(wording("section_distribution"), "distribution")
    values = dict.fromkeys(("minimum", "p5", "p50", "p95", "maximum", "std"), 1.27)  # nine digits fit
    titles = {"count": 1.07, "coverage": 1.0, **values}
    yield from distribution_figures(report, wording)
    columns = (
        Column(wording("column_signal"), 2.35),
        *(Column(wording(f"column_{title}"), width, "right") for title, width in titles.items()),
    )
    yield Table(columns, tuple(_distribution_row(signal) for signal in signals), dense=True)


def _distribution_row(signal: SignalReport) -> tuple[Cell, ...]:
    values = signal.values
    assert values is not None  # noqa: S101 - the caller has chosen those that have values
    shown = (values.minimum, values.p5, values.p50, values.p95, values.maximum, values.std)
    return (
        signal_cell(signal),
        Cell(formats.count(values.count)),
        Cell(formats.share(signal.coverage)),
        *(Cell(formats.number(value)) for value in shown),
    )


def _grafana(report: DayReport, wording: Wording) -> Iterator[Block]:
    """Where Grafana was asked for pictures: those that there are, and that others are missing."""
    grafana, day = report.grafana, report.day.isoformat()
    if not grafana.asked:
        return
    yield Heading(wording("section_grafana"), "grafana")
    for picture in grafana.pictures:
        what = wording("grafana_panel", panel=picture.panel) if picture.panel else wording("grafana_dashboard")
        yield Photo(picture, wording("grafana_caption", what=what, day=day), f"Grafana {what} {day}")
    if grafana.missing:
        yield Text(wording("finding_pictures", missing=grafana.missing, asked=grafana.asked))


def _gaps(report: DayReport, wording: Wording) -> Iterator[Block]:
    yield Heading(wording("section_gaps"), "gaps")
    yield from _gaps_of_the_day(report, wording)
    if report.beside:
        yield Text(wording("gaps_beside"))
        yield _beside_table(report, wording)


def _gaps_of_the_day(report: DayReport, wording: Wording) -> Iterator[Block]:
    recording = report.recording
    threshold = formats.length(recording.gap_seconds, wording)
    if not recording.gap_count:
        yield Text(wording("gaps_none", threshold=threshold))
        return
    silent = formats.length(recording.silent_seconds, wording)
    yield Text(wording("gaps_count", threshold=threshold, count=formats.count(recording.gap_count), length=silent))
    if recording.gap_count > len(recording.longest_gaps):
        yield Text(wording("gaps_longest", shown=len(recording.longest_gaps)), tone="quiet")
    columns = (
        Column(wording("column_start")),
        Column(wording("column_end")),
        Column(wording("column_length"), 1.5, "right"),
    )
    rows = tuple(
        (
            Cell(formats.time_of_day(gap.start, report.day)),
            Cell(formats.time_of_day(gap.end, report.day)),
            Cell(formats.length(gap.seconds, wording)),
        )
        for gap in recording.longest_gaps
    )
    yield Table(columns, rows, width=0.6)


def _beside_table(report: DayReport, wording: Wording) -> Table:
    columns = (
        Column(wording("column_source"), 1.6),
        Column(wording("fact_rows"), 1.8, "right"),
        Column(wording("column_coverage"), 1.0, "right"),
        Column(wording("fact_silence"), 1.6, "right"),
        Column(wording("column_longest"), 2.2, "right"),
    )
    return Table(columns, tuple(_beside_row(name, report, wording) for name in report.beside))


def _beside_row(name: str, report: DayReport, wording: Wording) -> tuple[Cell, ...]:
    recording, none = report.beside[name], Cell(wording("none_short"), "quiet")
    rows, expected = formats.count(recording.rows), formats.count(recording.expected_rows)
    cells = (
        Cell(name),
        Cell(wording("rows_of", rows=rows, expected=expected)),
        Cell(formats.share(recording.coverage)),
    )
    if not recording.gap_count:
        return (*cells, none, none)
    longest = recording.longest_gaps[0]
    start, end = (formats.time_of_day(moment, report.day) for moment in (longest.start, longest.end))
    silent = formats.length(recording.silent_seconds, wording)
    return (*cells, Cell(wording("gaps_value", count=recording.gap_count, length=silent)), Cell(f"{start} – {end}"))

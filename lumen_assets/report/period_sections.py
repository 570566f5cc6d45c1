"""A weekly or monthly report as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lumen_assets.days import day_bounds
from lumen_assets.report import formats
from lumen_assets.report.changes import SHARE_CHANGE
from lumen_assets.report.document import Banner, Block, Cell, Column, Document, Facts, Heading, Table, Text
from lumen_assets.report.finding_sections import findings_blocks
from lumen_assets.report.korean import Word
from lumen_assets.report.numbers import DayNumbers
from lumen_assets.report.period_figure_sections import means_section, shares_section
from lumen_assets.report.period_findings import basis_text, median_change
from lumen_assets.report.periods import PeriodReport, PeriodSignal, RatedDay
from lumen_assets.report.robust import SIGMA, UNUSUAL
from lumen_assets.report.sections import change_cell, signal_cell
from lumen_assets.report.wording import Wording


def period_document(report: PeriodReport) -> Document:
    """All of the report, in its language."""
    wording, period = Wording(report.language), report.period
    dates = {"name": period.name, "first": period.first.isoformat(), "last": period.last.isoformat()}
    subtitle = wording("period_week", **dates) if period.kind == "week" else wording("period_month", **dates)
    sections = (_findings, _summary, _signals, _before, shares_section, means_section, _days, _method)
    return Document(
        language=report.language,
        title=report.title,
        mark=period.name,
        subtitle=subtitle,
        subject=wording("period_subject", name=period.name),
        keywords=(*wording("keywords").split(", "), period.name, *(signal.label for signal in report.signals)),
        ends=day_bounds(period.last)[1],
        contents_title=wording("contents"),
        banners=(Banner(wording("banner_sample")),) if report.sample else (),
        blocks=tuple(block for section in sections for block in section(report, wording)),
    )


def _summary(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    yield Heading(wording("section_summary"), "summary")
    total = report.expected
    if report.days:
        yield Text(wording("period_days", days=len(report.days), total=total), tone="strong")
    else:
        yield Text(wording("period_no_days"), tone="strong")
    if report.missing:
        yield Text(wording("period_missing", days=", ".join(day.isoformat() for day in report.missing)))
    silent = formats.length(sum(numbers.silent_seconds for numbers in report.days), wording)
    gaps = sum(numbers.gap_count for numbers in report.days)
    rows = sum(numbers.rows for numbers in report.days)
    expected = sum(numbers.expected_rows for numbers in report.days)
    rules = sum(numbers.rule_changes for numbers in report.days)
    yield Facts(
        (
            (wording("period_fact_days"), Cell(wording("rows_of", rows=len(report.days), expected=total))),
            (wording("fact_rows"), Cell(formats.count(rows))),
            (wording("fact_coverage"), Cell(formats.share(rows / expected if expected else None))),
            (
                wording("fact_silence"),
                _unless_zero(gaps, wording("gaps_value", count=formats.count(gaps), length=silent)),
            ),
            (wording("fact_rules"), _unless_zero(rules, wording("times", count=formats.count(rules)))),
            (wording("fact_risks"), _risks(report.risks, wording)),
        )
    )


def _unless_zero(count: int, text: str) -> Cell:
    return Cell(text) if count else Cell(formats.NOTHING, "quiet")


def _risks(by_severity: Mapping[str, int], wording: Wording) -> Cell:
    return _unless_zero(sum(by_severity.values()), formats.severities(by_severity, wording))


_SAID_MORE_IN: Final = {
    "missing": "summary",
    "few_days": "signals",
    "few_rows": "days",
    "few_values": "signals",
    "gaps": "days",
    "critical_risks": "days",
    "risks": "days",
    "off_target": "shares",
    "partly_off_target": "shares",
    "worsened": "before",
    "changed": "before",
    "improved": "before",
}
"""The section about a kind of finding."""


def _findings(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    yield from findings_blocks(report.findings, _SAID_MORE_IN, basis_text(report, wording), wording)


def _signals(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    if not report.signals:
        return
    yield Heading(wording("section_period_signals"), "signals")
    columns = (
        Column(wording("column_signal"), 2.0),
        Column(wording("column_days"), 0.9, "right"),
        Column(wording("column_share"), 1.1, "right"),
        Column(wording("column_daily_median"), 1.25, "right"),
        Column(wording("column_daily_mad"), 1.25, "right"),
        Column(wording("column_minimum"), 1.25, "right"),
        Column(wording("column_maximum"), 1.25, "right"),
        Column(wording("column_best"), 1.2, "right"),
        Column(wording("column_worst"), 1.2, "right"),
    )
    yield Table(columns, tuple(_signal_row(signal, report, wording) for signal in report.signals), dense=True)


def _signal_row(signal: PeriodSignal, report: PeriodReport, wording: Wording) -> tuple[Cell, ...]:
    numbers = (signal.median, signal.mad, signal.lowest, signal.highest)
    return (
        signal_cell(signal),
        Cell(wording("rows_of", rows=signal.days, expected=len(report.days)), "" if signal.days else "bad"),
        Cell(formats.share(signal.share_on_target)),
        *(Cell(formats.with_unit(formats.number(value), signal.unit)) for value in numbers),
        *_best_and_worst(signal),
    )


def _best_and_worst(signal: PeriodSignal) -> tuple[Cell, Cell]:
    """The two days with their numbers; none where all days are alike in the digits shown."""

    def shown(rated: RatedDay) -> str:
        return formats.share(rated.value) if signal.rated_by_share else formats.number(rated.value)

    best, worst = signal.best, signal.worst
    if best is None or worst is None or shown(best) == shown(worst):
        return Cell(formats.NOTHING, "quiet"), Cell(formats.NOTHING, "quiet")
    return Cell(f"{best.day.isoformat()}\n{shown(best)}"), Cell(f"{worst.day.isoformat()}\n{shown(worst)}")


def _before(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    """What was compared with the period before."""
    if not any(signal.change for signal in report.signals):
        return
    then, now = report.before.period.name, report.period.name
    yield Heading(wording("section_period_before", name=Word(then)), "before")
    columns = (
        Column(wording("column_signal"), 2.1),
        Column(wording("column_median_of", name=then), 1.25, "right"),
        Column(wording("column_median_of", name=now), 1.25, "right"),
        Column(wording("column_change"), 1.6, "right"),
        Column(wording("column_greater_mad"), 1.2, "right"),
        Column(wording("column_share_of", name=then), 1.25, "right"),
        Column(wording("column_share_of", name=now), 1.25, "right"),
        Column(wording("column_change"), 1.6, "right"),
    )
    yield Table(columns, tuple(_before_row(signal, wording) for signal in report.signals), dense=True)


def _before_row(signal: PeriodSignal, wording: Wording) -> tuple[Cell, ...]:
    change = signal.change
    if change is None:
        return signal_cell(signal), *[Cell(formats.NOTHING, "quiet")] * 7
    then, now, mad = (
        formats.with_unit(formats.number(value), signal.unit) for value in (change.median, signal.median, change.mad)
    )
    return (
        signal_cell(signal),
        Cell(then),
        Cell(now),
        change_cell(median_change(signal, change), change.median_improved, wording),
        Cell(mad),
        Cell(formats.share(change.share_on_target)),
        Cell(formats.share(signal.share_on_target)),
        change_cell(
            formats.points_between(signal.share_on_target, change.share_on_target, wording),
            change.share_improved,
            wording,
        ),
    )


def _days(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    if not report.days:
        return
    yield Heading(wording("section_period_days"), "days")
    columns = (
        Column(wording("column_day"), 1.4),
        Column(wording("column_coverage"), 0.9, "right"),
        Column(wording("column_gaps"), 0.7, "right"),
        Column(wording("column_silence"), 1.5, "right"),
        Column(wording("column_rules"), 0.9, "right"),
        Column(wording("column_risks"), 2.0),
        Column(wording("column_off_target"), 2.6),
    )
    yield Table(columns, tuple(_day_row(numbers, wording) for numbers in report.days), dense=True)


def _day_row(numbers: DayNumbers, wording: Wording) -> tuple[Cell, ...]:
    off = [signal.label for signal in numbers.signals.values() if signal.mean_on_target is False]
    return (
        Cell(f"{numbers.day.isoformat()} {wording.weekday(numbers.day.weekday())[:3]}"),
        Cell(formats.share(numbers.coverage)),
        _unless_zero(numbers.gap_count, formats.count(numbers.gap_count)),
        _unless_zero(numbers.gap_count, formats.length(numbers.silent_seconds, wording)),
        _unless_zero(numbers.rule_changes, formats.count(numbers.rule_changes)),
        _risks(numbers.risks, wording),
        Cell(", ".join(off) or formats.NOTHING, "bad" if off else "quiet"),
    )


def _method(_report: PeriodReport, wording: Wording) -> Iterator[Block]:
    yield Heading(wording("section_period_method"), "method")
    yield Text(wording("period_method_share"))
    yield Text(wording("period_method_median"))
    yield Text(wording("period_method_days"))
    times, points = formats.bound(UNUSUAL * SIGMA), formats.points(SHARE_CHANGE, wording, signed=False)
    yield Text(wording("period_method_change", times=times, points=points))
    yield Text(wording("period_method_gap"))

"""Sections that come from the ledgers and inputs: rules, quotes, risks, inputs, method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from lumen_assets.report import formats
from lumen_assets.report.document import Block, Cell, Column, Heading, Notes, Subheading, Table, Text
from lumen_assets.report.model import DayReport, Input, SignalReport
from lumen_assets.report.recorded_effects import EFFECT, MEANS, compared, differing
from lumen_assets.report.rule_effect import RuleEffect
from lumen_assets.report.wording import Wording
from lumen_assets.telemetry.model import left_out

SIGNALS_A_TABLE: Final = 4
"""As many signals fit beside a rule change on a page; further ones get a table of their own."""


def rules_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """Every rule change with measured and recorded effects, and the notes on them."""
    yield Heading(wording("section_rules"), "rules")
    if not report.rule_effects:
        yield Text(wording("rules_none"))
        return
    yield Text(wording("rules_explained"), tone="quiet")
    groups = list(_groups(report.effect_signals))
    yield _changes_table(report, groups[0] if groups else (), wording)
    for group in groups[1:]:
        yield from _further_effects(report, group, wording)
    notes = tuple(_notes(report, wording))
    if notes:
        yield Subheading(wording("rules_notes"))
        yield Notes(notes)


def _groups(signals: Sequence[SignalReport]) -> Iterator[tuple[SignalReport, ...]]:
    remaining = iter(signals)
    while group := tuple(islice(remaining, SIGNALS_A_TABLE)):
        yield group


def _changes_table(report: DayReport, signals: Sequence[SignalReport], wording: Wording) -> Table:
    columns = (
        Column(wording("column_number"), 0.6, "right"),
        Column(wording("column_time"), 1.0),
        Column(wording("column_actor"), 1.2),
        Column(wording("column_rule"), 1.7),
        Column(wording("column_old_new"), 1.7),
        *(Column(signal.label, 1.1, "right") for signal in signals),
    )
    rows = tuple(
        (
            Cell(_marked_number(effect)),
            Cell(formats.time_of_day(effect.at, report.day)),
            _actor(effect),
            Cell(effect.rule),
            Cell(f"{effect.old or formats.NOTHING} → {effect.new or formats.NOTHING}"),
            *(_effect(effect, signal) for signal in signals),
        )
        for effect in report.rule_effects
    )
    return Table(columns, rows, dense=True)


def _further_effects(report: DayReport, signals: Sequence[SignalReport], wording: Wording) -> Iterator[Block]:
    """A table for signals beyond the first four, of the changes that have an effect on them."""
    names = {signal.name for signal in signals}
    effects = [
        effect
        for effect in report.rule_effects
        if any(effect.measured.get(name) is not None or effect.recorded.get(name) is not None for name in names)
    ]
    if not effects:
        return
    yield Text(wording("rules_more"), tone="quiet")
    columns = (
        Column(wording("column_number"), 0.6, "right"),
        Column(wording("column_time"), 1.0),
        *(Column(signal.label, 1.6, "right") for signal in signals),
    )
    rows = tuple(
        (
            Cell(_marked_number(effect)),
            Cell(formats.time_of_day(effect.at, report.day)),
            *(_effect(effect, signal) for signal in signals),
        )
        for effect in effects
    )
    yield Table(columns, rows, width=min(1.0, 0.25 + 0.19 * len(signals)))


def _marked_number(effect: RuleEffect) -> str:
    return f"{effect.number}" if effect.in_history else f"{effect.number}*"


def _actor(effect: RuleEffect) -> Cell:
    if effect.actor_differs:
        return Cell(f"{effect.actor}\n≠ ({effect.recorded_actor})", "bad")
    return Cell(effect.actor)


def _effect(effect: RuleEffect, signal: SignalReport) -> Cell:
    measured = formats.number(effect.measured.get(signal.name), signed=True)
    if signal.name not in effect.recorded:
        return Cell(measured)
    recorded = formats.number(effect.recorded[signal.name], signed=True)
    if differing(compared(effect, signal, EFFECT)):
        return Cell(f"{measured}\n≠ ({recorded})", "bad")
    return Cell(f"{measured}\n({recorded})")


def _notes(report: DayReport, wording: Wording) -> Iterator[tuple[str, str]]:
    for effect in report.rule_effects:
        parts = [effect.note] if effect.note else []
        if not effect.in_history:
            parts.append(wording("rule_not_in_history"))
        if not effect.has_usual_windows:
            windows = (effect.pre_seconds, effect.post_seconds)
            pre, post = (formats.NOTHING if w is None else formats.length(w, wording) for w in windows)
            parts.append(wording("rule_windows", pre=pre, post=post))
        parts += _differing_means(effect, report, wording)
        if parts:
            yield _marked_number(effect), "\n".join(parts)


def _differing_means(effect: RuleEffect, report: DayReport, wording: Wording) -> Iterator[str]:
    for signal in report.effect_signals:
        for each in differing(compared(effect, signal, MEANS)):
            yield wording(
                "rule_mean_differs",
                label=signal.label,
                side=wording(f"side_{each.part}"),
                measured=formats.number(each.measured),
                recorded=formats.number(each.recorded),
            )


def quotes_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """The quotes of highest confidence."""
    yield Heading(wording("section_quotes"), "quotes")
    quotes = report.quotes
    if not quotes.count:
        yield Text(wording("quotes_none"))
        return
    confidence = formats.confidence(quotes.mean_confidence)
    yield Text(wording("quotes_some", count=quotes.count, confidence=confidence, shown=len(quotes.top)), tone="quiet")
    columns = (
        Column(wording("column_time"), 1.0),
        Column(wording("column_by"), 1.1),
        Column(wording("column_confidence"), 1.1, "right"),
        Column(wording("column_quote"), 4.2),
        Column(wording("column_rule"), 1.5),
        Column(wording("column_delta"), 1.6),
    )
    rows = tuple(
        (
            Cell(formats.time_of_day(quote.at, report.day)),
            Cell(quote.by),
            Cell(formats.confidence(quote.confidence)),
            Cell(quote.quote),
            Cell(quote.rule),
            Cell(_lines(quote.delta, signed=True)),
        )
        for quote in quotes.top
    )
    yield Table(columns, rows)


def risks_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """Risks by severity, the critical ones and the latest of the others."""
    yield Heading(wording("section_risks"), "risks")
    risks = report.risks
    if not risks.count:
        yield Text(wording("risks_none"))
        return
    by_severity = formats.severities(risks.by_severity, wording)
    yield Text(wording("risks_some", count=risks.count, by_severity=by_severity, shown=len(risks.latest)), tone="quiet")
    if risks.more_critical:
        yield Text(wording("risks_more_critical", count=risks.more_critical), tone="strong")
    columns = (
        Column(wording("column_time"), 1.0),
        Column(wording("column_severity"), 0.8),
        Column(wording("column_rule"), 1.5),
        Column(wording("column_note"), 4.4),
        Column(wording("column_signals"), 1.8),
    )
    rows = tuple(
        (
            Cell(formats.time_of_day(risk.at, report.day)),
            Cell(formats.severity(risk.severity, wording), "bad" if risk.severity == "crit" else ""),
            Cell(risk.rule),
            Cell(risk.note),
            Cell(_lines(risk.signal, signed=False)),
        )
        for risk in risks.latest
    )
    yield Table(columns, rows)


def _lines(values: Mapping[str, float], *, signed: bool) -> str:
    return formats.named_values(values, signed=signed).replace(", ", "\n")


def inputs_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """What was read from each input, and what was left out of it."""
    yield Heading(wording("section_inputs"), "inputs")
    if not report.inputs:
        yield Text(wording("inputs_none"))
        return
    columns = (
        Column(wording("column_input"), 2.8),
        Column(wording("column_present"), 0.8),
        Column(wording("column_rows"), 1.0, "right"),
        Column(wording("column_rejected"), 2.2),
        Column(wording("column_notes"), 2.2),
    )
    yield Table(columns, tuple(_input_row(item, wording) for item in report.inputs))
    examples = tuple(_examples(report, wording))
    if examples:
        yield Subheading(wording("rejected_examples"))
        example_columns = (
            Column(wording("column_input"), 2.2),
            Column(wording("column_line"), 0.8, "right"),
            Column(wording("column_kind"), 1.4),
            Column(wording("column_content"), 4.6),
        )
        yield Table(example_columns, examples)


def _input_row(item: Input, wording: Wording) -> tuple[Cell, ...]:
    return (
        Cell(item.name),
        Cell(wording("present")) if item.present else Cell(wording("absent"), "bad"),
        Cell(formats.count(item.rows)),
        Cell(_counts({f"kind_{kind}": n for kind, n in left_out(item.rejected).items()}, wording)),
        Cell(_counts(_remarks(item), wording)),
    )


def _remarks(item: Input) -> dict[str, int]:
    """What is worth saying though no row was lost, by the keys of its words."""
    remarks = {f"note_{kind}": n for kind, n in item.notes.items()} | {"kind_blank": item.rejected.get("blank", 0)}
    return {key: n for key, n in remarks.items() if n}


def _counts(counts: Mapping[str, int], wording: Wording) -> str:
    """By the keys of their words; one that has none as it was recorded."""
    shown = (
        wording("counted", what=wording.get(key, key.partition("_")[2]), count=formats.count(n))
        for key, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    return "\n".join(shown) or formats.NOTHING


def _examples(report: DayReport, wording: Wording) -> Iterator[tuple[Cell, ...]]:
    for item in report.inputs:
        for example in item.examples:
            kind = wording.get(f"kind_{example.kind}", example.kind)
            yield Cell(item.name), Cell(str(example.line)), Cell(kind), Cell(example.text or formats.NOTHING)


def method_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """How the numbers are made, so that anybody can make them again."""
    yield Heading(wording("section_method"), "method")
    threshold = formats.length(report.recording.gap_seconds, wording)
    yield Text(wording("method_rows"))
    yield Text(wording("method_percentile"))
    yield Text(wording("method_share"))
    yield Text(wording("method_gap", threshold=threshold))
    yield Text(wording("method_midnight"))

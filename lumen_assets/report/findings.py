"""What a reader should know first: sentences made from the report's numbers and labels, and from nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from lumen_assets.report import formats
from lumen_assets.report.changes import (
    ENOUGH_VALUES,
    ROUNDING,
    SMALL_MEAN,
    SMALL_SHARE,
    mean_moved,
    reaches,
    share_moved,
    usual_mean,
    usual_share,
)
from lumen_assets.report.korean import Word
from lumen_assets.report.model import DayReport, Finding, SignalReport
from lumen_assets.report.recorded_effects import EFFECT, MEANS, Compared, compared, differing, is_unchecked
from lumen_assets.report.robust import ENOUGH_DAYS, UNUSUAL, Usual
from lumen_assets.report.wording import Wording

KINDS: Final = (
    "empty",
    "unusable",
    "no_values",
    "critical_risks",
    "off_target",
    "no_column",
    "all_null",
    "gaps",
    "coverage",
    "few_values",
    "gone",
    "beside",
    "unusual_mean",
    "unusual_share",
    "worsened",
    "partly_off_target",
    "risks",
    "effects_differ",
    "means_differ",
    "actors_differ",
    "effects_unchecked",
    "effects_without_change",
    "changes_without_effect",
    "other_days",
    "late_rows",
    "rejected",
    "pictures",
    "changed",
    "improved",
    "nothing",
)
"""Every kind of finding, the weightiest first."""

PARTLY: Final = 0.1
"""Share of values off target that is told of a signal whose mean is on target."""

ALL_ROWS: Final = 0.9995
"""Share of the expected rows from which on nothing is said of it where there is nothing else to tell."""

DAYS_SHOWN: Final = 3
"""Other days that are named whose rows lie in this one's part of the telemetry."""

COLUMNS_SHOWN: Final = 3
"""Columns that are named which have no values any more."""

_Weighted = tuple[float, Finding]
"""A finding with its weight among those of its kind."""


def find(report: DayReport, *, min_coverage: Mapping[str, float], late_days: int) -> tuple[Finding, ...]:
    """The findings of a day, by weight; never none.

    Args:
        report: the day; its own ``findings`` are not looked at.
        min_coverage: share of the expected rows that a day should have, by source as in ``Sources.by_name``.
        late_days: days from its own, before or behind, up to which a row counts in its day, as ``sources.late_days``.
    """
    finders = _Finders(report)
    weighted = [
        *finders.of_the_record(min_coverage[""]),
        *finders.of_other_days(late_days),
        *finders.of_few_values(min_coverage),
        *finders.of_what_is_gone(),
        *finders.of_what_is_beside(min_coverage),
        *finders.of_risks(),
        *finders.of_rules(),
    ]
    for signal in report.signals:
        weighted += [*finders.of_target(signal), *finders.of_history(signal), *finders.of_the_day_before(signal)]
    weighted.sort(key=lambda item: (KINDS.index(item[1].kind), -item[0]))
    return tuple(finding for _, finding in weighted) or (finders.nothing(),)


def with_few_values(report: DayReport, min_coverage: Mapping[str, float]) -> tuple[SignalReport, ...]:
    """The configured signals that have fewer values than they should, or none; in the report's order.

    Where the whole source has too few rows, that is told of the source: of its signals then only those that have too
    few values even for these rows.

    Args:
        report: the day.
        min_coverage: as of ``find``.
    """
    recordings = report.recordings
    return tuple(
        s
        for s in report.signals
        if s.configured and is_few(s.coverage, recordings[s.source].coverage, min_coverage[s.source])
    )


def is_few(coverage: float, of_source: float, wanted: float) -> bool:
    """Whether a signal has fewer values than it should; where its source has too few rows, fewer even for these.

    Args:
        coverage: share of the expected values that it has.
        of_source: share of the expected rows that its source has.
        wanted: share of them that the source should have.
    """
    return not reaches(coverage, wanted if of_source >= wanted else wanted * of_source)


def weighty_risks(by_severity: Mapping[str, int]) -> dict[str, int] | None:
    """Risks by severity, those of unknown ones as ``other``; None where there are none but of ``info``."""
    counts = {name: by_severity.get(name, 0) for name in ("crit", "warn", "info")}
    other = sum(by_severity.values()) - sum(counts.values())
    if not (counts["crit"] or counts["warn"] or other):
        return None
    return {**counts, "other": other} if other else counts


class _Finders:
    def __init__(self, report: DayReport) -> None:
        self.report = report
        self.wording = Wording(report.language)

    def finding(
        self, kind: str, numbers: Mapping[str, float], signal: SignalReport | None = None, **shown: object
    ) -> Finding:
        label = {"label": Word(signal.label)} if signal else {}
        text = self.wording(f"finding_{kind}", **label, **shown)
        return Finding(kind, signal.name if signal else None, {name: float(n) for name, n in numbers.items()}, text)

    def nothing(self) -> Finding:
        coverage = self.report.recording.coverage
        if coverage >= ALL_ROWS:
            return self.finding("nothing", {})
        calm = self.finding("nothing", {"coverage": coverage})
        return replace(calm, text=calm.text + self.wording("nothing_but_rows", coverage=formats.share(coverage)))

    def of_the_record(self, min_coverage: float) -> Iterator[_Weighted]:
        report, recording = self.report, self.report.recording
        if report.rejected_count:
            numbers = {"count": report.rejected_count}
            yield 0, self.finding("rejected", numbers, count=formats.count(report.rejected_count))
        if report.grafana.missing:
            missing, asked = report.grafana.missing, report.grafana.asked
            yield 0, self.finding("pictures", {"missing": missing, "asked": asked}, missing=missing, asked=asked)
        if not report.has_rows:
            left_out = sum(item.rejected_count for item in report.inputs if item.role == "telemetry")
            if left_out:
                yield 0, self.finding("unusable", {"count": left_out}, count=formats.count(left_out))
            else:
                yield 0, self.finding("empty", {})
            return
        if all(signal.values is None for signal in report.signals):
            yield 0, self.finding("no_values", {"rows": recording.rows})
        coverage = formats.share(recording.coverage)
        if recording.gap_count:
            longest = recording.longest_gaps[0]
            yield (
                0,
                self.finding(
                    "gaps",
                    {
                        "count": recording.gap_count,
                        "silent_seconds": recording.silent_seconds,
                        "longest_seconds": longest.seconds,
                        "coverage": recording.coverage,
                    },
                    count=formats.count(recording.gap_count),
                    length=formats.length(recording.silent_seconds, self.wording),
                    start=formats.time_of_day(longest.start, report.day),
                    end=formats.time_of_day(longest.end, report.day),
                    coverage=coverage,
                ),
            )
        elif recording.coverage < min_coverage:
            yield 0, self.finding("coverage", {"coverage": recording.coverage}, coverage=coverage)

    def of_other_days(self, late_days: int) -> Iterator[_Weighted]:
        """Rows of other days: those that count in theirs, and those that are in no day's numbers."""
        days: Counter[date] = Counter()
        for item in self.report.inputs:
            days.update(item.other_days)
        # as ``cut_lines`` does
        reached = {day for day in days if abs((self.report.day - day).days) <= late_days}
        for kind, of_kind in (("late_rows", reached), ("other_days", days.keys() - reached)):
            if of_kind:
                count = sum(days[day] for day in of_kind)
                shown = [f"{day.isoformat()} ({formats.count(days[day])})" for day in sorted(of_kind)]
                more = self.wording("more_days", count=len(shown) - DAYS_SHOWN) if len(shown) > DAYS_SHOWN else ""
                yield (
                    0,
                    self.finding(
                        kind,
                        {"count": count, "days": len(of_kind)},
                        count=formats.count(count),
                        days=", ".join(shown[:DAYS_SHOWN]) + more,
                    ),
                )

    def of_what_is_gone(self) -> Iterator[_Weighted]:
        """Columns that nobody configured, with values until yesterday; of an empty day that is said already."""
        gone = self.report.gone if self.report.has_rows else ()
        if gone:
            more = self.wording("more_columns", count=len(gone) - COLUMNS_SHOWN) if len(gone) > COLUMNS_SHOWN else ""
            yield 0, self.finding("gone", {"count": len(gone)}, names=", ".join(gone[:COLUMNS_SHOWN]) + more)

    def of_what_is_beside(self, min_coverage: Mapping[str, float]) -> Iterator[_Weighted]:
        for name, recording in self.report.beside.items():
            if recording.gap_count or recording.coverage < min_coverage[name]:
                numbers = {"coverage": recording.coverage, "gaps": recording.gap_count}
                yield (
                    1 - recording.coverage,
                    self.finding(
                        "beside",
                        {**numbers, "silent_seconds": recording.silent_seconds},
                        name=name,
                        coverage=formats.share(recording.coverage),
                        count=formats.count(recording.gap_count),
                        length=formats.length(recording.silent_seconds, self.wording),
                    ),
                )

    def of_few_values(self, min_coverage: Mapping[str, float]) -> Iterator[_Weighted]:
        """Of signals that have any; ``of_target`` tells of those that have none."""
        for signal in with_few_values(self.report, min_coverage):
            if signal.values is not None:
                count, expected = signal.values.count, signal.values.count / signal.coverage
                yield (
                    1 - signal.coverage,
                    self.finding(
                        "few_values",
                        {"coverage": signal.coverage, "count": count},
                        signal,
                        coverage=formats.share(signal.coverage),
                        count=formats.count(count),
                        expected=formats.count(expected),
                    ),
                )

    def of_risks(self) -> Iterator[_Weighted]:
        counts = weighty_risks(self.report.risks.by_severity)
        if counts is None:
            return
        count = sum(counts.values())
        yield (
            0,
            self.finding(
                "critical_risks" if counts["crit"] else "risks",
                {"count": count, **counts},
                count=formats.count(count),
                by_severity=formats.severities(counts, self.wording),
            ),
        )

    def of_rules(self) -> Iterator[_Weighted]:
        effects = self.report.rule_effects
        for signal in self.report.signals:
            for kind, parts in (("effects_differ", EFFECT), ("means_differ", MEANS)):
                checked = [each for effect in effects for each in compared(effect, signal, parts)]
                if found := differing(checked):
                    yield len(found), self._differing(kind, signal, checked, found)
        yield from self._of_actors()
        unchecked = sum(is_unchecked(effect) for effect in effects)
        if unchecked:
            yield 0, self.finding("effects_unchecked", {"count": unchecked}, count=unchecked)
        lost = sum(not effect.in_history for effect in effects)
        if lost:
            yield 0, self.finding("effects_without_change", {"count": lost}, count=lost)
        changes = [effect for effect in effects if effect.in_history]
        missing = sum(not effect.recorded for effect in changes)
        if 0 < missing < len(changes):  # with none at all, nobody records them
            numbers = {"count": missing, "changes": len(changes)}
            yield 0, self.finding("changes_without_effect", numbers, count=missing, changes=len(changes))

    def _of_actors(self) -> Iterator[_Weighted]:
        recorded = [effect for effect in self.report.rule_effects if effect.has_record and effect.in_history]
        others = [effect.number for effect in recorded if effect.actor_differs]
        if others:
            numbers = {"checked": len(recorded), "count": len(others), "number": others[0]}
            yield 0, self.finding("actors_differ", numbers, None, **numbers)

    def _differing(
        self, kind: str, signal: SignalReport, checked: Sequence[Compared], found: Sequence[Compared]
    ) -> Finding:
        """Of numbers that were compared, those that differ, and the one that does most."""
        most, signed = found[0], kind == "effects_differ"
        counts = {"checked": len(checked), "count": len(found), "number": most.change}
        return self.finding(
            kind,
            {**counts, "recorded": most.recorded, "measured": most.measured},
            signal,
            **counts,
            side=self.wording(f"side_{most.part}") if most.part in MEANS else "",
            recorded=formats.number(most.recorded, signed=signed),
            measured=formats.number(most.measured, signed=signed),
        )

    def of_target(self, signal: SignalReport) -> Iterator[_Weighted]:
        if signal.values is None:
            if signal.configured and self.report.has_rows:
                yield 0, self.finding("all_null" if signal.present else "no_column", {}, signal)
            return
        share = signal.share_on_target
        if share is None:
            return
        mean, target = signal.values.mean, formats.target(signal.target, signal.unit, self.wording)
        numbers = {"mean": mean, "share_on_target": share}
        if not signal.mean_on_target:
            shown_mean = formats.with_unit(formats.judged(mean, signal.target), signal.unit)
            shown = {"mean": shown_mean, "target": target, "share": formats.share(share)}
            yield 1 - share, self.finding("off_target", numbers, signal, **shown)
        elif reaches(1 - share, PARTLY):
            off = formats.share(1 - share)
            yield 1 - share, self.finding("partly_off_target", numbers, signal, target=target, off=off)

    def of_history(self, signal: SignalReport) -> Iterator[_Weighted]:
        if signal.values is None or not reaches(signal.coverage, ENOUGH_VALUES):
            return
        history, mean, share = self.report.history, signal.values.mean, signal.share_on_target
        basis = usual_mean(signal, history)
        if basis and _unusual(mean, basis, abs(basis.median) * SMALL_MEAN):
            shown = {
                "value": self._value(mean, signal),
                "median": self._value(basis.median, signal),
                "change": formats.with_unit(formats.difference(mean, basis.median), signal.unit),
                "mad": self._value(basis.mad, signal),
            }
            yield self._unusual("unusual_mean", mean, basis, signal, shown)
        basis = usual_share(signal, history)
        if basis and share is not None and _unusual(share, basis, SMALL_SHARE):
            shown = {
                "value": formats.share(share),
                "median": formats.share(basis.median),
                "change": formats.points_between(share, basis.median, self.wording),
                "mad": formats.points(basis.mad, self.wording, signed=False),
            }
            yield self._unusual("unusual_share", share, basis, signal, shown)

    def _unusual(self, kind: str, value: float, basis: Usual, signal: SignalReport, shown: dict[str, str]) -> _Weighted:
        numbers = {"value": value, "days": basis.days, "median": basis.median, "mad": basis.mad}
        return abs(basis.deviations(value)), self.finding(kind, numbers, signal, days=basis.days, **shown)

    def of_the_day_before(self, signal: SignalReport) -> Iterator[_Weighted]:
        if signal.values is None or signal.mean_change is None:
            return
        change, shares, history = signal.mean_change, signal.share_change, self.report.history
        before = signal.values.mean - change
        far_share = share_moved(signal, history)
        if not far_share and not mean_moved(signal, history):
            return
        parts, numbers = [], {"mean_change": change}
        shown = formats.number(change, signed=True)
        parts.append(self.wording("change_of_mean", change=formats.with_unit(shown, signal.unit)))
        if shares is not None and reaches(abs(shares), SMALL_SHARE):
            numbers["share_change"] = shares
            parts.append(self.wording("change_of_share", change=formats.points(shares, self.wording)))
        improved = signal.share_improved if far_share else signal.mean_improved
        kind = {None: "changed", True: "improved", False: "worsened"}[improved]
        weight = max(abs(change / before) if before else math.inf, abs(shares or 0))
        yield weight, self.finding(kind, numbers, signal, changes=", ".join(parts))

    def _value(self, value: float, signal: SignalReport) -> str:
        return formats.with_unit(formats.number(value), signal.unit)


def _unusual(value: float, basis: Usual, small: float) -> bool:
    off = value - basis.median
    return math.isfinite(off) and abs(off) > small * (1 + ROUNDING) and abs(basis.deviations(value)) > UNUSUAL


def findings_text(report: DayReport, shown: int = 12) -> str:
    """The findings as plain text, for the body of a mail: title, day, a line a finding, what it was compared with."""
    wording = Wording(report.language)
    banner = [wording("banner_sample"), ""] if report.sample else []
    lines = [
        report.title,
        formats.long_day(report.day, wording),
        "",
        *banner,
        *(f"- {sentence}" for sentence in sentences(report, shown)),
        "",
        basis_text(report, wording),
    ]
    return "\n".join(lines) + "\n"


def sentences(report: DayReport, shown: int = 12) -> list[str]:
    """The weightiest findings, and that there are more where there are."""
    left_out = left_out_text(report.findings, shown, Wording(report.language))
    return [*(finding.text for finding in report.findings[:shown]), *([left_out] if left_out else [])]


def left_out_text(findings: Sequence[Finding], shown: int, wording: Wording) -> str | None:
    """That there are more findings than are shown; None where there are not."""
    left = len(findings) - shown
    return wording("findings_more", count=left) if left > 0 else None


def basis_text(report: DayReport, wording: Wording) -> str:
    """How many of the last 28 days the day was compared with: of those that were frozen, the ones with values."""
    days = sum(bool(past.signals) for past in report.history)
    if days < ENOUGH_DAYS:
        return wording("history_too_short", enough=ENOUGH_DAYS)
    if all(signal.values is None for signal in report.signals):
        return wording("history_no_values")
    return wording("history_basis", days=days)

"""The sections of figures: which there are, and what is said of them. ``figures`` draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from lumen_assets.report import formats
from lumen_assets.report.document import Block, DayFigure, Heading, Text
from lumen_assets.report.model import DayReport, SignalReport
from lumen_assets.report.wording import Wording

DISTRIBUTIONS_A_FIGURE: Final = 10
CALENDARS_A_FIGURE: Final = 16
"""Signals in one figure: as many fit on a page with the text about them."""


def figures_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """A figure a signal over the day."""
    drawn = report.figure_signals
    if not drawn:
        return
    yield Heading(wording("section_figures"), "figures")
    yield Text(wording("figures_legend"), tone="quiet")
    for signal in drawn:
        yield _figure(report, signal, wording)
    left_out = [formats.signal_title(s) for s in report.signals if s.values and s.figure is None]
    if left_out:
        yield Text(wording("figures_left_out", names=", ".join(left_out)))


def _figure(report: DayReport, signal: SignalReport, wording: Wording) -> DayFigure:
    values = signal.values
    assert values is not None  # noqa: S101 - only signals with values have a figure
    mean, minimum, maximum = (
        formats.with_unit(formats.judged(value, signal.target), signal.unit)
        for value in (values.mean, values.minimum, values.maximum)
    )
    caption = wording("figure_caption", mean=mean, minimum=minimum, maximum=maximum)
    if signal.share_on_target is not None:
        caption += wording("figure_caption_share", share=formats.share(signal.share_on_target))
    alternative = wording("figure_alternative", day=report.day.isoformat(), label=formats.signal_title(signal))
    return DayFigure(report, str(signal.figure), caption, alternative, "day", (signal,))


def distribution_figures(report: DayReport, wording: Wording) -> Iterator[Block]:
    """The values of the signals that have a figure."""
    if report.figure_signals:
        yield Text(wording("distribution_legend"), tone="quiet")
        yield from _together("distribution", "distribution_alternative", report, report.figure_signals)


def calendar_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """The share on target of the last four weeks' days, where there were enough of them."""
    signals = [signal for signal in report.signals if signal.target and report.shares_on_target(signal)]
    if signals and report.history:
        yield Heading(wording("section_calendar"), "calendar")
        yield Text(wording("calendar_legend"), tone="quiet")
        yield from _together("calendar", "calendar_alternative", report, signals)


def _together(
    kind: Literal["distribution", "calendar"], alternative: str, report: DayReport, signals: Sequence[SignalReport]
) -> Iterator[DayFigure]:
    """Figures of several signals each. Their names begin as no signal's does: see ``files.figure_file``."""
    most = DISTRIBUTIONS_A_FIGURE if kind == "distribution" else CALENDARS_A_FIGURE
    wording, day = Wording(report.language), report.day.isoformat()
    for number, first in enumerate(range(0, len(signals), most), 1):
        shown = tuple(signals[first : first + most])
        said = wording(alternative, day=day, labels=", ".join(signal.label for signal in shown))
        yield DayFigure(report, f"report_{day}_-{kind}-{number}.svg", "", said, kind, shown)

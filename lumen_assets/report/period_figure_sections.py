"""The sections of a week's or month's figures: which there are, and what is said of them. ``figures`` draws them."""

from __future__ import annotations

from collections.abc import Iterator

from lumen_assets.report import formats
from lumen_assets.report.document import Block, Heading, PeriodFigure, Text
from lumen_assets.report.figure_sections import CALENDARS_A_FIGURE
from lumen_assets.report.periods import PeriodReport, PeriodSignal
from lumen_assets.report.wording import Wording


def shares_section(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    """The share on target of each signal with a target, day by day."""
    signals = [signal for signal in report.signals if signal.share_on_target is not None]
    if not signals:
        return
    yield Heading(wording("section_period_shares"), "shares")
    yield Text(wording("period_shares_legend"), tone="quiet")
    for number, first in enumerate(range(0, len(signals), CALENDARS_A_FIGURE), 1):
        shown = tuple(signals[first : first + CALENDARS_A_FIGURE])
        labels = ", ".join(signal.label for signal in shown)
        said = wording("period_shares_alternative", name=report.period.name, labels=labels)
        yield PeriodFigure(report, f"{report.period.file}_-shares-{number}.svg", "", said, "shares", shown)


def means_section(report: PeriodReport, wording: Wording) -> Iterator[Block]:
    """A figure a signal: its mean on each day."""
    drawn = [signal for signal in report.signals if signal.figure is not None]
    if not drawn:
        return
    yield Heading(wording("section_period_means"), "means")
    yield Text(wording("period_means_legend"), tone="quiet")
    for signal in drawn:
        yield _means(report, signal, wording)
    left_out = [formats.signal_title(signal) for signal in report.signals if signal.days and signal.figure is None]
    if left_out:
        yield Text(wording("figures_left_out", names=", ".join(left_out)))


def _means(report: PeriodReport, signal: PeriodSignal, wording: Wording) -> PeriodFigure:
    median, minimum, maximum = (
        formats.with_unit(formats.number(value), signal.unit)
        for value in (signal.median, signal.lowest, signal.highest)
    )
    caption = wording("period_means_caption", median=median, minimum=minimum, maximum=maximum)
    if signal.share_on_target is not None:
        caption += wording("figure_caption_share", share=formats.share(signal.share_on_target))
    said = wording("period_means_alternative", name=report.period.name, label=formats.signal_title(signal))
    return PeriodFigure(report, str(signal.figure), caption, said, "means", (signal,))

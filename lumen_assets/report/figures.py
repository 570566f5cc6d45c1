"""The figures of a report, drawn for the PDF and written as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumen_assets.durable import replace_bytes
from lumen_assets.report.calendar_figure import Shares, calendar_drawing, strip_drawing
from lumen_assets.report.day_figure import signal_drawing
from lumen_assets.report.distribution_figure import distribution_drawing
from lumen_assets.report.document import DayFigure, Document, Figure, PeriodFigure
from lumen_assets.report.files import figures_named
from lumen_assets.report.fonts import Typeface, typeface
from lumen_assets.report.model import HISTORY, DayReport
from lumen_assets.report.sections import document
from lumen_assets.report.svg import svg_text
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:  # what a day's report is made without
    from reportlab.graphics.shapes import Drawing

    from lumen_assets.report.periods import PeriodReport


_newest: dict[tuple[int, Typeface], tuple[DayReport | PeriodReport, dict[str, Drawing]]] = {}
"""The drawings of the report that was drawn last, by file: Markdown and PDF show the same. Nobody changes them."""


def figure_drawing(figure: Figure, face: Typeface) -> Drawing:
    """The figure, ``WIDTH`` points wide; not to be changed."""
    key = id(figure.report), face
    if key not in _newest:
        _newest.clear()
    _, drawings = _newest.setdefault(key, (figure.report, {}))
    if figure.file not in drawings:
        drawings[figure.file] = _drawn(figure, face)
    return drawings[figure.file]


def _drawn(figure: Figure, face: Typeface) -> Drawing:
    if isinstance(figure, DayFigure):
        return _drawn_day(figure, face)
    if isinstance(figure, PeriodFigure):
        return _drawn_period(figure, face)
    raise TypeError(f"nothing draws a {type(figure).__name__}")


def _drawn_day(figure: DayFigure, face: Typeface) -> Drawing:
    report = figure.report
    if figure.kind == "distribution":
        return distribution_drawing(report, figure.signals, face)
    if figure.kind == "calendar":
        shares = [Shares(signal.label, report.shares_on_target(signal)) for signal in figure.signals]
        first, wording = report.day - HISTORY, Wording(report.language)
        return calendar_drawing(shares, first, report.day, face, wording, framed=report.day)
    (signal,) = figure.signals
    return signal_drawing(report, signal, face)


def _drawn_period(figure: PeriodFigure, face: Typeface) -> Drawing:
    from lumen_assets.report.period_figure import means_drawing  # what a day's report is made without

    report, period = figure.report, figure.report.period
    if figure.kind == "means":
        (signal,) = figure.signals
        return means_drawing(report, signal, face)
    shares = [Shares(signal.label, report.shares_on_target(signal)) for signal in figure.signals]
    wording = Wording(report.language)
    if period.kind == "week":
        return strip_drawing(shares, period.first, face, wording)
    return calendar_drawing(shares, period.first, period.last, face, wording)


def write_figures(report: DayReport, folder: Path, font: Path | None = None) -> list[Path]:
    """Write every figure of the report as SVG into ``folder`` and remove that day's stale ones.

    Returns:
        The figures' paths, in order of the report.
    """
    return write_figures_of(document(report), f"report_{report.day.isoformat()}", folder, font)


def write_figures_of(content: Document, name: str, folder: Path, font: Path | None = None) -> list[Path]:
    """The same of any document, whose figures' names begin with ``name`` and an underscore."""
    face = typeface(font)
    paths = []
    for figure in content.figures:
        path = folder / figure.file
        drawing = figure_drawing(figure, face)
        text = svg_text(drawing, title=figure.alternative, language=content.language, face=face)
        replace_bytes(path, text.encode())
        paths.append(path)
    kept = {path.name for path in paths}
    for stale in figures_named(folder, f"{name}_"):
        if stale.suffix == ".svg" and stale.name not in kept:
            stale.unlink(missing_ok=True)
    return paths

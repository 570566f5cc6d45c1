"""The figures of a report, drawn for the PDF and written as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumen_assets.durable import replace_bytes
from lumen_assets.report.calendar_figure import calendar_drawing
from lumen_assets.report.day_figure import signal_drawing
from lumen_assets.report.distribution_figure import distribution_drawing
from lumen_assets.report.document import Figure
from lumen_assets.report.files import figures_named
from lumen_assets.report.fonts import Typeface, typeface
from lumen_assets.report.model import DayReport
from lumen_assets.report.sections import document
from lumen_assets.report.svg import svg_text

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing


_newest: dict[tuple[int, Typeface], tuple[DayReport, dict[str, Drawing]]] = {}
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
    if figure.kind == "distribution":
        return distribution_drawing(figure.report, figure.signals, face)
    if figure.kind == "calendar":
        return calendar_drawing(figure.report, figure.signals, face)
    (signal,) = figure.signals
    return signal_drawing(figure.report, signal, face)


def write_figures(report: DayReport, folder: Path, font: Path | None = None) -> list[Path]:
    """Write every figure of the report as SVG into ``folder`` and remove that day's stale ones.

    Returns:
        The figures' paths, in order of the report.
    """
    face = typeface(font)
    paths = []
    for figure in document(report).figures:
        path = folder / figure.file
        drawing = figure_drawing(figure, face)
        text = svg_text(drawing, title=figure.alternative, language=report.language, face=face)
        replace_bytes(path, text.encode())
        paths.append(path)
    kept = {path.name for path in paths}
    for stale in figures_named(folder, f"report_{report.day.isoformat()}_"):
        if stale.suffix == ".svg" and stale.name not in kept:
            stale.unlink(missing_ok=True)
    return paths

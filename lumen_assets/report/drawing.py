"""What all figures are drawn with: size, colours, lines, texts, hatching."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from reportlab import rl_config

rl_config.shapeChecking = 0  # asked of when shapes are imported: each of a day's 100,000 coordinates would be looked at

# ruff: noqa: E402
from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report.fonts import Typeface

WIDTH: Final = 504.0
"""Points, of every figure."""

# Okabe and Ito's colours keep apart for every kind of colour blindness; their greys (35, 80, 93 % light) do in print.
INK: Final = HexColor("#1f2933")
MEAN: Final = HexColor("#0b4f8a")
ENVELOPE: Final = HexColor("#a9cdea")
ENVELOPE_EDGE: Final = HexColor("#7db0d8")
ON_TARGET: Final = HexColor("#e3f4ec")
TARGET_EDGE: Final = HexColor("#00795a")
CHANGE: Final = HexColor("#b34700")
GRID: Final = HexColor("#dde2e7")
QUIET: Final = HexColor("#5b6770")
SILENT: Final = HexColor("#f1f3f5")
WHITE: Final = HexColor("#ffffff")

Ends = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` of a line, or of a box."""

_HATCH: Final = 4.0
"""Points between two lines of a hatching."""


def blank_drawing(height: float, face: Typeface) -> Drawing:
    """``WIDTH`` by ``height`` points of nothing."""
    return Drawing(WIDTH, height, initialFontName=face.regular)  # else a PDF names Helvetica, not embedded


def line(ends: Ends, color: Color, width: float, *, dash: list[float] | None = None) -> Line:
    """A line, dashed by lengths of stroke and room."""
    return Line(*ends, strokeColor=color, strokeWidth=width, strokeDashArray=dash, strokeLineCap=0)


def text(
    content: str, *, x: float, y: float, font: str, size: float, color: Color = QUIET, anchor: str = "start"
) -> String:
    """A line of text; the font must have its characters."""
    return String(x, round(y, 2), content, fontName=font, fontSize=size, fillColor=color, textAnchor=anchor)


def box(ends: Ends, color: Color | None, edge: Color | None = None, width: float = 0.4) -> Rect:
    """A filled rectangle, from corner to corner."""
    x1, y1, x2, y2 = ends
    size = round(x2 - x1, 2), round(y2 - y1, 2)
    return Rect(x1, y1, *size, fillColor=color, strokeColor=edge, strokeWidth=width)


def area(points: list[float], color: Color, edge: Color, width: float) -> Polygon:
    """What is within the points, ``x, y`` after one another."""
    return Polygon(points, fillColor=color, strokeColor=edge, strokeWidth=width, strokeLineJoin=1)


def curve_line(points: list[float], color: Color, width: float) -> PolyLine:
    """A line through the points."""
    return PolyLine(points, strokeColor=color, strokeWidth=width, strokeLineJoin=1, strokeLineCap=0)


def hatched(ends: Ends) -> Iterator[Rect | Line]:
    """A rectangle where there is nothing to show; the lines of neighbours go on in one another."""
    x1, y1, x2, y2 = ends
    yield box(ends, SILENT)
    for number in range(math.ceil((y1 - x2) / _HATCH), math.floor((y2 - x1) / _HATCH) + 1):
        rise = number * _HATCH
        first, last = max(x1, y1 - rise), min(x2, y2 - rise)
        if last - first > 0.5:
            bottom, top = round(first + rise, 2), round(last + rise, 2)
            yield line((round(first, 2), bottom, round(last, 2), top), QUIET, 0.3)


def fitted(content: str, font: str, size: float, room: float) -> str:
    """``content``, cut with an ellipsis to fit into ``room`` points."""
    if stringWidth(content, font, size) <= room:
        return content
    while content and stringWidth(f"{content}…", font, size) > room:
        content = content[:-1]
    return f"{content}…"

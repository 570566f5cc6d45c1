"""A drawing in the flow of a PDF, as operators of its content stream (ISO 32000-1, 8.4 and 8.5).

reportlab's own renderer saves, sets and restores the whole graphics state around each of a figure's hundred shapes;
this one sets what a shape has, knows just the shapes that figures draw and fails on any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import Color
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report.svg import number


class Drawn(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A drawing, as wide as it is told."""

    def __init__(self, drawing: Drawing, width: float) -> None:
        super().__init__()
        self._shapes, self._scale = drawing.contents, width / drawing.width
        self.width, self.height = width, drawing.height * self._scale

    def draw(self) -> None:
        """Draw it where the frame has put it."""
        self.canv.saveState()
        self.canv.scale(self._scale, self._scale)
        for shape in self._shapes:
            if isinstance(shape, String):
                _draw_text(shape, self.canv)
            else:
                self.canv.addLiteral(f"q {_state(shape)} {_outline(shape)} {_painted(shape)} Q")
        self.canv.restoreState()


def _draw_text(shape: String, canvas: Canvas) -> None:
    draw = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
    canvas.setFont(shape.fontName, shape.fontSize)
    canvas.setFillColor(shape.fillColor)
    draw[shape.textAnchor](shape.x, shape.y, shape.text)


def _state(shape: Any) -> str:
    """Colours, and of a stroke its width, dashes and joins; what is not set is as on a new page: whole, mitred."""
    parts = []
    if _fill(shape) is not None:
        parts.append(f"{_rgb(shape.fillColor)} rg")
    if shape.strokeColor is not None:
        parts.append(f"{_rgb(shape.strokeColor)} RG {number(shape.strokeWidth)} w")
        if shape.strokeDashArray:
            parts.append(f"[{' '.join(map(number, shape.strokeDashArray))}] 0 d")
        if shape.strokeLineJoin:
            parts.append(f"{shape.strokeLineJoin} j")
    return " ".join(parts)


def _outline(shape: Any) -> str:
    if isinstance(shape, Rect):
        return f"{' '.join(map(number, (shape.x, shape.y, shape.width, shape.height)))} re"
    if isinstance(shape, Line):
        return _path((shape.x1, shape.y1, shape.x2, shape.y2))
    if isinstance(shape, PolyLine):
        return _path(shape.points)
    if isinstance(shape, Polygon):
        return f"{_path(shape.points)} h"
    raise TypeError(f"figures draw no {type(shape).__name__}")


def _path(points: Sequence[float]) -> str:
    """A path as one string: a call a point would be a quarter of a PDF's time."""
    numbers = map(number, points)
    places = map(" ".join, zip(numbers, numbers, strict=True))
    first, others = next(places), " l ".join(places)
    return f"{first} m {others} l"


def _painted(shape: Any) -> str:
    return {(True, True): "B", (True, False): "f", (False, True): "S", (False, False): "n"}[
        _fill(shape) is not None, shape.strokeColor is not None
    ]


def _fill(shape: Any) -> Color | None:
    return None if isinstance(shape, Line | PolyLine) else shape.fillColor


def _rgb(color: Color) -> str:
    return f"{color.red:.4g} {color.green:.4g} {color.blue:.4g}"

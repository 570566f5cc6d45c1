"""A drawing as SVG text.

reportlab's own writer leaves a dash pattern on for the shapes after it, titles every drawing "..." and names fonts
without a fallback; this one knows just the shapes that ``figures`` draws and fails on any other.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any, Final

from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, Rect, String

from lumen_assets.report.fonts import Typeface

SCALE: Final = 2
"""Pixels a point: a drawing for paper is too small to read on a screen."""

_ANCHORS: Final = {"start": None, "middle": "middle", "end": "end"}
_JOINS: Final = {1: "round", 2: "bevel"}


def svg_text(drawing: Drawing, *, title: str, language: str, face: Typeface) -> str:
    """The drawing as an SVG document with an accessible title, its origin moved to the top left."""
    size = f"{number(drawing.width)} {number(drawing.height)}"
    family = f"{face.family}, 'Nanum Gothic', 'Noto Sans KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
    head = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {size}",
        "width": number(SCALE * drawing.width),
        "height": number(SCALE * drawing.height),
        "role": "img",
        "xml:lang": language,
        "font-family": family,
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<svg{_attributes(head)}>",
        f"<title>{escape(title, quote=False)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *(_element(shape, drawing.height, face) for shape in drawing.contents),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Any, height: float, face: Typeface) -> str:
    if isinstance(shape, Rect):
        place = {"x": shape.x, "y": height - shape.y - shape.height, "width": shape.width, "height": shape.height}
        return f"<rect{_attributes({**place, **_paint(shape)})}/>"
    if isinstance(shape, Line):
        place = {"x1": shape.x1, "y1": height - shape.y1, "x2": shape.x2, "y2": height - shape.y2}
        return f"<line{_attributes({**place, **_stroke(shape)})}/>"
    if isinstance(shape, Polygon):
        return f"<polygon{_attributes({'points': _points(shape.points, height), **_paint(shape)})}/>"
    if isinstance(shape, PolyLine):
        return f"<polyline{_attributes({'points': _points(shape.points, height), 'fill': 'none', **_stroke(shape)})}/>"
    if isinstance(shape, Circle):
        return f"<circle{_attributes({'cx': shape.cx, 'cy': height - shape.cy, 'r': shape.r, **_paint(shape)})}/>"
    if isinstance(shape, String):
        return _text(shape, height, face)
    raise TypeError(f"figures draw no {type(shape).__name__}")


def _text(shape: String, height: float, face: Typeface) -> str:
    attributes = {
        "x": shape.x,
        "y": height - shape.y,
        "font-size": shape.fontSize,
        "font-weight": "bold" if shape.fontName == face.bold != face.regular else None,
        "text-anchor": _ANCHORS[shape.textAnchor],
        "fill": _color(shape.fillColor),
    }
    return f"<text{_attributes(attributes)}>{escape(shape.text, quote=False)}</text>"


def _paint(shape: Any) -> dict[str, Any]:
    return {"fill": _color(shape.fillColor), **_stroke(shape)}


def _stroke(shape: Any) -> dict[str, Any]:
    if shape.strokeColor is None:
        return {}
    dash = shape.strokeDashArray
    return {
        "stroke": _color(shape.strokeColor),
        "stroke-width": shape.strokeWidth,
        "stroke-dasharray": " ".join(number(part) for part in dash) if dash else None,
        "stroke-linejoin": _JOINS.get(getattr(shape, "strokeLineJoin", 0)),
    }


def _color(color: Any) -> str:
    return f"#{color.hexval()[2:]}" if color is not None else "none"


def _points(points: list[float], height: float) -> str:
    xs, ys = map(number, points[::2]), map(number, [height - y for y in points[1::2]])
    return " ".join(map(",".join, zip(xs, ys, strict=True)))


@lru_cache(maxsize=1 << 16)  # a day's figures have 70,000 coordinates, a tenth of them different
def number(value: float) -> str:
    """``value`` with two decimals at most, and none that are zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _attributes(values: dict[str, Any]) -> str:
    texts = (
        (name, escape(value, quote=False).replace('"', "&quot;") if isinstance(value, str) else number(value))
        for name, value in values.items()
        if value is not None
    )
    return "".join(f' {name}="{text}"' for name, text in texts)

"""One figure a signal: envelope, mean, target and rule changes over the day; for PDF and SVG alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from reportlab import rl_config

rl_config.shapeChecking = 0  # asked of when shapes are imported: each of a day's 100,000 coordinates would be looked at

# ruff: noqa: E402
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.durable import replace_bytes
from lumen_assets.report import formats
from lumen_assets.report.axes import Axis, value_axis
from lumen_assets.report.fonts import Typeface, typeface
from lumen_assets.report.model import MINUTES, Curve, DayReport, SignalReport
from lumen_assets.report.svg import svg_text
from lumen_assets.report.wording import Wording

LINES_AT_MOST: Final = 24
"""Rule changes up to here are marked over the whole height of a figure."""

_Ends = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` of a line."""

WIDTH: Final = 504.0
HEIGHT: Final = 146.0
_LEFT, _RIGHT, _BOTTOM, _TOP = 46.0, 8.0, 17.0, 30.0
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = HEIGHT - _BOTTOM - _TOP

# Okabe and Ito's colours keep apart for every kind of colour blindness; their greys (35, 80, 93 % light) do in print.
INK: Final = HexColor("#1f2933")
MEAN: Final = HexColor("#0b4f8a")
ENVELOPE: Final = HexColor("#a9cdea")
ON_TARGET: Final = HexColor("#e3f4ec")
TARGET_EDGE: Final = HexColor("#00795a")
CHANGE: Final = HexColor("#b34700")
GRID: Final = HexColor("#dde2e7")
QUIET: Final = HexColor("#5b6770")
WHITE: Final = HexColor("#ffffff")


def signal_drawing(report: DayReport, signal: SignalReport, face: Typeface) -> Drawing:
    """The figure of one signal that has a curve, ``WIDTH`` by ``HEIGHT`` points."""
    if signal.curve is None:
        raise ValueError(f"{signal.name} has no values to draw")
    wording = Wording(report.language)
    axis = value_axis(*_extent(signal, signal.curve))
    drawing = Drawing(WIDTH, HEIGHT, initialFontName=face.regular)  # else a PDF names Helvetica, not embedded
    for shape in (
        *_target_area(signal, axis),
        *_grid(axis, face, wording),
        *_envelope(signal.curve, axis),
        *_mean_line(signal.curve, axis),
        *_target_edges(signal, axis),
        *_changes(report, face),
        *_titles(signal, face, wording),
    ):
        drawing.add(shape)
    return drawing


def write_figures(report: DayReport, folder: Path, font: Path | None = None) -> list[Path]:
    """Write every figure of the report as SVG into ``folder`` and remove that day's stale ones.

    Returns:
        The figures' paths, in order of the report.
    """
    face = typeface(font)
    wording = Wording(report.language)
    paths = []
    for signal in report.figure_signals:
        path = folder / str(signal.figure)
        title = wording("figure_alternative", day=report.day.isoformat(), label=formats.signal_title(signal))
        text = svg_text(signal_drawing(report, signal, face), title=title, language=report.language, face=face)
        replace_bytes(path, text.encode())
        paths.append(path)
    kept = {path.name for path in paths}
    for stale in folder.glob(f"report_{report.day.isoformat()}_*.svg"):
        if stale.name not in kept:
            stale.unlink(missing_ok=True)
    return paths


def _extent(signal: SignalReport, curve: Curve) -> tuple[float, float]:
    """Lowest and highest value to show: all of the envelope, and the target's bounds."""
    lows = [v for v in curve.minimum if v is not None]
    highs = [v for v in curve.maximum if v is not None]
    bounds = [b for b in (signal.target.min, signal.target.max) if b is not None] if signal.target else []
    return min(*lows, *bounds, highs[0]), max(*highs, *bounds, lows[0])


def _x(minute: float) -> float:
    return round(_LEFT + _PLOT_WIDTH * minute / MINUTES, 2)


def _y(axis: Axis, value: float) -> float:
    return round(_BOTTOM + _PLOT_HEIGHT * axis.position(value), 2)


_MIDDLES: Final = tuple(_x(minute + 0.5) for minute in range(MINUTES))


def _ys(axis: Axis, values: Sequence[float | None]) -> list[float]:
    """The same of values none of which is None."""
    positions = axis.positions(np.array(values, np.float64))
    heights: list[float] = np.round(_BOTTOM + _PLOT_HEIGHT * positions, 2).tolist()
    return heights


def _interleaved(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    return [number for point in zip(xs, ys, strict=True) for number in point]


def _runs(values: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """First and one past the last index of every stretch without None."""
    start = None
    for index, value in enumerate([*values, None]):
        if value is not None and start is None:
            start = index
        elif value is None and start is not None:
            yield start, index
            start = None


def _target_area(signal: SignalReport, axis: Axis) -> Iterator[Rect]:
    if signal.target is None:
        return
    low = axis.low if signal.target.min is None else signal.target.min
    high = axis.high if signal.target.max is None else signal.target.max
    bottom, top = _y(axis, low), _y(axis, high)
    yield Rect(_LEFT, bottom, _PLOT_WIDTH, round(top - bottom, 2), fillColor=ON_TARGET, strokeColor=None)


def _target_edges(signal: SignalReport, axis: Axis) -> Iterator[Line]:
    for edge in (signal.target.min, signal.target.max) if signal.target else ():
        if edge is not None:
            y = _y(axis, edge)
            yield _line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), TARGET_EDGE, 0.8, dash=[4, 2])


def _grid(axis: Axis, face: Typeface, wording: Wording) -> Iterator[Line | String]:
    for value, label in axis.ticks:
        y = _y(axis, value)
        yield _line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), GRID, 0.4)
        yield _text(label, x=_LEFT - 4, y=y - 2.4, font=face.regular, size=7, anchor="end")
    for hour in range(25):
        x = _x(hour * 60)
        yield _line((x, _BOTTOM, x, _BOTTOM - (4 if hour % 3 == 0 else 2)), QUIET, 0.4)
        if hour % 3 == 0:
            yield _text(f"{hour:02d}", x=x, y=_BOTTOM - 12, font=face.regular, size=7, anchor="middle")
    yield _line((_LEFT, _BOTTOM, _LEFT + _PLOT_WIDTH, _BOTTOM), QUIET, 0.6)
    yield _text(wording("figure_hour"), x=_LEFT - 10, y=_BOTTOM - 12, font=face.regular, size=7, anchor="end")


def _envelope(curve: Curve, axis: Axis) -> Iterator[Polygon]:
    """A step-free band through the middle of each minute; a minute alone becomes a box of its own width."""
    for first, end in _runs(curve.mean):
        xs = [_x(first), *_MIDDLES[first:end], _x(end)]
        upper, lower = (_to_the_ends(_ys(axis, values[first:end])) for values in (curve.maximum, curve.minimum))
        points = _interleaved([*xs, *reversed(xs)], [*upper, *reversed(lower)])
        yield Polygon(points, fillColor=ENVELOPE, strokeColor=ENVELOPE, strokeWidth=0.2)


def _mean_line(curve: Curve, axis: Axis) -> Iterator[PolyLine]:
    for first, end in _runs(curve.mean):
        xs = [_x(first), *_MIDDLES[first:end], _x(end)]
        points = _interleaved(xs, _to_the_ends(_ys(axis, curve.mean[first:end])))
        yield PolyLine(points, strokeColor=MEAN, strokeWidth=1.0, strokeLineJoin=1, strokeLineCap=0)


def _to_the_ends(ys: Sequence[float]) -> list[float]:
    """Half a minute more on either side, at the same height."""
    return [ys[0], *ys, ys[-1]]


def _changes(report: DayReport, face: Typeface) -> Iterator[Line | Circle | String]:
    """A line at each rule change, numbered above; changes too close for a number each share one: 4–6.

    On a day of many changes lines would hide the curve: short ticks at the top stand for them.
    """
    top = _BOTTOM + _PLOT_HEIGHT
    places = [
        (effect.number, _x(effect.at.hour * 60 + effect.at.minute + effect.at.second / 60))
        for effect in report.rule_effects
    ]
    bottom = _BOTTOM if len(places) <= LINES_AT_MOST else top - 4
    for _, x in places:
        yield _line((x, bottom, x, top + 2), CHANGE, 0.6, dash=[1.5, 1.5] if bottom == _BOTTOM else None)
    for label in _change_labels(places, face):
        yield _text(label.text, x=label.x, y=top + 4, font=face.bold, size=6, color=CHANGE, anchor="middle")


@dataclass(frozen=True)
class _ChangeLabel:
    """The label of neighbouring changes: number and place of the first and of the last."""

    first: tuple[int, float]
    last: tuple[int, float]

    @property
    def text(self) -> str:
        return str(self.first[0]) if self.first == self.last else f"{self.first[0]}–{self.last[0]}"

    @property
    def x(self) -> float:
        return round((self.first[1] + self.last[1]) / 2, 2)

    def overlaps(self, later: _ChangeLabel, face: Typeface) -> bool:
        widths = stringWidth(self.text, face.bold, 6) + stringWidth(later.text, face.bold, 6)
        return bool(later.x - self.x < widths / 2 + 3)


def _change_labels(places: Sequence[tuple[int, float]], face: Typeface) -> list[_ChangeLabel]:
    labels: list[_ChangeLabel] = []
    for place in places:
        label = _ChangeLabel(place, place)
        while labels and labels[-1].overlaps(label, face):
            label = _ChangeLabel(labels.pop().first, label.last)
        labels.append(label)
    return labels


def _titles(signal: SignalReport, face: Typeface, wording: Wording) -> Iterator[String]:
    y = HEIGHT - 10
    title = formats.with_unit(formats.signal_title(signal), f"[{signal.unit}]" if signal.unit else "")
    right = ""
    if signal.target is not None:
        right = face.showable(wording("figure_target", target=formats.target(signal.target, signal.unit, wording)))
        yield _text(right, x=WIDTH - _RIGHT, y=y, font=face.regular, size=8, color=TARGET_EDGE, anchor="end")
    room = _PLOT_WIDTH - stringWidth(right, face.regular, 8) - 12
    shown = _fitted(face.showable(title), face.bold, 9, room)
    yield _text(shown, x=_LEFT, y=y, font=face.bold, size=9, color=INK)


def _fitted(text: str, font: str, size: float, room: float) -> str:
    if stringWidth(text, font, size) <= room:
        return text
    while text and stringWidth(f"{text}…", font, size) > room:
        text = text[:-1]
    return f"{text}…"


def _line(ends: _Ends, color: Color, width: float, *, dash: list[float] | None = None) -> Line:
    return Line(*ends, strokeColor=color, strokeWidth=width, strokeDashArray=dash, strokeLineCap=0)


def _text(
    text: str, *, x: float, y: float, font: str, size: float, color: Color = QUIET, anchor: str = "start"
) -> String:
    return String(x, round(y, 2), text, fontName=font, fontSize=size, fillColor=color, textAnchor=anchor)

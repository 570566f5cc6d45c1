"""One figure a signal: envelope, mean, target and rule changes over the day; for PDF and SVG alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report.axes import Axis, value_axis
from lumen_assets.report.drawing import (
    CHANGE,
    ENVELOPE,
    ENVELOPE_EDGE,
    GRID,
    MEAN,
    ON_TARGET,
    QUIET,
    TARGET_EDGE,
    WIDTH,
    area,
    blank_drawing,
    box,
    curve_line,
    hatched,
    line,
    text,
)
from lumen_assets.report.figure_titles import figure_titles
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.gaps import gap_seconds
from lumen_assets.report.model import MINUTES, Curve, DayReport, SignalReport
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String

LINES_AT_MOST: Final = 24
"""Rule changes up to here are marked over the whole height of a figure."""

HEIGHT: Final = 146.0
_LEFT, _RIGHT, _BOTTOM, _TOP = 46.0, 8.0, 17.0, 30.0
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = HEIGHT - _BOTTOM - _TOP


def signal_drawing(report: DayReport, signal: SignalReport, face: Typeface) -> Drawing:
    """The figure of one signal that has a curve, ``WIDTH`` by ``HEIGHT`` points."""
    if signal.curve is None:
        raise ValueError(f"{signal.name} has no values to draw")
    wording = Wording(report.language)
    axis = value_axis(*_extent(signal, signal.curve))
    drawing = blank_drawing(HEIGHT, face)
    stretches = _stretches(signal.curve, int(_bridged_seconds(report, signal) // 60))
    for shape in (
        *_target_area(signal, axis),
        *_silences(stretches),
        *_grid(axis, face, wording),
        *_envelope(stretches, signal.curve, axis),
        *_mean_line(stretches, signal.curve, axis),
        *_target_edges(signal, axis),
        *_changes(report, face),
        *figure_titles(signal, axis, left=_LEFT, right=WIDTH - _RIGHT, y=HEIGHT - 10, face=face, wording=wording),
    ):
        drawing.add(shape)
    return drawing


def _bridged_seconds(report: DayReport, signal: SignalReport) -> float:
    """Silence up to here is none, by the rate of the signal's own values."""
    return gap_seconds(signal.rate_hz) if signal.rate_hz else report.recording.gap_seconds


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


_A_COLUMN: Final = 2
"""Minutes that a curve has one point for: a quarter of a millimetre on A4, a pixel and a half on a screen."""

Values = NDArray[np.float64]
Minutes = NDArray[np.int64]


def _values(values: Sequence[float | None]) -> Values:
    """Of each minute, NaN where there is none."""
    return np.array(values, np.float64)


def _stretches(curve: Curve, bridged: int) -> list[Minutes]:
    """The minutes with a value, in stretches; ``bridged`` minutes without one do not end a stretch."""
    minutes = np.flatnonzero(~np.isnan(_values(curve.mean)))
    return np.split(minutes, np.flatnonzero(np.diff(minutes) - 1 > bridged) + 1)


def _silences(stretches: Sequence[Minutes]) -> Iterator[Rect | Line]:
    """Hatching where the signal has no value for a minute or more."""
    ends = [0, *(int(end) for stretch in stretches for end in (stretch[0], stretch[-1] + 1)), MINUTES]
    for first, end in zip(ends[::2], ends[1::2], strict=True):
        if end > first:
            yield from hatched((_x(first), _BOTTOM, _x(end), _BOTTOM + _PLOT_HEIGHT))


def _target_area(signal: SignalReport, axis: Axis) -> Iterator[Rect]:
    if signal.target is None:
        return
    low = axis.low if signal.target.min is None else signal.target.min
    high = axis.high if signal.target.max is None else signal.target.max
    bottom, top = _y(axis, low), _y(axis, high)
    yield box((_LEFT, bottom, _LEFT + _PLOT_WIDTH, top), ON_TARGET)


def _target_edges(signal: SignalReport, axis: Axis) -> Iterator[Line]:
    for edge in (signal.target.min, signal.target.max) if signal.target else ():
        if edge is not None:
            y = _y(axis, edge)
            yield line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), TARGET_EDGE, 0.8, dash=[4, 2])


def _grid(axis: Axis, face: Typeface, wording: Wording) -> Iterator[Line | String]:
    for value, label in axis.ticks:
        y = _y(axis, value)
        yield line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), GRID, 0.4)
        yield text(label, x=_LEFT - 4, y=y - 2.4, font=face.regular, size=7, anchor="end")
    for hour in range(25):
        x = _x(hour * 60)
        yield line((x, _BOTTOM, x, _BOTTOM - (4 if hour % 3 == 0 else 2)), QUIET, 0.4)
        if hour % 3 == 0:
            yield text(f"{hour:02d}", x=x, y=_BOTTOM - 12, font=face.regular, size=7, anchor="middle")
    yield line((_LEFT, _BOTTOM, _LEFT + _PLOT_WIDTH, _BOTTOM), QUIET, 0.6)
    yield text(wording("figure_hour"), x=_LEFT - 10, y=_BOTTOM - 12, font=face.regular, size=7, anchor="end")


def _envelope(stretches: Sequence[Minutes], curve: Curve, axis: Axis) -> Iterator[Polygon]:
    """A step-free band through the middle of each column; a minute alone becomes a box of its own width.

    Its edge makes a single sample that stands out as high and wide as ink can show it.
    """
    highest, lowest = _values(curve.maximum), _values(curve.minimum)
    for minutes in stretches:
        columns = _columns(minutes)
        xs = _xs(minutes, columns)
        upper = _ys(axis, np.maximum.reduceat(highest[minutes], columns))
        lower = _ys(axis, np.minimum.reduceat(lowest[minutes], columns))
        band = np.concatenate([xs, xs[::-1]]), np.concatenate([upper, lower[::-1]])
        yield area(_points(*band), ENVELOPE, ENVELOPE_EDGE, 0.3)


def _mean_line(stretches: Sequence[Minutes], curve: Curve, axis: Axis) -> Iterator[PolyLine]:
    means = _values(curve.mean)
    for stretch in stretches:
        minutes = _without_few(stretch, curve.few)
        if not minutes.size:
            continue
        columns = _columns(minutes)
        ys = _ys(axis, _means(means[minutes], columns))
        yield curve_line(_points(_xs(minutes, columns), ys), MEAN, 1.0)


def _without_few(stretch: Minutes, few: Sequence[int]) -> Minutes:
    """A stretch without few values at its ends, up to a column, where the mean of a single row would be a spike.

    Where they are more, that is how it was recorded.
    """
    enough = np.flatnonzero(~np.isin(stretch, few))
    before, after = (enough[0], len(stretch) - 1 - enough[-1]) if enough.size else (len(stretch), 0)
    first = before if before <= _A_COLUMN else 0
    last = len(stretch) - (after if after <= _A_COLUMN else 0)
    return stretch[first:last]


def _columns(minutes: Minutes) -> NDArray[np.intp]:
    """Where each column of a stretch begins: its minutes with a value by twos, the last one alone if they are odd."""
    return np.arange(0, len(minutes), _A_COLUMN)


def _means(values: Values, columns: NDArray[np.intp]) -> Values:
    """Of each column; of halves, as two large values may have no sum."""
    sizes = np.diff(columns, append=len(values))
    means: Values = np.add.reduceat(values / _A_COLUMN, columns) * (_A_COLUMN / sizes)
    return means


def _xs(minutes: Minutes, columns: NDArray[np.intp]) -> Values:
    """The middle of each column, before and after them the stretch's ends."""
    middles = _means(minutes.astype(np.float64) + 0.5, columns)
    places = _LEFT + _PLOT_WIDTH * np.concatenate([minutes[:1], middles, minutes[-1:] + 1]) / MINUTES
    return np.round(places, 2)


def _ys(axis: Axis, values: Values) -> Values:
    """The heights of columns; the first and the last once more, for the ends."""
    heights = np.round(_BOTTOM + _PLOT_HEIGHT * axis.positions(values), 2)
    return np.concatenate([heights[:1], heights, heights[-1:]])


def _points(xs: Values, ys: Values) -> list[float]:
    """``x, y`` of each point, after one another."""
    points: list[float] = np.column_stack((xs, ys)).ravel().tolist()
    return points


def _changes(report: DayReport, face: Typeface) -> Iterator[Line | String]:
    """A line at each rule change, numbered above; changes too close for a number each share one: 4–6.

    On a day of many changes lines would hide the curve: short ticks above it stand for them.
    """
    top = _BOTTOM + _PLOT_HEIGHT
    places = [
        (effect.number, _x(effect.at.hour * 60 + effect.at.minute + effect.at.second / 60))
        for effect in report.rule_effects
    ]
    if len(places) <= LINES_AT_MOST:
        yield from (line((x, _BOTTOM, x, top + 2), CHANGE, 0.6, dash=[1.5, 1.5]) for _, x in places)
    else:
        yield from (line((x, top, x, top + 3), CHANGE, 0.6) for _, x in places)
    for label in _change_labels(places, face):
        yield text(label.shown, x=label.x, y=top + 4, font=face.bold, size=6, color=CHANGE, anchor="middle")


@dataclass(frozen=True)
class _ChangeLabel:
    """The label of neighbouring changes: number and place of the first and of the last."""

    first: tuple[int, float]
    last: tuple[int, float]

    @property
    def shown(self) -> str:
        return str(self.first[0]) if self.first == self.last else f"{self.first[0]}–{self.last[0]}"

    @property
    def x(self) -> float:
        return round((self.first[1] + self.last[1]) / 2, 2)

    def overlaps(self, later: _ChangeLabel, face: Typeface) -> bool:
        widths = stringWidth(self.shown, face.bold, 6) + stringWidth(later.shown, face.bold, 6)
        return bool(later.x - self.x < widths / 2 + 3)


def _change_labels(places: Sequence[tuple[int, float]], face: Typeface) -> list[_ChangeLabel]:
    labels: list[_ChangeLabel] = []
    for place in places:
        label = _ChangeLabel(place, place)
        while labels and labels[-1].overlaps(label, face):
            label = _ChangeLabel(labels.pop().first, label.last)
        labels.append(label)
    return labels

"""One figure a signal of a week or month: each day's mean within its extremes, against the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from lumen_assets.report.axes import Axis, value_axis
from lumen_assets.report.drawing import (
    CHANGE,
    ENVELOPE_EDGE,
    GRID,
    INK,
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
from lumen_assets.report.numbers import SignalNumbers
from lumen_assets.report.periods import PeriodReport, PeriodSignal
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String

HEIGHT: Final = 118.0
_LEFT, _RIGHT, _BOTTOM, _TOP = 46.0, 8.0, 17.0, 20.0
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = HEIGHT - _BOTTOM - _TOP
_CAP: Final = 3.0
"""Points to either side of a whisker, at its ends."""

_SQUARE, _DIAMOND = 2.2, 4.2
"""Points from the middle of a mean's mark to its sides, or corners."""


@dataclass(frozen=True)
class _Day:
    """A day of the period, from ``x1`` to ``x2``, with what the signal did on it; None where that is not known."""

    label: str
    x1: float
    x2: float
    level: SignalNumbers | None

    @property
    def x(self) -> float:
        return round((self.x1 + self.x2) / 2, 2)


def means_drawing(report: PeriodReport, signal: PeriodSignal, face: Typeface) -> Drawing:
    """The figure of one signal, ``WIDTH`` by ``HEIGHT`` points."""
    wording = Wording(report.language)
    days = _days(report, signal, wording)
    axis = value_axis(*_extent(signal))
    drawing = blank_drawing(HEIGHT, face)
    for shape in (
        *_target(signal, axis),
        *(shape for day in days if day.level is None for shape in hatched((day.x1, _BOTTOM, day.x2, _top()))),
        *_grid(axis, days, face),
        *_target_edges(signal, axis),
        *_whiskers(days, axis),
        *_lines(days, axis),
        *_means(days, axis),
        *figure_titles(signal, axis, left=_LEFT, right=WIDTH - _RIGHT, y=HEIGHT - 10, face=face, wording=wording),
    ):
        drawing.add(shape)
    return drawing


def _days(report: PeriodReport, signal: PeriodSignal, wording: Wording) -> list[_Day]:
    levels = {numbers.day: numbers.signals.get(signal.name) for numbers in report.days}
    days, width = report.period.days, _PLOT_WIDTH / len(report.period.days)
    found = []
    for number, day in enumerate(days):
        level = levels.get(day)
        label = f"{wording.weekday(number)[:3]} {day:%m-%d}" if report.period.kind == "week" else str(day.day)
        x1, x2 = (round(_LEFT + width * n, 2) for n in (number, number + 1))
        found.append(_Day(label, x1, x2, level if level and level.mean is not None else None))
    return found


def _extent(signal: PeriodSignal) -> tuple[float, float]:
    """Lowest and highest value to show: the extremes, and the target's bounds."""
    bounds = [b for b in (signal.target.min, signal.target.max) if b is not None] if signal.target else []
    if signal.lowest is None or signal.highest is None:
        raise ValueError(f"{signal.name} has no values to draw")
    return min([signal.lowest, *bounds]), max([signal.highest, *bounds])


def _top() -> float:
    return _BOTTOM + _PLOT_HEIGHT


def _y(axis: Axis, value: float) -> float:
    return round(_BOTTOM + _PLOT_HEIGHT * axis.position(value), 2)


def _target(signal: PeriodSignal, axis: Axis) -> Iterator[Rect]:
    if signal.target is not None:
        low = axis.low if signal.target.min is None else signal.target.min
        high = axis.high if signal.target.max is None else signal.target.max
        yield box((_LEFT, _y(axis, low), _LEFT + _PLOT_WIDTH, _y(axis, high)), ON_TARGET)


def _target_edges(signal: PeriodSignal, axis: Axis) -> Iterator[Line]:
    for edge in (signal.target.min, signal.target.max) if signal.target else ():
        if edge is not None:
            y = _y(axis, edge)
            yield line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), TARGET_EDGE, 0.8, dash=[4, 2])


def _grid(axis: Axis, days: Sequence[_Day], face: Typeface) -> Iterator[Line | String]:
    for value, label in axis.ticks:
        y = _y(axis, value)
        yield line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), GRID, 0.4)
        yield text(label, x=_LEFT - 4, y=y - 2.4, font=face.regular, size=7, anchor="end")
    for day in days:
        yield line((day.x, _BOTTOM, day.x, _BOTTOM - 2.5), QUIET, 0.4)
        yield text(face.showable(day.label), x=day.x, y=_BOTTOM - 12, font=face.regular, size=7, anchor="middle")
    yield line((_LEFT, _BOTTOM, _LEFT + _PLOT_WIDTH, _BOTTOM), QUIET, 0.6)


def _whiskers(days: Sequence[_Day], axis: Axis) -> Iterator[Line]:
    """From minimum to maximum, with a cap at either end."""
    for day in days:
        if day.level is None or day.level.minimum is None or day.level.maximum is None:
            continue
        low, high = _y(axis, day.level.minimum), _y(axis, day.level.maximum)
        yield line((day.x, low, day.x, high), ENVELOPE_EDGE, 1.4)
        for y in (low, high):
            yield line((round(day.x - _CAP, 2), y, round(day.x + _CAP, 2), y), ENVELOPE_EDGE, 1.0)


def _lines(days: Sequence[_Day], axis: Axis) -> Iterator[PolyLine]:
    """From mean to mean; a day without one parts them."""
    for known, group in groupby(days, key=lambda day: day.level is not None):
        points = [part for day in group for part in (day.x, _y(axis, _mean(day)))] if known else []
        if len(points) > 2:
            yield curve_line(points, MEAN, 0.8)


def _means(days: Sequence[_Day], axis: Axis) -> Iterator[Rect | Polygon]:
    """A square on target, a diamond off it."""
    for day in days:
        if day.level is None:
            continue
        x, y = day.x, _y(axis, _mean(day))
        if day.level.mean_on_target is False:
            corners = [x - _DIAMOND, y, x, y + _DIAMOND, x + _DIAMOND, y, x, y - _DIAMOND]
            yield area([round(part, 2) for part in corners], CHANGE, INK, 0.5)
        else:
            sides = (x - _SQUARE, y - _SQUARE, x + _SQUARE, y + _SQUARE)
            yield box((round(sides[0], 2), round(sides[1], 2), round(sides[2], 2), round(sides[3], 2)), MEAN)


def _mean(day: _Day) -> float:
    if day.level is None or day.level.mean is None:
        raise ValueError(f"{day.label} has no mean to draw")
    return day.level.mean

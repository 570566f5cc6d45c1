"""Each main signal's values of the day as a histogram against its target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report import formats
from lumen_assets.report.axes import Axis, value_axis
from lumen_assets.report.drawing import (
    CHANGE,
    ENVELOPE,
    ENVELOPE_EDGE,
    INK,
    MEAN,
    ON_TARGET,
    QUIET,
    TARGET_EDGE,
    WIDTH,
    area,
    blank_drawing,
    box,
    fitted,
    line,
    text,
)
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.model import DayReport, Distribution, Histogram, SignalReport, TargetRange
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, Line, Polygon, Rect, String

_Shapes = Iterator["Rect | Line | Polygon | String"]

_ROW: Final = 52.0
_BARS: Final = 27.0
_BELOW: Final = 17.0
"""Points of a row under its bars, for ticks and their labels."""

_LEFT, _RIGHT = 138.0, 34.0
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT


def distribution_drawing(report: DayReport, signals: Sequence[SignalReport], face: Typeface) -> Drawing:
    """A row a signal; each has values."""
    drawing = blank_drawing(_ROW * len(signals), face)
    wording = Wording(report.language)
    for number, signal in enumerate(signals, 1):
        if signal.values is None:
            raise ValueError(f"{signal.name} has no values to draw")
        bottom = drawing.height - number * _ROW
        axis = _axis(signal.values.histogram, signal.target)
        for shape in (
            *_names(signal, bottom, face, wording),
            *_target_area(signal.target, axis, bottom),
            *_bars(signal.values.histogram, signal.target, axis, bottom),
            *_target_edges(signal.target, axis, bottom),
            *_ticks(axis, bottom, face, wording),
            *_marks(signal.values, axis, bottom),
            *_beyond(signal.values, bottom, face),
        ):
            drawing.add(shape)
    return drawing


def _axis(histogram: Histogram, target: TargetRange | None) -> Axis:
    """Holds the bins, and the target's bounds that are no further off than the bins are wide."""
    low, high = histogram.low, histogram.high
    room = high / 2 - low / 2
    bounds = [b for b in (target.min, target.max) if b is not None] if target else []
    near = [b for b in bounds if low / 2 - room <= b / 2 <= high / 2 + room]
    return value_axis(min(low, *near), max(high, *near)) if near else value_axis(low, high)


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + _PLOT_WIDTH * axis.position(value), 2)


def _names(signal: SignalReport, bottom: float, face: Typeface, wording: Wording) -> _Shapes:
    room = _LEFT - 14
    lines = [(signal.label, "", face.bold, 8.0, INK)]
    if signal.label != signal.name:
        lines.append((signal.name, "", face.regular, 7.0, QUIET))
    if signal.target is not None:
        target = wording("figure_target", target=formats.target(signal.target, signal.unit, wording))
        share = f" · {formats.share(signal.share_on_target)}"
        lines.append((target, share, face.regular, 7.0, TARGET_EDGE))
    for number, (shown, whole, font, size, color) in enumerate(lines):
        cut = fitted(face.showable(shown), font, size, room - stringWidth(whole, font, size))
        y = bottom + _BELOW + _BARS - 8 - 10 * number
        yield text(cut + whole, x=2, y=y, font=font, size=size, color=color)


def _target_area(target: TargetRange | None, axis: Axis, bottom: float) -> _Shapes:
    if target is not None:
        low, high = _bounds(target, axis)
        yield box((_x(axis, low), bottom + _BELOW, _x(axis, high), bottom + _BELOW + _BARS), ON_TARGET)


def _target_edges(target: TargetRange | None, axis: Axis, bottom: float) -> _Shapes:
    for bound in (target.min, target.max) if target else ():
        if bound is not None and axis.low <= bound <= axis.high:
            x = _x(axis, bound)
            yield line((x, bottom + _BELOW, x, bottom + _BELOW + _BARS + 2), TARGET_EDGE, 0.8, dash=[4, 2])


def _bounds(target: TargetRange, axis: Axis) -> tuple[float, float]:
    low = axis.low if target.min is None else target.min
    return low, axis.high if target.max is None else target.max


def _bars(histogram: Histogram, target: TargetRange | None, axis: Axis, bottom: float) -> _Shapes:
    """A bar a bin, the tallest as high as there is room; what is off target is darker. Bars of a kind are one area."""
    y, tallest, bins = bottom + _BELOW, max(histogram.counts), len(histogram.counts)
    first, last = _x(axis, histogram.low), _x(axis, histogram.high)
    if last - first < 2:  # one value, or nearly so: a bar that can be seen
        first, last = first - 1, last + 1
    good = _good(histogram, target, axis)
    bars = []
    for number, count in enumerate(histogram.counts):
        x1, x2 = (round(first + (last - first) * n / bins, 2) for n in (number, number + 1))
        top = round(y + max(0.4, _BARS * count / tallest), 2) if count else None
        cuts = sorted({x1, x2, *(x for x in good if x1 < x < x2)})
        bars += [(top and (good[0] <= (start + end) / 2 <= good[1]), top, start, end) for start, end in pairwise(cuts)]
    for on_target, group in groupby(bars, key=lambda bar: bar[0]):
        steps = [(x, top) for _, top, start, end in group for x in (start, end) if top]
        if steps:
            outline = [(steps[0][0], y), *steps, (steps[-1][0], y)]
            fill, edge = (ENVELOPE, ENVELOPE_EDGE) if on_target else (CHANGE, CHANGE)
            yield area([number for point in outline for number in point], fill, edge, 0.2)


def _good(histogram: Histogram, target: TargetRange | None, axis: Axis) -> tuple[float, float]:
    """From where to where bars are on target; around a set point, or a single value, as wide as a bar of one."""
    if target is None:
        return _LEFT, _LEFT + _PLOT_WIDTH
    low, high = _bounds(target, axis)
    is_one_value = histogram.low == histogram.high
    if is_one_value and not low <= histogram.low <= high:
        return _LEFT, _LEFT
    first, last = _x(axis, low), _x(axis, high)
    is_set_point = low == high and axis.low <= low <= axis.high
    return (first - 1, last + 1) if is_one_value or is_set_point else (first, last)


def _ticks(axis: Axis, bottom: float, face: Typeface, wording: Wording) -> _Shapes:
    y = bottom + _BELOW
    yield line((_LEFT, y, _LEFT + _PLOT_WIDTH, y), QUIET, 0.6)
    for value, label in axis.ticks:
        x = _x(axis, value)
        yield line((x, y, x, y - 2.5), QUIET, 0.4)
        yield text(label, x=x, y=y - 9.5, font=face.regular, size=6.5, anchor="middle")
    if axis.base:
        base = face.showable(wording("figure_base", base=axis.base))
        yield text(base, x=2, y=y - 9.5, font=face.regular, size=6.5)


def _marks(values: Distribution, axis: Axis, bottom: float) -> _Shapes:
    """The median as a line through the bars, from the 5th to the 95th percentile one above them."""
    y = bottom + _BELOW + _BARS + 1.5
    first, middle, last = (_x(axis, value) for value in (values.p5, values.p50, values.p95))
    yield line((first, y, last, y), MEAN, 0.8)
    for x in (first, last):
        yield line((x, y - 1.5, x, y + 1.5), MEAN, 0.8)
    yield line((middle, bottom + _BELOW, middle, y + 2), MEAN, 1.4)


def _beyond(values: Distribution, bottom: float, face: Typeface) -> _Shapes:
    """How many values lie beyond the bins, and how far."""
    y, histogram = bottom + _BELOW + _BARS - 7, values.histogram
    for count, extreme, x, anchor in (
        (histogram.below, values.minimum, _LEFT - 3, "end"),
        (histogram.above, values.maximum, _LEFT + _PLOT_WIDTH + 3, "start"),
    ):
        if count:
            yield text(f"+{formats.count(count)}", x=x, y=y, font=face.bold, size=6.5, color=CHANGE, anchor=anchor)
            yield text(formats.number(extreme), x=x, y=y - 8, font=face.regular, size=6.5, color=CHANGE, anchor=anchor)

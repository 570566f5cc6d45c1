"""The share on target of each signal on some days: calendars of weeks, or a strip of a single week's days."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from reportlab.lib.colors import Color

from lumen_assets.report.drawing import INK, WHITE, WIDTH, Ends, blank_drawing, box, fitted, hatched, text
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, Line, Rect, String

_Shapes = Iterator["Rect | Line | String"]

_A_ROW: Final = 4
_CELL_WIDTH, _CELL_HEIGHT = 13.6, 12.6
_DATES: Final = 21.0
_HEAD: Final = 27.0
_WIDTH: Final = WIDTH / _A_ROW

_STRIP_NAMES: Final = 138.0
_STRIP_HEIGHT: Final = 20.0
_STRIP_HEAD: Final = 24.0
_STRIP_WIDTH: Final = (WIDTH - _STRIP_NAMES) / 7


@dataclass(frozen=True)
class Shares:
    """A signal's shares on target by day; a day that is not there is hatched."""

    label: str
    by_day: Mapping[date, float]


def calendar_drawing(
    signals: Sequence[Shares], first: date, last: date, face: Typeface, wording: Wording, *, framed: date | None = None
) -> Drawing:
    """A calendar a signal, from ``first`` to ``last``, a row a week; the day ``framed`` stands out."""
    monday = first - timedelta(days=first.weekday())
    each = _HEAD + ((last - monday).days // 7 + 1) * _CELL_HEIGHT + 8
    drawing = blank_drawing(each * math.ceil(len(signals) / _A_ROW), face)
    for number, signal in enumerate(signals):
        left, top = _WIDTH * (number % _A_ROW), drawing.height - each * (number // _A_ROW)
        for shape in (
            *_head(signal, left, top, face, wording),
            *_weeks(signal, (first, last), (left, top - _HEAD), face, framed),
        ):
            drawing.add(shape)
    return drawing


def _head(signal: Shares, left: float, top: float, face: Typeface, wording: Wording) -> _Shapes:
    title = fitted(face.showable(signal.label), face.bold, 8, _WIDTH - 8)
    yield text(title, x=left, y=top - 9, font=face.bold, size=8, color=INK)
    for weekday in range(7):
        name = wording.weekday(weekday)[:2]
        x = left + _DATES + (weekday + 0.5) * _CELL_WIDTH
        yield text(name, x=x, y=top - _HEAD + 3, font=face.regular, size=6, anchor="middle")


def _weeks(
    signal: Shares, days: tuple[date, date], corner: tuple[float, float], face: Typeface, framed: date | None
) -> _Shapes:
    (first, last), (left, top) = days, corner
    monday = first - timedelta(days=first.weekday())
    frame = None
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        week, weekday = divmod((day - monday).days, 7)
        x1, y2 = round(left + _DATES + weekday * _CELL_WIDTH, 2), round(top - week * _CELL_HEIGHT, 2)
        ends = (x1, round(y2 - _CELL_HEIGHT, 2), round(x1 + _CELL_WIDTH, 2), y2)
        if weekday == 0 or number == 0:
            yield text(f"{day:%m-%d}", x=left, y=ends[1] + 4, font=face.regular, size=6)
        yield from _cell(ends, signal.by_day.get(day), face, 6)
        frame = ends if day == framed else frame
    if frame:
        yield box(frame, None, INK, 1.2)


def strip_drawing(signals: Sequence[Shares], monday: date, face: Typeface, wording: Wording) -> Drawing:
    """A row a signal, a column a day of one week: large enough for a telephone."""
    drawing = blank_drawing(_STRIP_HEAD + _STRIP_HEIGHT * len(signals), face)
    top = round(drawing.height - _STRIP_HEAD, 2)
    for number in range(7):
        day = monday + timedelta(days=number)
        x = round(_STRIP_NAMES + (number + 0.5) * _STRIP_WIDTH, 2)
        name = face.showable(f"{wording.weekday(number)[:3]} {day:%m-%d}")
        drawing.add(text(name, x=x, y=top + 6, font=face.regular, size=7.5, anchor="middle"))
        for row, signal in enumerate(signals):
            x1, y2 = round(x - _STRIP_WIDTH / 2, 2), round(top - row * _STRIP_HEIGHT, 2)
            ends = (x1, round(y2 - _STRIP_HEIGHT, 2), round(x1 + _STRIP_WIDTH, 2), y2)
            for shape in _cell(ends, signal.by_day.get(day), face, 9):
                drawing.add(shape)
    for row, signal in enumerate(signals):
        title = fitted(face.showable(signal.label), face.bold, 9, _STRIP_NAMES - 8)
        y = top - (row + 0.5) * _STRIP_HEIGHT - 3.2
        drawing.add(text(title, x=2, y=y, font=face.bold, size=9, color=INK))
    return drawing


def _cell(ends: Ends, share: float | None, face: Typeface, size: float) -> _Shapes:
    if share is None:
        yield from hatched(ends)
        yield box(ends, None, WHITE, 0.8)
        return
    missed = math.sqrt(1 - share)  # few misses show too
    yield box(ends, _shade(missed), WHITE, 0.8)
    color = WHITE if missed > 0.6 else INK
    x, y = round((ends[0] + ends[2]) / 2, 2), (ends[1] + ends[3]) / 2 - 0.3833 * size
    said = f"{math.floor(share * 100)}"
    yield text(said, x=x, y=y, font=face.regular, size=size, color=color, anchor="middle")


def _shade(missed: float) -> Color:
    """From pale to dark, in grey too: Okabe and Ito's bluish green, nearly white, to their vermilion, nearly black."""
    pale, dark = (0.89, 0.957, 0.925), (0.42, 0.16, 0.0)
    middle = (0.91, 0.62, 0.36)
    start, end, part = (pale, middle, missed * 2) if missed < 0.5 else (middle, dark, missed * 2 - 1)
    return Color(*(round(a + (b - a) * part, 3) for a, b in zip(start, end, strict=True)))

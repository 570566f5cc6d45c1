"""The share on target of each signal on the last four weeks' days, as calendars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from reportlab.lib.colors import Color

from lumen_assets.report.drawing import INK, WHITE, WIDTH, blank_drawing, box, fitted, hatched, text
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.model import HISTORY, DayReport, SignalReport
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, Line, Rect, String

_Shapes = Iterator["Rect | Line | String"]


_A_ROW: Final = 4
_WEEKS: Final = 5
_CELL_WIDTH, _CELL_HEIGHT = 13.6, 12.6
_DATES: Final = 21.0
_HEAD: Final = 27.0
_WIDTH: Final = WIDTH / _A_ROW
_HEIGHT: Final = _HEAD + _WEEKS * _CELL_HEIGHT + 8


def calendar_drawing(report: DayReport, signals: Sequence[SignalReport], face: Typeface) -> Drawing:
    """A calendar a signal; each has a target."""
    drawing = blank_drawing(_HEIGHT * math.ceil(len(signals) / _A_ROW), face)
    for number, signal in enumerate(signals):
        left, top = _WIDTH * (number % _A_ROW), drawing.height - _HEIGHT * (number // _A_ROW)
        for shape in _calendar(report, signal, left, top, face):
            drawing.add(shape)
    return drawing


def _calendar(report: DayReport, signal: SignalReport, left: float, top: float, face: Typeface) -> _Shapes:
    wording = Wording(report.language)
    title = fitted(face.showable(signal.label), face.bold, 8, _WIDTH - 8)
    yield text(title, x=left, y=top - 9, font=face.bold, size=8, color=INK)
    x, y = left + _DATES, top - _HEAD
    for weekday in range(7):
        name = wording.weekday(weekday)[:2]
        yield text(name, x=x + (weekday + 0.5) * _CELL_WIDTH, y=y + 3, font=face.regular, size=6, anchor="middle")
    known = report.shares_on_target(signal)
    first = report.day - HISTORY
    monday = first - timedelta(days=first.weekday())
    for number in range((report.day - first).days + 1):
        day = first + timedelta(days=number)
        week, weekday = divmod((day - monday).days, 7)
        x1, y2 = round(x + weekday * _CELL_WIDTH, 2), round(y - week * _CELL_HEIGHT, 2)
        ends = (x1, round(y2 - _CELL_HEIGHT, 2), round(x1 + _CELL_WIDTH, 2), y2)
        if weekday == 0 or number == 0:
            yield text(f"{day:%m-%d}", x=left, y=ends[1] + 4, font=face.regular, size=6)
        yield from _cell(ends, known.get(day), face)
    yield box(ends, None, INK, 1.2)


def _cell(ends: tuple[float, float, float, float], share: float | None, face: Typeface) -> _Shapes:
    if share is None:
        yield from hatched(ends)
        yield box(ends, None, WHITE, 0.8)
        return
    missed = math.sqrt(1 - share)  # few misses show too
    yield box(ends, _shade(missed), WHITE, 0.8)
    color = WHITE if missed > 0.6 else INK
    x = round((ends[0] + ends[2]) / 2, 2)
    yield text(
        f"{math.floor(share * 100)}", x=x, y=ends[1] + 4, font=face.regular, size=6, color=color, anchor="middle"
    )


def _shade(missed: float) -> Color:
    """From pale to dark, in grey too: Okabe and Ito's bluish green, nearly white, to their vermilion, nearly black."""
    pale, dark = (0.89, 0.957, 0.925), (0.42, 0.16, 0.0)
    middle = (0.91, 0.62, 0.36)
    start, end, part = (pale, middle, missed * 2) if missed < 0.5 else (middle, dark, missed * 2 - 1)
    return Color(*(round(a + (b - a) * part, 3) for a, b in zip(start, end, strict=True)))

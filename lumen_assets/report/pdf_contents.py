"""A PDF's table of contents, and other numbers of pages that are known only when all is laid out.

Such a number is a form that pages refer to and that is made at the end: nothing is laid out twice, and no page is kept
back, as links and bookmarks then lead to the first one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report.document import Heading
from lumen_assets.report.drawing import GRID, MEAN, QUIET, fitted
from lumen_assets.report.fonts import Typeface

_COLUMNS: Final = 3
_ROW: Final = 13.0
_SIZE: Final = 8.0
_BETWEEN: Final = 18.0
_NUMBER: Final = 18.0
"""Points that a page number has."""

TOTAL: Final = "-"
"""No section's anchor: the number of pages."""


class Contents(Flowable):  # type: ignore[misc]  # reportlab has no types
    """The sections' titles as links, line by line, each with the number of its page."""

    def __init__(self, headings: Sequence[Heading], face: Typeface, width: float) -> None:
        super().__init__()
        self.headings, self.face, self.width = headings, face, width
        self.height = math.ceil(len(headings) / _COLUMNS) * _ROW

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Its size."""
        return self.width, self.height

    def getSpaceBefore(self) -> float:  # noqa: N802 - reportlab's name
        """Points above."""
        return 2

    def getSpaceAfter(self) -> float:  # noqa: N802 - reportlab's name
        """Points below."""
        return 4

    def draw(self) -> None:
        """Draw it where the frame has put it."""
        column = (self.width - (_COLUMNS - 1) * _BETWEEN) / _COLUMNS
        for number, heading in enumerate(self.headings):
            row, place = divmod(number, _COLUMNS)
            self._entry(heading, place * (column + _BETWEEN), self.height - (row + 1) * _ROW + 4, column)

    def _entry(self, heading: Heading, x: float, y: float, width: float) -> None:
        canvas: Canvas = self.canv
        title = fitted(self.face.showable(heading.text), self.face.regular, _SIZE, width - _NUMBER - 4)
        canvas.setFont(self.face.regular, _SIZE)
        canvas.setFillColor(MEAN)
        canvas.drawString(x, y, title)
        canvas.setStrokeColor(GRID)
        canvas.setLineWidth(0.5)
        canvas.line(x, y - 4, x + width, y - 4)
        draw_reference(canvas, heading.anchor, "", face=self.face, x=x + width - _NUMBER, y=y)
        canvas.linkRect("", heading.anchor, (x, y - 4, x + width, y + _ROW - 4), relative=1, thickness=0)


def draw_reference(canvas: Canvas, anchor: str, before: str, *, face: Typeface, x: float, y: float) -> None:
    """Draw ``before``, which ends at ``x``, and behind it the number of the page that ``anchor`` will be on."""
    canvas.setFont(face.regular, _SIZE)
    canvas.setFillColor(QUIET)
    if before:
        canvas.drawRightString(x, y, before)
    canvas.saveState()
    canvas.translate(x, y)
    canvas.doForm(_form(anchor))
    canvas.restoreState()


def draw_page_numbers(canvas: Canvas, pages: Mapping[str, int], face: Typeface) -> None:
    """Make the numbers that pages refer to.

    Args:
        canvas: behind the last page.
        pages: by anchor; under ``TOTAL`` how many there are.
        face: of the document.
    """
    for anchor, page in pages.items():
        canvas.beginForm(_form(anchor), 0, -4, _NUMBER, _ROW - 4)
        canvas.setFont(face.regular, _SIZE)
        canvas.setFillColor(QUIET)
        if anchor == TOTAL:
            canvas.drawString(0, 0, str(page))
        else:
            canvas.drawRightString(_NUMBER, 0, str(page))
        canvas.endForm()


def _form(anchor: str) -> str:
    return f"page-of-{anchor}"

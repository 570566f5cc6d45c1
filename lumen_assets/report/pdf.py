"""The report as a PDF: A4, one embedded font, bookmarks, and the same bytes for the same report."""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from reportlab import rl_config
from reportlab.lib.colors import Color
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from lumen_assets.durable import replaced_file
from lumen_assets.report.document import Document
from lumen_assets.report.drawing import GRID, QUIET
from lumen_assets.report.files import FIGURES
from lumen_assets.report.fonts import Typeface, typeface
from lumen_assets.report.model import DayReport
from lumen_assets.report.pdf_attachment import Attachment, attach
from lumen_assets.report.pdf_contents import TOTAL, draw_page_numbers, draw_reference
from lumen_assets.report.pdf_flow import SectionTitle, flowables
from lumen_assets.report.seal_section import seal_section
from lumen_assets.report.sections import document
from lumen_assets.report.wording import Wording

MARGIN: Final = 16 * mm
_HEAD: Final = 13 * mm
_BODY_TOP: Final = 20 * mm
_BODY_BOTTOM: Final = 18 * mm
_NAME: Final = "Lumen Assets"

rl_config.useA85 = 0  # streams as they are: PDF has long been no text, and in text they are a quarter larger


class _Deflated(pdfdoc.PDFStreamFilterZCompress):  # type: ignore[misc]  # reportlab has no types
    """Level 5 of zlib instead of 6: half the time for the coordinates of curves, and 0.2 % more bytes."""

    def encode(self, content: str | bytes) -> bytes:
        """The stream as it lies in the file."""
        return zlib.compress(content.encode() if isinstance(content, str) else content, 5)


pdfdoc.PDFZCompress = _Deflated()

_building = threading.Lock()
"""reportlab keeps fonts and sequences in the module: one document at a time."""


def write_pdf(report: DayReport, path: Path, font: Path | None = None) -> None:
    """Write the report as a PDF, whole or not at all.

    Args:
        report: the day; nothing else is read but the pictures that it names, from ``assets`` beside the PDF.
        path: of the PDF; an older one is replaced.
        font: a TrueType font with Korean glyphs instead of the one that ships.

    Raises:
        PermanentError: ``configuration``, if the font cannot be used; ``input``, if a picture is not the report's.
    """
    content, numbers = document(report), report.to_json()
    sealed = replace(content, blocks=(*content.blocks, *seal_section(report, numbers)))
    write_document(sealed, path, font, attachment=Attachment(f"report_{report.day.isoformat()}.json", numbers))


def write_document(content: Document, path: Path, font: Path | None = None, *, attachment: Attachment) -> None:
    """The same of any document, with its numbers attached."""
    face = typeface(font)
    with _building:
        made = _pdf_bytes(content, face, path.parent / FIGURES, attachment)
    with replaced_file(path) as file:
        file.write(made)


def _pdf_bytes(content: Document, face: Typeface, pictures: Path, attachment: Attachment) -> bytes:
    target = BytesIO()
    template = _Template(target, content, face)
    story: list[Flowable] = flowables(content, face, pictures, room=template.room)
    template.build(story, canvasmaker=_completed_canvas(template.pages, face, attachment, content.ends))
    return target.getvalue()


class _Template(BaseDocTemplate):  # type: ignore[misc]  # reportlab has no types
    """A4 with a running header and page numbers; section titles become bookmarks.

    ``pages`` has the number of the page that each is on, by its anchor.
    """

    def __init__(self, target: BytesIO, content: Document, face: Typeface) -> None:
        title = face.showable(content.title)
        super().__init__(
            target,
            pagesize=A4,
            initialFontName=face.regular,  # else every page names Helvetica, which is not embedded
            invariant=1,
            pageCompression=1,
            lang={"ko": "ko-KR", "en": "en-GB"}[content.language],
            title=f"{title} {content.mark}",
            subject=face.showable(content.subject),
            keywords=[face.showable(keyword) for keyword in content.keywords],
            author=_NAME,
            creator=_NAME,
            producer="ReportLab",  # without its version: another one may draw the same bytes
            displayDocTitle=1,
        )
        width, height = A4
        self.room = width - 2 * MARGIN, height - _BODY_TOP - _BODY_BOTTOM
        frame = Frame(
            MARGIN,
            _BODY_BOTTOM,
            *self.room,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        self.pages: dict[str, int] = {}
        self._header = (title, content.mark)
        self._face, self._wording = face, Wording(content.language)
        self.addPageTemplates(PageTemplate("page", [frame], onPage=self._draw_header, onPageEnd=self._draw_number))

    def _draw_header(self, canvas: Canvas, _template: Any) -> None:
        width, height = A4
        canvas.saveState()
        canvas.setFillColor(QUIET)
        canvas.setFont(self._face.regular, 8)
        y = height - _HEAD
        title, day = self._header
        canvas.drawString(MARGIN, y, shortened(title, canvas, self._face.regular, 8, self.room[0] - 80))
        canvas.drawRightString(width - MARGIN, y, day)
        _rule(canvas, GRID, y - 4)
        canvas.restoreState()

    def _draw_number(self, canvas: Canvas, _template: Any) -> None:
        page = self._face.showable(self._wording("page", page=canvas.getPageNumber()))
        draw_reference(canvas, TOTAL, page, face=self._face, x=A4[0] / 2, y=10 * mm)

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab's name
        """Make a bookmark of a section's title."""
        if isinstance(flowable, SectionTitle):
            self.pages[flowable.anchor] = self.page
            self.canv.bookmarkHorizontal(flowable.anchor, 0, flowable.top)
            self.canv.addOutlineEntry(flowable.plain, flowable.anchor, level=0, closed=False)


def shortened(text: str, canvas: Canvas, font: str, size: float, room: float) -> str:
    """``text`` cut with an ellipsis to fit into ``room`` points."""
    if canvas.stringWidth(text, font, size) <= room:
        return text
    while text and canvas.stringWidth(f"{text}…", font, size) > room:
        text = text[:-1]
    return f"{text}…"


def _rule(canvas: Canvas, color: Color, y: float) -> None:
    canvas.setStrokeColor(color)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, y, A4[0] - MARGIN, y)


def _pdf_date(moment: datetime) -> str:
    """As ISO 32000-1 writes it (7.9.4): ``D:20251024000000+09'00'``."""
    zone = f"{moment:%z}"
    return f"D:{moment:%Y%m%d%H%M%S}{zone[:3]}'{zone[3:5]}'"


def _completed_canvas(pages: Mapping[str, int], face: Typeface, attachment: Attachment, ends: datetime) -> type[Canvas]:
    """A canvas that puts in at the end what is known then only, and knows no clock.

    Args:
        pages: by a section's anchor; filled by then.
        face: of the document.
        attachment: what the document carries with it.
        ends: its date.
    """

    class CompletedCanvas(Canvas):  # type: ignore[misc]  # reportlab has no types
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._doc.signature = hashlib.md5(usedforsecurity=False)  # else an ID by SOURCE_DATE_EPOCH, where it is set
            self.setDateFormatter(lambda *_: _pdf_date(ends))

        def save(self) -> None:
            draw_page_numbers(self, {**pages, TOTAL: self.getPageNumber() - 1}, face)
            attach(self, attachment)
            super().save()

    return CompletedCanvas

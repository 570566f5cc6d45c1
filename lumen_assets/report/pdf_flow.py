"""Blocks as reportlab flowables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO
from itertools import groupby, pairwise, zip_longest
from pathlib import Path
from typing import Any, Final

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, Image, KeepTogether, LongTable, Paragraph, TableStyle
from reportlab.platypus.paraparser import ParaFrag

from lumen_assets.report.document import (
    Banner,
    Block,
    Cell,
    Code,
    Document,
    Facts,
    Figure,
    Heading,
    Notes,
    Photo,
    Point,
    Points,
    Subheading,
    Table,
    Text,
)
from lumen_assets.report.drawing import GRID, INK, MEAN, QUIET, TARGET_EDGE
from lumen_assets.report.figures import figure_drawing
from lumen_assets.report.files import picture_bytes
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.pdf_contents import Contents
from lumen_assets.report.pdf_drawing import Drawn

BAD: Final = HexColor("#9a3412")
BANNER_FILL: Final = HexColor("#fff4d6")
BANNER_EDGE: Final = HexColor("#b7791f")
HEAD_FILL: Final = HexColor("#eef2f6")
FACTS_A_ROW: Final = 4
_ROWS: Final = 4
"""Of a table that are never parted: its header, and three more."""

_PADDING: Final = 16.0
"""Points, of a table's cell, left and right, where there is most."""

CODE: Final = 116.0
"""Points of a code's side."""


class SectionTitle(Paragraph):  # type: ignore[misc]  # reportlab has no types
    """A section's title that knows its anchor; ``top`` is where it was drawn."""

    def __init__(self, text: str, style: ParagraphStyle, anchor: str) -> None:
        super().__init__(escape(text, quote=False), style)
        self.plain = text
        self.anchor = anchor
        self.top = 0.0

    def draw(self) -> None:
        """Draw it, and note where a link to it should lead."""
        _, y = self.canv.absolutePosition(0, self.height)
        self.top = y + 12
        super().draw()


class _Lines(Paragraph):  # type: ignore[misc]  # reportlab has no types
    """A paragraph that breaks into lines once a width; a table asks three times or more."""

    _broken_at: float | None = None
    _size: tuple[float, float]

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        if self._broken_at != width or not hasattr(self, "blPara"):  # a split that finds no room drops the lines
            self._broken_at, self._size = width, super().wrap(width, height)
        return self._size


class _Line(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Words that fit into one line, drawn where a paragraph would have them and with a fraction of its work."""

    def __init__(self, text: str, style: ParagraphStyle) -> None:
        super().__init__()
        self._text, self._style = text, style

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        self.width, self.height = width, self._style.leading
        return self.width, self.height

    def drawOn(self, canvas: Canvas, x: float, y: float, _sW: float = 0) -> None:  # noqa: N802, N803 - reportlab's
        style = self._style
        baseline = y + self.height - style.fontSize
        canvas.setFillColor(style.textColor)
        canvas.setFont(style.fontName, style.fontSize)
        if style.alignment == TA_RIGHT:
            canvas.drawRightString(x + self.width, baseline, self._text)
        else:
            canvas.drawString(x, baseline, self._text)


class _Rows(LongTable):  # type: ignore[misc]  # reportlab has no types
    """A table whose last row does not stand alone on a page: the one before goes with it, if two more stay behind."""

    def _getFirstPossibleSplitRowPosition(self, availHeight: float, ignoreSpans: int = 0) -> int:  # noqa: N802, N803 - reportlab's
        at = int(super()._getFirstPossibleSplitRowPosition(availHeight, ignoreSpans))
        rows = self._rowHeights
        is_alone = not ignoreSpans and at == len(rows) - 1 and at > self.repeatRows + 2
        return at - 1 if is_alone and rows[at - 1] < A4[1] / 4 else at


class _Square(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A QR code (ISO/IEC 18004), error correction M: it bears a fold or a coffee stain."""

    def __init__(self, content: str, side: float) -> None:
        super().__init__()
        self.content, self.width, self.height = content, side, side

    def draw(self) -> None:
        """Draw it as one path, within the four modules of white that readers need."""
        code = QrCodeWidget(self.content, barLevel="M").qr
        code.make()
        module = self.width / (len(code.modules) + 8)
        path = self.canv.beginPath()
        for line, row in enumerate(code.modules, 5):
            end = 0
            for dark, modules in groupby(row):
                start, end = end, end + len(list(modules))
                if dark:
                    path.rect((start + 4) * module, self.height - line * module, (end - start) * module, module)
        self.canv.setFillColor(INK)
        self.canv.drawPath(path, stroke=0, fill=1)


class Styles:
    """Paragraph styles in one typeface."""

    def __init__(self, face: Typeface) -> None:
        def style(name: str, size: float, leading: float, **more: Any) -> ParagraphStyle:
            settings: dict[str, Any] = {"fontName": face.regular, "textColor": INK, "splitLongWords": 1, **more}
            return ParagraphStyle(name, fontSize=size, leading=leading, **settings)

        bold = face.bold
        self.title = style("title", 20, 26, fontName=bold)
        self.subtitle = style("subtitle", 10.5, 15, textColor=QUIET, spaceAfter=8)
        self.contents = style("contents", 7.5, 11, textColor=QUIET, spaceBefore=4)
        self.banner = style("banner", 9.5, 14, fontName=bold)
        self.section = style("section", 13, 18, fontName=bold, textColor=MEAN, spaceBefore=16, spaceAfter=5)
        self.subsection = style("subsection", 9.5, 14, fontName=bold, spaceBefore=8, spaceAfter=3)
        self.body = style("body", 9, 14, spaceAfter=4)
        self.note = style("note", 8.2, 12, leftIndent=26, bulletIndent=4, spaceAfter=3)
        self.note.bulletFontName, self.note.bulletFontSize = bold, 8.2
        point = {"leftIndent": 15, "bulletIndent": 2, "spaceAfter": 3}
        self.points = {
            "": style("point", 9.2, 14, **point),
            "bad": style("point-bad", 9.2, 14, fontName=bold, **point),
            "good": style("point-good", 9.2, 14, textColor=TARGET_EDGE, **point),
        }
        for each in self.points.values():
            each.bulletFontName = face.regular
        self.strong = style("strong", 10, 15, fontName=bold, spaceAfter=6)
        self.quiet = style("quiet", 8, 12.5, textColor=QUIET, spaceBefore=3, spaceAfter=5)
        self.caption = style("caption", 8, 11, textColor=QUIET, spaceAfter=10, leftIndent=46)
        self.photo_caption = style("photo_caption", 8, 11, textColor=QUIET, spaceBefore=4, spaceAfter=10)
        self.fact_name = style("fact_name", 7.5, 11, textColor=QUIET)
        self.fact_value = style("fact_value", 9, 13, fontName=bold)
        self.seal = style("seal", 8, 11.5, spaceAfter=3)
        self._cell = {
            (dense, tone, align): style(
                f"cell-{dense}-{tone}-{align}",
                7.4 if dense else 8.2,
                10.6 if dense else 12,
                alignment=2 if align == "right" else 0,
                fontName=bold if tone in ("good", "bad", "strong", "head") else face.regular,
                textColor={"good": TARGET_EDGE, "bad": BAD, "quiet": QUIET}.get(tone, INK),
            )
            for dense in (False, True)
            for tone in ("", "good", "bad", "quiet", "strong", "head")
            for align in ("left", "right")
        }

    def cell(self, tone: str, align: str, *, dense: bool) -> ParagraphStyle:
        """The style of a table cell; smaller in dense tables."""
        return self._cell[dense, tone, align]


def flowables(content: Document, face: Typeface, pictures: Path, *, room: tuple[float, float]) -> list[Flowable]:
    """Everything between the running header and the page number, in order.

    Args:
        pictures: the folder of those from Grafana.
        room: width and height of a page's body, in points.

    Raises:
        PermanentError: ``input``, if a picture is not the one that the report names.
    """
    maker = _Maker(content, face, Styles(face), pictures, room)
    story: list[Flowable] = [
        maker.paragraph(content.title, maker.styles.title),
        maker.paragraph(content.subtitle, maker.styles.subtitle),
        *(maker.banner(banner) for banner in content.banners),
        maker.paragraph(content.contents_title, maker.styles.contents),
        Contents(content.headings, face, room[0]),
    ]
    opening: list[Flowable] = []
    for block, following in zip_longest(content.blocks, content.blocks[1:]):
        made = list(maker.block(block))
        if isinstance(block, Heading):
            story += _with_room(opening, [], room)
            opening = made
        elif isinstance(block, Subheading) or (isinstance(block, Text) and (opening or isinstance(following, Table))):
            opening += made
        else:
            story += _with_room(opening, made, room)
            opening = []
    return story + _with_room(opening, [], room)


def _with_room(opening: list[Flowable], made: list[Flowable], room: tuple[float, float]) -> list[Flowable]:
    """Titles and what introduces something with what that is, on the next page if its beginning has no room here."""
    width, most = room
    needed = sum(_height(flowable, width) for flowable in opening) + sum(_beginning(each, width) for each in made[:1])
    return [CondPageBreak(min(needed, most)), *opening, *made]


def _beginning(flowable: Flowable, width: float) -> float:
    """The height that should not be parted: of a table the first rows, of text some lines."""
    height = _height(flowable, width)
    if isinstance(flowable, LongTable):
        rows = flowable._rowHeights
        return float(min(sum(rows[:_ROWS] if flowable.repeatRows else rows), A4[1] / 2))
    return height if isinstance(flowable, KeepTogether) else min(height, 40)


def _height(flowable: Flowable, width: float) -> float:
    if isinstance(flowable, KeepTogether):
        return sum(_height(each, width) for each in flowable._content)
    return float(flowable.wrap(width, 1e9)[1] + flowable.getSpaceBefore() + flowable.getSpaceAfter())


class _Maker:
    def __init__(
        self, content: Document, face: Typeface, styles: Styles, pictures: Path, room: tuple[float, float]
    ) -> None:
        self.face, self.styles, self.pictures = face, styles, pictures
        self.width, self.height = room
        self.anchors = {heading.anchor for heading in content.headings}
        self._fragments: dict[str, ParaFrag] = {}
        self.cell_font = ("FONTNAME", (0, 0), (-1, -1), face.regular)  # else tables name Helvetica, not embedded

    def markup(self, text: str) -> str:
        """Plain text as reportlab's paragraph markup that shows just that text."""
        pieces = [(escape(piece, quote=False), font) for piece, font in self.face.pieces(text)]
        marked = (f'<font name="{font}">{piece}</font>' if font else piece for piece, font in pieces)
        return "".join(marked).replace("\n", "<br/>")

    def paragraph(self, text: str, style: ParagraphStyle) -> Paragraph:
        """Text that is its own markup, as most cells have it, is not parsed: that takes longer than to set it."""
        markup = self.markup(text)
        if "<" in markup or "&" in markup:
            return _Lines(markup, style)
        if style.name not in self._fragments:
            (self._fragments[style.name],) = Paragraph("text", style).frags
        return _Lines(None, style, frags=[self._fragments[style.name].clone(text=markup)])

    def point(self, point: Point) -> Flowable:
        text = self.markup(point.text)
        if point.link in self.anchors:
            text = f'<a href="#{point.link}">{text}</a>'
        return Paragraph(text, self.styles.points[point.tone], bulletText="■" if point.tone == "bad" else "•")

    def banner(self, banner: Banner) -> Flowable:
        box = LongTable([[self.paragraph(banner.text, self.styles.banner)]], colWidths=[self.width], spaceAfter=6)
        box.setStyle(
            TableStyle(
                [
                    self.cell_font,
                    ("BACKGROUND", (0, 0), (-1, -1), BANNER_FILL),
                    ("LINEBEFORE", (0, 0), (0, -1), 3, BANNER_EDGE),
                    ("LEFTPADDING", (0, 0), (-1, -1), 10),
                    ("TOPPADDING", (0, 0), (-1, -1), 6),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
                ]
            )
        )
        return box

    def block(self, block: Block) -> Iterator[Flowable]:
        styles = self.styles
        if isinstance(block, Heading):
            yield SectionTitle(self.face.showable(block.text), styles.section, block.anchor)
        elif isinstance(block, Subheading):
            yield self.paragraph(block.text, styles.subsection)
        elif isinstance(block, Text):
            yield self.paragraph(
                block.text, {"strong": styles.strong, "quiet": styles.quiet}.get(block.tone, styles.body)
            )
        elif isinstance(block, Points):
            yield from (self.point(point) for point in block.points)
        elif isinstance(block, Notes):
            for number, text in block.items:
                yield Paragraph(self.markup(text), styles.note, bulletText=self.face.showable(number))
        else:
            yield self.single(block)

    def single(self, block: Facts | Table | Figure | Photo | Code) -> Flowable:
        """The blocks that are one flowable."""
        if isinstance(block, Facts):
            return self.facts(block)
        if isinstance(block, Table):
            return self.table(block)
        if isinstance(block, Figure):
            return self.figure(block)
        if isinstance(block, Photo):
            return self.photo(block)
        return self.code(block)

    def figure(self, block: Figure) -> Flowable:
        drawing = figure_drawing(block, self.face)
        caption = [self.paragraph(block.caption, self.styles.caption)] if block.caption else []
        return KeepTogether([Drawn(drawing, self.width), *caption])

    def code(self, block: Code) -> Flowable:
        """The code at the left, in the size that a telephone reads from paper, the facts beside it."""
        facts = [
            self.paragraph(text, style)
            for fact in block.facts
            for text, style in zip(fact, (self.styles.fact_name, self.styles.seal), strict=True)
        ]
        box = LongTable([[_Square(block.content, CODE), facts]], colWidths=[CODE + 8, self.width - CODE - 8])
        box.setStyle(
            TableStyle([self.cell_font, ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)])
        )
        return box

    def photo(self, block: Photo) -> Flowable:
        """As wide as the page, and never higher than most of it: the caption stays below."""
        picture = block.picture
        scale = min(self.width / picture.width, 0.85 * self.height / picture.height)
        png = picture_bytes(self.pictures, picture)
        image = Image(BytesIO(png), picture.width * scale, picture.height * scale, hAlign="LEFT")
        return KeepTogether([image, self.paragraph(block.caption, self.styles.photo_caption)])

    def facts(self, block: Facts) -> Flowable:
        cells: list[Any] = [
            [self.paragraph(name, self.styles.fact_name), self.paragraph(value.text, self.styles.fact_value)]
            for name, value in block.facts
        ]
        cells += [""] * (-len(cells) % FACTS_A_ROW)
        rows = [cells[i : i + FACTS_A_ROW] for i in range(0, len(cells), FACTS_A_ROW)]
        grid = _Rows(rows, colWidths=[self.width / FACTS_A_ROW] * FACTS_A_ROW, spaceBefore=4, spaceAfter=8)
        grid.setStyle(
            TableStyle(
                [
                    self.cell_font,
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("LINEABOVE", (0, 0), (-1, -1), 0.5, GRID),
                    ("LINEBELOW", (0, -1), (-1, -1), 0.5, GRID),
                    ("LEFTPADDING", (0, 0), (-1, -1), 2),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 8),
                    ("TOPPADDING", (0, 0), (-1, -1), 4),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
                ]
            )
        )
        return grid

    def table(self, block: Table) -> Flowable:
        head = [Cell(column.title, "") for column in block.columns]
        total = sum(column.weight for column in block.columns)
        widths = [self.width * block.width * column.weight / total for column in block.columns]
        rows = [
            self._row(head, block, widths, tone="head"),
            *(self._row(row, block, widths) for row in block.rows),
        ]
        table = _Rows(rows, colWidths=widths, repeatRows=1, spaceBefore=4, spaceAfter=8, hAlign="LEFT")
        table.setStyle(
            TableStyle(
                [
                    self.cell_font,
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
                    ("BACKGROUND", (0, 0), (-1, 0), HEAD_FILL),
                    ("LINEBELOW", (0, 0), (-1, 0), 0.8, QUIET),
                    ("LINEBELOW", (0, 1), (-1, -1), 0.4, GRID),
                    ("LEFTPADDING", (0, 0), (-1, -1), 4),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                    ("TOPPADDING", (0, 0), (-1, -1), 3),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
                    *(("LEFTPADDING", (i, 0), (i, -1), 12) for i in _after_numbers(block)),
                ]
            )
        )
        _allow_tall_rows(table, self.width)
        return table

    def _row(self, cells: Sequence[Cell], block: Table, widths: Sequence[float], *, tone: str = "") -> list[Flowable]:
        return [
            self._cell(cell.text, self.styles.cell(tone or cell.tone, column.align, dense=block.dense), width)
            for cell, column, width in zip(cells, block.columns, widths, strict=True)
        ]

    def _cell(self, text: str, style: ParagraphStyle, width: float) -> Flowable:
        (shown, font), *more = self.face.pieces(text)
        is_line = not more and not font and shown == " ".join(shown.split())
        if is_line and stringWidth(shown, style.fontName, style.fontSize) < width - _PADDING:
            return _Line(shown, style)
        return self.paragraph(text, style)


def _allow_tall_rows(table: _Rows, width: float) -> None:
    """Let rows break over pages only where one is taller than half a page: a whole row reads better."""
    table.wrap(width, 1e9)
    if max(table._rowHeights) > A4[1] / 2:
        table.splitInRow = 1


def _after_numbers(block: Table) -> list[int]:
    """Columns that begin where numbers end: they need more room between."""
    aligned = [column.align for column in block.columns]
    return [i for i, pair in enumerate(pairwise(aligned), 1) if pair == ("right", "left")]

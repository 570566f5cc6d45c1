from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pypdf
import pytest
from PIL import ImageChops
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph

from lumen_assets.report import build_report
from lumen_assets.report.document import Cell, Column, Photo, Table, Text
from lumen_assets.report.files import FIGURES
from lumen_assets.report.fonts import typeface
from lumen_assets.report.model import Picture
from lumen_assets.report.pdf import write_document
from lumen_assets.report.pdf_attachment import Attachment
from lumen_assets.report.pdf_flow import Styles, _Maker
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.sections import document
from lumen_assets_tests.report.pages import PANEL, grafana_panel, picture_of, sheet
from lumen_assets_tests.report.period_scenes import week_report
from lumen_assets_tests.report.scenes import configuration, normal_day

FACE = typeface()
STYLES = Styles(FACE)
REPORT = build_report(*normal_day(rate_hz=0.2), configuration(rate_hz=0.2))


def drawn(*flowables: Flowable, width: float = 200) -> bytes:
    target = BytesIO()
    canvas = Canvas(target, invariant=1, pageCompression=0, initialFontName=FACE.regular)
    y = 800.0
    for flowable in flowables:
        y -= flowable.wrapOn(canvas, width, 700)[1]
        flowable.drawOn(canvas, 50, y)
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def maker() -> _Maker:
    return _Maker(document(REPORT), FACE, STYLES, Path(), (500, 700))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.0372",
        "창의 밴드가 하한에 가까워 이득을 올림 " * 8,
        "  two  spaces\tand\xa0no break ",
        "soft\xadhyphen" * 20,
        "Unbreakable" * 30,
        "a < b & c > d &amp; \"quoted\" 'so' <b>bold</b>",
        "two\nlines",
        "@ # ; &nbsp &#65; 龘",
    ],
)
@pytest.mark.parametrize("style", [STYLES.body, STYLES.strong, STYLES.cell("bad", "right", dense=True)])
def test_text_looks_as_if_parsed(text, style):
    pages = maker()
    parsed = Paragraph(escape(FACE.showable(text)).replace("\n", "<br/>"), style)
    assert drawn(pages.paragraph("before", style), pages.paragraph(text, style)) == drawn(
        Paragraph("before", style), parsed
    )


def test_text_is_broken_anew_for_another_width_and_after_a_split():
    text = "창의 밴드가 하한에 가까워 이득을 올림 " * 8
    kept, plain = maker().paragraph(text, STYLES.body), Paragraph(text, STYLES.body)
    sizes = [[paragraph.wrap(width, 700) for width in (200, 200, 90, 200)] for paragraph in (kept, plain)]
    assert sizes[0] == sizes[1]
    assert kept.split(200, 1) == []
    assert drawn(kept) == drawn(Paragraph(text, STYLES.body))
    parts, plain_parts = kept.split(200, 30), plain.split(200, 30)
    assert len(parts) == 2
    assert drawn(*parts) == drawn(*plain_parts)


def test_text_of_a_table_is_broken_into_lines_once(monkeypatch):
    broken = []
    break_lines = Paragraph.breakLines
    monkeypatch.setattr(Paragraph, "breakLines", lambda self, width: broken.append(self) or break_lines(self, width))
    drawn(maker().table(Table((Column("name"), Column("value")), ((Cell("a " * 200), Cell("b\nc")),) * 3)), width=500)
    assert len(broken) == 6


@pytest.mark.parametrize("dense", [False, True])
def test_a_cell_of_one_line_looks_like_a_paragraph(dense, monkeypatch):
    texts = [
        "위상차",
        "phase_diff",
        "a & b",
        "0.0371",
        "two  spaces",
        "a text that is as wide as its column has room",
    ]
    columns = (Column("name"), Column("value", align="right"), Column("명사", weight=2))
    rows = tuple((Cell(text, "bad"), Cell(text), Cell(text, "good")) for text in texts)
    rows += ((Cell("a row"), Cell(""), Cell("with an empty cell")),)
    table = Table(columns, rows, dense=dense)
    ours = picture_of(maker().table(table), 500)
    monkeypatch.setattr(_Maker, "_cell", lambda self, text, style, _: self.paragraph(text, style))
    assert ImageChops.difference(ours, picture_of(maker().table(table), 500)).getbbox() is None


def test_what_introduces_a_table_is_on_the_page_on_which_that_begins(tmp_path):
    """Wherever on a page it comes to stand: after a table of ever more rows."""
    column, found = (Column("name"),), set()
    for rows in range(20, 45):
        before = Table(column, ((Cell("a row"),),) * rows)
        blocks = (before, Text("introduced", tone="quiet"), Table(column, ((Cell("first row"),),) * 2))
        path = tmp_path / "flow.pdf"
        write_document(replace(document(REPORT), blocks=blocks), path, attachment=Attachment("report.json", "{}"))
        pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
        [of_text] = [number for number, page in enumerate(pages) if "introduced" in page]
        [of_table] = [number for number, page in enumerate(pages) if "first row" in page]
        assert of_text == of_table, rows
        found.add(of_text)
    assert found == {0, 1}


def test_no_row_of_a_table_stands_alone_on_a_page(tmp_path):
    """Of however many rows and wherever on a page it begins; the header is on each page that has some of them."""
    filler, found = Table((Column("filler"),), ((Cell("a"),),) * 10), set()
    for rows in [*range(4, 8), *range(18, 36), *range(60, 84)]:
        table = Table((Column("name"),), tuple((Cell(f"row{n}"),) for n in range(rows)))
        path = tmp_path / "flow.pdf"
        content = replace(document(REPORT), blocks=(filler, table))
        write_document(content, path, attachment=Attachment("report.json", "{}"))
        pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
        counts = [page.count("row") for page in pages]
        assert sum(counts) == rows
        assert 1 not in counts, (rows, counts)
        assert [page.count("name") for page in pages] == [int(count > 0) for count in counts]
        found.add(counts[-1])
    assert {2, 3} <= found


def test_the_weekday_is_on_the_line_of_its_date():
    blocks = period_document(week_report("en")).blocks
    [days] = [block for block in blocks if isinstance(block, Table) and block.columns[0].title == "Day"]
    assert days.rows[1][0].text == "2026-03-03 Tue"
    table = maker().table(days)
    table.wrap(500, 700)
    for [[cell], *_] in table._cellvalues[1:]:
        assert cell.wrap(table._colWidths[0] - 8, 700)[1] == STYLES.cell("", "left", dense=True).leading


def test_a_week_is_dated_by_its_end(tmp_path):
    write_document(period_document(week_report("en")), tmp_path / "week.pdf", attachment=Attachment("week.json", "{}"))
    assert pypdf.PdfReader(tmp_path / "week.pdf").metadata.creation_date_raw == "D:20260309000000+09'00'"


@pytest.mark.parametrize("previous", [True, False])
def test_what_changes_are_against_introduces_their_table(previous):
    today, before = normal_day(rate_hz=0.2)
    blocks = document(build_report(today, before if previous else None, configuration("en", rate_hz=0.2))).blocks
    said = "Changes are against 2025-10-22." if previous else "There is no record of the day before"
    [place] = [i for i, block in enumerate(blocks) if isinstance(block, Text) and block.text.startswith(said)]
    following = blocks[place + 1]
    assert isinstance(following, Table)
    assert "Change of mean" in [column.title for column in following.columns]


def test_a_photos_caption_begins_at_its_left_edge_and_below_it(tmp_path):
    """As those of our own figures begin where the axis does, it was set in, and it touched a dark picture."""
    (tmp_path / FIGURES).mkdir()
    (tmp_path / FIGURES / "g.png").write_bytes(grafana_panel())
    picture = Picture("g.png", "2", hashlib.sha256(grafana_panel()).hexdigest(), *PANEL)
    content = replace(document(REPORT), blocks=(Photo(picture, "Caption", "g"),))
    write_document(content, tmp_path / "a.pdf", attachment=Attachment("a.json", "{}"))
    dark = np.asarray(sheet(tmp_path / "a.pdf").convert("L")) < 200
    rows = np.flatnonzero(dark.mean(axis=1) > 0.7)
    below = dark[rows[-1] + 1 : rows[-1] + 30]
    assert np.flatnonzero(below.any(axis=1))[0] >= 6
    assert np.flatnonzero(below.any(axis=0))[0] == pytest.approx(np.flatnonzero(dark[rows[9]])[0], abs=2)

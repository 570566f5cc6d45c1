"""Pages of six kinds of days, a week and a month: as somebody looked at them, and read by other libraries."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import count

import pypdf
import pytest
from PIL import Image, ImageChops, ImageFilter

from lumen_assets.report import calendar_figure, day_figure, distribution_figure
from lumen_assets.report.document import (
    Block,
    Code,
    Facts,
    Figure,
    Heading,
    Notes,
    Photo,
    Points,
    Subheading,
    Table,
    Text,
)
from lumen_assets.report.drawing import SILENT, box
from lumen_assets.report.fonts import typeface
from lumen_assets_tests.report.likeness import unlike
from lumen_assets_tests.report.pages import KINDS, REFERENCES, sheet, write_pages


@pytest.fixture(scope="module", params=KINDS)
def pages(request, tmp_path_factory):
    """A kind of report, its content, its PDF."""
    content = KINDS[request.param]()
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.pdf"
    write_pages(content, path)
    return request.param, content, path


def reference_of(kind: str) -> Image.Image:
    with Image.open(REFERENCES / f"{kind}.png") as reference:
        return reference.convert("RGB")


def test_pages_look_as_they_did(pages):
    kind, _, path = pages
    assert unlike(sheet(path), reference_of(kind)) == []


def test_what_looks_otherwise_is_noticed(pages):
    kind, _, path = pages
    picture, reference = sheet(path), reference_of(kind)
    assert unlike(picture.crop((0, 0, 600, 800)), reference)
    assert len(unlike(ImageChops.offset(picture, 0, 3), reference)) > 40
    emptied = picture.copy()
    emptied.paste("white", (40, 120, 600, 560))  # half of the first page
    assert len(unlike(emptied, reference)) > 40


def test_a_pixel_beside_and_edges_smoothed_otherwise_are_tolerated(pages):
    """As other versions of what draws may do."""
    kind, _, path = pages
    picture, reference = sheet(path), reference_of(kind)
    assert unlike(ImageChops.offset(picture, 1, 0), reference) == []
    assert unlike(picture.filter(ImageFilter.GaussianBlur(0.3)), reference) == []


def nothing(*_: object) -> tuple[()]:
    return ()


def only_the_ground(ends):
    yield box(ends, SILENT)


def all_but_the_first(original):
    return lambda *given: list(original(*given))[1:]


def without_one(original):
    """The calendars' twentieth cell is not drawn."""
    numbers = count(1)
    return lambda *given: () if next(numbers) == 20 else original(*given)


MISSING = {
    "silences": (day_figure, "_silences", nothing),
    "lines of the hatching": (day_figure, "hatched", only_the_ground),
    "lines of a calendar's hatching": (calendar_figure, "hatched", only_the_ground),
    "target range": (day_figure, "_target_area", nothing),
    "bounds of the target": (day_figure, "_target_edges", nothing),
    "bounds of a distribution's target": (distribution_figure, "_target_edges", nothing),
    "rule marks": (day_figure, "_changes", nothing),
    "one rule mark": (day_figure, "_changes", all_but_the_first(day_figure._changes)),
    "one calendar cell": (calendar_figure, "_cell", without_one(calendar_figure._cell)),
    "frame of the day": (calendar_figure, "box", lambda *given: box(*given[:2])),
}


@pytest.mark.parametrize("what", MISSING)
def test_a_small_element_that_is_missing_is_noticed(what, tmp_path, monkeypatch):
    module, name, instead = MISSING[what]
    monkeypatch.setattr(module, name, instead)
    path = tmp_path / "normal.pdf"
    write_pages(KINDS["normal"](), path)
    assert unlike(sheet(path), reference_of("normal"))


def texts(block: Block) -> Iterator[str]:
    """What a block says, in order of reading."""
    if isinstance(block, Heading | Subheading | Text):
        yield block.text
    elif isinstance(block, Points):
        yield from (point.text for point in block.points)
    elif isinstance(block, Notes):
        yield from (part for item in block.items for part in item)
    elif isinstance(block, Facts):
        yield from (part for name, cell in block.facts for part in (name, cell.text))
    elif isinstance(block, Table):
        yield from (column.title for column in block.columns)
        yield from (cell.text for row in block.rows for cell in row)
    elif isinstance(block, Code):
        yield from (part for fact in block.facts for part in fact)
    elif isinstance(block, Figure | Photo):
        yield block.caption


def bare(text: str) -> str:
    return "".join(text.split())


def set_in_type(text: str) -> str:
    return "".join(piece for piece, _ in typeface().pieces(text))


def test_text_comes_out_in_the_order_of_reading(pages):
    _, content, path = pages
    read = [page.extract_text() for page in pypdf.PdfReader(path).pages]
    head, numbers = f"{bare(content.title)}{content.mark}", (f"{n}/{len(read)}" for n in range(1, len(read) + 1))
    framed = [(bare(page), number) for page, number in zip(read, numbers, strict=True)]
    assert all(page.startswith(head) and page.endswith(number) for page, number in framed)
    said = "".join(page.removeprefix(head).removesuffix(number) for page, number in framed)
    at = said.index(bare(content.contents_title))
    for heading in map(bare, (heading.text for heading in content.headings)):  # the table of contents
        at = said.index(heading, at) + len(heading)
    for block in content.blocks:
        for text in map(bare, map(set_in_type, texts(block))):
            found = said.find(text, at)
            assert found >= 0, (text, said[at : at + 200])
            at = found + len(text)


def test_pdftotext_reads_the_sections_in_order(pages):
    _, content, path = pages
    command = ["pdftotext", path, "-"]
    said = bare(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    titles = [bare(heading.text) for heading in content.headings]
    places = [said.rindex(title, 0, len(said)) if said.count(title) == 2 else -1 for title in titles]
    known = [place for place in places if place >= 0]
    assert len(known) > len(titles) / 2
    assert known == sorted(known)


def test_a_title_is_on_the_page_on_which_its_matter_begins(pages):
    _, content, path = pages
    reader = pypdf.PdfReader(path)
    read = [bare(page.extract_text()) for page in reader.pages]
    places = {item.title: reader.get_destination_page_number(item) for item in reader.outline}
    title = None
    for block in content.blocks:
        if isinstance(block, Heading):
            title = block.text
        elif title and not isinstance(block, Text):
            first = bare(typeface().showable(next(texts(block))))
            assert first[:10] in read[places[title]], (title, first)
            title = None


def test_other_libraries_find_no_fault(pages):
    _, _, path = pages
    checked = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not checked.stderr
    assert all(page.extract_text() for page in pypdf.PdfReader(path, strict=True).pages)

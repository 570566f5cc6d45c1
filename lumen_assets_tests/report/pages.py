"""Pages of six kinds of days, a week and a month as pictures, and the pictures that they should look like.

``python -m lumen_assets_tests.report.pages`` draws the references anew, or those whose kinds it is given; look at them
before they are committed.
"""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report import DayReport, build_report
from lumen_assets.report.document import Document, Photo
from lumen_assets.report.files import FIGURES
from lumen_assets.report.fonts import typeface
from lumen_assets.report.model import Grafana, Picture
from lumen_assets.report.pdf import write_document
from lumen_assets.report.pdf_attachment import Attachment
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.seal_section import seal_section
from lumen_assets.report.sections import document
from lumen_assets_tests.report.likeness import as_reference
from lumen_assets_tests.report.period_scenes import month_report, week_report
from lumen_assets_tests.report.scenes import (
    DAY,
    broken_day,
    configuration,
    empty_day,
    ending_with,
    mixed_configuration,
    mixed_day,
    mixed_past,
    normal_day,
    notes_day,
    past_days,
    stormy_day,
)

REFERENCES: Final = Path(__file__).with_name("reference_pages")
NUMBERS: Final = "{}\n"
_DPI: Final = 80
_COLUMNS: Final = 4
_FIRST: Final = 6
_LAST: Final = 4
_STEP: Final = 7
"""Pages shown of either end of a report; of what is between them, one in so many, as most of it are rows alike."""

PANEL: Final = (1000, 500)
"""Width and height of the picture from Grafana."""


@cache
def _normal() -> DayReport:
    """At a rate at which the effects of rules are measured: at 1 Hz no window has enough values."""
    wanted = configuration(rate_hz=2)
    shares = [1 - (n * n % 11) ** 2 / 160 if n not in (4, 17) else None for n in range(28)]
    today, before = normal_day(rate_hz=2)
    return build_report(today, before, wanted, ending_with(before, past_days(shares, wanted), wanted))


def _mixed() -> DayReport:
    """With one of two pictures from Grafana."""
    wanted, day = mixed_configuration(), DAY.isoformat()
    digest = hashlib.sha256(grafana_panel()).hexdigest()
    picture = Picture(f"grafana_{day}.png", "2", digest, *PANEL)
    today, before = mixed_day()
    past = ending_with(before, mixed_past(wanted), wanted)
    return build_report(today, before, wanted, past, Grafana(2, (picture,)))


@cache
def grafana_panel() -> bytes:
    """What Grafana may draw: a grid and two lines, on black."""
    width, height = PANEL
    image = Image.new("RGB", PANEL, "#111217")
    pen = ImageDraw.Draw(image)
    for n in range(1, 8):
        pen.line([(40, n * height // 8), (width - 20, n * height // 8)], "#2c3235")
        pen.line([(n * width // 8, 20), (n * width // 8, height - 20)], "#2c3235")
    for colour, phase in (("#73bf69", 0), ("#f2cc0c", 2)):
        points = [(x, height / 2 - height / 4 * math.sin(x / 150 + phase)) for x in range(40, width - 20, 4)]
        pen.line(points, colour, 3)
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _sealed(report: DayReport) -> Document:
    """With one digest for all: else whatever is new in the JSON would make other pages, by its code."""
    content = document(report)
    return replace(content, blocks=(*content.blocks, *seal_section(report, NUMBERS)))


KINDS: Final[dict[str, Callable[[], Document]]] = {
    "normal": lambda: _sealed(_normal()),
    "empty": lambda: _sealed(build_report(empty_day(), None, configuration())),
    "broken": lambda: _sealed(build_report(broken_day(), None, configuration("en"))),
    "stormy": lambda: _sealed(build_report(stormy_day(200, rate_hz=0.5), None, configuration("en", rate_hz=0.5))),
    "notes": lambda: _sealed(build_report(notes_day(), None, configuration(rate_hz=0.5))),
    "mixed": lambda: _sealed(_mixed()),
    "week": lambda: period_document(week_report("ko")),
    "month": lambda: period_document(month_report("en")),
}


def write_pages(content: Document, path: Path) -> None:
    """The PDF, and the pictures that it has."""
    for block in content.blocks:
        if isinstance(block, Photo):
            (path.parent / FIGURES).mkdir(exist_ok=True)
            (path.parent / FIGURES / block.picture.file).write_bytes(grafana_panel())
    write_document(content, path, attachment=Attachment("report.json", NUMBERS))


def picture_of(flowable: Flowable, width: float, *, dpi: int = 150) -> Image.Image:
    """A flowable alone on a page that has just room for it."""
    with tempfile.TemporaryDirectory() as folder:
        path, font = Path(folder) / "drawn.pdf", typeface().regular
        canvas = Canvas(str(path), initialFontName=font)
        _, height = flowable.wrapOn(canvas, width, 10_000)
        canvas.setPageSize((width + 20, height + 20))
        flowable.drawOn(canvas, 10, 10)
        canvas.save()
        command = ["pdftoppm", "-r", str(dpi), "-singlefile", "-png", path, f"{folder}/drawn"]
        subprocess.run(command, check=True)
        return Image.open(f"{folder}/drawn.png").convert("RGB")


def sheet(pdf: Path) -> Image.Image:
    """A PDF's pages side by side, at ``_DPI``; of a long one the first, the last and some of the others."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["pdftoppm", "-r", str(_DPI), "-png", pdf, f"{folder}/page"], check=True)
        pages = [Image.open(path).convert("RGB") for path in sorted(Path(folder).iterdir())]
    if len(pages) > _FIRST + _LAST:
        pages = pages[:_FIRST] + pages[_FIRST:-_LAST:_STEP] + pages[-_LAST:]
    width, height = pages[0].size
    rows = -(-len(pages) // _COLUMNS)
    picture = Image.new("RGB", (min(len(pages), _COLUMNS) * width, rows * height), "white")
    for number, page in enumerate(pages):
        picture.paste(page, (number % _COLUMNS * width, number // _COLUMNS * height))
    return picture


def main(kinds: Sequence[str]) -> None:
    """Draw the references anew."""
    REFERENCES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds or KINDS:
            path = Path(folder) / f"{kind}.pdf"
            write_pages(KINDS[kind](), path)
            as_reference(sheet(path)).save(REFERENCES / f"{kind}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Pages of five kinds of days, a week and a month as pictures, and the pictures that they should look like.

``python -m lumen_assets_tests.report.pages`` draws the references anew, or those whose kinds it is given; look at them
before they are committed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report import DayReport, build_report
from lumen_assets.report.document import Document
from lumen_assets.report.fonts import typeface
from lumen_assets.report.pdf import write_document
from lumen_assets.report.pdf_attachment import Attachment
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.seal_section import seal_section
from lumen_assets.report.sections import document
from lumen_assets_tests.report.likeness import as_reference
from lumen_assets_tests.report.period_scenes import month_report, week_report
from lumen_assets_tests.report.scenes import (
    broken_day,
    configuration,
    empty_day,
    normal_day,
    notes_day,
    past_days,
    stormy_day,
)

REFERENCES: Final = Path(__file__).with_name("reference_pages")
NUMBERS: Final = "{}\n"
_DPI: Final = 80
_COLUMNS: Final = 4
_ENDS: Final = 4
"""Pages shown of either end of a report; what is between them is left out."""


@cache
def _normal() -> DayReport:
    """At a rate at which the effects of rules are measured: at 1 Hz no window has enough values."""
    wanted = configuration(rate_hz=2)
    shares = [1 - (n * n % 11) ** 2 / 160 if n not in (4, 17) else None for n in range(28)]
    return build_report(*normal_day(rate_hz=2), wanted, past_days(shares, wanted))


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
    "week": lambda: period_document(week_report("ko")),
    "month": lambda: period_document(month_report("en")),
}


def write_pages(content: Document, path: Path) -> None:
    """The PDF."""
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
    """A PDF's first and last pages side by side, at ``_DPI``."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["pdftoppm", "-r", str(_DPI), "-png", pdf, f"{folder}/page"], check=True)
        pages = [Image.open(path).convert("RGB") for path in sorted(Path(folder).iterdir())]
    if len(pages) > 2 * _ENDS:
        pages = pages[:_ENDS] + pages[-_ENDS:]
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

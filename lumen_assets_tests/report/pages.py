"""Pages of five kinds of days as pictures, and the pictures that they should look like.

``python -m lumen_assets_tests.report.pages`` draws the references anew; look at them before they are committed.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report import DayReport, build_report
from lumen_assets.report.fonts import typeface
from lumen_assets.report.pdf import write_document
from lumen_assets.report.pdf_attachment import Attachment
from lumen_assets.report.seal_section import seal_section
from lumen_assets.report.sections import document
from lumen_assets_tests.report.likeness import as_reference
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


def _normal() -> DayReport:
    wanted = configuration(rate_hz=1)
    shares = [1 - (n * n % 11) ** 2 / 160 if n not in (4, 17) else None for n in range(28)]
    return build_report(*normal_day(rate_hz=1), wanted, past_days(shares, wanted))


KINDS: Final[dict[str, Callable[[], DayReport]]] = {
    "normal": _normal,
    "empty": lambda: build_report(empty_day(), None, configuration()),
    "broken": lambda: build_report(broken_day(), None, configuration("en")),
    "stormy": lambda: build_report(stormy_day(200, rate_hz=0.5), None, configuration("en", rate_hz=0.5)),
    "notes": lambda: build_report(notes_day(), None, configuration(rate_hz=0.5)),
}


def write_pages(report: DayReport, path: Path) -> None:
    """The PDF, with one digest for all: else whatever is new in the JSON would make other pages, by its code."""
    content = document(report)
    sealed = replace(content, blocks=(*content.blocks, *seal_section(report, NUMBERS)))
    write_document(sealed, path, attachment=Attachment("report.json", NUMBERS))


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


def main() -> None:
    """Draw the references anew."""
    REFERENCES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind, report in KINDS.items():
            path = Path(folder) / f"{kind}.pdf"
            write_pages(report(), path)
            as_reference(sheet(path)).save(REFERENCES / f"{kind}.png", optimize=True)


if __name__ == "__main__":
    main()

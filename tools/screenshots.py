"""Makes the pictures under docs/images: ``python -m tools.screenshots``.

A real ``lumen ui`` over days that ``lumen backfill`` made of sample data, in Debian's Chromium; and the first two pages
of a report's PDF.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page

from lumen_assets.days import yesterday
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.ui.browser import open_page
from lumen_assets_tests.ui.running import Ui, running_ui

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
DAYS: Final = 14
LOADED: Final = 5000
"""Milliseconds after which a page of the UI has everything that it asks the server for."""

COLOURS: Final = 128
"""Enough for a screen; a picture takes less than 200 KB."""


def main() -> None:
    """Make them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    last = yesterday()
    with tempfile.TemporaryDirectory() as scratch:
        installation = Installation.make(Path(scratch), days=DAYS, last_day=last)
        first = str(last - timedelta(days=DAYS - 1))
        settings = installation.root / "lumen.yaml"
        settings.write_text(re.sub("^start_date: .*", f"start_date: {first}", settings.read_text()))
        installation.json("backfill", "--from", first, "--to", str(last), "--workers", "2")
        report = installation.home / "controls" / "reports" / f"report_{last}.pdf"
        _page("report", report, "1")
        _page("figures", report, "2")
        with running_ui(installation, {}) as ui, open_page() as page:
            _graph(page, ui)
            _day(page, ui)


def _page(name: str, report: Path, number: str) -> None:
    command = ["pdftoppm", "-png", "-r", "100", "-f", number, "-l", number, "-singlefile", str(report)]
    _keep(name, subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - its words are ours


def _graph(page: Page, ui: Ui) -> None:
    page.set_viewport_size({"width": 2200, "height": 720})
    page.goto(f"{ui.url}/asset-groups")
    page.wait_for_timeout(LOADED)
    page.keyboard.press("Alt+e")  # every group is opened
    page.get_by_text("report_pdf", exact=True).last.wait_for()
    page.wait_for_timeout(LOADED)
    page.mouse.dblclick(1000, 650)  # on nothing: the whole graph is put in the middle
    page.wait_for_timeout(LOADED)
    _keep("graph", page.screenshot())


def _day(page: Page, ui: Ui) -> None:
    page.set_viewport_size({"width": 1440, "height": 720})
    page.goto(f"{ui.url}/assets/attestation?view=partitions&partition={yesterday()}")
    page.wait_for_timeout(LOADED)
    _keep("attestation", page.screenshot())


def _keep(name: str, png: bytes) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS)
    picture.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

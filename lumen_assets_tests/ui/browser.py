"""Debian's Chromium, driven like a person uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_page(**options: Any) -> Iterator[Page]:
    """A page of a fresh browser; ``options`` are Playwright's for a context."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = browser.new_page(viewport={"width": 1600, "height": 1000}, **options)
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


def keep(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for them."""
    folder = os.environ.get("LUMEN_TEST_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))

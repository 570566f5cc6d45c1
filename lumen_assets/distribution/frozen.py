"""The report as it was frozen: what is distributed under a revision's number is that revision's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.archive import FileRange, FrozenDay, Keyring, associated_data, extract_paths
from lumen_assets.archive.snapshot import REPORTS
from lumen_assets.durable import TEMPORARY_PREFIX, remove_left_over
from lumen_assets.report.files import load_report, report_path
from lumen_assets.report.model import DayReport

SUFFIXES: Final = (".pdf", ".md")
"""Of the files that are distributed."""


@dataclass(frozen=True)
class FrozenReport:
    """A revision's report.

    Attributes:
        report: its numbers.
        folder: holds its files under the names that the report's folder has.
        content_digest: of the archive that it is from.
    """

    day: date
    revision: int
    report: DayReport
    folder: Path
    content_digest: str

    def file(self, suffix: str) -> Path:
        """One of its files."""
        return report_path(self.folder, self.day, suffix)

    def name(self, suffix: str) -> str:
        """How the file is called wherever it goes: ``report_YYYY-MM-DD_rN.pdf``."""
        return f"{self.file(suffix).stem}_r{self.revision}{suffix}"


@contextmanager
def frozen_report(frozen: FrozenDay, keyring: Keyring, scratch: Path) -> Iterator[FrozenReport]:
    """The report out of an archive, until the block ends.

    Args:
        scratch: a folder for its files; made if need be.

    Raises:
        LumenError: if the archive cannot be read, or its report is of another version.
    """
    day, revision = frozen.manifest.day, frozen.manifest.revision
    scratch.mkdir(parents=True, exist_ok=True)
    remove_left_over(scratch)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=scratch) as temporary:
        to = Path(temporary) / "report"
        with frozen.archive_path.open("rb") as file:
            extract_paths(
                FileRange(file),
                [str(report_path(Path(REPORTS), day, suffix)) for suffix in (".json", *SUFFIXES)],
                to,
                key=keyring,
                associated_data=associated_data(day, revision),
                name=str(frozen.archive_path),
            )
        folder = to / REPORTS
        yield FrozenReport(day, revision, load_report(folder, day), folder, frozen.manifest.content.digest)

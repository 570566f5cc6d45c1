"""The report's files: where they lie, reading the model back."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError
from lumen_assets.report.model import DayReport, Picture

FIGURES: Final = "assets"
"""Folder of the figures, beside the reports."""


def report_path(reports_folder: Path, day: date, suffix: str) -> Path:
    """``report_YYYY-MM-DD`` with ``suffix`` (``.md``, ``.json``, ``.pdf``) in the reports' folder."""
    return reports_folder / f"report_{day.isoformat()}{suffix}"


def load_report(reports_folder: Path, day: date) -> DayReport:
    """The report of a day as ``write_report`` left it.

    Raises:
        PermanentError: ``input``, if it was not written or cannot be read.
    """
    path = report_path(reports_folder, day, ".json")
    try:
        return DayReport.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unreadable(path, "it does not exist") from error
    except ValueError as error:
        raise _unreadable(path, "it is not a report of this version") from error


def picture_bytes(folder: Path, picture: Picture) -> bytes:
    """A picture that a report names, from the folder of its figures.

    Raises:
        PermanentError: ``input``, if it is not there, or another one is.
    """
    path = folder / picture.file
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _unreadable(path, "it does not exist") from error
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise _unreadable(path, "it is another picture than the report was made with")
    return content


def _unreadable(path: Path, cause: str) -> PermanentError:
    return PermanentError(
        action="read the report", subject=str(path), cause=cause, error_class="input", hint="Materialize the report"
    )

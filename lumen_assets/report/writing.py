"""The report's files: where they lie, writing them, reading the model back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.durable import replace_bytes
from lumen_assets.errors import PermanentError
from lumen_assets.report.markdown import render_document, render_markdown
from lumen_assets.report.model import DayReport, Picture
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.periods import PeriodReport

_State = tuple[int, int, int]

FIGURES: Final = "assets"
"""Folder of the figures, beside the reports."""

_newest: dict[Path, tuple[_State, DayReport]] = {}
"""The report that was written or loaded last, and the state of its file: the steps of a day ask for it thrice."""


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report; ``model`` is the JSON that ``load_report`` reads."""

    markdown: Path
    model: Path
    figures: tuple[Path, ...]


def report_path(reports_folder: Path, day: date, suffix: str) -> Path:
    """``report_YYYY-MM-DD`` with ``suffix`` (``.md``, ``.json``, ``.pdf``) in the reports' folder."""
    return reports_folder / f"report_{day.isoformat()}{suffix}"


def write_report(report: DayReport, reports_folder: Path) -> WrittenReport:
    """Write figures, Markdown and the model, each whole or not at all; stale figures of the day are removed.

    The model comes last: where it lies, the others do.
    """
    from lumen_assets.report.figures import write_figures  # reportlab is slow to import

    figures = write_figures(report, reports_folder / FIGURES)
    markdown = report_path(reports_folder, report.day, ".md")
    replace_bytes(markdown, render_markdown(report, FIGURES).encode())
    model = report_path(reports_folder, report.day, ".json")
    replace_bytes(model, report.to_json().encode())
    _remember(model, _state(model), report)
    return WrittenReport(markdown=markdown, model=model, figures=tuple(figures))


@dataclass(frozen=True)
class WrittenPeriod:
    """The files of a weekly or monthly report."""

    markdown: Path
    pdf: Path
    model: Path


def write_period(report: PeriodReport, reports_folder: Path, font: Path | None = None) -> WrittenPeriod:
    """Write Markdown, PDF and numbers of a week or month (``week_2026-W10``, ``month_2026-03``), each whole or not.

    Args:
        report: the period.
        reports_folder: where the reports of days lie too.
        font: as in ``write_pdf``.

    Raises:
        PermanentError: ``configuration``, if the font cannot be used.
    """
    from lumen_assets.report.pdf import write_document  # reportlab is slow to import
    from lumen_assets.report.pdf_attachment import Attachment

    content = period_document(report)
    base = reports_folder / f"{report.period.kind}_{report.period.name}"
    written = WrittenPeriod(*(base.with_name(f"{base.name}{suffix}") for suffix in (".md", ".pdf", ".json")))
    replace_bytes(written.markdown, render_document(content).encode())
    numbers = report.to_json()
    write_document(content, written.pdf, font, attachment=Attachment(written.model.name, numbers))
    replace_bytes(written.model, numbers.encode())
    return written


def load_report(reports_folder: Path, day: date) -> DayReport:
    """The report of a day as ``write_report`` left it.

    Raises:
        PermanentError: ``input``, if it was not written or cannot be read.
    """
    path = report_path(reports_folder, day, ".json")
    try:
        state = _state(path)
        known, report = _newest.get(path) or (None, None)
        if report is None or known != state:
            report = DayReport.from_json(path.read_text(encoding="utf-8"))
            _remember(path, state, report)
    except FileNotFoundError as error:
        raise _unreadable(path, "it does not exist") from error
    except ValueError as error:
        raise _unreadable(path, "it is not a report of this version") from error
    return report


def _remember(path: Path, state: _State, report: DayReport) -> None:
    _newest.clear()
    _newest[path] = (state, report)


def _state(path: Path) -> _State:
    """What is another one when the file is: it is always replaced, never written to."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


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

"""The files of a weekly or monthly report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lumen_assets.durable import replace_bytes
from lumen_assets.report.figures import write_figures_of
from lumen_assets.report.files import FIGURES
from lumen_assets.report.markdown import render_document
from lumen_assets.report.pdf import write_document
from lumen_assets.report.pdf_attachment import Attachment
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.periods import PeriodReport


@dataclass(frozen=True)
class WrittenPeriod:
    """The files of a weekly or monthly report."""

    markdown: Path
    pdf: Path
    model: Path
    figures: tuple[Path, ...]


def write_period(report: PeriodReport, reports_folder: Path, font: Path | None = None) -> WrittenPeriod:
    """Write figures, Markdown, PDF and numbers of a week or month (``week_2026-W10``), each whole or not at all.

    Stale figures of the period are removed.

    Args:
        report: the period.
        reports_folder: where the reports of days lie too.
        font: as in ``write_pdf``.

    Raises:
        PermanentError: ``configuration``, if the font cannot be used.
    """
    content, name = period_document(report), report.period.file
    figures = write_figures_of(content, name, reports_folder / FIGURES, font)
    markdown, pdf, model = (reports_folder / f"{name}{suffix}" for suffix in (".md", ".pdf", ".json"))
    written = WrittenPeriod(markdown, pdf, model, tuple(figures))
    replace_bytes(written.markdown, render_document(content, FIGURES).encode())
    numbers = report.to_json()
    write_document(content, written.pdf, font, attachment=Attachment(written.model.name, numbers))
    replace_bytes(written.model, numbers.encode())
    return written

"""Writing the report's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lumen_assets.durable import replace_bytes
from lumen_assets.report.figures import write_figures
from lumen_assets.report.files import FIGURES, remember, report_path
from lumen_assets.report.markdown import render_markdown
from lumen_assets.report.model import DayReport


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report; ``model`` is the JSON that ``files.load_report`` reads."""

    markdown: Path
    model: Path
    figures: tuple[Path, ...]


def write_report(report: DayReport, reports_folder: Path) -> WrittenReport:
    """Write figures, Markdown and the model, each whole or not at all; stale figures of the day are removed.

    The model comes last: where it lies, the others do.
    """
    figures = write_figures(report, reports_folder / FIGURES)
    markdown = report_path(reports_folder, report.day, ".md")
    replace_bytes(markdown, render_markdown(report, FIGURES).encode())
    model = report_path(reports_folder, report.day, ".json")
    replace_bytes(model, report.to_json().encode())
    remember(model, report)
    return WrittenReport(markdown=markdown, model=model, figures=tuple(figures))

"""A day's telemetry as a report: the model, and Markdown, figures and PDF made from it.

Names are loaded when they are first used: drawing needs reportlab, which is slow to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumen_assets.on_demand import names_of
from lumen_assets.report.model import DayReport, Grafana

if TYPE_CHECKING:
    from lumen_assets.report.build import build_report
    from lumen_assets.report.figures import write_figures
    from lumen_assets.report.files import load_report, report_path
    from lumen_assets.report.findings import findings_text
    from lumen_assets.report.markdown import render_markdown
    from lumen_assets.report.pdf import write_pdf
    from lumen_assets.report.writing import WrittenReport, write_report

__all__ = [
    "DayReport",
    "Grafana",
    "WrittenReport",
    "build_report",
    "findings_text",
    "load_report",
    "render_markdown",
    "report_path",
    "write_figures",
    "write_pdf",
    "write_report",
]

__getattr__ = names_of(
    __name__,
    {
        "WrittenReport": "writing",
        "build_report": "build",
        "findings_text": "findings",
        "load_report": "files",
        "render_markdown": "markdown",
        "report_path": "files",
        "write_figures": "figures",
        "write_pdf": "pdf",
        "write_report": "writing",
    },
)

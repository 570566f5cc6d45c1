"""The ``report`` and ``report_pdf`` assets."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg

from lumen_assets import report as domain
from lumen_assets.defs.checks import COVERAGE, coverage_result
from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.workspace import Workspace


def report_asset(partitions: dg.PartitionsDefinition[str], *, pictures: bool) -> dg.AssetsDefinition:
    """The day's report.

    Args:
        partitions: the days.
        pictures: whether it has to wait for Grafana's. It must not where Grafana is not configured: there
            ``grafana_snapshot`` makes nothing, and Dagster skips whatever depends on that.
    """

    @dg.asset(
        partitions_def=partitions,
        group_name="report",
        kinds={"markdown"},
        owners=["team:operators"],
        retry_policy=RETRIES,
        deps=["telemetry", *(["grafana_snapshot"] if pictures else [])],
        check_specs=[COVERAGE],
    )
    def report(
        context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """The day in numbers: Markdown, its figures, and the same numbers as JSON.

        Holds no wall clock and no random id: the same telemetry gives the same bytes.
        """
        day = partition_day(context)
        with translated(), lumen.working_on(day):
            model, written = _make_report(lumen, day)
        yield dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.md(written.markdown.read_text(encoding="utf-8")),
                "path": dg.MetadataValue.path(str(written.markdown)),
                "figures": len(written.figures),
                "language": lumen.settings.configuration.report.language,
            },
            check_results=[coverage_result(model, lumen.settings.configuration)],
        )

    return report


def report_pdf_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's report as a PDF."""

    @dg.asset(
        partitions_def=partitions,
        group_name="report",
        kinds={"pdf"},
        owners=["team:operators"],
        retry_policy=RETRIES,
        deps=["report"],
    )
    def report_pdf(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        """The report as a PDF with the same numbers, one vector figure a signal, and an embedded Korean font."""
        day = partition_day(context)
        with translated(), lumen.working_on(day):
            path = _make_pdf(lumen, _report_at_hand(lumen, day))
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                "size": path.stat().st_size,
            }
        )

    return report_pdf


def finished_report(lumen: Workspace, day: date) -> domain.DayReport:
    """The day's report with its PDF, made anew where a run goes on that began on another machine.

    And where another machine froze the day, and its newest revision is here now: what it was compared with there holds.
    """
    report = _report_at_hand(lumen, day)
    frozen_with = lumen.frozen_history(day, lumen.inputs.sliced(day).inputs)
    if frozen_with is not None and frozen_with != report.history:
        report, _ = _make_report(lumen, day)
        _make_pdf(lumen, report)
    elif not _pdf_path(lumen, day).exists():
        _make_pdf(lumen, report)
    return report


def _report_at_hand(lumen: Workspace, day: date) -> domain.DayReport:
    folder = lumen.settings.reports_folder
    if not domain.report_path(folder, day, ".json").exists():
        _make_report(lumen, day)
    return domain.load_report(folder, day)


def _make_report(lumen: Workspace, day: date) -> tuple[domain.DayReport, domain.WrittenReport]:
    day_slice = lumen.inputs.sliced(day)
    model = domain.build_report(
        lumen.inputs.read(day_slice),
        lumen.inputs.day_before(day),
        lumen.settings.configuration,
        lumen.history(day, day_slice.inputs),
        lumen.pictures.at_hand(day),
    )
    return model, domain.write_report(model, lumen.settings.reports_folder)


def _make_pdf(lumen: Workspace, report: domain.DayReport) -> Path:
    path = _pdf_path(lumen, report.day)
    domain.write_pdf(report, path, font=lumen.settings.configuration.report.font)
    return path


def _pdf_path(lumen: Workspace, day: date) -> Path:
    return domain.report_path(lumen.settings.reports_folder, day, ".pdf")

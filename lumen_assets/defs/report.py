"""The ``report`` and ``report_pdf`` assets."""

from collections.abc import Iterator

import dagster as dg

from lumen_assets import report as domain
from lumen_assets.defs.checks import COVERAGE, coverage_result
from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.workspace import Workspace


def report_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's report."""

    @dg.asset(
        partitions_def=partitions,
        group_name="report",
        kinds={"markdown"},
        owners=["team:operators"],
        retry_policy=RETRIES,
        deps=["telemetry"],
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
            model = domain.build_report(
                lumen.read_slice(lumen.sliced_day(day)),
                lumen.read_day_before(day),
                lumen.settings.configuration,
            )
            written = domain.write_report(model, lumen.settings.reports_folder)
        yield dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.md(written.markdown.read_text(encoding="utf-8")),
                "path": dg.MetadataValue.path(str(written.markdown)),
                "figures": len(written.figures),
                "language": lumen.settings.configuration.report.language,
            },
            check_results=[coverage_result(model.recording, lumen.settings.configuration)],
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
        folder = lumen.settings.reports_folder
        path = folder / f"report_{day.isoformat()}.pdf"
        with translated():
            domain.write_pdf(domain.load_report(folder, day), path, font=lumen.settings.configuration.report.font)
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                "size": path.stat().st_size,
            }
        )

    return report_pdf

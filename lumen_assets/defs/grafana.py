"""The ``grafana_snapshot`` asset and its check."""

from collections.abc import Iterator

import dagster as dg

from lumen_assets.defs.failures import translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.grafana import Taken
from lumen_assets.workspace import Workspace

PICTURES = dg.AssetCheckSpec(
    "pictures",
    asset="grafana_snapshot",
    description="Grafana gave every picture that the report is to have. It warns.",
)


def grafana_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's pictures from Grafana."""

    @dg.asset(
        partitions_def=partitions,
        group_name="report",
        kinds={"grafana"},
        owners=["team:operators"],
        check_specs=[PICTURES],
    )
    def grafana_snapshot(
        context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """What Grafana gives of pictures for the report; the day goes on without those that it does not.

        A picture is taken once: those that a day was frozen with are its pictures for good. Where there are none, and
        Grafana is not configured, none is made: a partition that stays empty is a failed one to a backfill.
        """
        day = partition_day(context)
        with translated(), lumen.working_on(day):
            taken = lumen.pictures.take(day)
        for panel, problem in taken.problems.items():
            context.log.warning("%s: %s", panel or "dashboard", problem)
        yield dg.MaterializeResult(
            metadata={
                "pictures": len(taken.grafana.pictures),
                "missing": taken.grafana.missing,
                "asked_for_now": taken.asked,
                "files": dg.MetadataValue.text(
                    "\n".join(str(lumen.pictures.folder / one.file) for one in taken.grafana.pictures)
                ),
            },
            check_results=[_result(taken)],
        )

    return grafana_snapshot


def _result(taken: Taken) -> dg.AssetCheckResult:
    whole = bool(taken.grafana.pictures) and not taken.grafana.missing
    if taken.problems:
        said = "; ".join(f"{panel or 'dashboard'}: {problem}" for panel, problem in taken.problems.items())
    elif taken.grafana.asked:
        said = f"{len(taken.grafana.pictures)} of {taken.grafana.asked}"
    else:
        said = "Grafana is not configured: set GRAFANA_BASE and the others for pictures in the report"
    return dg.AssetCheckResult(
        check_name=PICTURES.name, passed=whole, severity=dg.AssetCheckSeverity.WARN, description=said
    )

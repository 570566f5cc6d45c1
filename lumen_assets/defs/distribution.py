"""The ``distribution`` asset and its check."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from lumen_assets.defs.failures import translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.withheld import withhold
from lumen_assets.distribution import State, targets
from lumen_assets.replication.retrying import Backoff
from lumen_assets.texts import counted
from lumen_assets.workspace import Workspace

DELIVERED: Final = dg.AssetCheckSpec(
    "delivered",
    asset="distribution",
    description="Everybody who is to have the day's report was sent it, and every folder has it. It warns.",
)

BACKOFF: Final = Backoff(attempts=4, base=5.0, cap=60.0)
"""Waits of up to 5, 10 and 20 seconds; meanwhile the run goes on with its other steps."""


class Distributing(dg.Config):
    """How a day's report is distributed."""

    again: bool = False
    """Whether mails that may or may not have arrived are sent once more."""


def distribution_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's report to people and folders."""

    @dg.asset(
        partitions_def=partitions,
        group_name="distribution",
        kinds={"email"},
        owners=["team:operators"],
        op_tags={"dagster/priority": "-1"},  # what makes the day safe goes first
        deps=["report_pdf", "archive"],
        check_specs=[DELIVERED],
        output_required=False,
    )
    def distribution(
        context: dg.AssetExecutionContext, config: Distributing, lumen: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """The report of the newest revision by mail and in folders, to each once.

        Whatever fails here fails no day: the check warns, the alerts tell it, and the partition stays empty.
        """
        day, configuration = partition_day(context), lumen.settings.configuration
        to = targets(configuration)
        if not to:
            yield _checked("nobody is to have it: distribution.mail.to and distribution.folder are empty")
            return
        with translated():
            if configuration.dry_run:
                revision = lumen.frozen_day(day).manifest.revision
                withhold(context, f"send the report of {day} r{revision} to {', '.join(to)}")
                yield _checked("dry run: withheld")
                return
            attempt = context.retry_number + 1
            found = lumen.distribute(day, again=config.again and attempt == 1)
        bad = [one for one in found if one.state is not State.SENT]
        if any(one.retry_helps for one in bad) and attempt < BACKOFF.attempts:
            raise dg.RetryRequested(BACKOFF.attempts - 1, BACKOFF.wait(attempt, None))
        if bad:
            yield _checked("; ".join(f"{one.target}: {one.state}: {one.detail}" for one in bad), passed=False)
            return
        yield dg.MaterializeResult(
            metadata={
                "revision": found[0].revision,
                "sent": len(found),
                "to": dg.MetadataValue.text(", ".join(one.target for one in found)),
            },
            check_results=[_checked(f"r{found[0].revision} to {counted(len(found), 'recipient')}")],
        )

    return distribution


def _checked(said: str, *, passed: bool = True) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=DELIVERED.name, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=said
    )

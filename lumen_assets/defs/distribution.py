"""The ``distribution`` asset and its check."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from lumen_assets.defs.failures import translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.withheld import withhold
from lumen_assets.distribution import Delivery, State, mails_are_due, targets
from lumen_assets.replication.retrying import Backoff
from lumen_assets.settings import Configuration
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
    """How a day's report is distributed; as ``lumen send`` asks for it."""

    old_days: bool = False
    """Whether the report of a day that ended longer ago than ``distribution.mail.within_days`` is mailed too."""

    again: bool = False
    """Whether mails that may or may not have arrived are sent once more, of old days too."""


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
        mails = config.old_days or config.again or mails_are_due(day, configuration, datetime.now(UTC))
        everybody, due = targets(configuration), targets(configuration, mails=mails)
        if not everybody:
            yield _made([], "nobody is to have it: distribution.mail.to and distribution.folder are empty")
            return
        with translated():
            if configuration.dry_run:
                revision = lumen.frozen_day(day).manifest.revision
                withhold(context, f"send the report of {day} r{revision} to {', '.join(due) or 'nobody'}")
                yield _checked("dry run: withheld")
                return
            attempt = context.retry_number + 1
            first = attempt == 1 and RETRY_NUMBER_TAG not in context.run.tags  # nobody asked for what is tried again
            found = lumen.distribute(day, mails=mails, again=config.again and first)
        bad = [one for one in found if one.state is not State.SENT]
        if any(one.retry_helps for one in bad if one.target in due) and attempt < BACKOFF.attempts:
            raise dg.RetryRequested(BACKOFF.attempts - 1, BACKOFF.wait(attempt, None))
        withheld = _withheld(day, len(everybody) - len(found), configuration)
        if bad:
            said = "; ".join(f"{one.target}: {one.state}: {one.detail}" for one in bad)
            yield _checked(said, {**withheld, "when mended": _command(day, bad)}, passed=False)
            return
        sent = [f"r{found[0].revision} to {counted(len(found), 'recipient')}"] if found else []
        yield _made(found, "; ".join([*sent, *withheld.values()]), withheld)

    return distribution


def _made(sent: Sequence[Delivery], said: str, withheld: Mapping[str, str] | None = None) -> dg.MaterializeResult[None]:
    """Also where there was nothing to send: a partition that stays empty is a failed one to a backfill."""
    metadata: dict[str, int | str] = {"sent": len(sent), **(withheld or {})}
    if sent:
        metadata |= {"revision": sent[0].revision, "to": ", ".join(one.target for one in sent)}
    return dg.MaterializeResult(metadata=metadata, check_results=[_checked(said, withheld)])


def _withheld(day: date, mails: int, configuration: Configuration) -> dict[str, str]:
    """Metadata about mails that nobody is sent because the day is old."""
    if not mails:
        return {}
    within = counted(configuration.distribution.mail.within_days, "day")
    return {"withheld": f"{counted(mails, 'mail')}: the day ended more than {within} ago; `lumen send {day}` sends"}


def _command(day: date, bad: Sequence[Delivery]) -> str:
    doubt = any(one.state is State.IN_DOUBT for one in bad)
    return f"`lumen send {day}`{', with --again to whom it is in doubt' if doubt else ''}"


def _checked(said: str, metadata: Mapping[str, str] | None = None, *, passed: bool = True) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=DELIVERED.name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata=metadata,
    )

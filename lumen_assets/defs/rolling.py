"""The ``rolling_verification`` job: older replicas read again, a share a day."""

from collections.abc import Mapping

import dagster as dg

from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.defs.verification import observation, way_back
from lumen_assets.workspace import Workspace


def rolling_job(destinations: Mapping[str, str]) -> dg.JobDefinition:
    """A step a destination, so that one that does not answer stops no other.

    Args:
        destinations: the kind of each, by name.
    """
    steps = [_read_due(name, kind) for name, kind in destinations.items()]

    @dg.job(
        name="rolling_verification",
        executor_def=dg.in_process_executor,
        description="Older replicas, the longest unread first, read in full: a share a day, so that each is read "
        "at least every `verify.full_read_days`. The verdicts show as observations of the `verification` assets.",
    )
    def rolling_verification() -> None:
        for step in steps:
            step()

    return rolling_verification


def _read_due(destination: str, kind: str) -> dg.OpDefinition:
    @dg.op(name=f"read_due_at_{destination}", retry_policy=STORE_RETRIES, pool=kind, tags=order_tags(kind))
    def read_due(context: dg.OpExecutionContext, lumen: dg.ResourceParam[Workspace]) -> None:
        with translated():
            found = lumen.verify_due(destination)
        for verdict in found:
            context.log_event(observation(verdict))
        bad = [item for item in found if not item.verdict.accepted]
        context.log.info("%d replicas read at %s, %d of them not good", len(found), destination, len(bad))
        if bad:
            raise dg.Failure(
                description=f"{len(bad)} of {len(found)} replicas at {destination} are not good: "
                + "; ".join(f"{item.day} r{item.revision} {item.verdict}, {item.detail}" for item in bad[:10]),
                metadata=way_back(lumen, sorted({item.day for item in bad})[:10], context.run_id),
                allow_retries=False,
            )

    return read_due

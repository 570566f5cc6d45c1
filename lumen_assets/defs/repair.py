"""The ``repair`` job: a day's missing or bad replicas put again."""

from collections.abc import Mapping

import dagster as dg

from lumen_assets.days import parse_day
from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.defs.verification import observation
from lumen_assets.workspace import Workspace


def repair_job(partitions: dg.PartitionsDefinition[str], destinations: Mapping[str, str]) -> dg.JobDefinition:
    """The repair of a day, to be launched for any partition: a step a destination, in the pool of its kind.

    Args:
        destinations: the kind of each, by name.
    """
    steps = [_repair_at(name, kind) for name, kind in destinations.items()]

    @dg.job(
        name="repair",
        executor_def=dg.in_process_executor,
        partitions_def=partitions,
        description="Every replica of the day read back, and what is missing or bad put again from a good copy. "
        "What was in the place of a damaged replica is kept beside it under another name.",
    )
    def repair() -> None:
        for step in steps:
            step()

    return repair


def _repair_at(destination: str, kind: str) -> dg.OpDefinition:
    @dg.op(name=f"repair_at_{destination}", retry_policy=STORE_RETRIES, pool=kind, tags=order_tags(kind))
    def repair_at(context: dg.OpExecutionContext, lumen: dg.ResourceParam[Workspace]) -> None:
        with translated():
            outcomes = lumen.repair_day(parse_day(context.partition_key), [destination])
        for outcome in outcomes:
            context.log_event(observation(outcome.now))
            if outcome.repair:
                kept = ", ".join(outcome.repair.set_aside) or "nothing"
                context.log.info("put again from %s, set aside: %s", outcome.repair.source, kept)
        bad = [outcome for outcome in outcomes if not outcome.now.verdict.accepted]
        if bad:
            raise dg.Failure(
                description=f"{len(bad)} of {len(outcomes)} replicas of {context.partition_key} at {destination} are "
                "still not good: "
                + "; ".join(f"r{item.now.revision}: {item.problem or item.now.detail}" for item in bad),
                allow_retries=False,
            )

    return repair_at

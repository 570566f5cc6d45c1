"""The ``repair`` job: a day's missing or bad replicas put again."""

import dagster as dg

from lumen_assets.days import parse_day
from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.verification import observation
from lumen_assets.verification import Verdict
from lumen_assets.workspace import Workspace


def repair_job(partitions: dg.PartitionsDefinition[str]) -> dg.JobDefinition:
    """The repair of a day, to be launched for any partition."""

    @dg.job(
        name="repair",
        executor_def=dg.in_process_executor,
        partitions_def=partitions,
        description="Every replica of the day read back, and what is missing or bad put again from a good copy. "
        "What was in the place of a damaged replica is kept beside it under another name.",
    )
    def repair() -> None:
        repair_day()

    return repair


@dg.op(retry_policy=STORE_RETRIES)
def repair_day(context: dg.OpExecutionContext, lumen: dg.ResourceParam[Workspace]) -> None:
    """See the job."""
    with translated():
        outcomes = lumen.repair_day(parse_day(context.partition_key))
    for outcome in outcomes:
        context.log_event(observation(outcome.now))
        if outcome.repair:
            kept = ", ".join(outcome.repair.set_aside) or "nothing"
            done = f"put again from {outcome.repair.source}, set aside: {kept}"
            context.log.info("%s: %s", outcome.now.destination, done)
    bad = [outcome for outcome in outcomes if outcome.now.verdict is not Verdict.MATCH]
    if bad:
        raise dg.Failure(
            description=f"{len(bad)} of {len(outcomes)} replicas of {context.partition_key} are still not good: "
            + "; ".join(f"{item.now.destination}: {item.problem or item.now.detail}" for item in bad),
            allow_retries=False,
        )

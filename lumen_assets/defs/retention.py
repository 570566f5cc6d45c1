"""The ``retention`` job: what no rule keeps is removed, a step a destination, weekly where it is asked for."""

from collections.abc import Mapping

import dagster as dg

from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.retention.carrying_out import carry_out, look
from lumen_assets.settings import Configuration
from lumen_assets.workspace import Workspace


def retention_job(destinations: Mapping[str, str]) -> dg.JobDefinition:
    """A step a destination, so that one that does not answer stops no other.

    Args:
        destinations: the kind of each, by name.
    """
    steps = [_retain_at(name, kind) for name, kind in destinations.items()]

    @dg.job(
        name="retention",
        executor_def=dg.in_process_executor,
        description="Archives that no rule of `retention` keeps are removed, where `retention.apply` is set; else it "
        "is only said which these are.",
    )
    def retention() -> None:
        for step in steps:
            step()

    return retention


def retention_schedule(configuration: Configuration, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Weekly, two hours after Monday's daily run; off unless ``retention.apply`` is set."""
    schedule = configuration.schedule
    hour, minute = map(int, schedule.at.split(":"))
    runs = schedule.enabled and configuration.retention.apply
    return dg.ScheduleDefinition(
        name="retention",
        job=job,
        cron_schedule=f"{minute} {(hour + 2) % 24} * * 1",
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if runs else dg.DefaultScheduleStatus.STOPPED,
        description="What no rule keeps is removed, every Monday, two hours after the daily run.",
    )


def _retain_at(destination: str, kind: str) -> dg.OpDefinition:
    @dg.op(name=f"retain_at_{destination}", retry_policy=STORE_RETRIES, pool=kind, tags=order_tags(kind))
    def retain_at(context: dg.OpExecutionContext, lumen: dg.ResourceParam[Workspace]) -> None:
        with translated():
            outlook = look(lumen)
            going = [item for item in outlook.plan.removals if item.destination == destination]
            configuration = lumen.settings.configuration
            removes = configuration.retention.apply and not configuration.dry_run
            outcomes = list(carry_out(lumen, outlook, [destination])) if removes else []
        why_not = "were this no dry run" if configuration.dry_run else "were retention.apply set"
        for item in going:
            what = f"{item.day} r{item.revision}, {item.size:,} bytes: {'; '.join(item.reasons)}"
            context.log.info("%s %s", "to go:" if removes else f"would go, {why_not}:", what)
        bad = [outcome for outcome in outcomes if outcome.problem]
        context.log.info("%d archives removed at %s", len(outcomes) - len(bad), destination)
        problems = [f"{item.decision.day} r{item.decision.revision}: {item.problem}" for item in bad[:10]]
        if outlook.plan.stopped:
            problems.insert(0, outlook.plan.stopped)
        if destination in outlook.silent:
            problems.insert(0, outlook.silent[destination])
        if problems:
            raise dg.Failure(
                description=f"retention at {destination}: {'; '.join(problems)}",
                allow_retries=destination in outlook.silent,
            )

    return retain_at

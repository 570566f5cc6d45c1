"""Late data: the check that shows it, and the job and schedule that look."""

import dagster as dg

from lumen_assets.defs.failures import translated
from lumen_assets.settings import Schedule
from lumen_assets.workspace import Workspace

LATE_DATA = dg.AssetCheckKey(dg.AssetKey("archive"), "inputs")


def late_data_check() -> dg.AssetChecksDefinition:
    """Days whose inputs changed since they were frozen, on ``archive``."""

    @dg.asset_check(
        asset=LATE_DATA.asset_key,
        name=LATE_DATA.name,
        description="The inputs of frozen days are still what was frozen of them: of the last two weeks, and of a "
        "share of the days before, so that each is looked at every `verify.full_read_days`. It warns. The run of a day "
        "repeats what is known: a backfill of many days does not look each time.",
    )
    def inputs(context: dg.AssetCheckExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        with translated():
            looked_at = 0 if "dagster/partition" in context.run.tags else lumen.look_for_late_data()
            changed = lumen.frozen_inputs.changed()
        context.log.info("%d days looked at, %d days have changed inputs", looked_at, len(changed))
        named = [f"{day}: {', '.join(names)}" for day, names in changed.items()]
        return dg.AssetCheckResult(
            passed=not changed,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(named[:10]) or "no inputs changed since their days were frozen",
            metadata={"looked_at": looked_at, "changed": dg.MetadataValue.json(named)},
        )

    return inputs


def late_data_job() -> "dg.UnresolvedAssetJobDefinition":
    """The check alone."""
    return dg.define_asset_job(
        "late_data",
        selection=dg.AssetSelection.checks(LATE_DATA),
        description="Looks whether inputs of frozen days changed; a day that did is told, and materialized again makes "
        "a new revision.",
    )


def late_data_schedule(schedule: Schedule, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Daily, three hours after the daily run."""
    hour, minute = map(int, schedule.at.split(":"))
    return dg.ScheduleDefinition(
        name="late_data",
        job=job,
        cron_schedule=f"{minute} {(hour + 3) % 24} * * *",
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if schedule.enabled else dg.DefaultScheduleStatus.STOPPED,
        description="Days whose inputs changed since they were frozen, three hours after the daily run.",
    )

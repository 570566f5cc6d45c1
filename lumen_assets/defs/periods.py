"""The ``weekly_report`` and ``monthly_report`` assets, their jobs and schedules."""

from typing import Final

import dagster as dg

from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.report.period_building import build_period_report
from lumen_assets.report.period_writing import write_period
from lumen_assets.report.periods import Kind, Period, last_over, require_over
from lumen_assets.settings import Configuration, Schedule
from lumen_assets.workspace import Workspace

PERIODS: Final[dict[Kind, dg.AssetKey]] = {"week": dg.AssetKey("weekly_report"), "month": dg.AssetKey("monthly_report")}
JOBS: Final[dict[Kind, str]] = {"week": "weekly", "month": "monthly"}

_AFTER_HOURS: Final = 2
"""The schedules run so long after the daily one, about the period's last day."""


def period_asset(kind: Kind, configuration: Configuration) -> dg.AssetsDefinition:
    """A week's or a month's report."""

    @dg.asset(
        key=PERIODS[kind],
        partitions_def=_partitions(kind, configuration),
        group_name="report",
        kinds={"markdown", "pdf"},
        owners=["team:operators"],
        retry_policy=RETRIES,
        deps=["archive"],
        description=f"The {kind} in findings, figures and numbers, from those of its frozen days, against the {kind} "
        "before: Markdown, PDF and JSON. Days that were not frozen are named.",
    )
    def report(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        period = Period.of(kind, partition_day(context))
        with translated(), lumen.locked(f"{kind}-{period.name}"):
            require_over(period)
            days, before = (lumen.numbers.between(each.first, each.last) for each in (period, period.before))
            settings = lumen.settings
            found = build_period_report(period, days, settings.configuration, before)
            written = write_period(found, settings.reports_folder, settings.configuration.report.font)
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.md(written.markdown.read_text(encoding="utf-8")),
                "path": dg.MetadataValue.path(str(written.markdown)),
                "pdf": dg.MetadataValue.path(str(written.pdf)),
                "numbers": dg.MetadataValue.path(str(written.model)),
                "figures": len(written.figures),
                "findings": dg.MetadataValue.json([finding.text for finding in found.findings]),
                "days": len(found.days),
                "missing": dg.MetadataValue.json([day.isoformat() for day in found.missing]),
            }
        )

    return report


def _partitions(kind: Kind, configuration: Configuration) -> dg.TimeWindowPartitionsDefinition:
    """Every KST week, by its Monday, or month, by its first day, from that of ``start_date`` on that is over."""
    start, zone = Period.of(kind, configuration.start_date).first.isoformat(), configuration.timezone
    if kind == "week":
        return dg.WeeklyPartitionsDefinition(start, day_offset=1, timezone=zone)
    return dg.MonthlyPartitionsDefinition(start, timezone=zone)


def period_job(kind: Kind) -> "dg.UnresolvedAssetJobDefinition":
    """The report of a week or month alone."""
    return dg.define_asset_job(
        JOBS[kind], selection=dg.AssetSelection.assets(PERIODS[kind]), description=f"The report of a {kind}."
    )


def is_of_a_period(run: dg.DagsterRun) -> bool:
    """Whether a run is of a week or month, the key of whose partition is its first day and looks like that of a day."""
    of_asset = bool(run.asset_selection) and set(run.asset_selection or ()) <= set(PERIODS.values())
    return of_asset or run.job_name in JOBS.values()


def period_schedule(kind: Kind, schedule: Schedule, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """On the day after the period's last, two hours after the daily run about that day."""
    hour, minute = map(int, schedule.at.split(":"))
    days_later, hour = divmod(hour + _AFTER_HOURS, 24)
    on = f"* * {1 + days_later}" if kind == "week" else f"{1 + days_later} * *"

    @dg.schedule(
        name=JOBS[kind],
        job=job,
        cron_schedule=f"{minute} {hour} {on}",
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if schedule.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"The report of the {kind} that is over, two hours after the daily run of its last day.",
    )
    def asked(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        key = last_over(kind, context.scheduled_execution_time).first.isoformat()
        return dg.RunRequest(run_key=key, partition_key=key)

    return asked

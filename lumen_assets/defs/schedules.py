"""The daily schedule, in KST."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta

import dagster as dg

from lumen_assets.days import KST
from lumen_assets.settings import Schedule


def spread_offset(day: date, minutes: int) -> int:
    """By how many minutes the run about ``day`` starts early (negative) or late: the same for a given day."""
    digest = hashlib.sha256(day.isoformat().encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2 * minutes + 1) - minutes


def start_of_run(tick_date: date, schedule: Schedule) -> datetime:
    """When the run on the KST date ``tick_date``, which is about the day before, starts."""
    nominal = datetime.combine(tick_date, time.fromisoformat(schedule.at), tzinfo=KST)
    return nominal + timedelta(minutes=spread_offset(tick_date - timedelta(days=1), schedule.spread_minutes))


def daily_schedule(schedule: Schedule, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """One run a day, about the KST day before.

    Cron cannot move a tick by the day, so there is a tick at every minute of the spread, and all but one skip.
    """

    @dg.schedule(
        name="daily",
        job=job,
        cron_schedule=_ticks(schedule),
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if schedule.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"Every day at {schedule.at} KST, give or take {schedule.spread_minutes} minutes, for yesterday.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(KST)
        start = start_of_run(tick.date(), schedule)
        if tick.replace(second=0, microsecond=0) != start:
            return dg.SkipReason(f"the day's start is at {start:%H:%M} KST")
        day = (tick.date() - timedelta(days=1)).isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return daily


def rolling_schedule(schedule: Schedule, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The rolling sample, daily, an hour after the daily run."""
    hour, minute = map(int, schedule.at.split(":"))
    return dg.ScheduleDefinition(
        name="rolling_verification",
        job=job,
        cron_schedule=f"{minute} {(hour + 1) % 24} * * *",
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if schedule.enabled else dg.DefaultScheduleStatus.STOPPED,
        description="Older replicas read in full, a share a day, an hour after the daily run.",
    )


def _ticks(schedule: Schedule) -> list[str]:
    nominal = datetime.combine(date(2000, 1, 2), time.fromisoformat(schedule.at))
    spread = range(-schedule.spread_minutes, schedule.spread_minutes + 1)
    hours: dict[int, list[int]] = {}
    for moment in (nominal + timedelta(minutes=offset) for offset in spread):
        hours.setdefault(moment.hour, []).append(moment.minute)
    return [f"{minutes[0]}-{minutes[-1]} {hour} * * *" for hour, minutes in hours.items()]

"""What is wrong with the Dagster instance now: runs that hang, ticks that are late or fail, failed backfills."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import (
    InstigatorState,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickStatus,
)
from dagster._utils.schedules import cron_string_iterator

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.days import kst

TICKS_LATE: Final = timedelta(minutes=15)
"""How late the newest tick of a sensor or schedule may be: a busy or restarted daemon takes minutes."""
FAILED_IN_A_ROW: Final = 3
"""Ticks of a sensor that failed one after the other before it is said: one alone heals by the next, seconds later."""
BACKFILLS_SINCE: Final = timedelta(days=7)
LONGEST_BACKFILL: Final = timedelta(days=90)

_WAITING: Final = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def runs_stuck(instance: dg.DagsterInstance, now: datetime, *, after: timedelta, ui_url: str) -> list[Event]:
    """A run that has been running, or starting, for longer than ``after``; a queued one only where the queue stands.

    In a long backfill runs wait for days, and all is well as long as others start before them. One that starts at
    last has its time from then on.
    """
    recent = instance.get_run_records(dg.RunsFilter(updated_after=now - after))
    queue_moves = any(now - _instant(record.start_time) < after for record in recent if record.start_time)
    records = instance.get_run_records(dg.RunsFilter(statuses=_WAITING, created_before=now - after))
    stuck = []
    for record in records:
        run = record.dagster_run
        since = _since(record)
        if now - since < after or (run.status is DagsterRunStatus.QUEUED and queue_moves):
            continue
        partition = run.tags.get("dagster/partition", "")
        of = f"{run.job_name}{f' for {partition}' if partition else ''}"
        stuck.append(
            Event(
                id=event_id(Kind.RUN_STUCK, run.run_id, run.status),
                kind=Kind.RUN_STUCK,
                severity=Severity.CRITICAL,
                state=State.FIRING,
                source=run.job_name,
                subject=run.run_id,
                at=since + after,
                title=f"the run of {of} has been {run.status.value.lower()} for {_hours(now - since)}",
                error_class=run.status.value.lower(),
                cause=f"{run.status.value} since {kst(since)}",
                hint="look at it; if it hangs, terminate it and run the day again; if it waits, see what it waits for",
                run_id=run.run_id,
                run_url=f"{ui_url.rstrip('/')}/runs/{run.run_id}",
            )
        )
    return stuck


def _since(record: dg.RunRecord) -> datetime:
    """Since when a run has been what it is."""
    if record.start_time:
        return _instant(record.start_time)
    if record.dagster_run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED):
        return _with_zone(record.create_timestamp)
    return _with_zone(record.update_timestamp)


def not_ticking(instance: dg.DagsterInstance, now: datetime, names: frozenset[str]) -> list[Event]:
    """A sensor or schedule of ours that is on, and whose ticks are late or fail.

    Args:
        instance: the Dagster instance.
        now: with a zone.
        names: of our sensors and schedules; what an older version left in the instance is passed over.
    """
    if instance.schedule_storage is None:  # one in memory has none
        return []
    events = []
    for state in instance.all_instigator_state():
        if not state.is_running or state.name not in names:
            continue
        for error_class, cause in (*_failing(instance, state), *_late(instance, state, now)):
            events.append(
                Event(
                    id=event_id(Kind.NOT_TICKING, state.name, error_class, now),
                    kind=Kind.NOT_TICKING,
                    severity=Severity.CRITICAL,
                    state=State.FIRING,
                    source=state.name,
                    at=now,
                    title=f"{state.instigator_type.value.lower()} {state.name} does not do its work",
                    error_class=error_class,
                    cause=cause,
                    hint="see its ticks in the UI under Automation; restart the daemon if all of them are late",
                )
            )
    return events


_NOT_SKIPPED: Final = [TickStatus.SUCCESS, TickStatus.FAILURE]
"""Of a schedule, one that failed is said at once: the next one that does not skip comes a day later."""

_ENDED: Final = [*_NOT_SKIPPED, TickStatus.SKIPPED]
"""Of a sensor, one that is under way says nothing yet: the one that looks is among them."""


def _failing(instance: dg.DagsterInstance, state: InstigatorState) -> Iterator[tuple[str, str]]:
    if isinstance(state.instigator_data, SensorInstigatorData):
        enough, statuses = FAILED_IN_A_ROW, _ENDED
    else:
        enough, statuses = 1, _NOT_SKIPPED
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=enough, statuses=statuses)
    failed = [tick for tick in ticks if tick.status is TickStatus.FAILURE]
    if len(failed) == enough:
        error = failed[0].tick_data.error
        what = f"its last {enough} ticks" if enough > 1 else "its last tick"
        yield "failing", f"{what} failed: {error.message.strip() if error else 'no reason given'}"


def _late(instance: dg.DagsterInstance, state: InstigatorState, now: datetime) -> Iterator[tuple[str, str]]:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks:
        return  # just turned on: the daemon makes its state when it first ticks
    newest = _instant(ticks[0].timestamp)
    expected = _expected(state, now)
    if expected is not None and newest + TICKS_LATE < expected:
        yield "late", f"its last tick was at {kst(newest)}, and one was due at {kst(expected)}"


def _expected(state: InstigatorState, now: datetime) -> datetime | None:
    """When the newest tick should have been at the latest; None if none was due since it was turned on."""
    data = state.instigator_data
    if isinstance(data, SensorInstigatorData):
        due, turned_on = now - timedelta(seconds=data.min_interval or 30), data.last_sensor_start_timestamp
    elif isinstance(data, ScheduleInstigatorData):
        crons = [data.cron_schedule] if isinstance(data.cron_schedule, str) else list(data.cron_schedule)
        due = max(next(cron_string_iterator(now.timestamp(), cron, "Asia/Seoul", ascending=False)) for cron in crons)
        turned_on = data.start_timestamp
    else:
        return None
    return None if turned_on and due.timestamp() < turned_on else due.astimezone(UTC)


def backfills_failed(instance: dg.DagsterInstance, now: datetime, *, ui_url: str) -> list[Event]:
    """A backfill that ended badly lately: said once. The days that failed in it have events of their own."""
    filters = BulkActionsFilter(
        statuses=[BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED],
        created_after=now - BACKFILLS_SINCE - LONGEST_BACKFILL,
    )
    return [
        Event(
            id=event_id(Kind.BACKFILL_FAILED, backfill.backfill_id),
            kind=Kind.BACKFILL_FAILED,
            severity=Severity.WARNING,
            state=State.NOTICE,
            source="backfill",
            subject=backfill.backfill_id,
            at=_ended(backfill),
            title=f"backfill {backfill.backfill_id} ended with days that failed",
            error_class="backfill",
            cause=backfill.error.message if backfill.error else "some of its runs failed",
            hint="see which days are red; backfill those again",
            run_url=f"{ui_url.rstrip('/')}/runs/b/{backfill.backfill_id}",
        )
        for backfill in instance.get_backfills(filters=filters)
        if now - _ended(backfill) < BACKFILLS_SINCE
    ]


def _ended(backfill: PartitionBackfill) -> datetime:
    return _instant(backfill.backfill_end_timestamp or backfill.backfill_timestamp)


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} hours"

"""The runs that ended, as events: what failed in them, and what is good again because of them.

Read by a cursor of our own over the instance's run-status changes, never by ``run_failure_sensor``: that one drops an
alert that raises, and skips what failed before it was first turned on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster import DagsterEventType, RunStatusChangeRecordsFilter
from dagster._core.event_api import RunStatusChangeEventType
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.errors import TransientError

SETTLING: Final = timedelta(seconds=60)
"""The cursor stays before events younger than this: on Postgres a lower storage id may appear after a higher one, and
the tag that says whether a failed run is tried again is set after the failure. Reading an event twice does no harm."""

_ENDED: Final[tuple[RunStatusChangeEventType, ...]] = (
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
)
_LOOKED_AT: Final = {
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_RESTARTED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
_UI_JOB: Final = "__ASSET_JOB"  # what Dagster calls a run that was started from the asset graph


@dataclass(frozen=True)
class Read:
    """What one reading came to.

    Attributes:
        events: oldest run first.
        cursor: what is behind it is to be read again later, be it new or not settled yet.
        position: how far was read.
        more: whether there is more to read at once, from ``position``.
    """

    events: list[Event]
    cursor: str
    position: str
    more: bool


def read_ended_runs(
    instance: dg.DagsterInstance,
    cursor: str | None,
    position: str | None = None,
    *,
    ui_url: str,
    limit: int,
    now: datetime,
) -> Read:
    """The events of the runs that ended after ``cursor``, in the order in which they ended.

    Args:
        instance: the Dagster instance.
        cursor: of the last reading; None reads from the first run that there is.
        position: of the last reading, to go on with it at once.
        ui_url: where the UI is, for links.
        limit: status changes of each sort that are read at most.
        now: the time, with a zone.
    """
    settled_until: dict[str, int] = json.loads(cursor) if cursor else {}
    after: dict[str, int] = json.loads(position) if position else dict(settled_until)
    moving = after == settled_until  # the cursor never passes what is not settled
    changes: list[tuple[int, datetime, RunStatusChangeEventType, str]] = []
    horizon: int | None = None  # where one sort was cut off; later changes of the others wait, to keep the order
    for sort in _ENDED:
        found = instance.fetch_run_status_changes(
            RunStatusChangeRecordsFilter(sort, after_storage_id=after.get(sort.value, 0)), limit=limit, ascending=True
        )
        for record in found.records:
            at = datetime.fromtimestamp(record.timestamp, UTC)
            changes.append((record.storage_id, at, sort, record.run_id))
        if found.has_more and found.records:
            last = found.records[-1].storage_id
            horizon = last if horizon is None else min(horizon, last)

    events: list[Event] = []
    for storage_id, at, sort, run_id in sorted(changes, key=lambda change: change[0]):
        if horizon is not None and storage_id > horizon:
            break
        settled = now - at >= SETTLING
        moving = moving and settled
        after[sort.value] = storage_id
        if moving:
            settled_until[sort.value] = storage_id
        run = instance.get_run_by_id(run_id)
        if run is None:  # deleted meanwhile
            continue
        of_run = events_of_run(instance, run, at, ui_url=ui_url)
        if sort is DagsterEventType.RUN_FAILURE and _may_be_tried_again(instance, run, settled=settled):
            of_run = [event for event in of_run if event.state is not State.FIRING]
        events.extend(of_run)
    return Read(events, json.dumps(settled_until), json.dumps(after), more=horizon is not None)


def _may_be_tried_again(instance: dg.DagsterInstance, run: dg.DagsterRun, *, settled: bool) -> bool:
    """Whether Dagster starts the run again by itself, or has not yet said: then the last try is told, not this one."""
    said = run.tags.get(WILL_RETRY_TAG)
    if said is None:
        return bool(instance.run_retries_enabled) and not settled
    return said == "true"


def events_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: datetime, *, ui_url: str) -> list[Event]:
    """What a run that ended says: an event for every partition of every step that failed or is good again.

    A verdict other than MATCH is left out: the verdicts themselves are told, wherever they were come to.
    """
    told = _Run(instance, run, ended, f"{ui_url.rstrip('/')}/runs/{run.run_id}")
    return list(told.events())


@dataclass
class _Run:
    instance: dg.DagsterInstance
    run: dg.DagsterRun
    ended: datetime
    url: str
    planned: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Asset and partition by step; a run over a range has many partitions a step."""
    made: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When each asset and partition was materialized."""
    failed: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    succeeded: dict[str, datetime] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for entry in self.instance.all_logs(self.run.run_id, of_type=_LOOKED_AT):
            event = entry.get_dagster_event()
            at = datetime.fromtimestamp(entry.timestamp, UTC)
            step = event.step_key or ""
            match event.event_type:
                case DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                    self._plan(step, event.asset_materialization_planned_data)
                case DagsterEventType.ASSET_MATERIALIZATION:
                    made = event.step_materialization_data.materialization
                    self.made[made.asset_key.to_user_string(), made.partition or ""] = at
                case DagsterEventType.STEP_RESTARTED:
                    self.tries[step] += 1
                case DagsterEventType.STEP_SUCCESS:
                    self.succeeded[step] = at
                case DagsterEventType.STEP_FAILURE:
                    self.failed[step] = (at, event.step_failure_data)

    def _plan(self, step: str, planned: Any) -> None:
        partitions = list(planned.partitions_subset.get_partition_keys()) if planned.partitions_subset else []
        asset = planned.asset_key.to_user_string()
        self.planned.setdefault(step, []).extend((asset, key) for key in partitions or [planned.partition or ""])

    def events(self) -> Iterator[Event]:
        for (asset, partition), at in self.made.items():
            yield self._resolved(Kind.MATERIALIZATION_FAILED, asset, partition, at)
        for step, at in self.succeeded.items():
            if step not in self.planned:  # a step of a job without assets
                yield self._resolved(Kind.MATERIALIZATION_FAILED, self._step_of_job(step), self._partition, at)
        for step, (at, failure) in self.failed.items():
            yield from self._step_failure(step, at, failure)
        if self.run.status is dg.DagsterRunStatus.SUCCESS:
            for partition in self._partitions():
                yield self._resolved(Kind.RUN_FAILED, self._job, partition, self.ended)
        elif self.run.status is dg.DagsterRunStatus.FAILURE and not self.failed:
            yield from self._crash()

    def _step_failure(self, step: str, at: datetime, failure: Any) -> Iterator[Event]:
        said = failure.user_failure_data
        metadata: Mapping[str, Any] = {name: value.value for name, value in said.metadata.items()} if said else {}
        if "verdict" in metadata:
            return
        error_class, retry_helps = metadata.get("error_class"), metadata.get("retry_helps")
        cause = str(metadata.get("cause") or (said and said.description) or "")
        if not cause:  # not a failure that we made: the framework's, or the last of the tries that a provider asked for
            error = _innermost(failure.error)
            retry_helps = error.cls_name == TransientError.__name__
            error_class = "provider" if retry_helps else "unexpected"
            cause = error.message
        concerned = self.planned.get(step) or [(self._step_of_job(step), self._partition)]
        for source, partition in concerned:
            if (source, partition) in self.made:
                continue
            yield Event(
                id=event_id("step_failure", self.run.run_id, step, source, partition),
                kind=Kind.MATERIALIZATION_FAILED,
                severity=Severity.WARNING if retry_helps else Severity.CRITICAL,
                state=State.FIRING,
                source=source,
                subject=partition,
                at=at,
                title=f"{source} failed for {partition}" if partition else f"{source} failed",
                error_class=str(error_class or "unexpected"),
                cause=cause,
                retry_helps=retry_helps if isinstance(retry_helps, bool) else None,
                hint=str(metadata.get("hint") or ""),
                attempt=self._attempt(step),
                run_id=self.run.run_id,
                run_url=self.url,
            )

    def _crash(self) -> Iterator[Event]:
        ended = self.instance.all_logs(self.run.run_id, of_type=DagsterEventType.RUN_FAILURE)
        event = ended[-1].get_dagster_event() if ended else None
        cause = (event.message or "") if event else ""
        for partition in self._partitions():
            yield Event(
                id=event_id("run_failed", self.run.run_id, partition),
                kind=Kind.RUN_FAILED,
                severity=Severity.CRITICAL,
                state=State.FIRING,
                source=self._job,
                subject=partition,
                at=self.ended,
                title=f"the run of {self._job}{f' for {partition}' if partition else ''} ended badly",
                error_class="crash",
                cause=cause or "its process ended without a word",
                retry_helps=True,
                hint="look at the run's own log; where it was killed for want of memory, run fewer at once",
                attempt=self._attempt(""),
                run_id=self.run.run_id,
                run_url=self.url,
            )

    def _resolved(self, kind: Kind, source: str, subject: str, at: datetime) -> Event:
        return Event(
            id=event_id("resolved", kind, self.run.run_id, source, subject),
            kind=kind,
            severity=Severity.INFO,
            state=State.RESOLVED,
            source=source,
            subject=subject,
            at=at,
            title=f"{source} is good again{f' for {subject}' if subject else ''}",
            run_id=self.run.run_id,
            run_url=self.url,
        )

    def _attempt(self, step: str) -> int:
        retried_runs = int(self.run.tags.get("dagster/retry_number", "0"))
        return 1 + retried_runs + self.tries[step]

    @property
    def _job(self) -> str:
        return "daily" if self.run.job_name == _UI_JOB else self.run.job_name

    def _step_of_job(self, step: str) -> str:
        return f"{self._job}/{step}"

    @property
    def _partition(self) -> str:
        return self.run.tags.get("dagster/partition", "")

    def _partitions(self) -> Sequence[str]:
        planned = sorted({partition for of_step in self.planned.values() for _, partition in of_step})
        return planned or [self._partition]


def _innermost(error: SerializableErrorInfo) -> SerializableErrorInfo:
    while error.cause is not None:
        error = error.cause
    return error

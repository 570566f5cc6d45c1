"""The runs that ended, as events: what failed in them, and what is good again because of them.

Read by a cursor of our own over the instance's run-status changes, never by ``run_failure_sensor``: that one drops an
alert that raises, and skips what failed before it was first turned on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import dagster as dg
from dagster import DagsterEventType, RunStatusChangeRecordsFilter
from dagster._core.event_api import RunStatusChangeEventType
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy.exc import SQLAlchemyError

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.defs.periods import is_of_a_period
from lumen_assets.defs.started_again import STARTED_AGAIN_WITHIN
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
class Cursor:
    """How far the ended runs were read.

    Attributes:
        after: by sort of status change, the storage id behind which is to be read.
        awaited: when each run failed that Dagster is to start again by itself; told if nothing comes of that.
    """

    after: dict[str, int]
    awaited: dict[str, datetime]

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """The cursor of a text that ``str`` made; None is before the first run that there is."""
        content = json.loads(text) if text else {}
        awaited = {run_id: datetime.fromisoformat(at) for run_id, at in content.get("awaited", {}).items()}
        return cls(content.get("after", {}), awaited)

    def __str__(self) -> str:
        awaited = {run_id: at.isoformat() for run_id, at in self.awaited.items()}
        return json.dumps({"after": self.after, "awaited": awaited})


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
    until: Callable[[], bool] = lambda: False,
) -> Read:
    """The events of the runs that ended after ``cursor``, in the order in which they ended.

    Args:
        instance: the Dagster instance.
        cursor: of the last reading; None reads from the first run that there is.
        position: of the last reading, to go on with it at once.
        ui_url: where the UI is, for links.
        limit: status changes of each sort that are read at most.
        now: the time, with a zone.
        until: whether the time is over, asked after each run.
    """
    settled = Cursor.parse(cursor)
    after = Cursor.parse(position).after if position else dict(settled.after)
    moving = after == settled.after  # the cursor never passes what is not settled
    events = _of_awaited(instance, settled.awaited, now, ui_url=ui_url)
    changes, more = _changes(instance, after, limit)
    for number, change in enumerate(changes, 1):
        moving = moving and now - change.at >= SETTLING
        after[change.sort.value] = change.storage_id
        if moving:
            settled.after[change.sort.value] = change.storage_id
        events.extend(_of_change(instance, change, settled.awaited, now, ui_url=ui_url))
        if number < len(changes) and until():
            more = True
            break
    return Read(events, str(settled), str(Cursor(after, {})), more)


@dataclass(frozen=True)
class _Change:
    storage_id: int
    at: datetime
    sort: RunStatusChangeEventType
    run_id: str


def _changes(instance: dg.DagsterInstance, after: Mapping[str, int], limit: int) -> tuple[list[_Change], bool]:
    """The next changes in the order in which they were stored, and whether there are more of them."""
    changes: list[_Change] = []
    horizon: int | None = None  # where one sort was cut off; later changes of the others wait, to keep the order
    for sort in _ENDED:
        found = instance.fetch_run_status_changes(
            RunStatusChangeRecordsFilter(sort, after_storage_id=after.get(sort.value, 0)), limit=limit, ascending=True
        )
        for record in found.records:
            changes.append(
                _Change(record.storage_id, datetime.fromtimestamp(record.timestamp, UTC), sort, record.run_id)
            )
        if found.has_more and found.records:
            last = found.records[-1].storage_id
            horizon = last if horizon is None else min(horizon, last)
    changes.sort(key=lambda change: change.storage_id)
    within = [change for change in changes if horizon is None or change.storage_id <= horizon]
    return within, horizon is not None


def _of_change(
    instance: dg.DagsterInstance, change: _Change, awaited: dict[str, datetime], now: datetime, *, ui_url: str
) -> list[Event]:
    """The events of one run; those of a failure that Dagster tries again are awaited instead."""
    run = _run_or_why_not(instance, change.run_id)
    if isinstance(run, Exception):
        return [_unreadable(change.run_id, change.at, run, ui_url)]
    if run is None:  # deleted meanwhile
        return []
    events = _events_or_why_not(instance, run, change.at, ui_url=ui_url)
    if change.sort is DagsterEventType.RUN_FAILURE:
        tried_again = run.tags.get(WILL_RETRY_TAG)
        if tried_again == "true":
            awaited[run.run_id] = change.at
        not_said_yet = tried_again is None and instance.run_retries_enabled and now - change.at < SETTLING
        if tried_again == "true" or not_said_yet:
            events = [event for event in events if event.state is not State.FIRING]
    return events


def _of_awaited(
    instance: dg.DagsterInstance, awaited: dict[str, datetime], now: datetime, *, ui_url: str
) -> list[Event]:
    """The failures of runs that Dagster was to start again, and did not, or whose next try was canceled or deleted."""
    events: list[Event] = []
    for run_id, failed_at in list(awaited.items()):
        run = _run_or_why_not(instance, run_id)
        if isinstance(run, Exception):
            events.append(_unreadable(run_id, failed_at, run, ui_url))
        elif run is not None:
            outcome = _next_try(instance, run)
            if outcome is _NextTry.GOES_ON or (outcome is _NextTry.NONE and now - failed_at < STARTED_AGAIN_WITHIN):
                continue
            if outcome is not _NextTry.ENDED:  # one that ended speaks for itself
                events.extend(_events_or_why_not(instance, run, failed_at, ui_url=ui_url))
        del awaited[run_id]
    return events


class _NextTry(Enum):
    NONE = auto()
    """There is none yet."""
    GONE = auto()
    """There will be none that tells anything: it was canceled or deleted, could not be started, or cannot be read."""
    GOES_ON = auto()
    ENDED = auto()


def _next_try(instance: dg.DagsterInstance, run: dg.DagsterRun) -> _NextTry:
    if run.tags.get(WILL_RETRY_TAG) != "true":  # Dagster took its word back
        return _NextTry.GONE
    of_run = run.tags.get(AUTO_RETRY_RUN_ID_TAG)
    if of_run is None:
        return _NextTry.NONE
    following = _run_or_why_not(instance, of_run)
    if not isinstance(following, dg.DagsterRun) or following.status is dg.DagsterRunStatus.CANCELED:
        return _NextTry.GONE
    return _NextTry.ENDED if following.is_finished else _NextTry.GOES_ON


def _run_or_why_not(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun | Exception | None:
    """A run, or why it cannot be read: it must not keep the others from being told. None if it was deleted."""
    try:
        return instance.get_run_by_id(run_id)
    except SQLAlchemyError:  # the instance is away, which the next tick may mend
        raise
    except Exception as error:
        return error


def _events_or_why_not(
    instance: dg.DagsterInstance, run: dg.DagsterRun, ended: datetime, *, ui_url: str
) -> list[Event]:
    """The events of a run; of one that cannot be read, that it cannot: it must not keep the others from being told."""
    try:
        return events_of_run(instance, run, ended, ui_url=ui_url)
    except SQLAlchemyError:  # the instance is away, which the next tick may mend
        raise
    except Exception as error:
        return [_unreadable(run.run_id, ended, error, ui_url, _job_of(run), run.tags.get("dagster/partition", ""))]


def _unreadable(
    run_id: str, ended: datetime, error: Exception, ui_url: str, job: str = "a job", partition: str = ""
) -> Event:
    return Event(
        id=event_id("unreadable", run_id),
        kind=Kind.RUN_FAILED,
        severity=Severity.WARNING,
        state=State.FIRING,
        source=job,
        subject=partition,
        at=ended,
        title=f"a run of {job}{f' for {partition}' if partition else ''} cannot be read",
        error_class="unreadable",
        cause=f"{type(error).__name__} while it was read",
        retry_helps=False,
        hint="look at the run in the UI; another version of Dagster may have written it",
        run_id=run_id,
        run_url=_url_of(run_id, ui_url),
    )


def events_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: datetime, *, ui_url: str) -> list[Event]:
    """What a run that ended says: an event for every partition of every step that failed or is good again.

    A verdict other than MATCH is left out: the verdicts themselves are told, wherever they were come to.
    """
    return list(_Run(instance, run, ended, _url_of(run.run_id, ui_url)).events())


def _url_of(run_id: str, ui_url: str) -> str:
    return f"{ui_url.rstrip('/')}/runs/{run_id}"


def _job_of(run: dg.DagsterRun) -> str:
    """The job that is told: a run of a day's assets from the asset graph counts as the daily job's."""
    if run.job_name != _UI_JOB:
        return run.job_name
    return "daily" if _RUN_OF_DAYS & run.tags.keys() and not is_of_a_period(run) else "assets"


_RUN_OF_DAYS: Final = {"dagster/partition", "dagster/asset_partition_range_start"}


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
            retry_helps = error is not None and error.cls_name == TransientError.__name__
            error_class = "provider" if retry_helps else "unexpected"
            cause = error.message if error else "it gave no reason"
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
        retried = self.run.tags.get(RETRY_NUMBER_TAG, "")  # anybody may have set it
        return 1 + (int(retried) if retried.isdecimal() else 0) + self.tries[step]

    @property
    def _job(self) -> str:
        return _job_of(self.run)

    def _step_of_job(self, step: str) -> str:
        return f"{self._job}/{step}"

    @property
    def _partition(self) -> str:
        return self.run.tags.get("dagster/partition", "")

    def _partitions(self) -> Sequence[str]:
        """Its partitions; the empty one, which stands for all, only of a run that has no other."""
        planned = {partition for of_step in self.planned.values() for _, partition in of_step} - {""}
        return sorted(planned) or [self._partition]


def _innermost(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    while error is not None and error.cause is not None:
        error = error.cause
    return error

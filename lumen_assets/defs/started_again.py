"""Failed runs that Dagster said it starts again by itself, and whether it will."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster import DagsterEventType
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._daemon.auto_run_reexecution.event_log_consumer import _create_cursor_key

STARTED_AGAIN_WITHIN: Final = timedelta(minutes=10)
"""How long Dagster is given to start a run again that it said it would: it may fail to, and says so in its log only."""


def to_be_started_again(
    instance: dg.DagsterInstance, records: Iterable[dg.RunRecord], now: datetime
) -> list[dg.RunRecord]:
    """Those of some runs that failed and that Dagster's daemon starts again, or did since they were read.

    The daemon looks at each failure once. Where it comes upon the event before the run itself says that it failed, it
    takes it for one that goes on, and never starts it again although the run's tags promise that it will: then nobody
    waits for it here. It was seen to on a busy machine; https://github.com/dagster-io/dagster/issues/33741 counts
    such runs, of another cause.
    """
    promised = [record for record in records if _is_promised(record, now)]
    if not promised:
        return []
    ahead = _failures_ahead(instance)
    return [record for record in promised if record.dagster_run.run_id in ahead or _started_again(instance, record)]


def _is_promised(record: dg.RunRecord, now: datetime) -> bool:
    tags, ended = record.dagster_run.tags, record.end_time
    said_so = tags.get(WILL_RETRY_TAG) == "true" and AUTO_RETRY_RUN_ID_TAG not in tags
    return said_so and ended is not None and now - datetime.fromtimestamp(ended, UTC) < STARTED_AGAIN_WITHIN


def _failures_ahead(instance: dg.DagsterInstance) -> set[str]:
    """The runs whose failure the daemon has yet to look at. It moves its cursor when it is done with what it read.

    Before its first turn it has none, and what is there then it never looks at.
    """
    failure = DagsterEventType.RUN_FAILURE
    key = _create_cursor_key(failure)
    cursor = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    if cursor is None:
        return set()
    events = instance.event_log_storage.get_logs_for_all_runs_by_log_id(int(cursor), failure)
    return {event.run_id for event in events.values()}


def _started_again(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether the daemon did it meanwhile; asked after ``_failures_ahead``, for until then it may do it."""
    run = instance.get_run_by_id(record.dagster_run.run_id)
    return run is not None and AUTO_RETRY_RUN_ID_TAG in run.tags

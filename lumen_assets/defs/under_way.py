"""Runs that have not ended: which there are, and ending those whose process is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import dagster as dg

from lumen_assets.days import parse_day
from lumen_assets.defs.periods import is_of_a_period

UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""The statuses of a run that has not ended."""

_PARTITION: Final = "dagster/partition"


def runs_under_way(
    instance: dg.DagsterInstance, tags: Mapping[str, str | list[str]] | None = None
) -> dict[date, list[dg.DagsterRun]]:
    """The runs of a day that have not ended, whoever started them, by day.

    Args:
        instance: the Dagster instance.
        tags: those that the runs must have.
    """
    found: dict[date, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY, tags=tags)):
        if _PARTITION in run.tags and not is_of_a_period(run):
            found.setdefault(parse_day(run.tags[_PARTITION]), []).append(run)
    return found


def runs_of_day_under_way(
    instance: dg.DagsterInstance, day: date, tags: Mapping[str, str] | None = None
) -> list[dg.DagsterRun]:
    """The same of one day."""
    return runs_under_way(instance, {_PARTITION: day.isoformat(), **(tags or {})}).get(day, [])


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str, *, canceled: bool = False) -> None:
    """End a run that nobody works on any more, as failed or as canceled, and free what it held.

    Args:
        instance: the Dagster instance.
        run: one that has not ended.
        why: for people, in its log.
        canceled: whether a person wanted it to end.
    """
    (instance.report_run_canceled if canceled else instance.report_run_failed)(run, why)
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)

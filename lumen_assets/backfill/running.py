"""A backfill from the choice of its days to what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from lumen_assets.backfill.choosing import Choice, choose
from lumen_assets.backfill.processes import Ended, Event, Lost, Stop, make_days
from lumen_assets.backfill.tags import BACKFILL
from lumen_assets.defs.own_runs import at_work, end_dead_runs
from lumen_assets.defs.under_way import end_run, runs_of_day_under_way, runs_under_way
from lumen_assets.workspace import Workspace


@dataclass
class Result:
    """What became of the days.

    Attributes:
        choice: what was to be made.
        done: made now, and attested within the policy; in the order in which they ended.
        failed: why, by asset, by day.
        skipped: why, by day: something else was at work on it, or a place that did not answer may have it.
        made_elsewhere: those of them that are attested within the policy in the end.
        runs: the ids of the Dagster runs.
        seconds: how long the whole took.
    """

    choice: Choice
    done: list[date] = field(default_factory=list)
    failed: dict[date, dict[str, str]] = field(default_factory=dict)
    skipped: dict[date, str] = field(default_factory=dict)
    made_elsewhere: set[date] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def left(self) -> list[date]:
        """What was to be made and was not begun, or not ended, oldest first."""
        return [
            day
            for day in self.choice.missing
            if day not in self.failed and day not in self.skipped and day not in set(self.done)
        ]

    @property
    def ok(self) -> bool:
        """Whether nothing failed, nothing is left, and what was skipped was made by somebody else."""
        return not self.failed and not self.left and self.skipped.keys() <= self.made_elsewhere

    @property
    def days_per_minute(self) -> float:
        """Days that were made a minute."""
        return 60 * len(self.done) / self.seconds if self.seconds else 0.0


def choose_days(
    workspace: Workspace, instance: dg.DagsterInstance, asked: tuple[date, ...], *, absent_only: bool = False
) -> Choice:
    """Which of the days need a run; those whose process died without a word are among them again.

    Args:
        workspace: the installation.
        instance: its Dagster instance.
        asked: from ``days_asked``.
        absent_only: whether a day that any place has is left alone, whatever is known of its replicas. Then a day that
            was not found while a place did not answer is skipped: that one may have it.
    """
    end_dead_runs(workspace, instance)
    skipped = {day: at_work(runs[0]) for day, runs in runs_under_way(instance).items()}
    good = workspace.good_days(asked[0], asked[-1])
    if absent_only:
        found, silent = workspace.newest_manifests(asked[0], asked[-1])
        good |= found.keys()
        why = f"{' and '.join(silent)} did not answer and may have it"
        skipped |= {day: why for day in asked if silent and day not in good}
    return choose(asked, good, skipped)


def run_backfill(
    workspace: Workspace,
    instance: dg.DagsterInstance,
    choice: Choice,
    backfill: str,
    *,
    workers: int,
    stop: Stop,
    listener: Callable[[Event], None],
) -> Result:
    """Make the missing days; none that fails keeps another from being made.

    Args:
        workspace: the installation.
        instance: its Dagster instance.
        choice: from ``choose_days``.
        backfill: an id, which the runs are tagged with.
        workers: how many processes at most.
        stop: by what it is ended early.
        listener: called with every event.

    Raises:
        TransientError: if no worker can be started.
    """
    result, started = Result(choice, skipped=dict(choice.skipped)), time.monotonic()
    try:
        for event in make_days(choice.missing, workers=workers, arguments=[backfill], stop=stop):
            if isinstance(event, Ended):
                _note(event, result)
            elif isinstance(event, Lost):
                for run in runs_of_day_under_way(instance, event.day, {BACKFILL: backfill}):
                    end_run(instance, run, f"Its process {event.cause}.")
                    result.runs.append(run.run_id)
                if not event.again:
                    result.failed[event.day] = {"worker": f"its process {event.cause}, twice"}
            listener(event)
    finally:  # whoever is at work on them now was ended at once
        for runs in runs_under_way(instance, {BACKFILL: backfill}).values():
            for run in runs:
                end_run(instance, run, "`lumen backfill` was ended.", canceled=True)
        result.seconds = time.monotonic() - started
    if result.skipped:
        result.made_elsewhere = result.skipped.keys() & workspace.good_days(min(result.skipped), max(result.skipped))
    return result


def _note(event: Ended, result: Result) -> None:
    result.runs += event.runs
    if event.skipped:
        result.skipped[event.day] = event.skipped
    elif event.failures:
        result.failed[event.day] = dict(event.failures)
    else:
        result.done.append(event.day)

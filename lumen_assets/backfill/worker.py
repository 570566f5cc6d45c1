"""A worker process: imports Dagster and the SDKs once, then makes one day after the other (see ``processes``)."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import time
from datetime import date
from typing import Any, Final, TextIO

import dagster as dg

from lumen_assets.backfill.tags import BACKFILL, lock_of
from lumen_assets.days import parse_day
from lumen_assets.defs.day_runs import DayRunner, open_instance
from lumen_assets.defs.own_runs import at_work, end_dead_runs
from lumen_assets.defs.under_way import runs_of_day_under_way
from lumen_assets.outcomes import Outcome
from lumen_assets.settings import load_settings
from lumen_assets.state import keep_connections
from lumen_assets.workspace import Workspace

_GARBAGE: Final = 10_000
"""Objects that are made before garbage is looked for among them: Python's 700 is a fiftieth of a day's time."""


def main() -> None:
    """Make every day that is asked for on standard input, until that ends."""
    parent = _Parent()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[parent])
    keep_connections()
    workspace = Workspace(load_settings())
    with open_instance(workspace) as instance:
        runner = DayRunner(workspace, instance, tags={BACKFILL: sys.argv[1]})
        gc.freeze()  # what is there now stays: garbage is looked for among what a day makes
        gc.set_threshold(_GARBAGE)
        parent.tell(ready=True)
        for line in sys.stdin:
            day = parse_day(json.loads(line)["day"])
            started = time.monotonic()
            parent.tell(ended=day.isoformat(), **make_day(day, workspace, instance, runner), seconds=_since(started))


def make_day(day: date, workspace: Workspace, instance: dg.DagsterInstance, runner: DayRunner) -> dict[str, Any]:
    """Make a day, unless that has become needless, or another process's business, since it was chosen."""
    with workspace.locked_if_free(lock_of(day)) as ours:
        if not ours:
            return _skipped("another `lumen backfill` is at work on it")
        if day in workspace.good_days(day, day):
            return _skipped("it was made meanwhile")
        end_dead_runs(workspace, instance)
        under_way = runs_of_day_under_way(instance, day)
        if under_way:
            return _skipped(at_work(under_way[0]))
        workspace.ask_again()
        outcome = runner.run(day)
    return {"skipped": "", "failures": _failures(outcome), "runs": list(outcome.runs.values())}


def _skipped(why: str) -> dict[str, Any]:
    return {"skipped": why, "failures": {}, "runs": []}


def _failures(outcome: Outcome) -> dict[str, str]:
    if outcome.ok or outcome.failures:
        return outcome.failures
    found = outcome.materialized["attestation"]
    return {"attestation": f"{found['good']} of {found['destinations']} replicas good, {found['required']} required"}


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


class _Parent(logging.Handler):
    """The way to who started us; also where warnings go. Anything else that is printed goes to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._pipe: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(self, **message: object) -> None:
        """Send a message; ends the process where nobody is there to read it."""
        try:
            self._pipe.write(json.dumps(message) + "\n")
            self._pipe.flush()
        except BrokenPipeError:
            os._exit(1)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a warning."""
        self.tell(said=self.format(record))


if __name__ == "__main__":
    main()

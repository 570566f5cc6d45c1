"""A day's runs in this process, on the installation's own instance: what the commands that run something share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.utils import make_new_run_id

from lumen_assets.definitions import build_defs
from lumen_assets.defs.attestation import came_to_attestation
from lumen_assets.defs.instance import prepare_instance
from lumen_assets.defs.own_runs import end_dead_runs, held, own_tags
from lumen_assets.defs.periods import JOBS
from lumen_assets.defs.sensors import ATTESTED_BY_CALLER
from lumen_assets.defs.storage import open_instance_in
from lumen_assets.defs.withheld import withheld_in
from lumen_assets.outcomes import STEPS, Outcome
from lumen_assets.report.periods import Period
from lumen_assets.settings import Settings
from lumen_assets.workspace import Workspace

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def open_instance(workspace: Workspace) -> Iterator[dg.DagsterInstance]:
    """The installation's instance, with its tables."""
    folder = prepare_instance(workspace.settings.dagster_home)
    with workspace.locked("instance"):  # the tables are made on first use, which two processes cannot do at once
        instance = open_instance_in(folder)
        instance.get_runs_count()
    with instance:
        yield instance


class DayRunner:
    """Runs days, one after the other, and what is made of several: the definitions are built once.

    Before each run, those whose process was killed are ended: what they held is free again.

    Args:
        workspace: the installation.
        instance: its Dagster instance.
        listener: called with every event as it happens, if there is one.
        tags: of every run, besides those of a command's own runs.
        verbose: whether Dagster's own log is shown.

    Attributes:
        runs: the runs of the newest day, by job; also where that day ended with an error.
    """

    def __init__(
        self,
        workspace: Workspace,
        instance: dg.DagsterInstance,
        *,
        listener: Callable[[dg.EventLogEntry], None] | None = None,
        tags: Mapping[str, str] | None = None,
        verbose: bool = False,
    ) -> None:
        self._workspace = workspace
        self._instance = instance
        self._listener = listener
        self._tags = {**ATTESTED_BY_CALLER, **own_tags(), **(tags or {})}
        self._run_config = {} if verbose else _QUIET
        self._definitions = build_defs(workspace)
        self.runs: dict[str, str] = {}

    def run(self, day: date, until: str | None = None) -> Outcome:
        """Run a day, and its attestation in a run of its own where the day's did not come to it.

        Args:
            day: the KST day.
            until: the last of ``STEPS`` to run; None: all, and the attestation.
        """
        settings = self._workspace.settings
        started, frozen = datetime.now(UTC), (settings.archive_folder / day.isoformat()).exists()
        self.runs = {}
        events = self._run_job("daily", day, _selection(settings, until) if until else None)
        attests = until is None and not settings.configuration.dry_run  # which has no replicas to count
        if attests and not came_to_attestation(events):
            if frozen or "archive" in _made_and_failed(events)[0]:
                events += self._run_job("attest", day)
            else:
                self._workspace.ping(day, "fail")  # there is nothing to attest, and that is a failure already
        newest = self._workspace.ledger.newest(day, day).get(day, {})
        verdicts = {name: found for name, found in newest.items() if found.at >= started}  # what this run proved
        materialized, failures = _made_and_failed(events)
        return Outcome(day, self.runs, materialized, failures, verdicts, withheld=withheld_in(events))

    def send(self, day: date, *, again: bool) -> Outcome:
        """Distribute the report of a frozen day alone, however long ago that was, as a person asked for it.

        Args:
            day: the KST day.
            again: whether mails that are in doubt are sent once more.
        """
        self.runs = {}
        config = {"ops": {"distribution": {"config": {"old_days": True, "again": again}}}}
        events = self._run_job("daily", day, [dg.AssetKey("distribution")], config)
        return Outcome(day, self.runs, *_made_and_failed(events), {}, withheld=withheld_in(events))

    def report_on(self, period: Period) -> Outcome:
        """Make the report of a week or month; what it came to is of the period's first day, its partition key."""
        self.runs = {}
        events = self._run_job(JOBS[period.kind], period.first)
        return Outcome(period.first, self.runs, *_made_and_failed(events), {})

    def _run_job(
        self,
        job_name: str,
        day: date,
        selection: list[dg.AssetKey] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> list[dg.DagsterEvent]:
        end_dead_runs(self._workspace, self._instance)
        run_id = self.runs[job_name] = make_new_run_id()
        if self._listener is not None:
            self._instance.add_event_listener(run_id, self._listener)
        with held(self._workspace, run_id):
            result = self._definitions.resolve_job_def(job_name).execute_in_process(
                instance=self._instance,
                partition_key=day.isoformat(),
                run_id=run_id,
                raise_on_error=False,
                tags=self._tags,
                asset_selection=selection,
                run_config={**self._run_config, **(config or {})},
            )
        return list(result.all_events)


def _selection(settings: Settings, until: str) -> list[dg.AssetKey]:
    destinations = list(settings.configuration.destinations)
    keys = {
        "report": [dg.AssetKey(name) for name in ("telemetry", "grafana_snapshot", "report")],
        "pdf": [dg.AssetKey("report_pdf")],
        "freeze": [dg.AssetKey("archive")],
        "upload": [dg.AssetKey(["replica", name]) for name in destinations],
        "verify": [dg.AssetKey(["verification", name]) for name in destinations],
    }
    steps = STEPS[: STEPS.index(until) + 1]
    return [key for step in steps for key in keys[step]]


def _made_and_failed(events: Sequence[dg.DagsterEvent]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Metadata by asset, and causes by asset."""
    materialized: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    for event in events:
        if event.is_step_materialization and event.asset_key:
            metadata = event.step_materialization_data.materialization.metadata
            materialized[event.asset_key.to_user_string()] = {key: value.value for key, value in metadata.items()}
        elif event.is_step_failure:
            failures[_step(event)] = _cause(event.step_failure_data)
    return materialized, failures


def _step(event: dg.DagsterEvent) -> str:
    """The asset key that a step materializes, as the UI writes it."""
    return str(event.step_key).replace("__", "/")


def _cause(data: StepFailureData) -> str:
    """What our failure says, else the innermost exception: Dagster wraps the last of several tries."""
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"

"""Runs that Dagster starts again by itself: its own tags, its own daemon's code, its own launcher."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.remote_representation.external import RemoteJob
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

from lumen_assets.alerting.events import Kind, State
from lumen_assets.defs.alerts.runs import SETTLING, Read, read_ended_runs
from lumen_assets.defs.started_again import STARTED_AGAIN_WITHIN, to_be_started_again

pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")
"""Dagster's daemon says by it that it has no cursor yet."""

DAY = "2026-03-01"
INSTANCE = """
telemetry: {enabled: false}
run_retries: {enabled: true, max_retries: 1}
run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
CODE = """
import pathlib
import dagster as dg

@dg.asset(key=["replica", "cloud"], partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-12-31"))
def replica() -> None:
    if pathlib.Path(__file__).with_name("broken").exists():
        raise dg.Failure("away", metadata={"error_class": "network", "retry_helps": True})

defs = dg.Definitions(
    assets=[replica], jobs=[dg.define_asset_job("daily", [replica])], executor=dg.in_process_executor
)
"""


@dataclass(frozen=True)
class Deployment:
    """An instance, and the code that its runs are of."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    broken: Path
    """The asset fails while there is such a file."""

    @property
    def job(self) -> RemoteJob:
        (location,) = self.workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        return repository.get_full_job("daily")

    def run(self) -> str:
        """A run as the daemon starts it; it has ended."""
        run = self.instance.create_run_for_job(
            _definitions().resolve_job_def("daily"),
            tags={"dagster/partition": DAY},
            remote_job_origin=self.job.get_remote_origin(),
            job_code_origin=self.job.get_python_origin(),
        )
        self.instance.launch_run(run.run_id, self.workspace.create_request_context())
        return run.run_id

    def daemon_looks(self) -> None:
        """What Dagster's daemon does about runs that failed, with all of them, as it may at any time."""
        records = self.instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        list(consume_new_runs_for_automatic_reexecution(self.workspace, records, logging.getLogger("daemon")))

    def daemon_turns(self) -> None:
        """A turn of the part of Dagster's daemon that reads of runs that ended, with its own cursor."""
        list(EventLogConsumerDaemon().run_iteration(self.workspace))

    def records(self) -> list[dg.RunRecord]:
        return list(self.instance.get_run_records())

    def awaited(self, records: list[dg.RunRecord], after: timedelta = timedelta()) -> list[str]:
        found = to_be_started_again(self.instance, records, datetime.now(UTC) + after)
        return [record.dagster_run.run_id for record in found]

    def read(self, cursor: str | None = None, after: timedelta = 2 * SETTLING) -> Read:
        now = datetime.now(UTC) + after
        return read_ended_runs(self.instance, cursor, ui_url="http://ui", limit=100, now=now)

    def tries(self) -> list[dg.DagsterRun]:
        return sorted(self.instance.get_runs(), key=lambda run: run.tags.get("dagster/retry_number", "0"))


def _definitions() -> dg.Definitions:
    found: dict[str, dg.Definitions] = {}
    exec(compile(CODE, "code", "exec"), found)  # noqa: S102 - ours, from above
    return found["defs"]


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    code = tmp_path / "code_of_the_test.py"
    code.write_text(CODE)
    (tmp_path / "broken").touch()
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(code), attribute="defs"))
    with (
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
    ):
        yield Deployment(instance, workspace, tmp_path / "broken")


def test_a_try_that_succeeds_leaves_nothing_to_tell(deployment: Deployment) -> None:
    deployment.run()
    (first,) = deployment.tries()
    assert first.tags["dagster/will_retry"] == "true"
    waiting = deployment.read()
    assert waiting.events == []
    deployment.broken.unlink()
    deployment.daemon_looks()
    _, second = deployment.tries()
    assert second.is_success
    told = deployment.read(waiting.cursor, timedelta(days=1))
    assert {event.state for event in told.events} == {State.RESOLVED}
    assert (Kind.MATERIALIZATION_FAILED, "replica/cloud") in {(event.kind, event.source) for event in told.events}


def test_the_last_try_is_told_alone_with_its_number(deployment: Deployment) -> None:
    deployment.run()
    waiting = deployment.read()
    assert waiting.events == []
    deployment.daemon_looks()
    _, second = deployment.tries()
    assert second.tags["dagster/will_retry"] == "false"
    told = deployment.read(waiting.cursor, timedelta(days=1))
    assert [(event.run_id, event.attempt, event.state) for event in told.events] == [(second.run_id, 2, State.FIRING)]
    deployment.daemon_looks()
    assert len(deployment.tries()) == 2
    assert deployment.read(told.cursor, timedelta(days=2)).events == []


def test_where_the_daemon_fails_to_start_it_again_it_is_told_at_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = deployment.run()
    waiting = deployment.read()

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("no code server")

    monkeypatch.setattr(type(deployment.instance), "create_reexecuted_run", refused)
    deployment.daemon_looks()
    assert [event.run_id for event in deployment.read(waiting.cursor).events] == [run_id]


def test_where_the_daemon_gives_up_without_a_word_it_is_told_after_a_while(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a job that was renamed, or a backfill that was canceled: the tag goes on to say that it will."""
    run_id = deployment.run()
    waiting = deployment.read()
    with monkeypatch.context() as renamed:
        renamed.setattr("dagster._core.remote_representation.external.RemoteRepository.has_job", lambda *_: False)
        deployment.daemon_looks()
    (first,) = deployment.tries()
    assert first.tags["dagster/will_retry"] == "true"
    soon = deployment.read(waiting.cursor)
    assert soon.events == []
    told = deployment.read(soon.cursor, STARTED_AGAIN_WITHIN + SETTLING)
    assert [event.run_id for event in told.events] == [run_id]


def test_it_is_waited_for_until_the_daemon_has_looked(deployment: Deployment) -> None:
    deployment.daemon_turns()
    run_id = deployment.run()
    before = deployment.records()
    assert deployment.awaited(before) == [run_id]
    deployment.daemon_turns()
    assert len(deployment.tries()) == 2
    assert deployment.awaited(before) == [run_id], "it was started again since that was read"
    assert deployment.awaited(deployment.records()) == [], "the second try is one of its own"


def test_it_is_not_waited_for_where_the_daemon_came_upon_it_too_soon(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the event of its failure and the run's own status, which Dagster writes one after the other."""
    deployment.daemon_turns()
    write = deployment.instance.run_storage.handle_run_event

    def meanwhile(run_id: str, event: dg.DagsterEvent, *rest: object) -> None:
        if event.is_run_failure:
            deployment.daemon_turns()
        write(run_id, event, *rest)

    monkeypatch.setattr(deployment.instance.run_storage, "handle_run_event", meanwhile)
    deployment.run()
    deployment.daemon_turns()
    (only,) = deployment.tries()
    assert only.tags["dagster/will_retry"] == "true", "Dagster's promise, which it does not keep"
    assert deployment.awaited(deployment.records()) == []


def test_a_daemon_that_does_not_look_is_not_waited_for_for_ever(deployment: Deployment) -> None:
    deployment.daemon_turns()
    run_id = deployment.run()
    assert deployment.awaited(deployment.records()) == [run_id]
    assert deployment.awaited(deployment.records(), STARTED_AGAIN_WITHIN + SETTLING) == []


def test_what_failed_before_the_daemon_s_first_turn_is_not_waited_for(deployment: Deployment) -> None:
    deployment.run()
    assert deployment.awaited(deployment.records()) == []
    deployment.daemon_turns()
    assert len(deployment.tries()) == 1

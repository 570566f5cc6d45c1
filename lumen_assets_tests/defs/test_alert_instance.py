"""What is wrong with an instance, read from a real one."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from lumen_assets.alerting.events import Event, State
from lumen_assets.days import KST
from lumen_assets.defs.alerts.instance import TICKS_LATE, backfills_failed, not_ticking, runs_stuck

UI = "https://lumen.example/"
NOW = datetime(2026, 3, 10, 12, tzinfo=KST)
LONG = timedelta(hours=2)
REPOSITORY = RemoteRepositoryOrigin(
    InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="lumen_assets.definitions")), "__repository__"
)
CODE = RepositoryPythonOrigin(sys.executable, ModuleCodePointer("lumen_assets.definitions", "defs", None))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def start(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    @dg.job
    def daily() -> None: ...

    return instance.create_run_for_job(
        daily,
        status=status,
        tags={"dagster/partition": "2026-03-09"},
        remote_job_origin=RemoteJobOrigin(REPOSITORY, "daily"),
        job_code_origin=JobPythonOrigin("daily", CODE),
    )


def stuck(instance: dg.DagsterInstance, after_all: timedelta) -> list[Event]:
    return runs_stuck(instance, datetime.now(UTC) + after_all, after=LONG, ui_url=UI)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_run_that_waits_or_runs_too_long_is_stuck(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    run = start(instance, status)
    assert stuck(instance, LONG - timedelta(minutes=1)) == []
    (event,) = stuck(instance, LONG + timedelta(minutes=1))
    assert (event.source, event.subject, event.error_class) == ("daily", run.run_id, status.value.lower())
    assert "2026-03-09" in event.title
    assert event.run_url == f"https://lumen.example/runs/{run.run_id}"


def test_a_queued_run_is_stuck_only_where_the_queue_stands(instance: dg.DagsterInstance) -> None:
    waiting = start(instance, dg.DagsterRunStatus.QUEUED)
    other = start(instance, dg.DagsterRunStatus.STARTING)
    began = datetime.now(UTC) + timedelta(hours=9)  # by then the first has waited for long
    event = dg.DagsterEvent(DagsterEventType.RUN_START.value, job_name="daily", message="it runs")
    instance.run_storage.handle_run_event(other.run_id, event, began)

    def stuck_at(since: timedelta) -> set[str]:
        return {event.subject for event in runs_stuck(instance, began + since, after=LONG, ui_url=UI)}

    assert stuck_at(LONG - timedelta(minutes=1)) == set()
    assert stuck_at(LONG + timedelta(minutes=1)) == {waiting.run_id, other.run_id}


def test_a_run_that_starts_after_a_long_time_in_the_queue_is_not(instance: dg.DagsterInstance) -> None:
    run = start(instance, dg.DagsterRunStatus.QUEUED)
    began = datetime.now(UTC) + 3 * LONG
    event = dg.DagsterEvent(DagsterEventType.PIPELINE_STARTING.value, job_name="daily", message="it starts")
    instance.run_storage.handle_run_event(run.run_id, event, began)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTING  # type: ignore[union-attr]
    assert runs_stuck(instance, began + timedelta(minutes=1), after=LONG, ui_url=UI) == []
    (stays,) = runs_stuck(instance, began + LONG + timedelta(minutes=1), after=LONG, ui_url=UI)
    assert stays.title.endswith("has been starting for 2.0 hours")


def test_a_run_that_ended_is_not(instance: dg.DagsterInstance) -> None:
    start(instance, dg.DagsterRunStatus.SUCCESS)
    start(instance, dg.DagsterRunStatus.FAILURE)
    assert stuck(instance, 10 * LONG) == []


def turned_on(
    instance: dg.DagsterInstance, name: str, data: SensorInstigatorData | ScheduleInstigatorData, *, on: bool = True
) -> InstigatorState:
    origin = RemoteInstigatorOrigin(REPOSITORY, name)
    sort = InstigatorType.SENSOR if isinstance(data, SensorInstigatorData) else InstigatorType.SCHEDULE
    status = InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED
    return instance.add_instigator_state(InstigatorState(origin, sort, status, data))


def tick(
    instance: dg.DagsterInstance, state: InstigatorState, at: datetime, status: TickStatus = TickStatus.SKIPPED
) -> None:
    error = SerializableErrorInfo("it broke\n", [], "ValueError") if status is TickStatus.FAILURE else None
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=state.name,
            instigator_type=state.instigator_type,
            status=status,
            timestamp=at.timestamp(),
            selector_id=state.selector_id,
            error=error,
            run_ids=["of-the-day"] if status is TickStatus.SUCCESS else None,
        )
    )


def silent(instance: dg.DagsterInstance, *names: str) -> list[tuple[str, str]]:
    return [(event.source, event.error_class) for event in not_ticking(instance, NOW, frozenset(names))]


def test_a_sensor_whose_ticks_are_late(instance: dg.DagsterInstance) -> None:
    state = turned_on(instance, "attest", SensorInstigatorData(min_interval=15))
    assert silent(instance, "attest") == []  # it never ticked: it was turned on this moment
    tick(instance, state, NOW - TICKS_LATE - timedelta(minutes=1))
    assert silent(instance, "attest") == [("attest", "late")]
    tick(instance, state, NOW - timedelta(minutes=1))
    assert silent(instance, "attest") == []


def test_a_sensor_that_was_turned_on_again_has_time(instance: dg.DagsterInstance) -> None:
    started = (NOW - timedelta(seconds=5)).timestamp()
    data = SensorInstigatorData(min_interval=15, last_sensor_start_timestamp=started)
    tick(instance, turned_on(instance, "attest", data), NOW - timedelta(days=3))
    assert silent(instance, "attest") == []


def test_one_failed_tick_heals_and_three_in_a_row_are_told(instance: dg.DagsterInstance) -> None:
    state = turned_on(instance, "attest", SensorInstigatorData(min_interval=15))
    for minutes in (5, 4, 3):
        assert silent(instance, "attest") == []
        tick(instance, state, NOW - timedelta(minutes=minutes), TickStatus.FAILURE)
    assert silent(instance, "attest") == [("attest", "failing")]
    (event,) = not_ticking(instance, NOW, frozenset({"attest"}))
    assert "it broke" in event.cause
    tick(instance, state, NOW - timedelta(minutes=1))
    assert silent(instance, "attest") == []


def test_a_tick_that_is_under_way_hides_no_failures(instance: dg.DagsterInstance) -> None:
    """As that of `alerts_runs` itself is whenever it looks."""
    state = turned_on(instance, "alerts_runs", SensorInstigatorData(min_interval=15))
    for minutes in (5, 4, 3):
        tick(instance, state, NOW - timedelta(minutes=minutes), TickStatus.FAILURE)
    tick(instance, state, NOW, TickStatus.STARTED)
    assert silent(instance, "alerts_runs") == [("alerts_runs", "failing")]


def test_a_schedule_that_failed_is_told_at_once_though_it_skips_the_minutes_after(instance: dg.DagsterInstance) -> None:
    state = turned_on(instance, "daily", ScheduleInstigatorData(cron_schedule=["0-10 9 * * *"]))
    tick(instance, state, NOW.replace(hour=9, minute=4), TickStatus.FAILURE)
    for minute in (5, 6, 7, 10):
        tick(instance, state, NOW.replace(hour=9, minute=minute))
    assert silent(instance, "daily") == [("daily", "failing")]
    tick(instance, state, NOW.replace(hour=11, minute=4), TickStatus.SUCCESS)
    assert silent(instance, "daily") == []


def test_a_schedule_is_late_by_its_cron_in_kst(instance: dg.DagsterInstance) -> None:
    state = turned_on(instance, "daily", ScheduleInstigatorData(cron_schedule=["0-10 9 * * *"]))
    tick(instance, state, NOW.replace(hour=9, minute=10) - timedelta(days=1))
    assert silent(instance, "daily") == [("daily", "late")]
    tick(instance, state, NOW.replace(hour=9, minute=10))
    assert silent(instance, "daily") == []


def test_what_is_off_or_not_ours_is_passed_over(instance: dg.DagsterInstance) -> None:
    for name, on in (("attest", False), ("somebody_else", True)):
        tick(instance, turned_on(instance, name, SensorInstigatorData(min_interval=15), on=on), NOW - timedelta(days=9))
    assert silent(instance, "attest") == []


def test_a_backfill_that_failed_is_said_with_its_error(instance: dg.DagsterInstance) -> None:
    for name, status in (
        ("bad", BulkActionStatus.FAILED),
        ("partly", BulkActionStatus.COMPLETED_FAILED),
        ("good", BulkActionStatus.COMPLETED_SUCCESS),
        ("running", BulkActionStatus.REQUESTED),
    ):
        instance.add_backfill(
            PartitionBackfill(
                backfill_id=name,
                status=status,
                from_failure=False,
                tags={},
                backfill_timestamp=datetime.now(UTC).timestamp(),
                error=SerializableErrorInfo("no such partition\n", [], "ValueError") if name == "bad" else None,
            )
        )
    events = {event.subject: event for event in backfills_failed(instance, datetime.now(UTC), ui_url=UI)}
    assert set(events) == {"bad", "partly"}
    assert "no such partition" in events["bad"].cause
    assert events["partly"].state is State.NOTICE
    assert backfills_failed(instance, datetime.now(UTC) + timedelta(days=30), ui_url=UI) == []


def test_a_backfill_that_took_weeks_is_said_when_it_has_failed(instance: dg.DagsterInstance) -> None:
    ended = datetime.now(UTC) - timedelta(hours=1)
    instance.add_backfill(
        PartitionBackfill(
            backfill_id="long",
            status=BulkActionStatus.COMPLETED_FAILED,
            from_failure=False,
            tags={},
            backfill_timestamp=(ended - timedelta(days=20)).timestamp(),
            backfill_end_timestamp=ended.timestamp(),
        )
    )
    (event,) = backfills_failed(instance, datetime.now(UTC), ui_url=UI)
    assert (event.subject, event.at) == ("long", ended)

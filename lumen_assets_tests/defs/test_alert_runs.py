"""What ended runs say, read from real runs on a real instance."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_shared.serdes.errors import DeserializationError
from sqlalchemy.exc import OperationalError

from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.defs.alerts.runs import SETTLING, Read, read_ended_runs
from lumen_assets.defs.failures import translated
from lumen_assets.defs.started_again import STARTED_AGAIN_WITHIN
from lumen_assets.errors import IntegrityError, PermanentError, TransientError

UI = "https://lumen.example"
PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-12-31")
DAY = "2026-03-01"
NOW = timedelta()


class Switch:
    """What the asset of the test does next."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.bad_days: set[str] = set()


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def definitions(switch: Switch) -> dg.Definitions:
    @dg.asset(key=["replica", "cloud"], partitions_def=PARTITIONS, retry_policy=dg.RetryPolicy(max_retries=2))
    def replica(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with translated():
            if switch.error and (not switch.bad_days or context.partition_key in switch.bad_days):
                raise switch.error
        return dg.MaterializeResult()

    @dg.asset(key=["verification", "cloud"], partitions_def=PARTITIONS, deps=[replica])
    def verification() -> None: ...

    @dg.op
    def look() -> None:
        with translated():
            if switch.error:
                raise switch.error

    @dg.job(executor_def=dg.in_process_executor)
    def rolling() -> None:
        look()

    return dg.Definitions(
        assets=[replica, verification],
        jobs=[dg.define_asset_job("daily", dg.AssetSelection.all()), rolling],
        executor=dg.in_process_executor,
    )


def run(instance: dg.DagsterInstance, switch: Switch, *, job: str = "daily", **more: object) -> str:
    if job == "daily":
        more.setdefault("partition_key", DAY)
    job_def = definitions(switch).resolve_job_def(job)
    return job_def.execute_in_process(instance=instance, raise_on_error=False, **more).run_id  # type: ignore[arg-type]


def read(
    instance: dg.DagsterInstance,
    cursor: str | None = None,
    position: str | None = None,
    *,
    limit: int = 100,
    after: timedelta = 2 * SETTLING,
    until: Callable[[], bool] = lambda: False,
) -> Read:
    now = datetime.now(UTC) + after
    return read_ended_runs(instance, cursor, position, ui_url=UI, limit=limit, now=now, until=until)


def firing(events: list[Event]) -> list[Event]:
    return [event for event in events if event.state is State.FIRING]


EXPIRED = PermanentError(
    action="put", subject="2026-03-01", cause="the token has expired", error_class="credentials", hint="renew it"
)


def test_a_failure_says_what_why_where_and_what_to_do(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    run_id = run(instance, switch)
    (event,) = read(instance).events
    assert event.kind is Kind.MATERIALIZATION_FAILED
    assert (event.source, event.subject, event.state) == ("replica/cloud", DAY, State.FIRING)
    assert (event.error_class, event.cause, event.hint) == ("credentials", "the token has expired", "renew it")
    assert event.retry_helps is False
    assert event.severity is Severity.CRITICAL
    assert event.attempt == 1
    assert event.run_url == f"{UI}/runs/{run_id}"


def test_what_did_not_run_because_of_it_is_not_told_again(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    run(instance, switch)
    assert {event.source for event in read(instance).events} == {"replica/cloud"}


def test_a_success_later_resolves_it(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    run(instance, switch)
    switch.error = None
    run(instance, switch)
    failed, *good = read(instance).events
    assert failed.state is State.FIRING
    resolved = {(event.kind, event.source, event.subject) for event in good}
    assert (Kind.MATERIALIZATION_FAILED, "replica/cloud", DAY) in resolved
    assert {event.state for event in good} == {State.RESOLVED}
    assert all(event.at > failed.at for event in good)


def test_the_attempts_of_a_step_are_counted(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = TransientError(action="put", subject="x", cause="nobody answers", error_class="network")
    run(instance, switch)
    (event,) = read(instance).events
    assert event.attempt == 3
    assert event.retry_helps is True
    assert event.severity is Severity.WARNING


def test_a_provider_that_asked_for_time_until_the_tries_ended(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = TransientError(
        action="put", subject="x", cause="too many requests", error_class="throttle", retry_after=0.01
    )
    run(instance, switch)
    (event,) = read(instance).events
    assert "too many requests" in event.cause
    assert event.retry_helps is True


def test_a_cursor_goes_on_where_it_was_and_an_event_has_the_same_id_each_time(
    instance: dg.DagsterInstance, switch: Switch
) -> None:
    switch.error = EXPIRED
    run(instance, switch)
    first = read(instance)
    assert [event.id for event in read(instance).events] == [event.id for event in first.events]
    assert read(instance, first.cursor).events == []
    second = run(instance, switch, partition_key="2026-03-02")
    assert [event.run_id for event in read(instance, first.cursor).events] == [second]


def test_what_is_younger_than_a_minute_is_told_now_and_read_again(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    run(instance, switch)
    young = read(instance, after=NOW)
    assert len(young.events) == 1
    again = read(instance, young.cursor)
    assert [event.id for event in again.events] == [event.id for event in young.events]
    assert read(instance, again.cursor).events == []


def test_a_run_that_dagster_starts_again_is_told_by_its_last_try(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    switch.bad_days = {DAY}
    run_id = run(instance, switch)
    instance.add_run_tags(run_id, {"dagster/will_retry": "true"})
    assert read(instance).events == []
    last = run(instance, switch, tags={"dagster/retry_number": "2"})
    instance.add_run_tags(last, {"dagster/will_retry": "false"})
    (event,) = read(instance).events
    assert event.run_id == last
    assert event.attempt == 3


def to_be_started_again(instance: dg.DagsterInstance, switch: Switch) -> str:
    switch.error = EXPIRED
    run_id = run(instance, switch)
    instance.add_run_tags(run_id, {"dagster/will_retry": "true"})
    return run_id


def started_again(instance: dg.DagsterInstance, switch: Switch, first: str, status: dg.DagsterRunStatus) -> str:
    job = definitions(switch).resolve_job_def("daily")
    tags = {"dagster/partition": DAY, "dagster/retry_number": "1"}
    second = instance.create_run_for_job(job, status=status, tags=tags).run_id
    instance.add_run_tags(first, {"dagster/auto_retry_run_id": second})
    return second


def test_a_run_that_dagster_never_starts_again_is_told(instance: dg.DagsterInstance, switch: Switch) -> None:
    run_id = to_be_started_again(instance, switch)
    soon = read(instance)
    assert soon.events == []
    assert read(instance, soon.cursor, after=STARTED_AGAIN_WITHIN - SETTLING).events == []
    late = read(instance, soon.cursor, after=STARTED_AGAIN_WITHIN + SETTLING)
    assert [(event.run_id, event.state) for event in late.events] == [(run_id, State.FIRING)]
    assert read(instance, late.cursor, after=timedelta(days=1)).events == []


def test_a_run_that_dagster_could_not_start_again_is_told_at_once(instance: dg.DagsterInstance, switch: Switch) -> None:
    run_id = to_be_started_again(instance, switch)
    first = read(instance)
    instance.add_run_tags(run_id, {"dagster/will_retry": "false"})  # as it does where it fails to
    assert [event.run_id for event in read(instance, first.cursor).events] == [run_id]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_next_try_that_was_canceled_or_deleted_leaves_the_failure_to_be_told(
    instance: dg.DagsterInstance, switch: Switch, deleted: bool
) -> None:
    first = to_be_started_again(instance, switch)
    second = started_again(instance, switch, first, dg.DagsterRunStatus.STARTED)
    goes_on = read(instance, after=timedelta(hours=5))
    assert goes_on.events == []
    if deleted:
        instance.delete_run(second)
    else:
        instance.report_run_canceled(instance.get_run_by_id(second))  # type: ignore[arg-type]
    told = read(instance, goes_on.cursor, after=timedelta(hours=5))
    assert [event.run_id for event in firing(told.events)] == [first]


def test_a_next_try_that_succeeds_leaves_nothing_to_tell(instance: dg.DagsterInstance, switch: Switch) -> None:
    first = to_be_started_again(instance, switch)
    goes_on = read(instance)
    switch.error = None
    second = run(instance, switch, tags={"dagster/retry_number": "1"})
    instance.add_run_tags(first, {"dagster/auto_retry_run_id": second})
    told = read(instance, goes_on.cursor, after=timedelta(hours=5))
    assert firing(told.events) == []
    assert {event.run_id for event in told.events} == {second}
    assert firing(read(instance, told.cursor, after=timedelta(days=1)).events) == []


def test_before_dagster_has_said_whether_it_tries_again_a_failure_waits(
    tmp_path: Path, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("run_retries: {enabled: true}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        job = definitions(switch).resolve_job_def("daily")
        tags = {"dagster/partition": DAY}
        dead = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        with monkeypatch.context() as dying:  # between the failure and the tag
            dying.setattr(dg.DagsterInstance, "add_run_tags", lambda *_: None)
            instance.report_run_failed(dead, "killed")
        young = read(instance, after=NOW)
        assert young.events == []
        assert [event.run_id for event in read(instance, young.cursor).events] == [dead.run_id]


@pytest.mark.parametrize("number", ["soon", "", "-1", "1.5"])
def test_a_tag_that_anybody_may_set_keeps_nothing_from_being_told(
    instance: dg.DagsterInstance, switch: Switch, number: str
) -> None:
    switch.error = EXPIRED
    run(instance, switch, tags={"dagster/retry_number": number})
    (event,) = read(instance).events
    assert event.attempt == 1


def test_a_run_that_cannot_be_read_is_told_as_that_and_keeps_no_other_from_being_told(
    instance: dg.DagsterInstance, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.error = EXPIRED
    broken, whole = run(instance, switch), run(instance, switch, partition_key="2026-03-02")
    all_logs = instance.all_logs

    def some_logs(run_id: str, **more: Any) -> Any:
        if run_id == broken:
            raise KeyError("s3cr3t-canary")
        return all_logs(run_id, **more)

    monkeypatch.setattr(instance, "all_logs", some_logs)
    unreadable, told = read(instance).events
    assert (unreadable.kind, unreadable.error_class, unreadable.subject) == (Kind.RUN_FAILED, "unreadable", DAY)
    assert unreadable.run_url == f"{UI}/runs/{broken}"
    assert "canary" not in repr(unreadable)
    assert told.run_id == whole


def make_unreadable(instance: dg.DagsterInstance, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of this run, as of another version of Dagster."""
    by_id = instance.get_run_by_id

    def some(run_id: str) -> dg.DagsterRun | None:
        if run_id == broken:
            raise DeserializationError("s3cr3t-canary")
        return by_id(run_id)

    monkeypatch.setattr(instance, "get_run_by_id", some)


@pytest.mark.parametrize("which", ["the run", "its next try"])
def test_a_run_that_is_awaited_and_cannot_be_read_keeps_no_other_from_being_told(
    instance: dg.DagsterInstance, switch: Switch, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    first = to_be_started_again(instance, switch)
    second = started_again(instance, switch, first, dg.DagsterRunStatus.STARTED)
    cursor = read(instance).cursor
    whole = run(instance, switch, partition_key="2026-03-02")
    make_unreadable(instance, first if which == "the run" else second, monkeypatch)
    found = read(instance, cursor)
    (of_first,) = [event for event in found.events if event.run_id == first]
    assert (of_first.error_class == "unreadable") == (which == "the run")
    assert whole in {event.run_id for event in found.events}
    assert "canary" not in repr(found)
    assert {event.run_id for event in read(instance, found.cursor).events} <= {whole}, "told once"


def test_a_run_whose_record_cannot_be_read_keeps_no_other_from_being_told(
    instance: dg.DagsterInstance, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.error = EXPIRED
    broken, whole = run(instance, switch), run(instance, switch, partition_key="2026-03-02")
    make_unreadable(instance, broken, monkeypatch)
    unreadable, told = read(instance).events
    assert (unreadable.kind, unreadable.error_class) == (Kind.RUN_FAILED, "unreadable")
    assert unreadable.run_url == f"{UI}/runs/{broken}"
    assert "canary" not in repr(unreadable)
    assert told.run_id == whole


def test_an_instance_that_is_away_is_no_unreadable_run(
    instance: dg.DagsterInstance, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.error = EXPIRED
    run(instance, switch)

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("select", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(instance, "all_logs", away)
    with pytest.raises(OperationalError):
        read(instance)


def test_reading_stops_when_the_time_is_over_and_goes_on_from_there(
    instance: dg.DagsterInstance, switch: Switch
) -> None:
    job = definitions(switch).resolve_job_def("daily")
    for number in range(3):
        tags = {"dagster/partition": f"2026-03-{1 + number:02}"}
        instance.report_run_failed(
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags), "killed"
        )
    cursor, told = None, []
    for _ in range(3):
        portion = read(instance, cursor, until=lambda: True)
        told += [event.subject for event in portion.events]
        cursor = portion.cursor
        assert portion.more == (len(told) < 3)
    assert told == ["2026-03-01", "2026-03-02", "2026-03-03"]


def test_a_good_run_without_partitions_ends_no_crash_of_a_day(instance: dg.DagsterInstance, switch: Switch) -> None:
    @dg.asset
    def catalogue() -> None: ...

    dg.Definitions(assets=[catalogue]).resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    (made, finished) = read(instance).events
    assert (made.source, made.subject) == ("catalogue", "")
    assert (finished.kind, finished.source, finished.subject) == (Kind.RUN_FAILED, "assets", "")


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")
def test_a_run_over_a_range_names_each_day_that_failed_and_no_other(
    instance: dg.DagsterInstance, switch: Switch
) -> None:
    @dg.asset(partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def telemetry(context: dg.AssetExecutionContext) -> None:
        for key in context.partition_keys:
            if key != "2026-03-02":
                context.log_event(dg.AssetMaterialization("telemetry", partition=key))
        raise dg.Failure("one is bad", metadata={"error_class": "input", "retry_helps": False}, allow_retries=False)

    result = dg.materialize(
        [telemetry],
        instance=instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": "2026-03-01",
            "dagster/asset_partition_range_end": "2026-03-04",
        },
    )
    assert not result.success
    events = read(instance).events
    assert [(event.source, event.subject) for event in firing(events)] == [("telemetry", "2026-03-02")]
    assert sorted(event.subject for event in events if event.state is State.RESOLVED) == [
        "2026-03-01",
        "2026-03-03",
        "2026-03-04",
    ]


def test_a_worker_that_crashed_is_a_failed_run_and_the_next_good_one_resolves_it(
    instance: dg.DagsterInstance, switch: Switch
) -> None:
    job = definitions(switch).resolve_job_def("daily")
    dead = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": DAY})
    instance.report_run_failed(dead, "Detected run worker status UNKNOWN. Marking the run failed.")
    (event,) = read(instance).events
    assert event.kind is Kind.RUN_FAILED
    assert (event.source, event.subject, event.error_class) == ("daily", DAY, "crash")
    assert "Detected run worker" in event.cause
    run(instance, switch)
    assert (Kind.RUN_FAILED, "daily", DAY) in {
        (event.kind, event.source, event.subject) for event in read(instance).events if event.state is State.RESOLVED
    }


def test_a_job_without_assets_is_told_too(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = EXPIRED
    run(instance, switch, job="rolling")
    switch.error = None
    run(instance, switch, job="rolling")
    failed, *rest = read(instance).events
    assert (failed.source, failed.state) == ("rolling/look", State.FIRING)
    assert ("rolling/look", State.RESOLVED) in {(event.source, event.state) for event in rest}


def test_a_verdict_is_not_told_here(instance: dg.DagsterInstance, switch: Switch) -> None:
    @dg.asset(key=["verification", "cloud"], partitions_def=PARTITIONS)
    def verification() -> None:
        raise dg.Failure("MISMATCH", metadata={"verdict": "MISMATCH"}, allow_retries=False)

    dg.materialize([verification], instance=instance, partition_key=DAY, raise_on_error=False)
    assert read(instance).events == []


def test_what_is_our_fault_is_told_without_its_text(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = RuntimeError("s3cr3t-canary")
    run(instance, switch)
    (event,) = read(instance).events
    assert event.error_class == "unexpected"
    assert "s3cr3t-canary" not in repr(event)


def test_an_integrity_error_is_critical(instance: dg.DagsterInstance, switch: Switch) -> None:
    switch.error = IntegrityError(action="put", subject="x", cause="other bytes are there", error_class="conflict")
    run(instance, switch)
    assert [event.severity for event in read(instance).events] == [Severity.CRITICAL]


@pytest.mark.parametrize("settled", [True, False])
def test_many_are_read_in_the_order_in_which_they_ended_however_small_the_portions(
    instance: dg.DagsterInstance, switch: Switch, settled: bool
) -> None:
    job = definitions(switch).resolve_job_def("daily")
    expected = []
    for number in range(60):
        tags = {"dagster/partition": f"2026-03-{1 + number % 28:02}"}
        dead = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        if number % 5 == 4:
            instance.report_run_canceled(dead)
            continue
        instance.report_run_failed(dead, "killed")
        expected.append(dead.run_id)
    cursor = position = None
    told: list[str] = []
    for _ in range(100):
        portion = read(instance, cursor, position, limit=7, after=2 * SETTLING if settled else NOW)
        told += [event.run_id for event in portion.events]
        cursor, position = portion.cursor, portion.position
        if not portion.more:
            break
    assert told == expected
    # what was not settled yet is read again from the cursor, by whoever comes next
    assert len(read(instance, cursor).events) == (0 if settled else len(expected))

"""Days that were missed are made, by real runs that the sensor requested."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from lumen_assets.days import KST
from lumen_assets.definitions import build_defs
from lumen_assets.defs import catch_up as module
from lumen_assets.defs.catch_up import GRACE, TAG, newest_expected
from lumen_assets.defs.schedules import start_of_run
from lumen_assets.looking import look_at_days
from lumen_assets.settings import Configuration, load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

MISSED = 5
START = LAST_DAY - timedelta(days=MISSED - 1)
BROKEN = LAST_DAY - timedelta(days=2)
CONFIGURATION = "catch_up: {attempts: 3, per_tick: 2}\nalerts: {daily_summary: false}\n"


class Daemon:
    """Ticks the sensor and starts what it requests, once a run key, as Dagster's daemon does."""

    def __init__(self, installation: Installation, instance: dg.DagsterInstance) -> None:
        self.installation = installation
        self.instance = instance
        self.started: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.workspace = Workspace(load_settings())
        self.definitions = build_defs(self.workspace)

    def requests(self, name: str = "catch_up") -> tuple[list[dg.RunRequest], str]:
        sensor = self.definitions.get_repository_def().get_sensor_def(name)
        with dg.build_sensor_context(
            instance=self.instance,
            resources={"lumen": self.workspace},
            repository_def=self.definitions.get_repository_def(),
        ) as context:
            data = sensor.evaluate_tick(context)
        return list(data.run_requests or []), data.skip_message or ""

    def tick(self, name: str = "catch_up") -> list[str]:
        """Returns the run keys that were started."""
        job_name = {"catch_up": "daily", "heal": "repair"}[name]
        requests, _ = self.requests(name)
        started = []
        for request in requests:
            assert request.run_key
            if request.run_key in self.started:
                continue
            self.started.append(request.run_key)
            started.append(request.run_key)
            job = self.definitions.resolve_job_def(job_name)
            job.execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                raise_on_error=False,
            )
        return started

    def frozen(self, day: str) -> bool:
        return (self.installation.home / "archive" / day / "snapshot.manifest.json").exists()


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    installation = Installation.make(tmp_path / "installation", days=MISSED, configuration=CONFIGURATION)
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("2026-02-01", str(START)))
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "newest_expected", lambda *_: LAST_DAY)
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Daemon(installation, instance)


def test_missed_days_are_made_and_the_one_that_keeps_failing_is_given_up_by_name(daemon: Daemon) -> None:
    daemon.installation.misconfigure(BROKEN)
    configuration = daemon.installation.root / "lumen.yaml"
    configuration.write_text(
        configuration.read_text().replace("per_tick: 2", "per_tick: 2, first_wait_minutes: 0.0001")
    )
    daemon.restart()
    ticks = [daemon.tick()]
    daemon.restart()  # whatever was in the memory of the daemon is gone
    ticks += [daemon.tick() for _ in range(6)]
    assert all(len(started) <= 2 for started in ticks)
    assert ticks[0] == [f"daily:{START}:1", f"daily:{START + timedelta(days=1)}:1"]  # the oldest first
    assert ticks[-1] == []
    made = {day for day in (START + timedelta(days=number) for number in range(MISSED)) if daemon.frozen(str(day))}
    assert made == {START + timedelta(days=number) for number in range(MISSED)} - {BROKEN}
    assert len(daemon.started) == MISSED - 1 + 3
    assert sum(str(BROKEN) in key for key in daemon.started) == 3
    (incident,) = [one for one in daemon.workspace.outbox().open_incidents() if one.kind == "given_up"]
    assert incident.subjects == (str(BROKEN),)
    assert daemon.installation.json("alerts", exit_code=1)["incidents"][-1]["subjects"] == [str(BROKEN)]
    assert "lumen_partitions_given_up 1" in daemon.installation.lumen("gauges").output
    why = daemon.installation.json("daily", "--day", str(BROKEN), exit_code=1)["failures"]
    assert f"sources.extra names controls/reports/report_{BROKEN}.md" in why["archive"]
    daemon.installation.configure_right(BROKEN)
    assert daemon.installation.json("daily", "--day", str(BROKEN))["ok"]
    daemon.tick()
    assert not [one for one in daemon.workspace.outbox().open_incidents() if one.kind == "given_up"]


def test_a_new_machine_makes_no_day_that_the_destinations_hold(daemon: Daemon, tmp_path: Path) -> None:
    installation = daemon.installation
    places = [f"{name}: {{type: local, path: {tmp_path}/{name}}}" for name in "ab"]
    with (installation.root / "lumen.yaml").open("a", encoding="utf-8") as file:
        file.write(f"destinations: {{{', '.join(places)}}}\n")
    for name in "ab":
        (tmp_path / name).mkdir()
    held = [START, START + timedelta(days=2), LAST_DAY]
    for day in held:
        installation.json("daily", "--day", str(day))

    def requested() -> tuple[list[str | None], str]:
        shutil.rmtree(installation.home)
        daemon.restart()
        requests, why = daemon.requests()
        return [request.partition_key for request in requests], why

    others = [str(START + timedelta(days=number)) for number in (1, 3)]
    assert requested() == (others, "")
    look_at_days(daemon.workspace, daemon.workspace.outbox(), datetime.now(UTC))
    told = {subject for found in daemon.workspace.outbox().open_incidents() for subject in found.subjects}
    assert told, "of those that are missing"
    assert not told & {str(day) for day in held}
    (tmp_path / "a").rename(tmp_path / "gone")
    assert requested() == (others, ""), "one that answers is enough"
    (tmp_path / "b").rename(tmp_path / "gone, too")
    assert requested() == ([], "no day is known here, and no destination answers: there may be many")


def test_a_failed_day_waits_for_its_next_attempt(daemon: Daemon) -> None:
    metrics = daemon.installation.data_root / "logs" / "metrics.csv"
    metrics.rename(metrics.with_suffix(".away"))
    assert len(daemon.tick()) == 2
    assert [key.split(":")[1] for key in daemon.tick()] == [
        str(START + timedelta(days=2)),
        str(START + timedelta(days=3)),
    ]
    daemon.tick()
    requests, said = daemon.requests()
    assert requests == []
    assert said == "5 days wait for their next attempt, 0 are given up"


def test_a_day_is_tried_again_though_somebody_deleted_a_run_of_it(daemon: Daemon) -> None:
    """A run key that was used once is never started again: Dagster takes it for the run that is there."""
    (daemon.installation.home / "controls" / "reports" / f"report_{START}.md").mkdir(parents=True)
    configuration = daemon.installation.root / "lumen.yaml"
    configuration.write_text(
        configuration.read_text().replace("per_tick: 2", "per_tick: 1, first_wait_minutes: 0.0001")
    )
    daemon.restart()
    assert daemon.tick() + daemon.tick() == [f"daily:{START}:1", f"daily:{START}:2"]
    first = daemon.instance.get_runs(dg.RunsFilter(tags={TAG: "daily"}))[-1]
    daemon.instance.delete_run(first.run_id)
    assert daemon.tick() == [f"daily:{START}:3"]


def test_a_day_that_is_under_way_is_left_alone_whoever_started_it(daemon: Daemon) -> None:
    job = daemon.definitions.resolve_job_def("daily")
    daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(START)})
    requests, _ = daemon.requests()
    assert [request.partition_key for request in requests] == [
        str(START + timedelta(days=1)),
        str(START + timedelta(days=2)),
    ]
    assert all(request.tags[TAG] == "daily" for request in requests)


def test_a_day_of_a_command_that_was_killed_is_not_waited_for(daemon: Daemon) -> None:
    job = daemon.definitions.resolve_job_def("daily")
    dead = daemon.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(START)}
    )
    marks = daemon.installation.home / "locks" / "runs"
    marks.mkdir(parents=True)
    (marks / dead.run_id).touch()  # what its process held
    requests, _ = daemon.requests()
    assert requests[0].partition_key == str(START)
    ended = daemon.instance.get_run_by_id(dead.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE


def test_a_day_below_policy_is_repaired(daemon: Daemon) -> None:
    for day in (START, LAST_DAY):
        daemon.installation.json("daily", "--day", str(day))
    archive = daemon.installation.archive_at("there", LAST_DAY)
    archive.unlink()
    daemon.installation.json("verify", str(LAST_DAY), exit_code=1)
    assert daemon.tick("heal") == [f"repair:{LAST_DAY}:1"]
    assert archive.is_file()
    assert daemon.tick("heal") == []


def test_a_day_that_met_a_policy_which_asked_for_less_is_repaired(daemon: Daemon) -> None:
    configuration = daemon.installation.root / "lumen.yaml"
    before = configuration.read_text()
    configuration.write_text(before + "policy: {required_replicas: 1}\n")
    daemon.installation.json("daily", "--day", str(LAST_DAY))
    archive = daemon.installation.archive_at("there", LAST_DAY)
    archive.unlink()
    daemon.installation.json("verify", str(LAST_DAY), exit_code=1)
    daemon.restart()
    assert daemon.tick("heal") == []
    configuration.write_text(before + "policy: {required_replicas: 2}\n")
    daemon.restart()
    assert daemon.tick("heal") == [f"repair:{LAST_DAY}:1"]
    assert archive.is_file()
    assert daemon.tick("heal") == []


def test_sample_data_is_not_caught_up_on(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMEN_DATA_ROOT")
    daemon.restart()
    assert daemon.requests() == ([], "sample data: there is nothing to catch up on")


@pytest.mark.parametrize("day", [date(2026, 3, 9), date(2026, 12, 31)])
def test_the_schedule_has_time_to_start_a_day_itself(day: date) -> None:
    configuration = Configuration()
    start = start_of_run(day + timedelta(days=1), configuration.schedule) + GRACE
    before = start - timedelta(seconds=1)
    assert newest_expected(configuration, start.astimezone(UTC)) == day
    assert newest_expected(configuration, before.astimezone(UTC)) == day - timedelta(days=1)
    midnight = datetime(day.year, day.month, day.day, tzinfo=KST)
    assert newest_expected(configuration, midnight) == day - timedelta(days=2)


def test_a_day_that_was_never_attested_is_repaired_after_a_while(daemon: Daemon) -> None:
    daemon.installation.json("daily", "--day", str(LAST_DAY), "--until", "verify")
    assert daemon.requests("heal")[0] == []  # its attestation may still follow
    long_ago = (datetime.now(UTC) - 2 * GRACE).timestamp()
    os.utime(daemon.installation.home / "archive" / str(LAST_DAY), (long_ago, long_ago))
    assert daemon.tick("heal") == [f"repair:{LAST_DAY}:1"]
    assert daemon.installation.json("status", "--from", str(LAST_DAY), "--to", str(LAST_DAY))["days"][str(LAST_DAY)][
        "attestation"
    ]["ok"]


def test_a_tick_reads_the_runs_of_days_that_are_missing_only_however_many_there_are(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = timedelta(days=1)
    for number in range(1, 101):  # of days that are there, and of one that has failed for months
        a_run(daemon.instance, START - number * day, dg.DagsterRunStatus.SUCCESS, timedelta(minutes=1), 1)
        a_run(daemon.instance, START, dg.DagsterRunStatus.FAILURE, timedelta(days=8 + 100 - number), number)
    read: list[object] = []

    def counting(real: Callable[..., Sequence[object]]) -> Callable[..., Sequence[object]]:
        def counted(*arguments: Any, **more: Any) -> Sequence[object]:
            found = real(*arguments, **more)
            read.extend(found)
            return found

        return counted

    for name in ("get_runs", "get_run_records"):
        monkeypatch.setattr(daemon.instance, name, counting(getattr(daemon.instance, name)))
    requests, _ = daemon.requests()
    assert [request.run_key for request in requests] == [f"daily:{START}:101", f"daily:{START + day}:1"]
    assert len(read) <= 50


def a_run(
    instance: dg.DagsterInstance, day: date, status: dg.DagsterRunStatus, ago: timedelta, attempt: int, **more: str
) -> str:
    """A run that the sensor requested and that ended so long ago."""
    tags = {TAG: "daily", "lumen/attempt": str(attempt), "dagster/partition": str(day), **more}
    run = instance.add_run(dg.DagsterRun("daily", status=status, tags=tags))
    put_back(instance, run.run_id, ago)
    return run.run_id


def put_back(instance: dg.DagsterInstance, run_id: str, by: timedelta) -> None:
    """Let a run have ended so long ago."""
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    then = datetime.now(UTC) - by
    values = {"end_time": then.timestamp(), "update_timestamp": then.replace(tzinfo=None)}
    with storage.connect() as connection:
        connection.execute(RunsTable.update().where(RunsTable.c.run_id == run_id).values(**values))


def test_what_was_given_up_is_tried_anew_a_week_later(daemon: Daemon) -> None:
    almost = timedelta(days=6, hours=23)
    ended = [a_run(daemon.instance, START, dg.DagsterRunStatus.FAILURE, almost, number) for number in (1, 2, 3)]
    assert f"daily:{START}:4" not in {request.run_key for request in daemon.requests()[0]}
    assert [one.subjects for one in daemon.workspace.outbox().open_incidents()] == [(str(START),)]
    for run_id in ended:
        put_back(daemon.instance, run_id, timedelta(days=7))
    assert daemon.requests()[0][0].run_key == f"daily:{START}:4"


def test_a_run_that_was_killed_and_those_that_dagster_starts_for_it_are_one_attempt(daemon: Daemon) -> None:
    def failed(ago: timedelta, **more: str) -> str:
        return a_run(daemon.instance, START, dg.DagsterRunStatus.FAILURE, ago, 1, **more)

    def asked_for() -> list[str | None]:
        return [request.run_key for request in daemon.requests()[0] if str(START) in str(request.run_key)]

    killed = failed(timedelta(minutes=9), **{"dagster/will_retry": "true"})
    assert asked_for() == [], "Dagster starts it again by itself"
    put_back(daemon.instance, killed, timedelta(minutes=30))
    assert asked_for() == [f"daily:{START}:2"], "it does not come to it"
    again = [failed(timedelta(minutes=20 - number)) for number in range(3)]
    daemon.instance.add_run_tags(killed, {"dagster/auto_retry_run_id": again[0]})
    put_back(daemon.instance, killed, timedelta(minutes=30))
    assert asked_for() == [f"daily:{START}:2"], "one attempt of three, not four"


def test_a_run_that_dagster_starts_again_is_waited_for_until_its_daemon_has_looked(daemon: Daemon) -> None:
    configuration = Path(daemon.installation.environment["LUMEN_CONFIG"])
    configuration.write_text(configuration.read_text().replace("attempts: 3", "attempts: 3, first_wait_minutes: 0.01"))
    daemon.restart()
    cursors = daemon.instance.daemon_cursor_storage
    cursors.set_cursor_values({"EVENT_LOG_CONSUMER_CURSOR-PIPELINE_FAILURE": "0"})
    killed = a_run(daemon.instance, START, dg.DagsterRunStatus.STARTED, timedelta(), 1)
    daemon.instance.report_run_failed(daemon.instance.get_run_by_id(killed))
    daemon.instance.add_run_tags(killed, {"dagster/will_retry": "true"})
    put_back(daemon.instance, killed, timedelta(minutes=1))
    assert f"daily:{START}:2" not in {request.run_key for request in daemon.requests()[0]}
    read = str(daemon.instance.event_log_storage.get_maximum_record_id())
    cursors.set_cursor_values({"EVENT_LOG_CONSUMER_CURSOR-PIPELINE_FAILURE": read})
    assert f"daily:{START}:2" in {request.run_key for request in daemon.requests()[0]}

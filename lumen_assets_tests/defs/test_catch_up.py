"""Days that were missed are made, by real runs that the sensor requested."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.days import KST
from lumen_assets.definitions import build_defs
from lumen_assets.defs import catch_up as module
from lumen_assets.defs.catch_up import GRACE, TAG, newest_expected
from lumen_assets.defs.schedules import start_of_run
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
            if job_name == "daily" and self.frozen(str(request.partition_key)):
                self.definitions.resolve_job_def("attest").execute_in_process(
                    instance=self.instance, partition_key=request.partition_key, raise_on_error=False
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
    report = daemon.installation.home / "controls" / "reports" / f"report_{BROKEN}.md"
    report.mkdir(parents=True)  # where its report has to go there is a folder
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
    report.rmdir()
    assert daemon.installation.json("daily", "--day", str(BROKEN))["ok"]
    daemon.tick()
    assert not [one for one in daemon.workspace.outbox().open_incidents() if one.kind == "given_up"]


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


def test_a_day_below_policy_is_repaired(daemon: Daemon) -> None:
    while daemon.tick():
        pass
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
    job = daemon.definitions.resolve_job_def("daily")
    job.execute_in_process(instance=daemon.instance, partition_key=str(LAST_DAY), raise_on_error=False)
    assert daemon.requests("heal")[0] == []  # its attestation may still follow
    long_ago = (datetime.now(UTC) - 2 * GRACE).timestamp()
    os.utime(daemon.installation.home / "archive" / str(LAST_DAY), (long_ago, long_ago))
    assert daemon.tick("heal") == [f"repair:{LAST_DAY}:1"]
    assert daemon.installation.json("status", "--from", str(LAST_DAY), "--to", str(LAST_DAY))["days"][str(LAST_DAY)][
        "attestation"
    ]["ok"]

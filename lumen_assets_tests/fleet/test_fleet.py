"""Two Celery workers and the daemon, each with a LUMEN_HOME of its own, on real Postgres and Redis."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.days import yesterday
from lumen_assets.defs.under_way import runs_under_way
from lumen_assets.verification import Verdict
from lumen_assets_tests.fleet.running import Fleet, process_of, running_fleet
from lumen_assets_tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.DuplicateTaskNameWarning")
"""``CeleryRunLauncher`` makes its task anew for every run that it launches."""

LAST = yesterday() - timedelta(days=1)
"""Expected for a day already, so that no test waits for the schedule of the newest one."""
FEW = [LAST - timedelta(days=offset) for offset in range(6)][::-1]
PATIENT = {"run_monitoring": {"poll_interval_seconds": 10, "max_runtime_seconds": 120}}
"""Of the settings in ``deploy/celery``, those that the soak is not long enough for."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    root = tmp_path_factory.mktemp("fleet")
    with running_fleet(root, days=len(FEW) + 2, last_day=yesterday(), first_day=FEW[0]) as started:
        for machine in ("north", "south"):
            started.start_worker(machine, places=1)
        yield started


def ready(fleet: Fleet, machine: str) -> bool:
    assert fleet.running[machine].poll() is None, fleet.log(machine).read_text()[-3000:]
    return " ready." in fleet.log(machine).read_text()


def require_one_good_revision(fleet: Fleet, days: list[date]) -> None:
    """One revision of each day at every destination, there read and found good."""
    for name in ("one", "two"):
        at = fleet.root / "copies" / name
        assert {path.name for path in at.iterdir()} >= {str(day) for day in days}
        for day in days:
            assert len(list((at / str(day)).rglob("*.tink"))) == 1, "one revision"
    newest = fleet.workspace("daemon").ledger.newest(days[0], days[-1])
    for day in days:
        assert {found.verdict for found in newest[day].values()} == {Verdict.MATCH}, day


def require_secrets_unsaid(fleet: Fleet) -> None:
    for path in fleet.root.glob("*.log"):
        text = path.read_text()
        assert not [name for name, url in fleet.secrets.items() if url.split("@")[0].split(":")[-1] in text], path


@pytest.mark.timeout(300)
def test_one_day_by_two_workers_at_the_same_moment(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    day = FEW[0]
    until(lambda: ready(fleet, "north") and ready(fleet, "south"), "the workers to be ready")
    with fleet.instance(monkeypatch) as instance:
        twins = [fleet.launch(instance, day) for _ in range(2)]

        def ended() -> list[dg.RunRecord]:
            records = instance.get_run_records(dg.RunsFilter(run_ids=twins))
            return records if all(record.dagster_run.is_finished for record in records) else []

        first, second = until(ended, "both to end", 120)
    assert [record.dagster_run.status for record in (first, second)] == [dg.DagsterRunStatus.SUCCESS] * 2
    began = [record.start_time or 0 for record in (first, second)]
    ended_at = [record.end_time or 0 for record in (first, second)]
    assert max(began) < min(ended_at), "they ran side by side"
    assert fleet.homes_of(day) == {"north", "south"}
    require_one_good_revision(fleet, [day])


@pytest.mark.timeout(300)
def test_every_day_is_made_once_though_a_process_is_killed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet.instance(monkeypatch) as instance:
        fleet.start_daemon()
        killed = until(lambda: kill_a_run(instance), "a run to kill")
        at = time.time()
        until(lambda: set(FEW) <= fleet.attested(), "every day to be attested", 200)
        print(f"a process killed: {told_about(instance, killed, at)}")
        require_none_doubled(instance, FEW[1:])  # the first was made by two, as it was asked for
    require_one_good_revision(fleet, FEW)
    require_whole_history(fleet)
    require_secrets_unsaid(fleet)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_sixty_days_with_a_process_and_a_worker_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [LAST - timedelta(days=offset) for offset in range(60)][::-1]
    began = time.time()
    with (
        running_fleet(
            tmp_path, days=len(days) + 2, last_day=yesterday(), first_day=days[0], settings=PATIENT, in_flight=12
        ) as fleet,
        fleet.instance(monkeypatch) as instance,
    ):
        for machine in ("north", "south"):
            fleet.start_worker(machine, places=2)
        fleet.start_daemon()

        def attested() -> set[date]:
            return set(days) & fleet.attested()

        until(lambda: len(attested()) >= 15, "15 days", 1200)
        killed = [("process", time.time(), until(lambda: kill_a_run(instance), "a run to kill"))]
        until(lambda: len(attested()) >= 30, "30 days", 1200)
        lost = until(lambda: kill_a_worker(fleet, instance, "south"), "a worker with a run to kill")
        killed += [("worker", time.time(), run_id) for run_id in lost]
        until(lambda: len(attested()) == len(days), "every day to be attested", 1800)
        for what, at, run_id in killed:
            print(f"a {what} killed: {told_about(instance, run_id, at)}")
        until(lambda: not runs_under_way(instance), "the runs to end, which attest before they do")
        require_none_doubled(instance, days)
        require_one_good_revision(fleet, days)
        require_secrets_unsaid(fleet)
        require_whole_history(fleet)
    print(f"{len(days)} days in {time.time() - began:.0f} s, start of the servers and daemon included")


def kill_a_run(instance: dg.DagsterInstance) -> str | None:
    """Kill the process of a run that is under way with -9, and return the run; None while there is none."""
    for run_id, pid in under_way(instance).items():
        os.kill(pid, signal.SIGKILL)
        if not over_already(instance, run_id):
            return run_id
    return None


def kill_a_worker(fleet: Fleet, instance: dg.DagsterInstance, machine: str) -> list[str]:
    """Kill every process of a worker that has runs under way with -9, and return these."""
    there = fleet.processes_of(machine)
    runs = [run_id for run_id, pid in under_way(instance).items() if pid in there]
    if runs:
        fleet.kill(machine)
    return [run_id for run_id in runs if not over_already(instance, run_id)]


def under_way(instance: dg.DagsterInstance) -> dict[str, int]:
    """The process of each run that has begun."""
    began = dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.STARTED])
    return {run.run_id: pid for run in instance.get_runs(began) if (pid := process_of(instance, run.run_id))}


def over_already(instance: dg.DagsterInstance, run_id: str) -> bool:
    return record_of(instance, run_id).dagster_run.status is dg.DagsterRunStatus.SUCCESS


def record_of(instance: dg.DagsterInstance, run_id: str) -> dg.RunRecord:
    [record] = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))
    return record


def told_about(instance: dg.DagsterInstance, run_id: str, at: float) -> str:
    """How long after ``at`` a killed run was known to be lost, began anew, and its day was made."""
    lost = record_of(instance, run_id)
    assert lost.dagster_run.status is dg.DagsterRunStatus.FAILURE
    day = lost.dagster_run.tags["dagster/partition"]
    good = dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS], tags={"dagster/partition": str(day)})
    [again] = until(lambda: instance.get_run_records(good), "its run to end")
    times = (lost.end_time, again.start_time, again.end_time)
    noticed, began, ended = ((moment or 0) - at for moment in times)
    return f"{day} noticed after {noticed:.0f} s, begun again after {began:.0f} s, made after {ended:.0f} s"


def require_whole_history(fleet: Fleet) -> None:
    """To a machine that knows nothing, each manifest that another one names is there."""
    workspace = fleet.workspace("fresh")
    assert workspace.broken_history(workspace.known()) == []


def require_none_doubled(instance: dg.DagsterInstance, days: list[date]) -> None:
    """No day was run to its good end more than once."""
    runs = instance.get_runs(dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS]))
    good = Counter(run.tags["dagster/partition"] for run in runs)
    assert {day: good[str(day)] for day in days} == dict.fromkeys(days, 1)

"""Two Celery workers and the daemon, each with a LUMEN_HOME of its own, on real Postgres and Redis."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pytest

from lumen_assets.days import yesterday
from lumen_assets.verification import Verdict
from lumen_assets_tests.fleet.running import Fleet, process_of, running_fleet, until

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.DuplicateTaskNameWarning")
"""``CeleryRunLauncher`` makes its task anew for every run that it launches."""

LAST = yesterday() - timedelta(days=1)
"""Expected for a day already, so that no test waits for the schedule of the newest one."""
FEW = [LAST - timedelta(days=offset) for offset in range(6)][::-1]
RUNNING = dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.STARTED])


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
        recovered = good_run_of(instance, killed)
        print(f"a process killed: its day made again after {recovered - at:.0f} s")
        require_none_doubled(instance, FEW)
    require_one_good_revision(fleet, FEW)
    require_secrets_unsaid(fleet)


def kill_a_run(instance: dg.DagsterInstance) -> date | None:
    """Kill the process of a run that is under way with -9, and return the run's day; None while there is none."""
    for run in instance.get_runs(RUNNING):
        if (pid := process_of(instance, run.run_id)) and not instance.get_run_by_id(run.run_id).is_finished:  # type: ignore[union-attr]
            os.kill(pid, signal.SIGKILL)
            return date.fromisoformat(run.tags["dagster/partition"])
    return None


def good_run_of(instance: dg.DagsterInstance, day: date) -> float:
    """When the run of a day ended that was good."""
    [record] = instance.get_run_records(
        dg.RunsFilter(
            job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS], tags={"dagster/partition": day.isoformat()}
        )
    )
    assert record.end_time
    return record.end_time


def require_none_doubled(instance: dg.DagsterInstance, days: list[date]) -> None:
    """No day was run to its good end more than once, but for the first, which two workers were given."""
    runs = instance.get_runs(dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS]))
    good = Counter(run.tags["dagster/partition"] for run in runs)
    assert {day: good[str(day)] for day in days[1:]} == dict.fromkeys(days[1:], 1)

"""Real backfills by real worker processes: what is made, what fails, and what becomes of processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pytest

from lumen_assets.alerting.events import Kind
from lumen_assets.backfill.tags import BACKFILL
from lumen_assets.defs.day_runs import open_instance
from lumen_assets_tests.installation import LAST_DAY, Installation
from lumen_assets_tests.waiting import until

DAYS = [LAST_DAY - timedelta(days=number) for number in (2, 1, 0)]
RANGE = ("--from", str(DAYS[0]), "--to", str(DAYS[-1]))
HELD, NEXT = DAYS[:2]
BOTH = ("--from", str(HELD), "--to", str(NEXT))
SUCCESS, FAILURE, CANCELED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "installation", days=len(DAYS))


def runs(installation: Installation, job: str = "daily") -> dict[str, list[dg.DagsterRunStatus]]:
    """The statuses of the runs of a job, oldest first, by day."""
    found: dict[str, list[dg.DagsterRunStatus]] = {}
    with open_instance(installation.workspace) as instance:
        for record in reversed(instance.get_run_records(dg.RunsFilter(job_name=job))):
            found.setdefault(record.dagster_run.tags["dagster/partition"], []).append(record.dagster_run.status)
    return found


def names(*days: date) -> list[str]:
    return [str(day) for day in days]


def is_gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()  # nobody may be there to reap it
    except FileNotFoundError:
        return True


class Backfill:
    """``lumen backfill`` as a process of its own, of two days, the first of which is held up until it is let go."""

    def __init__(self, installation: Installation, *arguments: str) -> None:
        self.installation = installation
        self.held = ExitStack()
        self.held.enter_context(installation.workspace.working_on(HELD))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lumen_assets.cli", "backfill", *BOTH, "--workers", "1", *arguments],
            env={**os.environ, **installation.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        until(lambda: self.status() == "STARTED", "the run to start")
        (self.worker,) = self.children()
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()
        with self.process:
            self.process.kill()

    def status(self) -> str:
        with open_instance(self.installation.workspace) as instance:
            filters = dg.RunsFilter(tags={"dagster/partition": str(HELD)})
            return "".join(run.status.value for run in instance.get_runs(filters, limit=1))

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def signal(self, number: signal.Signals, said: str = "") -> None:
        self.process.send_signal(number)
        if said:
            assert self.process.stderr is not None
            assert any(said in line for line in iter(self.process.stderr.readline, ""))

    def kill(self) -> None:
        """Kill it alone: its worker still has its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def result(self, exit_code: int) -> dict[str, Any]:
        out, errors = self.process.communicate(timeout=100)
        assert self.process.returncode == exit_code, out + errors
        value = json.loads(out)
        assert isinstance(value, dict)
        return value


def test_the_whole_range_is_made_with_one_run_a_day_but_for_the_day_that_fails(installation: Installation) -> None:
    broken = installation.home / "controls" / "reports" / f"report_{DAYS[1]}.md"
    broken.mkdir(parents=True)  # where its report has to go there is a folder
    found = installation.json("backfill", *RANGE, "--workers", "2", exit_code=1)
    assert not found["ok"]
    assert found["asked"] == names(*DAYS)
    assert found["done"] == names(DAYS[0], DAYS[2])
    assert list(found["failed"]) == names(DAYS[1])
    assert list(found["failed"][str(DAYS[1])]) == ["report"]
    assert found["skipped"] == {}
    assert found["left"] == []
    assert found["days_per_minute"] == pytest.approx(60 * 2 / found["seconds"], rel=0.1)
    assert runs(installation) == {str(day): [FAILURE if day == DAYS[1] else SUCCESS] for day in DAYS}
    assert runs(installation, "attest") == {}
    with open_instance(installation.workspace) as instance:
        assert len({run.tags[BACKFILL] for run in instance.get_runs()}) == 1
    open_incidents = installation.workspace.outbox().open_incidents()
    assert str(DAYS[1]) in {subject for one in open_incidents for subject in one.subjects}

    broken.rmdir()
    again = installation.json("backfill", *RANGE)
    assert again["ok"]
    assert again["good_before"] == names(DAYS[0], DAYS[2])
    assert again["done"] == names(DAYS[1])
    nothing = installation.lumen("backfill", *RANGE)
    assert nothing.exit_code == 0
    assert "no day is missing" in nothing.stdout
    assert runs(installation) == {str(day): [FAILURE, SUCCESS] if day == DAYS[1] else [SUCCESS] for day in DAYS}


def test_each_asset_is_made_for_exactly_the_days_on_which_nothing_before_it_failed(tmp_path: Path) -> None:
    """One day fails at its report, one at a destination, in the middle of five."""
    days = [LAST_DAY - timedelta(days=number) for number in range(4, -1, -1)]
    installation = Installation.make(tmp_path / "installation", days=len(days))
    (installation.home / "controls" / "reports" / f"report_{days[1]}.md").mkdir(parents=True)
    (installation.home / "copies" / "there").mkdir(parents=True)
    (installation.home / "copies" / "there" / str(days[3])).write_text("a file where a folder has to be")
    found = installation.json("backfill", "--from", str(days[0]), "--workers", "2", "--to", str(days[-1]), exit_code=1)
    assert {day: list(causes) for day, causes in found["failed"].items()} == {
        str(days[1]): ["report"],
        str(days[3]): ["replica/there"],
    }
    assert found["done"] == names(days[0], days[2], days[4])
    good, reported = set(names(days[0], days[2], days[4])), set(names(*days)) - {str(days[1])}
    expected = {
        "telemetry": set(names(*days)),
        **dict.fromkeys(("report", "report_pdf", "archive"), reported),
        **dict.fromkeys(("replica/here", "verification/here"), reported),
        **dict.fromkeys(("replica/there", "verification/there"), good),
        "attestation": reported,
    }
    with open_instance(installation.workspace) as instance:
        made = {name: instance.get_materialized_partitions(dg.AssetKey(name.split("/"))) for name in expected}
    assert made == expected
    status = installation.json("status", "--to", str(days[-1]), exit_code=1)["days"]
    assert {day for day, found in status.items() if found["attestation"] and found["attestation"]["ok"]} == good
    told = {
        (one.source, subject) for one in installation.workspace.outbox().open_incidents() for subject in one.subjects
    }
    assert told >= {("report", str(days[1])), ("replica/there", str(days[3]))}


def test_days_that_do_not_exist_are_refused_and_nothing_is_made(installation: Installation) -> None:
    found = installation.json("backfill", "--from", "2026-01-30", "--to", "2026-02-02", exit_code=2)
    assert found["error"]["error_class"] == "configuration"
    assert "2026-01-30 to 2026-01-31" in found["error"]["cause"]
    assert not installation.home.exists()


def test_ctrl_c_ends_the_day_under_way_and_the_next_call_does_what_is_left(installation: Installation) -> None:
    with Backfill(installation, "--absent-only") as backfill:
        environment = Path(f"/proc/{backfill.worker}/environ").read_text().split("\0")
        assert any(
            item.startswith("_RJEM_MALLOC_CONF=dirty_decay_ms:30000,") for item in environment
        )  # not Polars' own
        backfill.signal(signal.SIGINT, "stopping")
        backfill.held.close()
        out, _ = backfill.process.communicate(timeout=60)
    assert backfill.process.returncode == 130
    assert f"lumen backfill --from {HELD} --to {NEXT} --workers 1 --absent-only\n" in out
    assert runs(installation) == {str(HELD): [SUCCESS]}
    found = installation.json("backfill", *BOTH)
    assert found["good_before"] == names(HELD)
    assert found["done"] == names(NEXT)
    installation.start_on(HELD)
    said = installation.lumen("backfill", "--last", "5", "--to", str(NEXT)).stdout
    assert said.startswith(f"days           {HELD} to {NEXT}, 2 of the 5 asked for: the first one is {HELD}\n")


def test_a_second_signal_ends_at_once_and_leaves_no_run_started(installation: Installation) -> None:
    with Backfill(installation, "--json") as backfill:
        backfill.signal(signal.SIGINT)
        time.sleep(0.5)
        backfill.signal(signal.SIGTERM)
        found = backfill.result(130)
    assert found["left"] == names(HELD, NEXT)
    assert runs(installation)[str(HELD)] == [CANCELED]
    assert installation.json("backfill", *BOTH)["done"] == names(HELD, NEXT)


def test_a_worker_killed_is_noticed_its_run_failed_and_its_day_made_by_another(installation: Installation) -> None:
    with Backfill(installation, "--json") as backfill:
        os.kill(backfill.worker, signal.SIGKILL)
        until(lambda: backfill.status() == "STARTED" and backfill.children() not in ([], [backfill.worker]), "workers")
        backfill.held.close()
        found = backfill.result(0)
    assert found["done"] == names(HELD, NEXT)
    assert runs(installation) == {str(HELD): [FAILURE, SUCCESS], str(NEXT): [SUCCESS]}


def test_a_backfill_killed_leaves_a_worker_that_ends_its_day_and_goes(installation: Installation) -> None:
    with Backfill(installation) as backfill:
        backfill.kill()
        busy = installation.json("backfill", "--from", str(HELD), "--to", str(HELD), exit_code=1)
        assert not busy["ok"]
        assert "is at work on it" in busy["skipped"][str(HELD)]
        missing = [one for one in installation.workspace.outbox().open_incidents() if one.kind is Kind.DAY_MISSING]
        assert str(HELD) in {subject for one in missing for subject in one.subjects}  # though no run was made
        backfill.held.close()
        until(lambda: is_gone(backfill.worker), "the worker to end")
    assert runs(installation) == {str(HELD): [SUCCESS]}


def test_a_backfill_killed_has_recorded_what_failed_before(installation: Installation) -> None:
    (installation.home / "controls" / "reports" / f"report_{HELD}.md").mkdir(parents=True)  # it cannot be written there
    with installation.workspace.working_on(NEXT), Backfill(installation) as backfill:
        backfill.held.close()
        until(lambda: runs(installation).get(str(NEXT)), "the next day to begin")
        backfill.kill()
        open_incidents = installation.workspace.outbox().open_incidents()
        assert str(HELD) in {subject for one in open_incidents for subject in one.subjects}


def test_a_run_whose_processes_were_all_killed_is_failed_and_its_day_made_again(installation: Installation) -> None:
    with Backfill(installation) as backfill:
        os.kill(backfill.worker, signal.SIGSTOP)  # so that it does not see that it is alone
        backfill.kill()
        os.kill(backfill.worker, signal.SIGKILL)
        until(lambda: is_gone(backfill.worker), "the worker to end")
        assert backfill.status() == "STARTED"
    assert installation.json("backfill", *BOTH)["done"] == names(HELD, NEXT)
    assert runs(installation)[str(HELD)] == [FAILURE, SUCCESS]

"""Runs that a command makes in its own process: who is dead, who cannot be seen, what a skipped day counts as."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.backfill.choosing import Choice
from lumen_assets.backfill.processes import Stop
from lumen_assets.backfill.running import run_backfill
from lumen_assets.defs.day_runs import open_instance
from lumen_assets.defs.own_runs import end_dead_runs
from lumen_assets_tests.installation import LAST_DAY, Installation
from lumen_assets_tests.waiting import until

ONLY = ("--from", str(LAST_DAY), "--to", str(LAST_DAY))
NAME = str(LAST_DAY)


class SharedInstance(Installation):
    """A home of its own on the Dagster instance of ``home`` in the folder beside it, as two have one Postgres."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "DAGSTER_HOME": str(self.root.parent / "instance")}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return SharedInstance.make(tmp_path / "installation", days=1)


def statuses(installation: Installation) -> list[str]:
    """Of the runs of the day, oldest first."""
    with open_instance(installation.workspace) as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="daily", tags={"dagster/partition": NAME}))
    return [run.status.value for run in reversed(runs)]


def marks(installation: Installation) -> list[str]:
    return [path.name for path in (installation.home / "locks" / "runs").iterdir()]


@contextmanager
def held_daily(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """``lumen daily`` as a process of its own, held up in the middle of its run."""
    command = [sys.executable, "-m", "lumen_assets.cli", "daily", "--day", NAME]
    quiet = subprocess.DEVNULL
    with (
        installation.workspace.working_on(LAST_DAY),
        subprocess.Popen(
            command, env={**os.environ, **installation.environment}, stdout=quiet, stderr=quiet
        ) as process,
    ):
        try:
            until(lambda: statuses(installation) == ["STARTED"], "the run to start")
            yield process
        finally:
            process.kill()


def test_a_daily_at_work_is_left_alone_and_one_that_was_killed_keeps_its_day_from_nobody(
    installation: Installation,
) -> None:
    with held_daily(installation):
        busy = installation.json("backfill", *ONLY, exit_code=1)
        assert "is at work on it" in busy["skipped"][NAME]
        assert statuses(installation) == ["STARTED"]
    assert statuses(installation) == ["STARTED"]  # nobody was there to say that it was killed
    found = installation.json("backfill", *ONLY)
    assert (found["ok"], found["done"], found["skipped"]) == (True, [NAME], {})
    assert statuses(installation) == ["FAILURE", "SUCCESS"]
    assert marks(installation) == []


def test_a_day_that_was_made_by_hand_after_a_kill_is_there(installation: Installation) -> None:
    with held_daily(installation):
        pass
    installation.json("daily", "--day", NAME)
    assert statuses(installation) == ["FAILURE", "SUCCESS"]
    found = installation.json("backfill", *ONLY)
    assert (found["ok"], found["good_before"], found["skipped"]) == (True, [NAME], {})


def test_a_run_of_another_home_on_this_machine_is_not_taken_for_dead(
    installation: Installation, tmp_path: Path
) -> None:
    other = SharedInstance.make(tmp_path / "other", days=1)
    with held_daily(installation):
        found = other.json("backfill", *ONLY, exit_code=1)
        assert "is at work on it" in found["skipped"][NAME]
        assert statuses(installation) == ["STARTED"]


def test_a_backfill_of_another_home_on_this_machine_is_not_taken_for_dead(
    installation: Installation, tmp_path: Path
) -> None:
    other = SharedInstance.make(tmp_path / "other", days=1)
    command = [sys.executable, "-m", "lumen_assets.cli", "backfill", *ONLY]
    with installation.workspace.working_on(LAST_DAY):
        process = subprocess.Popen(command, env={**os.environ, **installation.environment}, stdout=subprocess.DEVNULL)
        until(lambda: statuses(installation) == ["STARTED"], "the run to start")
        found = other.json("backfill", *ONLY, exit_code=1)
        assert "is at work on it" in found["skipped"][NAME]
    assert process.wait(100) == 0
    assert statuses(installation) == ["SUCCESS"]


def test_what_was_left_by_a_run_that_ended_is_taken_away_and_changes_nothing(installation: Installation) -> None:
    installation.json("daily", "--day", NAME)
    assert marks(installation) == []
    with open_instance(installation.workspace) as instance:
        (run,) = instance.get_runs()
        for name in (run.run_id, "of-another-instance"):
            (installation.home / "locks" / "runs" / name).touch()
        end_dead_runs(installation.workspace, instance)
    assert statuses(installation) == ["SUCCESS"]
    assert marks(installation) == ["of-another-instance"]


def test_a_skipped_day_is_good_only_if_it_was_made_in_the_end(installation: Installation) -> None:
    installation.json("daily", "--day", NAME)
    other = LAST_DAY - timedelta(days=1)
    workspace = installation.workspace
    with open_instance(workspace) as instance:
        for skipped, ok in (({LAST_DAY: "a run"}, True), ({LAST_DAY: "a run", other: "a run"}, False)):
            choice = Choice((), (), skipped)
            found = run_backfill(workspace, instance, choice, "x", workers=1, stop=Stop(), listener=lambda _: None)
            assert found.made_elsewhere == {LAST_DAY}
            assert found.ok is ok

"""Twenty days missed; Dagster's own daemon, killed with -9 with its runs: all come but the one set up wrongly."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.days import KST, days_between
from lumen_assets.defs.catch_up import TAG, newest_expected
from lumen_assets.settings import Configuration
from lumen_assets_tests.installation import Installation

MISSED = 20
ATTEMPTS = 3
KILLS = 3
CONFIGURATION = f"""
catch_up: {{attempts: {ATTEMPTS}, first_wait_minutes: 0.1}}
alerts: {{daily_summary: false}}
"""
INSTANCE = f"""
telemetry: {{enabled: false}}
run_monitoring: {{enabled: true, poll_interval_seconds: 5, max_runtime_seconds: 60}}
run_retries: {{enabled: true, max_retries: {KILLS}, retry_on_asset_or_op_failure: false}}
concurrency: {{runs: {{max_concurrent_runs: 2}}}}
"""


@contextmanager
def dagster_daemon(installation: Installation) -> Iterator[None]:
    """It, its code server and its runs; all are killed at the end, as a machine that loses its power does."""
    environment = {**os.environ, **installation.environment, "DAGSTER_HOME": str(installation.home / "dagster")}
    log_path = installation.root / "daemon.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-m", "lumen_assets.definitions"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        assert process.poll() is None, log_path.read_text()[-3000:]
        for pid in of_session(process.pid):
            os.kill(pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def of_session(session: int) -> list[int]:
    """Every process that descends from the daemon, whatever group it is in."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,sess="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = {pid for pid, _, of in rows if of == session} | {session}
    for _ in rows:
        more = {pid for pid, parent, _ in rows if parent in found} - found
        if not more:
            break
        found |= more
    return sorted(found)


def attested(installation: Installation) -> set[date]:
    return {
        day for day, found in installation.workspace.ledger.newest_attestations(date.min, date.max).items() if found.met
    }


def started(instance: dg.DagsterInstance) -> set[str]:
    """The days that a run is at work on."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={TAG: "daily"}))
    return {run.tags["dagster/partition"] for run in runs}


def require_cap(runs: Sequence[dg.DagsterRun]) -> None:
    """Each attempt failed by itself exactly once; what else there is was killed, and Dagster started it again."""
    assert {run.status for run in runs} == {dg.DagsterRunStatus.FAILURE}
    by_itself = [run for run in runs if run.tags.get("dagster/failure_reason") == "STEP_FAILURE"]
    assert Counter(run.tags["lumen/attempt"] for run in by_itself) == {str(n): 1 for n in range(1, ATTEMPTS + 1)}
    killed = [run for run in runs if run not in by_itself]
    assert 1 <= len(killed) <= KILLS
    assert all("dagster/auto_retry_run_id" in run.tags for run in killed)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_twenty_missed_days(tmp_path: Path) -> None:
    at = f"{datetime.now(KST) + timedelta(hours=12):%H}:30"  # half a day away: no other day becomes due meanwhile
    last = newest_expected(Configuration.model_validate({"schedule": {"at": at}}), datetime.now(UTC))
    start = last - timedelta(days=MISSED - 1)
    broken = start + timedelta(days=7)
    configuration = f"{CONFIGURATION}schedule: {{at: '{at}'}}\n"
    installation = Installation.make(tmp_path / "installation", days=MISSED, configuration=configuration, last_day=last)
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("2026-02-01", str(start)))
    installation.misconfigure(broken)
    (installation.home / "dagster").mkdir(parents=True)
    (installation.home / "dagster" / "dagster.yaml").write_text(INSTANCE)
    wanted = {*days_between(start, last)} - {broken}
    began, kills = time.monotonic(), 0
    outbox = installation.workspace.outbox()

    def given_up() -> set[str]:
        return {day for one in outbox.open_incidents() if one.kind == "given_up" for day in one.subjects}

    with dg.DagsterInstance.from_config(str(installation.home / "dagster")) as instance:
        while not (wanted <= attested(installation) and given_up() == {str(broken)}):
            assert time.monotonic() - began < 2400, sorted(wanted - attested(installation))
            done = len(attested(installation))
            with dagster_daemon(installation):
                if kills == 0:  # in a run of the broken day
                    while str(broken) not in started(instance):
                        time.sleep(0.1)
                elif kills < KILLS:  # some days later, at any moment
                    while len(attested(installation)) < min(done + 4, len(wanted)):
                        time.sleep(0.2)
                    time.sleep(random.uniform(0, 5))  # noqa: S311 - a moment, no secret
                if kills < KILLS:
                    kills += 1
                else:
                    while not (wanted <= attested(installation) and given_up() == {str(broken)}):
                        assert time.monotonic() - began < 2400, sorted(wanted - attested(installation))
                        time.sleep(1)
                    time.sleep(90)  # a tick later it is still given up, and nothing is doubled
        assert attested(installation) == wanted
        assert all(
            [folder.name for folder in (installation.home / "archive" / str(day)).glob("r*")] == [] for day in wanted
        ), "one revision each"
        runs = instance.get_runs(dg.RunsFilter(tags={TAG: "daily"}))
        good = Counter(run.tags["dagster/partition"] for run in runs if run.status is dg.DagsterRunStatus.SUCCESS)
        assert set(good) == {str(day) for day in wanted}
        assert set(good.values()) == {1}, "no day was run twice to its end"
        assert not [run for run in runs if not run.is_finished]
        of_broken = [run for run in runs if run.tags["dagster/partition"] == str(broken)]
        require_cap(of_broken)
    (incident,) = [one for one in outbox.open_incidents() if one.kind == "given_up"]
    assert incident.subjects == (str(broken),)
    assert f"given_up: catch_up, attempts for {broken}" in installation.lumen("alerts").output
    assert "lumen_partitions_given_up 1" in installation.lumen("gauges").output
    killed = f"{len(of_broken) - ATTEMPTS} of its runs killed"
    print(f"given up after {ATTEMPTS} attempts, {killed}; ", end="")
    print(f"{len(wanted)} days, {kills} kills, {time.monotonic() - began:.0f} s, {datetime.now(UTC):%Y-%m-%d}")

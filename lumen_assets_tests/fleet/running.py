"""Several machines on one: each with its own LUMEN_HOME and DAGSTER_HOME, as ``deploy/celery`` sets them up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import DagsterEventType
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from lumen_assets.definitions import build_defs
from lumen_assets.settings import load_settings
from lumen_assets.telemetry import write_sample
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import PUBLIC_TEST_KEY
from lumen_assets_tests.postgres import running_postgres
from lumen_assets_tests.redis_server import running_redis

DEPLOYED = Path(__file__).parents[2] / "deploy" / "celery"
RATE_HZ = 0.1
IMPATIENT: Mapping[str, Mapping[str, Any]] = {
    "run_monitoring": {"poll_interval_seconds": 2, "max_runtime_seconds": 60, "free_slots_after_run_end_seconds": 5}
}
"""What a test does not wait for as long as ``deploy/celery/dagster.yaml`` says."""


@dataclass
class Fleet:
    """The machines, and what they share: two databases, the inputs, the destinations.

    Attributes:
        root: a folder a machine by its name, and what is shared.
        secrets: addresses of the databases, by the variables that hold them.
        running: the process of each machine's program, the leader of a session of its own.
    """

    root: Path
    secrets: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, machine: str) -> dict[str, str]:
        return {
            "LUMEN_HOME": str(self.root / machine),
            "LUMEN_DATA_ROOT": str(self.root / "data"),
            "LUMEN_CONFIG": str(self.root / "lumen.yaml"),
            "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY,
            "DAGSTER_HOME": str(self.root / machine / "dagster"),
            "PYTHONPATH": str(DEPLOYED),
            **self.secrets,
        }

    def workspace(self, machine: str) -> Workspace:
        return Workspace(load_settings(self.environment(machine), self.root))

    @contextmanager
    def instance(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
        """The one that they share, as the daemon's machine opens it."""
        with monkeypatch.context() as patch:
            for name, value in self.environment("daemon").items():
                patch.setenv(name, value)
            with dg.DagsterInstance.from_config(str(self.root / "daemon" / "dagster")) as instance:
                yield instance

    def add(self, machine: str, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """A machine as ``deploy/celery/README.md`` makes it, with some settings of its ``dagster.yaml`` changed."""
        configuration = yaml.safe_load((DEPLOYED / "dagster.yaml").read_text())
        for section, values in settings.items():
            configuration[section] |= values
        folder = self.root / machine / "dagster"
        folder.mkdir(parents=True)
        (folder / "dagster.yaml").write_text(yaml.safe_dump(configuration))

    def start_worker(self, machine: str, places: int) -> None:
        options = ["-Q", "dagster", "--concurrency", str(places), "--hostname", f"{machine}@%h", "--loglevel", "INFO"]
        self._start(machine, ["-m", "celery", "-A", "dagster_celery.app", "worker", *options])

    def start_daemon(self) -> None:
        self._start("daemon", ["-m", "dagster._daemon", "run", "-m", "lumen_assets.definitions"])

    def _start(self, machine: str, arguments: list[str]) -> None:
        with self.log(machine).open("ab") as log:
            self.running[machine] = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, **self.environment(machine)},
                cwd=self.root / machine,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, machine: str) -> Path:
        return self.root / f"{machine}.log"

    def kill(self, machine: str) -> None:
        """The machine is gone at once, with everything that ran on it."""
        process = self.running.pop(machine)
        for pid in of_session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def processes_of(self, machine: str) -> set[int]:
        return of_session(self.running[machine].pid)

    def launch(self, instance: dg.DagsterInstance, day: date) -> str:
        """A run of the day, given to the workers at once, past the queue; its id."""
        definitions = build_defs(self.workspace("daemon"))
        pointer = ModuleCodePointer("lumen_assets.definitions", "defs", working_directory=None)
        repository = RepositoryPythonOrigin(sys.executable, pointer, None, None, None)
        run = instance.create_run_for_job(
            definitions.resolve_job_def("daily"),
            tags={"dagster/partition": day.isoformat()},
            job_code_origin=JobPythonOrigin("daily", repository),
            status=dg.DagsterRunStatus.STARTING,
        )
        instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        return run.run_id

    def attested(self) -> set[date]:
        """Days whose attestation meets the policy, as the machine with the daemon knows it."""
        found = self.workspace("daemon").ledger.newest_attestations(date.min, date.max)
        return {day for day, attested in found.items() if attested.met}

    def homes_of(self, day: date) -> set[str]:
        """The machines that froze a day, or fetched it."""
        return {path.parts[-3] for path in self.root.glob(f"*/archive/{day}")}


def of_session(session: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,sess="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return {pid for pid, of in rows if of == session}


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that a run began in."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        if found := re.search(r"Started process for run \(pid: (\d+)\)", entry.message or ""):
            return int(found[1])
    return None


@contextmanager
def running_fleet(
    root: Path,
    *,
    days: int,
    last_day: date,
    first_day: date,
    settings: Mapping[str, Mapping[str, Any]] = IMPATIENT,
    in_flight: int = 100,
) -> Iterator[Fleet]:
    """Postgres, Redis, and machines to be started: ``daemon``, ``north`` and ``south``. All are killed at the end.

    Args:
        root: where all of it is.
        days: of sample data, up to ``last_day``.
        last_day: see ``days``.
        first_day: the first one that the sensor ``catch_up`` requests.
        settings: see ``IMPATIENT``.
        in_flight: how many it requests at a time: what is lost comes back behind them.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        redis = stack.enter_context(running_redis(root / "redis"))
        state = postgres.new_database().replace("postgresql://", "postgresql+psycopg2://")
        fleet = Fleet(root, {"LUMEN_STATE_URL": state, "LUMEN_REDIS_URL": redis})
        for name in ("one", "two"):
            (root / "copies" / name).mkdir(parents=True)
        write_sample(root / "data", last_day=last_day, days=days, rate_hz=RATE_HZ)
        copies = "\n".join(f"  {name}: {{type: local, path: {root / 'copies' / name}}}" for name in ("one", "two"))
        (root / "lumen.yaml").write_text(
            f"start_date: {first_day}\nsources: {{telemetry: {{rate_hz: {RATE_HZ}}}}}\nschedule: {{enabled: false}}\n"
            f"destinations:\n{copies}\n"
            f"catch_up: {{per_tick: 100, in_flight: {in_flight}, first_wait_minutes: 0.1}}\n"
        )
        for machine in ("daemon", "north", "south"):
            fleet.add(machine, settings)
        try:
            yield fleet
        finally:
            for machine in list(fleet.running):
                fleet.kill(machine)

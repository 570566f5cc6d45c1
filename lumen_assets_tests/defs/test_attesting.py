"""A day is attested once: in its own run, or, where that did not come to it, in one that the sensor requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.days import yesterday
from lumen_assets.defs.sensors import ATTESTED_BY_CALLER
from lumen_assets.errors import TransientError
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.receiver import Server, server
from lumen_assets_tests.defs.daemon import Daemon, assets_of_days
from lumen_assets_tests.installation import Installation

DAY = yesterday()
"""The one that the dead man's switch hears of."""
UI = "__ASSET_JOB"
"""What a run is of that was started from the asset graph."""
ATTESTATION = dg.AssetKey("attestation")
CONFIGURATION = """
destinations: {here: {type: local, path: copies/here}, there: {type: local, path: DISK}}
alerts: {dead_man_url: PING_URL, daily_summary: false}
"""


class AttestingDaemon(Daemon):
    """Makes the attestations that the sensor requests, as Dagster's daemon does."""

    def run_all(self, job: str, **tags: str) -> bool:
        """A run of the day, of everything, as somebody starts it who tags it so."""
        return self.run(DAY, job, asset_selection=assets_of_days(self.definitions) if job == UI else None, tags=tags)

    def requested(self, name: str = "attest_ended_days") -> list[str]:
        """Tick the sensor and run what it requests; the names of the jobs."""
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            resources={"lumen": self.workspace},
            repository_def=repository,
        ) as context:
            sensor = repository.get_sensor_def(name)
            data = sensor.evaluate_tick(context)
        self.cursors[name] = data.cursor
        for request in data.run_requests or []:
            assert request.partition_key == str(DAY)
            self.run(DAY, sensor.job_name, tags=dict(request.tags))
        return [sensor.job_name for _ in data.run_requests or []]

    def attested(self) -> list[str]:
        """The jobs whose runs made an attestation of the day, oldest first."""
        made = self.instance.fetch_materializations(ATTESTATION, limit=99, ascending=True).records
        runs = [self.instance.get_run_by_id(record.run_id) for record in made]
        return [run.job_name for run in runs if run]


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("made"), days=1, last_day=DAY, configuration=CONFIGURATION)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where a disk is mounted that has replicas."""
    disk = tmp_path / "disk"
    disk.mkdir()
    return disk


@pytest.fixture
def installation(made: Installation, tmp_path: Path, disk: Path) -> Installation:
    shutil.copytree(made.root, tmp_path / "installation")
    path = tmp_path / "installation" / "lumen.yaml"
    path.write_text(path.read_text().replace("DISK", str(disk)))
    return Installation(tmp_path / "installation")


@pytest.fixture
def daemon(installation: Installation, receiver: Server) -> Iterator[AttestingDaemon]:
    settings = load_settings({**installation.environment, "PING_URL": f"{receiver.url}/ping"}, installation.root)
    with dg.DagsterInstance.ephemeral() as instance:
        yield AttestingDaemon(Workspace(settings), instance)


def pings(receiver: Server) -> list[str]:
    return [one.target.partition("?")[0].removeprefix("/ping") for one in receiver.received]


@pytest.mark.parametrize("job", ["daily", UI])
def test_a_good_day_is_attested_in_its_own_run(daemon: AttestingDaemon, receiver: Server, job: str) -> None:
    assert daemon.run_all(job)
    assert daemon.attested() == [job]
    assert daemon.requested() == []
    assert pings(receiver) == ["/start", ""]
    for key in assets_of_days(daemon.definitions):  # one that stayed empty would make a backfill in the UI a failed one
        assert daemon.instance.get_materialized_partitions(key) == {str(DAY)}, key


@pytest.mark.parametrize("job", ["daily", UI])
def test_a_day_whose_destination_failed_is_attested_in_a_run_of_its_own(
    daemon: AttestingDaemon, disk: Path, receiver: Server, job: str
) -> None:
    disk.rmdir()
    assert not daemon.run_all(job)
    assert daemon.attested() == []
    assert daemon.requested() == ["attest"]
    assert daemon.attested() == ["attest"]
    found = daemon.workspace.ledger.newest_attestations(DAY, DAY)[DAY]
    assert (found.good, found.required) == (1, 2)
    assert daemon.requested() == []
    assert pings(receiver) == ["/start", "/fail"]


@pytest.mark.parametrize("job", ["daily", UI])
def test_a_day_that_was_not_frozen_is_a_failure_already(
    daemon: AttestingDaemon, installation: Installation, receiver: Server, job: str
) -> None:
    (installation.data_root / "logs" / "metrics.csv").unlink()
    assert not daemon.run_all(job)
    assert daemon.requested() == []
    assert pings(receiver) == ["/start", "/fail"]


@pytest.mark.parametrize("canceled", [True, False])
def test_a_run_that_was_ended_from_outside_has_its_day_attested(daemon: AttestingDaemon, canceled: bool) -> None:
    daemon.run(DAY, asset_selection=[dg.AssetKey(name) for name in ("telemetry", "report", "report_pdf", "archive")])
    assert daemon.requested() == []
    run = daemon.instance.create_run_for_job(
        daemon.definitions.resolve_job_def("daily"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(DAY)},
    )
    (daemon.instance.report_run_canceled if canceled else daemon.instance.report_run_failed)(run, "gone")
    assert daemon.requested() == ["attest"]


def test_a_run_whose_starter_attests_is_left_to_it(daemon: AttestingDaemon, disk: Path) -> None:
    disk.rmdir()
    assert not daemon.run_all("daily", **ATTESTED_BY_CALLER)
    assert daemon.requested() == []


def test_a_day_below_policy_in_its_own_run_is_healed_and_attested_again(daemon: AttestingDaemon) -> None:
    names = ("telemetry", "report", "report_pdf", "archive", "attestation")
    at_one = [dg.AssetKey([asset, "here"]) for asset in ("replica", "verification")]
    assert daemon.run(DAY, UI, asset_selection=[*(dg.AssetKey(name) for name in names), *at_one])
    assert not daemon.workspace.ledger.newest_attestations(DAY, DAY)[DAY].met
    assert daemon.requested() == []
    assert daemon.requested("heal") == ["repair"]
    assert daemon.requested() == ["attest"]
    assert daemon.attested() == [UI, "attest"]
    assert daemon.workspace.ledger.newest_attestations(DAY, DAY)[DAY].met
    assert daemon.requested("heal") == []


def unable(*_: object) -> None:
    raise TransientError("count", "replicas", "the database is away")


def test_an_attestation_that_failed_is_told_once_and_left_to_the_healing(
    daemon: AttestingDaemon, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace, "attest", unable)
    assert not daemon.run_all("daily")
    assert daemon.requested() == []
    assert pings(receiver) == ["/start", "/fail"]


def test_the_command_makes_a_second_run_only_where_the_first_did_not_come_to_it(
    installation: Installation, disk: Path, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"PING_URL": f"{receiver.url}/ping"}
    good = installation.json("daily", **environment)
    assert (set(good["runs"]), good["attestation"]["good"], pings(receiver)) == ({"daily"}, 2, ["/start", ""])
    receiver.received.clear()
    disk.rename(disk.with_name("away"))
    bad = installation.json("daily", exit_code=1, **environment)
    assert (set(bad["runs"]), bad["attestation"]["good"]) == ({"daily", "attest"}, 1)
    assert list(bad["failures"]) == ["replica/there"]
    assert pings(receiver) == ["/start", "/fail"]
    receiver.received.clear()
    disk.with_name("away").rename(disk)
    monkeypatch.setattr(Workspace, "attest", unable)
    failed = installation.json("daily", exit_code=1, **environment)
    assert (set(failed["runs"]), list(failed["failures"])) == ({"daily"}, ["attestation"])
    assert pings(receiver) == ["/start", "/fail"]

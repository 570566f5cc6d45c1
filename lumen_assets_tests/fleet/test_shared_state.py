"""Two machines on one Postgres and the same destinations, each with a LUMEN_HOME of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lumen_assets.archive import Manifest
from lumen_assets.definitions import build_defs
from lumen_assets.defs import replicas
from lumen_assets.errors import TransientError
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]


@dataclass(frozen=True)
class Machine(Installation):
    """An installation whose state, inputs and destinations are those of others, too."""

    state_url: str = ""
    name: str = "north"

    @property
    def home(self) -> Path:
        return self.root / self.name

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "LUMEN_STATE_URL": self.state_url}

    @property
    def there(self) -> Path:
        """The first destination."""
        return self.root / "copies" / "one"


@pytest.fixture
def north(tmp_path: Path, postgres: Postgres) -> Machine:
    for name in ("one", "two"):
        (tmp_path / "copies" / name).mkdir(parents=True)
    places = ", ".join(f"{name}: {{type: local, path: {tmp_path / 'copies' / name}}}" for name in ("one", "two"))
    Installation.make(tmp_path, days=2, configuration=f"destinations: {{{places}}}")
    return Machine(tmp_path, postgres.new_database())


@pytest.fixture
def south(north: Machine) -> Machine:
    return Machine(north.root, north.state_url, "south")


def late_row(machine: Machine, note: str) -> None:
    with (machine.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{LAST_DAY}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": note}
        file.write(json.dumps(line) + "\n")


def made(machine: Machine) -> int:
    """Make the day; its revision."""
    found = machine.json("daily", "--day", str(LAST_DAY))
    assert found["attestation"]["ok"], found
    return int(found["archive"]["revision"])


def require_good(machine: Machine) -> None:
    """To a machine that knows nothing, every replica is good and the history whole."""
    fresh = Machine(machine.root, machine.state_url, "fresh")
    found = fresh.json("verify", "--level", "members", LUMEN_STATE_URL="")
    assert {item["verdict"] for item in found["verdicts"]} == {"MATCH"}
    assert found["history"] == []


def test_what_one_machine_did_the_other_knows(north: Machine, south: Machine) -> None:
    assert made(north) == 1
    workspace = south.workspace
    assert workspace.existing_days() == {LAST_DAY}
    assert workspace.good_days(date.min, date.max) == {LAST_DAY}
    assert workspace.newest_revision(LAST_DAY) == 1
    assert workspace.frozen_inputs.known()[0].day == LAST_DAY
    job = build_defs(workspace).resolve_job_def("attest")
    assert job.execute_in_process(partition_key=str(LAST_DAY)).success
    assert not (south.home / "archive" / str(LAST_DAY)).exists(), "nothing was fetched for it"
    shown = south.json("status", "--from", str(LAST_DAY), "--to", str(LAST_DAY))["days"][str(LAST_DAY)]
    assert shown["attestation"]["ok"]


def test_revisions_count_on_from_those_of_the_other(north: Machine, south: Machine) -> None:
    assert made(north) == 1
    late_row(north, "one")
    assert made(south) == 2
    late_row(north, "two")
    assert made(north) == 3  # whose own archive ends with the first
    assert made(south) == 3
    require_good(north)


def test_the_same_day_frozen_by_both_is_one_revision(north: Machine, south: Machine) -> None:
    for machine in (north, south):
        machine.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    assert (made(north), made(south)) == (1, 1)
    archives = [next((machine.home / "archive" / str(LAST_DAY)).glob("*.tink")) for machine in (north, south)]
    assert archives[0].read_bytes() != archives[1].read_bytes(), "two freezings, each with a salt of its own"
    assert len(list(north.there.rglob("*.tink"))) == 1
    south.json("daily", "--day", str(LAST_DAY - timedelta(days=1)))  # its manifest names none that only south has
    require_good(north)


def put_by_hand(machine: Machine, pattern: str, destination: str = "one") -> None:
    """What the machine froze, or a part of it, at a destination."""
    folder = machine.root / "copies" / destination / str(LAST_DAY)
    folder.mkdir(exist_ok=True)
    for path in (machine.home / "archive" / str(LAST_DAY)).glob(pattern):
        shutil.copyfile(path, folder / path.name)


def test_a_machine_lost_between_archive_and_manifest(
    north: Machine, south: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "PATIENCE", 0)
    north.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    put_by_hand(north, "*.tink")
    shutil.rmtree(north.home)
    assert made(south) == 1
    aside = [path for path in north.there.rglob("*") if ".aside-" in path.name]
    assert [path.read_bytes() for path in aside] != []
    require_good(south)


def test_a_manifest_that_was_not_put_is_no_head_of_history(
    north: Machine, south: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """North was lost before its manifest at one; south, whose own archive is damaged, mends that from two."""
    monkeypatch.setattr(replicas, "PATIENCE", 0)
    for machine in (north, south):
        machine.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    put_by_hand(north, "*.tink")
    put_by_hand(north, "*", "two")
    archive = south.workspace.frozen_day(LAST_DAY)
    content = bytearray(archive.archive_path.read_bytes())
    content[-5] ^= 1
    archive.archive_path.write_bytes(content)
    assert made(south) == 1
    assert archive.manifest_digest not in south.workspace.ledger.manifests()
    south.json("daily", "--day", str(LAST_DAY - timedelta(days=1)))
    assert archive.manifest_digest not in south.workspace.frozen_day(LAST_DAY - timedelta(days=1)).manifest.parents
    require_good(north)


def test_a_manifest_that_is_on_its_way_is_waited_for(
    north: Machine, south: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on the second try of a step whose first one failed for another reason."""
    north.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    put_by_hand(north, "*.tink")
    real_look, real_put, tries = Workspace.has_another_freezing, replicas.replicate, []

    def look(self: Workspace, destination: str, manifest: Manifest) -> bool | None:
        found = real_look(self, destination, manifest)
        put_by_hand(north, "*.json")
        return found

    def put(*arguments: Any) -> Any:
        tries.append(arguments)
        if len(tries) == 1:
            raise TransientError(action="put", subject="it", cause="no network", error_class="network")
        return real_put(*arguments)

    monkeypatch.setattr(Workspace, "has_another_freezing", look)
    monkeypatch.setattr(replicas, "replicate", put)
    monkeypatch.setattr(replicas, "BETWEEN_LOOKS", 0, raising=False)
    assert made(south) == 1
    assert [path for path in north.there.rglob("*") if ".aside-" in path.name] == []
    require_good(south)


def test_what_was_frozen_and_put_nowhere_does_not_count(north: Machine, south: Machine) -> None:
    north.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    late_row(north, "meanwhile")
    assert made(south) == 1  # with other content than north's
    found = north.json("verify")
    assert {item["verdict"] for item in found["verdicts"]} == {"MATCH"}
    assert found["history"] == []
    assert made(north) == 2
    require_good(south)


def test_what_was_put_nowhere_repairs_nothing(north: Machine, south: Machine) -> None:
    """North's own archive of the day is intact, and of other content than the replicas."""
    north.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    late_row(north, "meanwhile")
    assert made(south) == 1
    damaged = next((north.there / str(LAST_DAY)).glob("*.tink"))
    content = bytearray(damaged.read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(content)
    assert north.json("repair", str(LAST_DAY))["ok"]
    require_good(south)


def test_late_data_is_known_to_both(north: Machine, south: Machine) -> None:
    made(north)
    late_row(north, "late")
    south.workspace.look_for_late_data()
    assert set(north.workspace.frozen_inputs.changed()) == {LAST_DAY}


def test_a_run_goes_on_at_a_machine_that_has_no_report(south: Machine) -> None:
    job = build_defs(south.workspace).resolve_job_def("daily")
    selected = [dg.AssetKey("archive")]
    assert job.execute_in_process(partition_key=str(LAST_DAY), asset_selection=selected).success
    assert made(south) == 1, "with the same content as from its first step on"

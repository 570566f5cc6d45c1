"""Damage at one destination, healed from another copy, with nothing deleted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets.archive import Digests
from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.store import Progress, Receipt
from lumen_assets.verification import Verdict
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

DAY = LAST_DAY
DAY_BEFORE = LAST_DAY - timedelta(days=1)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("installation"))
    for day in (DAY_BEFORE, DAY):
        installation.json("daily", "--day", str(day))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def rot(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[-5] ^= 0x10
    archive.write_bytes(content)


def truncate(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:100])


def extend(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"\0")


def delete(archive: Path) -> None:
    archive.unlink()


def replace(archive: Path) -> None:
    shutil.copyfile(archive.parent.parent / str(DAY_BEFORE) / f"lumen-{DAY_BEFORE}-r1.tar.zst.tink", archive)


def delete_all(archive: Path) -> None:
    shutil.rmtree(archive.parent)


def delete_manifest(archive: Path) -> None:
    (archive.parent / "snapshot.manifest.json").unlink()


def spoil_manifest(archive: Path) -> None:
    manifest = archive.parent / "snapshot.manifest.json"
    manifest.write_text(manifest.read_text().replace('"revision": 1', '"revision": 7'))


DAMAGES = [rot, truncate, extend, delete, replace, delete_all, delete_manifest, spoil_manifest]


@pytest.mark.parametrize("fresh", [False, True], ids=["archive at hand", "fresh machine"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_healed_from_a_good_copy_and_kept_aside(
    installation: Installation, damage: Callable[[Path], None], fresh: bool
) -> None:
    here = installation.archive_at("here", DAY)
    good = {path.name: path.read_bytes() for path in here.parent.iterdir()}
    damage(here)
    damaged = {path.read_bytes() for path in here.parent.iterdir()} if here.parent.exists() else set()
    if fresh:
        for name in ("archive", "verification"):
            shutil.rmtree(installation.home / name)
    found = installation.json("repair", str(DAY))
    (repaired,) = [item for item in found["replicas"] if item["repaired"]]
    assert (repaired["destination"], repaired["after"]) == ("here", "MATCH")
    assert repaired["source"] == ("there" if fresh else "archive")
    kept = {path.name: path.read_bytes() for path in here.parent.iterdir()}
    assert good.items() <= kept.items()
    assert damaged <= set(kept.values())
    assert installation.json("verify", str(DAY))["ok"]


def test_damage_is_healed_also_where_the_store_takes_it_for_identical(installation: Installation) -> None:
    """As a provider does whose checksum collides, or was never computed again."""
    archive = installation.archive_at("here", DAY)
    good = archive.read_bytes()
    rot(archive)
    damaged = archive.read_bytes()
    workspace = installation.workspace
    store = Credulous("here", installation.home / "copies" / "here")
    workspace = Workspace(installation.settings, {**workspace.stores, "here": store})
    (here, there) = workspace.repair_day(DAY)
    assert there.repair is None
    assert here.repair is not None
    assert (here.now.verdict, here.problem) == (Verdict.MATCH, "")
    assert archive.read_bytes() == good
    assert damaged in [path.read_bytes() for path in archive.parent.iterdir()]


class Credulous(LocalStore):
    """Takes whatever has the name for the right content."""

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        there = self.stat(key)
        return Receipt(there, created=False, bytes_sent=0) if there else super().put(key, source, digests, progress)


def test_nothing_to_repair_changes_nothing(installation: Installation) -> None:
    before = sorted(path for path in installation.home.rglob("*") if "copies" in path.parts)
    found = installation.json("repair")
    assert not any(item["repaired"] for item in found["replicas"])
    assert sorted(path for path in installation.home.rglob("*") if "copies" in path.parts) == before


def test_without_days_what_is_known_to_be_bad_is_repaired(installation: Installation) -> None:
    delete(installation.archive_at("there", DAY_BEFORE))
    installation.json("verify", str(DAY_BEFORE), exit_code=1)
    found = installation.json("repair")
    assert [(item["day"], item["destination"]) for item in found["replicas"] if item["repaired"]] == [
        (str(DAY_BEFORE), "there")
    ]
    day = installation.json("status", "--from", str(DAY_BEFORE), "--to", str(DAY))["days"][str(DAY_BEFORE)]
    assert day["attestation"]["ok"]


@pytest.mark.parametrize("damage", [delete, truncate, rot])
def test_without_days_damage_that_nobody_noticed_yet_is_found(
    installation: Installation, damage: Callable[[Path], None]
) -> None:
    damage(installation.archive_at("here", DAY))
    found = installation.json("repair")
    assert [(item["day"], item["destination"]) for item in found["replicas"] if item["repaired"]] == [
        (str(DAY), "here")
    ]


def test_where_no_copy_is_good_nothing_is_touched_and_it_is_said(installation: Installation) -> None:
    shutil.rmtree(installation.home / "archive")
    for name in ("here", "there"):
        rot(installation.archive_at(name, DAY))
    before = {path: path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}
    found = installation.json("repair", str(DAY), exit_code=1)
    assert not any(item["repaired"] for item in found["replicas"])
    assert all("no other copy of it is good" in item["problem"] for item in found["replicas"])
    after = {path: path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}
    assert after == before

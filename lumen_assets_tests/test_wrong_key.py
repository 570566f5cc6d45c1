"""A machine with another key than the archives were made with does no harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lumen_assets.archive import Keyring, parse_keyring
from lumen_assets.replication import Store
from lumen_assets.verification import known
from lumen_assets_tests.installation import LAST_DAY, PUBLIC_TEST_KEY, Installation

OTHER_KEY = "/" * 43


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("installation"))
    installation.json("daily", "--day", str(LAST_DAY))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    """A fresh machine: the destinations are there, nothing else is."""
    shutil.copytree(proven.root, tmp_path / "installation")
    installation = Installation(tmp_path / "installation")
    for folder in ("archive", "verification", "dagster"):
        shutil.rmtree(installation.home / folder)
    return installation


def contents(installation: Installation) -> dict[str, bytes]:
    folder = installation.home / "copies"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_key_that_made_none_of_the_archives_freezes_nothing(installation: Installation) -> None:
    before = contents(installation)
    found = installation.json("daily", "--day", str(LAST_DAY), exit_code=2, LUMEN_ARCHIVE_KEY=OTHER_KEY)
    assert "made none of the archives that exist, at here, there" in found["error"]["cause"]
    assert contents(installation) == before
    assert not (installation.home / "archive" / str(LAST_DAY)).exists()


def test_a_key_that_fits_is_not_asked_about_again_by_a_process_that_goes_on_to_other_days(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def key_fits(place: Store, keyring: Keyring) -> bool | None:
        asked.append(place.name)
        return known.key_fits(place, keyring)

    monkeypatch.setattr("lumen_assets.workspace.key_fits", key_fits)
    workspace = installation.workspace
    for _ in range(3):
        workspace.ensure_key()
    assert asked == ["archive", "here"]


def test_doctor_says_so(installation: Installation) -> None:
    found = installation.json("doctor", exit_code=1, LUMEN_ARCHIVE_KEY=OTHER_KEY)
    (key,) = [item for item in found["findings"] if item["name"] == "archive key"]
    assert not key["ok"]
    assert "made none of the archives" in key["detail"]
    assert installation.json("doctor")["ok"]


def test_a_repair_with_it_displaces_nothing(installation: Installation, tmp_path: Path) -> None:
    """Also where this machine has archives of its own, made with the other key before it met these destinations."""
    alone = Installation.make(tmp_path / "alone")
    alone.json("daily", "--day", str(LAST_DAY), LUMEN_ARCHIVE_KEY=OTHER_KEY)
    shutil.copytree(alone.home / "archive", installation.home / "archive")
    before = contents(installation)
    found = installation.json("repair", str(LAST_DAY), exit_code=1, LUMEN_ARCHIVE_KEY=OTHER_KEY)
    assert all("is LUMEN_ARCHIVE_KEY the right one?" in item["problem"] for item in found["replicas"])
    assert contents(installation) == before
    assert installation.json("verify", str(LAST_DAY))["ok"]


def test_with_both_keys_the_old_archives_stay_good_and_new_ones_get_the_new_key(installation: Installation) -> None:
    both = f"{OTHER_KEY},{PUBLIC_TEST_KEY}"
    found = installation.json("daily", "--day", str(LAST_DAY), LUMEN_ARCHIVE_KEY=both)
    assert found["archive"]["created"] is False
    found = installation.json("daily", "--day", "2026-03-08", LUMEN_ARCHIVE_KEY=both)
    assert found["attestation"]["ok"]
    assert found["archive"]["key_id"] != parse_keyring(PUBLIC_TEST_KEY).primary.id

"""``lumen restore all``: every day there is, from whatever is left."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [str(LAST_DAY - timedelta(days=1)), str(LAST_DAY)]


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("installation"))
    for day in DAYS:
        installation.json("daily", "--day", day)
    return installation


@pytest.fixture
def fresh(proven: Installation, tmp_path: Path) -> Installation:
    """The same settings and replicas on a machine that has never frozen anything."""
    shutil.copytree(proven.root, tmp_path / "fresh")
    installation = Installation(tmp_path / "fresh")
    shutil.rmtree(installation.home / "archive")
    return installation


def test_every_day_gets_a_folder_and_nothing_is_complained_of(fresh: Installation, tmp_path: Path) -> None:
    result = fresh.lumen("restore", "all", "--to", tmp_path / "all")
    assert result.exit_code == 0, result.output
    assert "passed over" not in result.output  # that this machine froze nothing is no fault of a copy
    assert "2 days restored, 0 failed" in result.stdout
    fresh.json("restore", DAYS[0], "--to", tmp_path / "one")
    one = {path.relative_to(tmp_path / "one"): path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    all_of = tmp_path / "all" / DAYS[0]
    assert {path.relative_to(all_of): path.read_bytes() for path in all_of.rglob("*.*")} == one
    assert (tmp_path / "all" / DAYS[1] / "bagit.txt").exists()


def test_it_goes_on_where_it_was_stopped(fresh: Installation, tmp_path: Path) -> None:
    fresh.json("restore", "all", "--to", tmp_path / "all")
    shutil.rmtree(tmp_path / "all" / DAYS[1])
    (tmp_path / "all" / DAYS[1]).mkdir()  # nothing in it: not restored
    (tmp_path / "all" / DAYS[0] / "bagit.txt").write_text("mine")
    found = fresh.json("restore", "all", "--to", tmp_path / "all")
    assert (list(found["days"]), found["there"]) == ([DAYS[1]], [DAYS[0]])
    assert (tmp_path / "all" / DAYS[0] / "bagit.txt").read_text() == "mine"


def test_a_day_that_cannot_be_restored_keeps_no_other_and_is_named(fresh: Installation, tmp_path: Path) -> None:
    for name in ("here", "there"):
        fresh.archive_at(name, LAST_DAY - timedelta(days=1)).write_bytes(b"damaged")
    found = fresh.json("restore", "all", "--to", tmp_path / "all", exit_code=1)
    assert (found["ok"], list(found["days"]), list(found["failed"])) == (False, [DAYS[1]], [DAYS[0]])
    assert not (tmp_path / "all" / DAYS[0]).exists()
    result = fresh.lumen("restore", "all", "--to", tmp_path / "again")
    assert f"not restored: {DAYS[0]} r1" in result.stderr


def test_only_some_files_of_every_day(fresh: Installation, tmp_path: Path) -> None:
    fresh.json("restore", "all", "--to", tmp_path / "all", "logs/metrics.csv")
    for day in DAYS:
        assert [path.name for path in (tmp_path / "all" / day).rglob("*.*")] == ["metrics.csv"]


def test_a_destination_that_does_not_answer_may_hold_more(fresh: Installation, tmp_path: Path) -> None:
    shutil.rmtree(fresh.home / "copies" / "there")
    (fresh.home / "copies" / "there").write_text("no folder")
    found = fresh.json("restore", "all", "--to", tmp_path / "all", exit_code=1)
    assert (list(found["days"]), list(found["silent"])) == (DAYS, ["there"])


def test_a_revision_is_one_of_a_day(fresh: Installation, tmp_path: Path) -> None:
    result = fresh.lumen("restore", "all", "--revision", "1", "--to", tmp_path / "all")
    assert (result.exit_code, "--revision" in result.stderr) == (2, True)

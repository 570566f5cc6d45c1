"""The files of every release so far: this version reads them and goes on with them.

The sets under ``golden/`` are never made again; ``tools/golden_home.py`` makes that of a new release. Their key is the
public test key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation
from tools import golden_home

SETS = sorted((Path(__file__).parent / "golden").iterdir())
NEXT_DAY = str(LAST_DAY + timedelta(days=1))


@pytest.fixture(params=SETS, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def installation(golden: Path, tmp_path: Path) -> Installation:
    return golden_home.a_copy(golden, tmp_path)


@pytest.fixture
def expected(golden: Path) -> dict[str, Any]:
    found = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    assert found.pop("version") == golden.name
    return found


def migrate(installation: Installation) -> None:
    """As docs/upgrading.md says."""
    environment = {**os.environ, **installation.environment, "DAGSTER_HOME": str(installation.home / "dagster")}
    command = [str(Path(sys.executable).with_name("dagster")), "instance", "migrate"]
    subprocess.run(command, env=environment, cwd=installation.root, capture_output=True, check=True)


def test_what_was_remembered_and_frozen_is_read(installation: Installation, expected: dict[str, Any]) -> None:
    migrate(installation)
    since = {"coverage": None, "few_rows": False}  # not remembered then
    days = {day: {**since, **found} for day, found in expected["days"].items()}
    assert golden_home.read(installation) == {**expected, "days": days}


def test_an_incident_of_before_is_closed(installation: Installation, expected: dict[str, Any]) -> None:
    assert [kind for kind, _, _ in expected["incidents"]] == ["day_missing", "replica_not_good"]
    assert (
        installation.lumen("alerts", "--close", "replica_not_good:replica/here").exit_code == 1
    )  # the other one is open
    assert [item["kind"] for item in installation.json("alerts", exit_code=1)["incidents"]] == ["day_missing"]


def test_it_goes_on(installation: Installation) -> None:
    migrate(installation)
    assert installation.json("verify")["ok"]
    made = installation.json("daily", "--day", NEXT_DAY)
    assert made["attestation"]["ok"]
    manifest = json.loads((installation.home / "archive" / NEXT_DAY / "snapshot.manifest.json").read_text())
    assert len(manifest["parents"]) == 1, "the history of before goes on"
    found = installation.json("verify")
    assert (found["ok"], len(found["verdicts"])) == (True, 3)


def test_a_set_can_be_made_by_this_version(tmp_path: Path) -> None:
    golden_home.make(tmp_path / "made")
    expected = json.loads((tmp_path / "made" / "expected.json").read_text(encoding="utf-8"))
    assert len(expected["runs"]) >= 2
    assert {day["attestation"]["ok"] for day in expected["days"].values()} == {True}

"""A machine that is made anew every day, as a CI runner is: what it needs to know comes from the destinations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [LAST_DAY - timedelta(days=back) for back in (2, 1, 0)]
Fresh = Callable[[], Installation]


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    """A new, empty LUMEN_HOME each time it is called, with the inputs and the destinations of the others."""
    for name in "ab":
        (tmp_path / name).mkdir()
    configuration = f"destinations: {{a: {{type: local, path: {tmp_path}/a}}, b: {{type: local, path: {tmp_path}/b}}}}"
    installation = Installation.make(tmp_path / "installation", days=3, configuration=configuration)

    def empty_home() -> Installation:
        shutil.rmtree(installation.home, ignore_errors=True)
        return installation

    return empty_home


def parents(copies: Path, day: object, revision: str = "") -> int:
    return len(json.loads((copies / str(day) / revision / "snapshot.manifest.json").read_text())["parents"])


def late_line(installation: Installation, day: object) -> None:
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{day}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": "late"}
        file.write(json.dumps(line) + "\n")


def test_the_history_goes_on_where_each_day_has_a_machine_of_its_own(fresh: Fresh, tmp_path: Path) -> None:
    for day in DAYS:
        fresh().json("daily", "--day", str(day))
    assert [parents(tmp_path / "b", day) for day in DAYS] == [0, 1, 1]
    late_line(fresh(), DAYS[0])
    assert fresh().json("daily", "--day", str(DAYS[0]))["archive"]["revision"] == 2
    assert parents(tmp_path / "b", DAYS[0], "r2") == 1
    whole = fresh().json("verify")
    assert (whole["ok"], whole["history"], len(whole["verdicts"])) == (True, [], 8)
    for copies in ("a", "b"):
        shutil.rmtree(tmp_path / copies / str(DAYS[2]))
    (gap,) = fresh().json("verify", exit_code=1)["history"]
    assert f"made before {DAYS[0]} r2, is nowhere" in gap


def test_every_place_is_asked_for_what_is_newest(fresh: Fresh, tmp_path: Path) -> None:
    """One that lacks the day before, or cannot be read, does not make the history forget it."""
    for day in DAYS[:2]:
        fresh().json("daily", "--day", str(day))
    shutil.rmtree(tmp_path / "a" / str(DAYS[1]))
    fresh().json("daily", "--day", str(DAYS[2]))
    shutil.rmtree(tmp_path / "b" / str(DAYS[1]))
    (gap,) = fresh().json("verify", exit_code=1)["history"]
    assert f"made before {DAYS[2]} r1, is nowhere" in gap


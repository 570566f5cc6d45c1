"""A machine that is made anew every day, as a CI runner is: what it needs to know comes from the destinations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets.cli.summary import cell
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


def test_only_days_that_no_place_has_are_made(fresh: Fresh, tmp_path: Path) -> None:
    span = ("--from", str(DAYS[0]), "--to", str(DAYS[2]), "--absent-only")
    fresh().json("daily", "--day", str(DAYS[0]))
    found = fresh().json("backfill", "--last", "3", *span[2:])
    assert (found["good_before"], found["done"]) == ([str(DAYS[0])], [str(DAYS[1]), str(DAYS[2])])
    shutil.rmtree(tmp_path / "b" / str(DAYS[2]))
    (tmp_path / "a").rename(tmp_path / "gone")
    found = fresh().json("backfill", *span, exit_code=1)
    assert not found["ok"]
    assert (found["good_before"], found["done"]) == ([str(DAYS[0]), str(DAYS[1])], [])
    assert "a did not answer and may have it" in found["skipped"][str(DAYS[2])]


def test_a_range_is_verified_and_what_is_missing_of_it_is_named(fresh: Fresh) -> None:
    for day in DAYS[:2]:
        fresh().json("daily", "--day", str(day))
    found = fresh().json("verify", "--from", str(DAYS[1]), "--to", str(DAYS[1]))
    assert {(item["day"], item["verdict"]) for item in found["verdicts"]} == {(str(DAYS[1]), "MATCH")}
    found = fresh().json("verify", "--from", str(DAYS[1]), "--to", str(DAYS[2]), exit_code=1)
    assert found["missing"] == [str(DAYS[2])]
    assert found["attestations"][str(DAYS[1])]["ok"]
    assert fresh().json("verify", "--last", "2", "--to", str(DAYS[2]), exit_code=1)["missing"] == [str(DAYS[2])]
    assert fresh().lumen("verify", str(DAYS[1]), "--from", str(DAYS[1])).exit_code == 2
    assert fresh().lumen("verify", "--last", "1", "--from", str(DAYS[1])).exit_code == 2
    assert "no day in this range" in fresh().lumen("verify", "--from", "2026-03-05", "--to", "2026-03-04").stderr


def test_nothing_is_expected_of_yesterday_before_its_run(fresh: Fresh) -> None:
    assert any("attestation" in item for item in fresh().json("healthcheck", exit_code=1)["fail"])
    assert fresh().json("healthcheck", "--before-run")["fail"] == []


def test_days_that_other_machines_made_are_not_missing(fresh: Fresh) -> None:
    """Nobody is told of them every day."""
    for day in DAYS[:2]:
        fresh().json("daily", "--day", str(day))
    for command in (["verify", str(DAYS[0])], ["daily", "--day", str(DAYS[2])]):
        installation = fresh()
        installation.json(*command)
        incidents = installation.json("alerts", exit_code=1)["incidents"]
        missing = {day for one in incidents if one["kind"] == "day_missing" for day in one["subjects"]}
        assert "2026-02-01" in missing
        assert not missing & {str(day) for day in DAYS[: 2 if command[0] == "verify" else 3]}


def test_the_summary_of_a_job_says_what_was_proven(fresh: Fresh, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    fresh().json("daily", "--day", str(DAYS[0]), "--summary", summary)
    assert "✅ **Attestation: 2 of 2 replicas good, 2 required.**" in summary.read_text()
    assert "| a | ✅ MATCH | members |" in summary.read_text()
    summary.unlink()
    shutil.rmtree(tmp_path / "a" / str(DAYS[0]))
    fresh().json("verify", "--to", str(DAYS[0]), "--from", str(DAYS[0]), "--summary", summary, exit_code=1)
    assert f"| {DAYS[0]} | r1 | a | ❌ MISSING | members |" in summary.read_text()
    assert f"{DAYS[0]}: **1 of 2 replicas good, 2 required**" in summary.read_text()
    fresh().json("daily", "--day", str(DAYS[1]), "--dry-run", "--summary", summary)
    assert "| withheld, this is a dry run | what |" in summary.read_text()


def test_markup_in_what_a_provider_answered_is_none() -> None:
    assert cell("a|b\n<img src=x> *c*") == r"a\|b \<img src=x\> \*c\*"

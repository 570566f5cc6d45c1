"""Somebody who can write to one destination but has no key: what each of their moves is called."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [LAST_DAY - timedelta(days=back) for back in (2, 1, 0)]
OLDEST, MIDDLE, NEWEST = DAYS


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Three days, of which the newest has two revisions."""
    installation = Installation.make(tmp_path_factory.mktemp("installation"), days=3)
    for day in DAYS:
        installation.json("daily", "--day", str(day))
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{NEWEST}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": "late"}
        file.write(json.dumps(line) + "\n")
    assert installation.json("daily", "--day", str(NEWEST))["archive"]["revision"] == 2
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


@pytest.fixture
def here(installation: Installation) -> Path:
    return installation.home / "copies" / "here"


def verdicts(installation: Installation) -> tuple[dict[tuple[str, str], tuple[str, str]], list[str]]:
    found = installation.json("verify", exit_code=1)
    return (
        {(item["day"], item["destination"]): (item["verdict"], item["finding"]) for item in found["verdicts"]},
        found["history"],
    )


def others_match(found: dict[tuple[str, str], tuple[str, str]], day: object) -> bool:
    return all(verdict == "MATCH" for replica, (verdict, _) in found.items() if replica != (str(day), "here"))


def test_an_untouched_history_is_whole(installation: Installation) -> None:
    found = installation.json("verify")
    assert found["history"] == []
    assert {item["verdict"] for item in found["verdicts"]} == {"MATCH"}


def test_a_replaced_archive_with_a_self_consistent_manifest(installation: Installation, here: Path) -> None:
    """They freeze something under a key of their own and name it like ours."""
    forger = Installation.make(installation.root / "forger", days=3)
    key = forger.lumen("key", "new").stdout.split()[0]
    forger.json("daily", "--day", str(MIDDLE), LUMEN_ARCHIVE_KEY=key)
    forged = forger.home / "copies" / "here" / str(MIDDLE)
    for path in forged.iterdir():
        shutil.copyfile(path, here / str(MIDDLE) / path.name)
    found, _ = verdicts(installation)
    assert found[str(MIDDLE), "here"][0] in ("MISMATCH", "UNVERIFIABLE")
    assert others_match(found, MIDDLE)
    manifest = here / str(MIDDLE) / "snapshot.manifest.json"
    content = json.loads(manifest.read_text())
    content["key_id"] = json.loads((here / str(OLDEST) / "snapshot.manifest.json").read_text())["key_id"]
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")  # and claim that it is ours
    found, _ = verdicts(installation)
    assert found[str(MIDDLE), "here"] == ("MISMATCH", "manifest rejected")


def test_a_rolled_back_manifest(installation: Installation, here: Path) -> None:
    """The first revision, authentic, in place of the second."""
    shutil.copyfile(here / str(NEWEST) / "snapshot.manifest.json", here / str(NEWEST) / "r2" / "snapshot.manifest.json")
    found, _ = verdicts(installation)
    assert found[str(NEWEST), "here"] == ("MISMATCH", "manifest rejected")
    assert others_match(found, NEWEST)


def test_the_newest_revision_removed(installation: Installation, here: Path) -> None:
    shutil.rmtree(here / str(NEWEST) / "r2")
    found, _ = verdicts(installation)
    assert found[str(NEWEST), "here"] == ("MISSING", "missing")
    assert others_match(found, NEWEST)


def test_the_newest_day_removed(installation: Installation, here: Path) -> None:
    shutil.rmtree(here / str(NEWEST))
    found, _ = verdicts(installation)
    assert found[str(NEWEST), "here"] == ("MISSING", "missing")
    assert others_match(found, NEWEST)


@pytest.mark.parametrize("day", [OLDEST, MIDDLE])
def test_a_day_removed_everywhere_is_still_named_by_a_later_one(installation: Installation, day: object) -> None:
    for folder in ("archive", "copies/here", "copies/there"):
        shutil.rmtree(installation.home / folder / str(day))
    _, history = verdicts(installation)
    assert len(history) == 1
    assert "is nowhere" in history[0]


def test_a_fresh_machine_sees_the_same(installation: Installation, here: Path) -> None:
    shutil.rmtree(installation.home / "archive")
    shutil.rmtree(installation.home / "verification")
    shutil.rmtree(here / str(NEWEST))
    shutil.rmtree(here / str(MIDDLE))
    shutil.rmtree(installation.home / "copies" / "there" / str(MIDDLE))
    found, history = verdicts(installation)
    assert found[str(NEWEST), "here"] == ("MISSING", "missing")
    assert len(history) == 1


@pytest.fixture
def twin(installation: Installation, here: Path) -> Installation:
    """Another machine with the same key and the same inputs, whose OLDEST day is at ``here`` in place of ours."""
    return Installation.make(installation.root / "twin", days=3)


def frozen_by(twin: Installation, here: Path) -> None:
    twin.json("daily", "--day", str(OLDEST))
    for path in (twin.home / "copies" / "here" / str(OLDEST)).iterdir():
        shutil.copyfile(path, here / str(OLDEST) / path.name)


def test_the_same_content_frozen_by_two_machines_at_once_is_good(
    installation: Installation, here: Path, twin: Installation
) -> None:
    ours = installation.archive_at("here", OLDEST).read_bytes()
    frozen_by(twin, here)
    assert installation.archive_at("here", OLDEST).read_bytes() != ours  # another salt
    assert installation.json("verify")["ok"]
    assert installation.json("repair", str(OLDEST))["ok"]
    damaged = installation.archive_at("here", OLDEST)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert installation.json("repair", str(OLDEST))["ok"]
    assert installation.json("verify")["ok"]


@pytest.mark.parametrize("right", ["here", "there"])
def test_other_content_frozen_by_two_machines_is_named_and_one_of_them_is_kept(
    installation: Installation, here: Path, twin: Installation, right: str
) -> None:
    with (twin.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"ts": "{OLDEST}T12:00:00+09:00", "severity": "info", "rule": "r", "signal": {{}}}}\n')
    frozen_by(twin, here)
    found, history = verdicts(installation)
    assert found[str(OLDEST), "here"] == ("MISMATCH", "manifest differs")
    assert any("2 different contents" in gap for gap in history)
    repair = installation.json("repair", str(OLDEST), exit_code=1)
    (problem,) = [item["problem"] for item in repair["replicas"] if item["problem"]]
    assert "frozen another time" in problem
    assert f"lumen repair {OLDEST} --keep NAME" in problem
    before = {path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}
    kept = installation.json("repair", str(OLDEST), "--keep", right)
    assert {item["destination"] for item in kept["replicas"]} == {"archive", "here", "there"}
    assert installation.json("verify")["ok"]  # later days name the manifest that gave way: it is kept, and known
    after = {path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}
    assert before <= after  # what gave way is kept aside
    assert installation.json("restore", str(OLDEST), "--to", installation.root / "restored")["from"] == "archive"


def test_keep_takes_one_day_and_a_destination(installation: Installation) -> None:
    assert installation.lumen("repair", "--keep", "here").exit_code == 2
    assert installation.lumen("repair", str(OLDEST), "--keep", "nowhere").exit_code == 2


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("content", ["{}", "genuine"])
def test_a_planted_revision_is_named_and_stops_nothing(
    installation: Installation, here: Path, tmp_path: Path, fresh: bool, content: str
) -> None:
    """A name alone makes no revision, nor does a manifest that is authentic but of another one."""
    if content == "genuine":
        content = (here / str(MIDDLE) / "snapshot.manifest.json").read_text()
    (here / str(MIDDLE) / "r99").mkdir()
    (here / str(MIDDLE) / "r99" / "snapshot.manifest.json").write_text(content)
    if fresh:
        for folder in ("archive", "verification"):
            shutil.rmtree(installation.home / folder)
    found = installation.json("verify", str(MIDDLE), exit_code=1)
    assert {(item["revision"], item["verdict"]) for item in found["verdicts"]} == {(1, "MATCH")}
    assert found["attestations"][str(MIDDLE)]["ok"]
    (named,) = found["history"]
    assert f"here has a manifest for {MIDDLE} r99 that is not to be believed" in named
    assert installation.json("restore", str(MIDDLE), "--to", tmp_path / "out")["revision"] == 1
    assert not any(item["repaired"] for item in installation.json("repair", str(MIDDLE))["replicas"])
    daily = installation.json("daily", "--day", str(MIDDLE))
    assert (daily["archive"]["revision"], daily["archive"]["created"]) == (1, False)


@pytest.mark.parametrize("fresh", [False, True])
def test_an_older_revision_is_verified_and_healed_too(installation: Installation, here: Path, fresh: bool) -> None:
    if fresh:
        shutil.rmtree(installation.home / "archive")
    archive = here / str(NEWEST) / f"lumen-{NEWEST}-r1.tar.zst.tink"
    good = archive.read_bytes()
    archive.write_bytes(good[:-1])
    found = installation.json("verify", str(NEWEST), exit_code=1)
    assert {(item["revision"], item["destination"]): item["verdict"] for item in found["verdicts"]} == {
        (1, "here"): "MISMATCH",
        (1, "there"): "MATCH",
        (2, "here"): "MATCH",
        (2, "there"): "MATCH",
    }
    assert found["attestations"][str(NEWEST)]["ok"]  # the newest revision is what the day's policy is about
    repaired = [item for item in installation.json("repair", str(NEWEST))["replicas"] if item["repaired"]]
    assert [(item["revision"], item["destination"]) for item in repaired] == [(1, "here")]
    assert archive.read_bytes() == good


def test_an_older_revision_restores(installation: Installation, tmp_path: Path) -> None:
    for number in (1, 2):
        found = installation.json("restore", str(NEWEST), "--revision", str(number), "--to", tmp_path / str(number))
        assert found["revision"] == number
    ledger = "data/controls/risk_ledger.jsonl"
    assert (tmp_path / "1" / ledger).read_text() != (tmp_path / "2" / ledger).read_text()
    result = installation.lumen("restore", str(NEWEST), "--revision", "3", "--to", tmp_path / "3")
    assert result.exit_code == 2
    assert "there are 1, 2" in result.stderr


@pytest.mark.parametrize("fresh", [False, True])
def test_a_manifest_that_names_another_key_is_a_forgery_and_is_healed(
    installation: Installation, here: Path, fresh: bool
) -> None:
    if fresh:
        for folder in ("archive", "verification"):
            shutil.rmtree(installation.home / folder)
    manifest = here / str(MIDDLE) / "snapshot.manifest.json"
    genuine = manifest.read_text()
    manifest.write_text(genuine.replace(json.loads(genuine)["key_id"], "0123456789abcdef"))
    due = installation.workspace.verify_due("here")
    assert len(due) == (len(DAYS) + 1 if fresh else 1)  # nothing was read yet, and the forged one stops no other
    found, _ = verdicts(installation)
    assert found[str(MIDDLE), "here"] == ("MISMATCH", "manifest rejected")
    installation.json("repair", str(MIDDLE))
    assert manifest.read_text() == genuine


def test_the_rolling_sample_misses_what_only_another_place_has(installation: Installation, here: Path) -> None:
    for folder in ("archive", "verification"):
        shutil.rmtree(installation.home / folder)
    shutil.rmtree(here / str(OLDEST))
    found = {(item.day, item.revision): item.verdict for item in installation.workspace.verify_due("here")}
    assert found[OLDEST, 1] == "MISSING"
    assert found[NEWEST, 2] == "MATCH"
    attested = installation.workspace.ledger.newest_attestations(OLDEST, OLDEST)[OLDEST]
    assert (attested.good, attested.required) == (0, 2)


def test_a_fresh_machine_goes_on_with_the_revisions_that_exist(installation: Installation) -> None:
    """It neither freezes the day a second time nor gives a new revision a number that is taken."""
    shutil.rmtree(installation.home / "archive")
    found = installation.json("daily", "--day", str(NEWEST))
    assert (found["archive"]["revision"], found["archive"]["created"]) == (2, False)
    assert found["attestation"]["good"] == 2
    shutil.rmtree(installation.home / "archive")
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{NEWEST}T23:59:30+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": "later still"}
        file.write(json.dumps(line) + "\n")
    found = installation.json("daily", "--day", str(NEWEST))
    assert (found["archive"]["revision"], found["archive"]["created"]) == (3, True)
    assert found["attestation"]["good"] == 2


def test_a_fresh_machine_shows_what_exists(installation: Installation) -> None:
    days = ("--from", str(OLDEST), "--to", str(NEWEST))
    before = installation.json("status", *days)
    for folder in ("archive", "verification", "controls"):
        shutil.rmtree(installation.home / folder)
    fresh = installation.json("status", *days)
    assert {day: item["archive"] for day, item in fresh["days"].items()} == {
        day: item["archive"] for day, item in before["days"].items()
    }
    assert fresh["missing"] == []
    assert all(item["replicas"] == {} and item["attestation"] is None for item in fresh["days"].values())
    installation.json("verify")
    after = installation.json("status", *days)
    assert all(item["attestation"]["ok"] for item in after["days"].values())

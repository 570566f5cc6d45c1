"""Unknown is never success: what was not proven by this run, here, now, is not shown as good."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lumen_assets.errors import SettingsError
from lumen_assets.verification import Finding, Level, Verdict
from lumen_assets_tests.installation import LAST_DAY, Installation

DAY = LAST_DAY
DAY_BEFORE = LAST_DAY - timedelta(days=1)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("installation"))
    installation.json("daily", "--day", str(DAY))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def late_row(installation: Installation) -> None:
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{DAY}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": "late"}
        file.write(json.dumps(line) + "\n")


@pytest.fixture
def with_disk(tmp_path: Path) -> Installation:
    """A second destination that is a mounted disk, with a proven day on it."""
    (tmp_path / "disk").mkdir()
    here, disk = "{type: local, path: copies/here}", f"{{type: local, path: {tmp_path}/disk}}"
    destinations = f"destinations:\n  here: {here}\n  disk: {disk}\n"
    installation = Installation.make(tmp_path / "installation", configuration=destinations)
    assert installation.json("daily", "--day", str(DAY))["attestation"]["good"] == 2
    return installation


def test_a_destination_that_is_gone_is_no_longer_good(with_disk: Installation, tmp_path: Path) -> None:
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    found = with_disk.json("daily", "--day", str(DAY), exit_code=1)
    assert found["replicas"]["disk"]["verdict"] == "UNVERIFIABLE"
    assert found["attestation"] == {"good": 1, "required": 2, "destinations": 2, "ok": False}
    day = with_disk.json("status", "--from", str(DAY), "--to", str(DAY), exit_code=1)["days"][str(DAY)]
    assert day["attestation"]["ok"] is False
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert with_disk.json("daily", "--day", str(DAY))["attestation"]["ok"]


def test_a_run_shows_only_what_it_proved_itself(installation: Installation) -> None:
    late_row(installation)
    found = installation.json("daily", "--day", str(DAY), "--until", "upload")
    assert found["archive"]["revision"] == 2
    assert {item["verdict"] for item in found["replicas"].values()} == {None}
    assert "not verified" in installation.lumen("daily", "--day", str(DAY), "--until", "report").stdout


def test_nothing_to_verify_is_not_ok(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "empty", days=1)
    found = installation.json("verify", exit_code=1)
    assert "any day" in found["error"]["subject"]


def test_a_day_that_only_the_index_remembers_is_missing(installation: Installation) -> None:
    for folder in ("archive", "copies/here", "copies/there"):
        shutil.rmtree(installation.home / folder / str(DAY))
    found = installation.json("verify", exit_code=1)
    assert [(item["day"], item["verdict"]) for item in found["verdicts"]] == [(str(DAY), "MISSING")] * 2


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("copies/x", "copies/x"),
        ("copies/x", "copies/x/y"),
        ("copies/x", "archive"),
        ("copies/x", "controls/reports"),
        ("copies/x", "."),
        ("copies/x", ""),
        ("copies/x", "../data/copies"),
    ],
)
def test_one_folder_is_not_two_replicas(tmp_path: Path, a: str, b: str) -> None:
    installation = Installation.make(tmp_path / "installation", days=1)
    with (tmp_path / "installation" / "lumen.yaml").open("a") as file:
        file.write(f'destinations:\n  a: {{type: local, path: "{a}"}}\n  b: {{type: local, path: "{b}"}}\n')
    with pytest.raises(SettingsError, match=r"destinations\.b"):
        _ = installation.settings


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, clean_environment: Path) -> None:
    installation = Installation.make(tmp_path / "installation", days=1, configuration="policy: {required_replicas: 1}")
    with (tmp_path / "installation" / "lumen.yaml").open("a") as file:
        file.write('\ndestinations: {a: {type: local, path: "~/copies"}}\n')
    (clean_environment / "copies").mkdir()
    installation.json("daily", "--day", str(DAY))
    assert list((clean_environment / "copies").rglob("*.tink"))


@pytest.mark.parametrize(
    "command", [["verify"], ["restore", str(DAY), "--to", "x"], ["status"], ["doctor"], ["repair"]], ids=lambda c: c[0]
)
def test_no_command_that_reads_makes_a_key(installation: Installation, command: list[str]) -> None:
    shutil.rmtree(installation.home / "archive")
    result = installation.lumen(*command, LUMEN_ARCHIVE_KEY="")
    assert "made a new archive key" not in result.output
    assert not (installation.home / "keys").exists()
    if command[0] not in ("status", "repair"):  # these two have nothing to read here, or know that it is good
        assert result.exit_code != 0


def test_no_key_is_made_where_a_destination_holds_archives(installation: Installation) -> None:
    shutil.rmtree(installation.home / "archive")
    result = installation.lumen("daily", "--day", str(DAY), LUMEN_ARCHIVE_KEY="")
    assert result.exit_code == 2
    assert "put your copy of that file back" in result.stderr
    assert not (installation.home / "keys").exists()


def test_two_runs_of_one_day_at_once_both_succeed_with_one_revision(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation")
    command = [sys.executable, "-m", "lumen_assets.cli", "daily", "--day", str(DAY), "--json"]
    environment = {**os.environ, **installation.environment}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = []
    for process in processes:
        out, errors = process.communicate(timeout=200)
        assert process.returncode == 0, out + errors
        found.append(json.loads(out))
    assert [item["archive"]["revision"] for item in found] == [1, 1]
    assert sorted(item["archive"]["created"] for item in found) == [False, True]
    assert [path.name for path in (installation.home / "archive" / str(DAY)).iterdir() if path.is_dir()] == []


def test_a_report_is_never_frozen_with_other_telemetry(installation: Installation) -> None:
    import dagster as dg

    from lumen_assets.definitions import build_defs

    late_row(installation)
    workspace = installation.workspace
    job = build_defs(workspace).resolve_job_def("daily")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key=str(DAY),
            asset_selection=[dg.AssetKey("archive")],
            raise_on_error=False,
        )
    assert not result.success
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    assert event.step_failure_data.user_failure_data is not None
    assert "changed since the report was made" in str(event.step_failure_data.user_failure_data.description)
    assert workspace.frozen_day(DAY).manifest.revision == 1


@pytest.mark.parametrize("what", ["device", "pipe", "folder", "link to a good copy"])
def test_what_is_no_file_is_no_replica(installation: Installation, what: str) -> None:
    path = installation.archive_at("here", DAY)
    path.rename(path.with_name("moved"))
    match what:
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to("moved")
    here, there = installation.json("verify", str(DAY), exit_code=1)["verdicts"]
    assert here["verdict"] in ("MISMATCH", "MISSING")
    assert there["verdict"] == "MATCH"


def test_an_unusable_home_is_said_at_start(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation", days=1)
    (tmp_path / "file").write_text("")
    for command in ("doctor", "verify", "status"):
        result = installation.lumen(command, LUMEN_HOME=str(tmp_path / "file"))
        assert result.exit_code == 2
        assert "Traceback" not in result.output
        assert "LUMEN_HOME" in result.output


def test_the_ui_says_that_its_port_is_taken(installation: Installation) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = installation.lumen("ui", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "--port chooses another" in result.stderr


def test_a_path_that_is_not_in_the_archive_is_said_once(installation: Installation, tmp_path: Path) -> None:
    result = installation.lumen("restore", str(DAY), "--to", tmp_path / "x", "no/such/file")
    assert result.exit_code == 1
    assert "passed over" not in result.stderr
    assert result.stderr.count("Trying again") == 1


def test_doctor_finds_a_key_that_is_not_the_archives(installation: Installation) -> None:
    assert installation.json("doctor")["ok"]
    other = installation.lumen("key", "new").stdout.split()[0]
    found = installation.json("doctor", exit_code=1, LUMEN_ARCHIVE_KEY=other)
    assert [item["name"] for item in found["findings"] if not item["ok"]] == ["archive key"]
    found = installation.json("doctor", exit_code=1, LUMEN_ARCHIVE_KEY="")
    assert [item["name"] for item in found["findings"] if not item["ok"]] == ["archive key"]


def test_a_place_that_does_not_answer_is_not_a_missing_day(with_disk: Installation, tmp_path: Path) -> None:
    """On a fresh machine whose only copies are on a disk that is not there."""
    for folder in ("archive", "verification", "copies"):
        shutil.rmtree(with_disk.home / folder)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    found = with_disk.json("status", "--from", str(DAY), "--to", str(DAY), exit_code=1)
    assert found["missing"] == [str(DAY)]
    assert set(found["silent"]) == {"disk"}
    shown = with_disk.lumen("status", "--from", str(DAY), "--to", str(DAY))
    assert "were not found" in shown.stdout
    assert "not asked: disk" in shown.stdout
    for command in (["verify", str(DAY)], ["repair", str(DAY)], ["restore", str(DAY), "--to", str(tmp_path / "r")]):
        error = with_disk.json(*command, exit_code=1)["error"]
        assert error["error_class"] == "unreachable"
        assert error["retry_helps"] is True
        assert "lumen daily" not in error["hint"]


def test_a_restore_says_that_a_newer_revision_may_be_where_nobody_answers(
    with_disk: Installation, tmp_path: Path
) -> None:
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    found = with_disk.json("restore", str(DAY), "--to", tmp_path / "restored")
    assert set(found["silent"]) == {"disk"}
    said = with_disk.lumen("restore", str(DAY), "--to", tmp_path / "again").stderr
    assert "may hold a newer revision than r1" in said


def test_a_look_at_a_checksum_makes_no_day_good_on_a_fresh_machine(installation: Installation) -> None:
    for folder in ("archive", "verification"):
        shutil.rmtree(installation.home / folder)
    workspace = installation.workspace
    for name in workspace.stores:
        workspace.verify(name, DAY, 1, Level.DIGEST)
    assert workspace.attest(DAY, 1).good == 0
    for name in workspace.stores:
        workspace.verify(name, DAY, 1, Level.BYTES)
    assert workspace.attest(DAY, 1).good == 2


def test_a_verification_of_one_destination_attests_nothing(installation: Installation) -> None:
    for folder in ("archive", "verification"):
        shutil.rmtree(installation.home / folder)
    found = installation.json("verify", str(DAY), "--destination", "here")
    assert found["attestations"] == {}
    status = installation.json("status", "--from", str(DAY), "--to", str(DAY))
    assert status["days"][str(DAY)]["attestation"] is None


def test_a_weaker_level_shows_what_still_stands(installation: Installation) -> None:
    archive = installation.archive_at("here", DAY)
    good = archive.read_bytes()
    archive.write_bytes(good[:-9] + bytes(9))
    installation.json("verify", str(DAY), exit_code=1)
    archive.write_bytes(good)  # somebody put it right by hand
    found = installation.json("verify", str(DAY), "--level", "digest", exit_code=1)
    assert {item["verdict"] for item in found["verdicts"]} <= {"MATCH", "UNVERIFIABLE"}
    found = installation.json("verify", str(DAY), "--level", "bytes", exit_code=1)
    assert {item["verdict"] for item in found["verdicts"]} == {"MATCH"}
    assert [(item["destination"], item["level"]) for item in found["standing"]] == [("here", "members")]
    assert "still stands:" in installation.lumen("verify", str(DAY), "--level", "bytes").stdout
    assert installation.json("verify", str(DAY))["standing"] == []


def test_a_repair_looks_at_the_level_at_which_a_replica_was_wrong(installation: Installation) -> None:
    workspace = installation.workspace
    (before,) = [workspace.verify(name, DAY, 1, Level.MEMBERS) for name in ("here",)]
    bad = replace(before, verdict=Verdict.MISMATCH, finding=Finding.DAMAGED, at=datetime.now(UTC))
    workspace.ledger.record(bad)
    assert workspace.look_closely("here", DAY, 1).level is Level.MEMBERS
    assert workspace.look_closely("there", DAY, 1).level is Level.BYTES


def test_days_that_cannot_be_are_planted(installation: Installation) -> None:
    here = installation.home / "copies" / "here"
    impossible = ["0001-01-01", "9999-12-31", str(date.today() + timedelta(days=2))]  # noqa: DTZ011
    for day in impossible:
        (here / day).mkdir()
        (here / day / "snapshot.manifest.json").write_text("{}")
    found = installation.json("verify", exit_code=1)
    assert {item["day"] for item in found["verdicts"]} == {str(DAY)}
    assert len(found["history"]) == len(impossible)
    assert installation.json("repair")["ok"]


def test_a_manifest_and_its_archive_that_are_both_bad_are_repaired_at_once(installation: Installation) -> None:
    archive = installation.archive_at("here", DAY)
    archive.write_bytes(archive.read_bytes()[:-9] + bytes(9))
    (archive.parent / "snapshot.manifest.json").write_text("{}")
    found = installation.json("repair", str(DAY))
    (repaired,) = [item for item in found["replicas"] if item["repaired"]]
    assert len(repaired["set_aside"]) == 2


def test_an_older_revision_that_is_bad_is_shown(installation: Installation) -> None:
    late_row(installation)
    assert installation.json("daily", "--day", str(DAY))["archive"]["revision"] == 2
    installation.archive_at("here", DAY).write_bytes(b"x")
    installation.json("verify", str(DAY), exit_code=1)
    status = installation.json("status", "--from", str(DAY), "--to", str(DAY), exit_code=1)
    assert [item["revision"] for item in status["older_revisions_not_good"]] == [1]
    assert "older revision" in installation.lumen("status", "--from", str(DAY), "--to", str(DAY)).stdout

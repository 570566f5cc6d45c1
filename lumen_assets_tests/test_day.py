"""A day from its telemetry to its proof, and what becomes of damage: the promises of the main job."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import bagit
import pypdf
import pytest
import tink
import zstandard
from tink import secret_key_access, streaming_aead

from lumen_assets.archive import parse_keyring
from lumen_assets_tests.installation import LAST_DAY, PUBLIC_TEST_KEY, Installation

DAY = LAST_DAY
DAY_BEFORE = LAST_DAY - timedelta(days=1)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with two proven days; tests copy it before they change anything."""
    installation = Installation.make(tmp_path_factory.mktemp("installation"))
    for day in (DAY_BEFORE, DAY):
        installation.json("daily", "--day", str(day))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_day_is_made_replicated_verified_and_attested(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    found = installation.json("daily", "--day", str(DAY))
    assert found["ok"]
    assert found["sample"] is True
    assert Path(found["report"]) == installation.home / f"controls/reports/report_{DAY}.md"
    assert Path(found["pdf"]).read_bytes().startswith(b"%PDF-")
    assert found["archive"]["revision"] == 1
    assert found["archive"]["created"] is True
    assert Path(found["archive"]["path"]).stat().st_size == found["archive"]["size"]
    assert {name: (item["verdict"], item["level"]) for name, item in found["replicas"].items()} == {
        "here": ("MATCH", "members"),
        "there": ("MATCH", "members"),
    }
    assert found["attestation"] == {"good": 2, "required": 2, "destinations": 2, "ok": True}


def test_a_second_run_makes_no_new_revision_and_says_so(installation: Installation) -> None:
    before = tree(installation.home / "archive"), tree(installation.home / "copies")
    result = installation.lumen("daily", "--day", str(DAY))
    assert result.exit_code == 0
    assert "no new one was made" in result.stdout
    assert "2 of 2" in result.stdout
    assert (tree(installation.home / "archive"), tree(installation.home / "copies")) == before


def test_materialized_again_report_figures_and_pdf_are_the_same_bytes(installation: Installation) -> None:
    reports = installation.home / "controls" / "reports"
    before = tree(reports)
    shutil.rmtree(reports)
    assert list((installation.home / "telemetry").iterdir()) == []  # frozen slices are not kept twice
    installation.json("daily", "--day", str(DAY_BEFORE), "--until", "pdf")
    installation.json("daily", "--day", str(DAY), "--until", "pdf")
    assert tree(reports) == before


def test_changed_telemetry_gives_the_next_revision_and_keeps_the_first(installation: Installation) -> None:
    first = tree(installation.home / "copies")
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            f'{{"ts": "{DAY}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {{}}, "note": "late"}}\n'
        )
    found = installation.json("daily", "--day", str(DAY))
    assert (found["archive"]["revision"], found["archive"]["created"]) == (2, True)
    assert found["attestation"]["good"] == 2
    after = tree(installation.home / "copies")
    assert first.items() <= after.items()
    assert set(after) - set(first) == {
        f"{name}/{DAY}/r2/{file}"
        for name in ("here", "there")
        for file in ("snapshot.manifest.json", f"lumen-{DAY}-r2.tar.zst.tink")
    }


def test_restore_gives_back_the_files_and_a_valid_bag(installation: Installation, tmp_path: Path) -> None:
    to = tmp_path / "restored"
    for name in ("here", "there"):
        found = installation.json("restore", str(DAY), "--to", to / name, "--from", name)
        assert (found["from"], found["files"]) == (name, len(tree(to / name / "data")))
    restored = tree(to / "here" / "data")
    assert restored == tree(to / "there" / "data")
    reports = tree(installation.home / "controls" / "reports")
    kept = {path for path in reports if f"report_{DAY}" in path}
    assert {f"controls/reports/{path}": reports[path] for path in kept}.items() <= restored.items()
    slices = tree(installation.workspace.inputs.cut(DAY).folder)
    assert slices.items() <= restored.items()
    assert len(restored) == len(kept) + len(slices) + 1  # the configuration
    assert bagit.Bag(str(to / "here")).validate()
    check = subprocess.run(["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=to / "here", check=False)
    assert check.returncode == 0


def test_the_last_page_of_a_pdf_leads_to_the_manifest_and_to_the_numbers(
    installation: Installation, tmp_path: Path
) -> None:
    reports = installation.home / "controls" / "reports"
    last = pypdf.PdfReader(reports / f"report_{DAY}.pdf").pages[-1].extract_text()
    path = re.search(r"[\d-]+/snapshot\.manifest\.json", last)
    *_, digest = re.findall(r"\b[0-9a-f]{64}\b", last)
    assert path
    manifest = json.loads((installation.home / "copies" / "here" / path[0]).read_text())
    installation.json("restore", str(DAY), "--to", tmp_path / "restored")
    listed = (tmp_path / "restored" / "manifest-sha256.txt").read_bytes()
    assert hashlib.sha256(listed).hexdigest() == manifest["content"]["digest"]
    assert f"{digest}  data/controls/reports/report_{DAY}.json" in listed.decode().splitlines()


def test_a_single_file_restores(installation: Installation, tmp_path: Path) -> None:
    path = f"controls/reports/report_{DAY}.md"
    installation.json("restore", str(DAY), "--to", tmp_path / "one", path)
    assert tree(tmp_path / "one") == {path: tree(installation.home / "controls" / "reports")[f"report_{DAY}.md"]}


def test_tink_decrypts_the_archive(installation: Installation) -> None:
    streaming_aead.register()
    keyset = parse_keyring(PUBLIC_TEST_KEY).primary.tink_keyset_json()
    handle = tink.json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN)
    primitive = handle.primitive(streaming_aead.StreamingAead)
    with installation.archive_at("here", DAY).open("rb") as file:
        stream = primitive.new_decrypting_stream(file, f"lumen-archive/v1|{DAY}|r1".encode())
        compressed = stream.read()
    tar = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(compressed), read_across_frames=True)
    with tarfile.open(fileobj=tar, mode="r|") as archive:
        names = archive.getnames()
    assert any(name.endswith("/data/logs/metrics.csv") for name in names)


def test_a_fresh_machine_verifies_and_restores_from_destinations_and_key_alone(
    installation: Installation, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    shutil.move(installation.home / "copies", copies)
    shutil.rmtree(installation.home)
    (installation.root / "lumen.yaml").write_text(
        f"destinations:\n  here: {{type: local, path: {copies / 'here'}}}\n"
        f"  there: {{type: local, path: {copies / 'there'}}}\n"
    )
    found = installation.json("verify")
    assert [(item["day"], item["verdict"]) for item in found["verdicts"]] == [
        (str(day), "MATCH") for day in (DAY_BEFORE, DAY) for _ in range(2)
    ]
    installation.json("restore", str(DAY), "--to", tmp_path / "restored")
    assert bagit.Bag(str(tmp_path / "restored")).validate()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def remove(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    other = path.parent.parent / str(DAY_BEFORE) / f"lumen-{DAY_BEFORE}-r1.tar.zst.tink"
    shutil.copyfile(other, path)


@pytest.mark.parametrize(
    ("damage", "verdict", "finding", "detail"),
    [
        (flip, "MISMATCH", "damaged", "segment"),
        (truncate, "MISMATCH", "truncated", " of "),
        (extend, "MISMATCH", "extended", "bytes are right, and 1 were appended"),
        (remove, "MISSING", "missing", "the archive is not"),
        (swap, "MISMATCH", "wrong archive", f"it is the archive of {DAY_BEFORE} r1"),
    ],
)
def test_each_damage_has_its_verdict_and_the_good_replica_restores(
    installation: Installation,
    tmp_path: Path,
    damage: Callable[[Path], None],
    verdict: str,
    finding: str,
    detail: str,
) -> None:
    damage(installation.archive_at("here", DAY))
    found = installation.json("verify", str(DAY), exit_code=1)
    here, there = found["verdicts"]
    assert (here["verdict"], here["finding"]) == (verdict, finding)
    assert detail in here["detail"]
    assert (there["verdict"], there["level"]) == ("MATCH", "members")
    assert found["attestations"][str(DAY)] == {"good": 1, "required": 2, "ok": False}
    status = installation.json("status", "--from", str(DAY), "--to", str(DAY), exit_code=1)["days"][str(DAY)]
    assert status["replicas"]["here"]["verdict"] == verdict
    assert status["attestation"] == {"good": 1, "required": 2, "ok": False}
    shutil.rmtree(installation.home / "archive" / str(DAY))
    restored = installation.json("restore", str(DAY), "--to", tmp_path / "restored")
    assert restored["ok"]
    assert bagit.Bag(str(tmp_path / "restored")).validate()


@pytest.mark.parametrize("damage", [flip, truncate, extend, swap])
def test_a_damaged_replica_is_never_overwritten_and_the_day_run_finds_it_too(
    installation: Installation, damage: Callable[[Path], None]
) -> None:
    damage(installation.archive_at("here", DAY))
    damaged = tree(installation.home / "copies")
    found = installation.json("daily", "--day", str(DAY), exit_code=1)
    assert list(found["failures"]) == ["replica/here"]
    assert {name: item["verdict"] for name, item in found["replicas"].items()} == {"here": "MISMATCH", "there": "MATCH"}
    assert found["attestation"] == {"good": 1, "required": 2, "destinations": 2, "ok": False}
    assert found["restore"] == f"lumen restore {DAY} --revision 1 --from there --to restored-{DAY}-r1"
    assert f"to restore {DAY}: {found['restore']}" in installation.lumen("daily", "--day", str(DAY)).output
    assert tree(installation.home / "copies") == damaged


def test_a_missing_replica_is_put_again(installation: Installation) -> None:
    before = tree(installation.home / "copies")
    shutil.rmtree(installation.home / "copies" / "here")
    assert installation.json("daily", "--day", str(DAY_BEFORE))["attestation"]["good"] == 2
    assert installation.json("daily", "--day", str(DAY))["attestation"]["good"] == 2
    assert tree(installation.home / "copies") == before


def test_a_replaced_manifest_is_found(installation: Installation) -> None:
    here = installation.home / "copies" / "here"
    manifest = here / str(DAY) / "snapshot.manifest.json"
    genuine = manifest.read_text()
    manifest.write_text(genuine.replace('"revision": 1', '"revision": 2'))
    assert manifest.read_text() != genuine
    (found, _) = installation.json("verify", str(DAY), exit_code=1)["verdicts"]
    assert (found["verdict"], found["finding"]) == ("MISMATCH", "manifest rejected")
    shutil.copyfile(here / str(DAY_BEFORE) / "snapshot.manifest.json", manifest)
    (found, _) = installation.json("verify", str(DAY), exit_code=1)["verdicts"]
    assert (found["verdict"], found["finding"]) == ("MISMATCH", "manifest rejected")
    assert str(DAY_BEFORE) in found["detail"]
    manifest.unlink()
    (found, _) = installation.json("verify", str(DAY), exit_code=1)["verdicts"]
    assert (found["verdict"], found["finding"]) == ("MISSING", "manifest missing")


@pytest.mark.parametrize(("level", "verdict"), [("digest", "UNVERIFIABLE"), ("bytes", "MATCH"), ("members", "MATCH")])
def test_a_level_claims_no_more_than_it_read(installation: Installation, level: str, verdict: str) -> None:
    found = installation.json("verify", str(DAY), "--level", level, exit_code=0 if verdict == "MATCH" else 1)
    for item in found["verdicts"]:
        assert (item["verdict"], item["level"]) == (verdict, level)
        assert (item["bytes_read"] > 0) == (level != "digest")
    assert found["attestations"][str(DAY)]["good"] == 2  # what was read before still holds


def test_status_names_missing_days(installation: Installation) -> None:
    found = installation.json("status", "--from", "2026-03-07", "--to", str(DAY))
    assert list(found["days"]) == [str(DAY_BEFORE), str(DAY)]
    assert found["missing"] == ["2026-03-07"]
    day = found["days"][str(DAY)]
    assert (day["report"], day["pdf"], day["archive"]["revision"]) == (True, True, 1)
    assert day["attestation"] == {"good": 2, "required": 2, "ok": True}
    shown = installation.lumen("status", "--from", "2026-03-07", "--to", str(DAY))
    assert "1 of 3 days are missing: 2026-03-07" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["daily", "--day", "2126-01-01"], 2, "not over yet in KST"),
        (["daily", "--day", "2026-01-31"], 2, "before start_date"),
        (["daily", "--day", "yesterday"], 2, "not a day in the form YYYY-MM-DD"),
        (["verify", "2026-03-01"], 1, "neither this machine nor any destination"),
        (["verify", "--destination", "moon"], 2, "choose from here, there"),
        (["restore", "2026-03-01", "--to", "x"], 1, "neither this machine nor any destination"),
        (["restore", str(DAY), "--to", "x", "--from", "moon"], 2, "choose from here, there"),
    ],
)
def test_bad_requests_are_clear(installation: Installation, arguments: list[str], exit_code: int, words: str) -> None:
    result = installation.lumen(*arguments)
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_restore_never_writes_into_a_folder_in_use(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = installation.lumen("restore", str(DAY), "--to", tmp_path)
    assert result.exit_code == 1
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_lost_first_run_key_is_not_silently_replaced(installation: Installation) -> None:
    result = installation.lumen("daily", "--day", str(DAY), LUMEN_ARCHIVE_KEY="")
    assert result.exit_code != 0
    assert not (installation.home / "keys" / "archive.key").exists()


def test_another_key_is_told_apart_from_damage(installation: Installation) -> None:
    other = installation.lumen("key", "new").stdout.split()[0]
    found = installation.json("verify", str(DAY), exit_code=1, LUMEN_ARCHIVE_KEY=other)
    assert {item["verdict"] for item in found["verdicts"]} == {"UNVERIFIABLE"}
    both = installation.json("verify", str(DAY), LUMEN_ARCHIVE_KEY=f"{other},{PUBLIC_TEST_KEY}")
    assert {item["verdict"] for item in both["verdicts"]} == {"MATCH"}


def test_the_key_is_in_no_file_and_no_output(installation: Installation) -> None:
    result = installation.lumen("daily", "--day", str(DAY), "--verbose")
    secret = PUBLIC_TEST_KEY.rstrip("=")
    assert secret not in result.output
    for path in installation.home.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_first_run_makes_a_key_that_only_the_owner_reads_and_says_so_loudly(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    environment = {k: v for k, v in installation.environment.items() if k != "LUMEN_ARCHIVE_KEY"}
    answer = subprocess.run(
        [sys.executable, "-m", "lumen_assets.cli", "daily", "--day", str(DAY), "--until", "freeze"],
        env={**environment, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    key = installation.home / "keys" / "archive.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "without it no archive can ever be read" in " ".join(answer.stderr.split())
    assert key.read_text().strip() not in answer.stdout + answer.stderr

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lumen_assets.archive import digest_file
from lumen_assets.cli import main
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY

GOLDEN = Path(__file__).parent.parent / "archive" / "golden" / "lumen-2026-11-21-r1.tar.zst.tink"


@pytest.fixture(autouse=True)
def public_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_ARCHIVE_KEY", PUBLIC_TEST_KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "자료"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "metrics.csv").write_text("ts\n")
    (folder / "note[bold].md").write_text("# 기록\n")
    return folder


def lumen(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["archive", *map(str, arguments)])


def answer(*arguments: object) -> dict[str, Any]:
    result = lumen(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed


def test_create_verify_and_extract(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.zst.tink"
    created = answer("create", folder, "--output", archive)
    assert {key: created[key] for key in ("ok", "files", "bytes", "key_id")} == {
        "ok": True,
        "files": 2,
        "bytes": 12,
        "key_id": "f0de448cf85bf09a",
    }
    assert vars(digest_file(archive)).items() <= created.items()
    verified = answer("verify", archive)
    assert (verified["files"], verified["content_digest"]) == (2, created["content_digest"])
    assert answer("extract", archive, "--to", tmp_path / "all")["files"] == 2
    assert (tmp_path / "all" / "data" / "note[bold].md").read_text() == "# 기록\n"
    assert (tmp_path / "all" / "bagit.txt").is_file()
    assert answer("extract", archive, "--to", tmp_path / "one", "logs")["files"] == 1
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["logs"]


def test_people_read_whole_digests(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a[red].tink"
    created = lumen("create", folder, "--output", archive)
    assert created.exit_code == 0
    assert digest_file(archive).sha256 in created.stdout
    assert str(archive) in created.stdout
    assert created.stderr == ""
    verified = lumen("verify", archive)
    assert "verified" in verified.stdout
    assert lumen("extract", archive, "--to", tmp_path / "out").exit_code == 0


def test_a_label_binds(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a"
    answer("create", folder, "--output", archive, "--label", "2026|x")
    assert answer("verify", archive, "--label", "2026|x")["ok"]
    for arguments in (("verify", archive), ("extract", archive, "--to", tmp_path / "out", "--label", "x")):
        result = lumen(*arguments)
        assert result.exit_code == 1
        assert "label" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_frozen_day_is_an_archive_with_a_label(tmp_path: Path) -> None:
    assert answer("verify", GOLDEN, "--label", "2026-11-21|r1")["files"] == 6
    assert answer("extract", GOLDEN, "--label", "2026-11-21|r1", "--to", tmp_path / "out", "logs")["files"] == 1


def test_damage_is_a_problem(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a"
    answer("create", folder, "--output", archive)
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    archive.write_bytes(data)
    for arguments in (("verify", archive), ("extract", archive, "--to", tmp_path / "out")):
        result = lumen(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "segment 0" in result.stderr
        as_json = lumen(*arguments, "--json")
        assert as_json.exit_code == 1
        assert json.loads(as_json.stdout)["ok"] is False
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a"
    archive.write_bytes(b"mine")
    assert lumen("create", folder, "--output", archive).exit_code == 1
    assert archive.read_bytes() == b"mine"
    assert lumen("extract", GOLDEN, "--label", "2026-11-21|r1", "--to", folder).exit_code == 1


def test_links_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "logs" / "link").symlink_to("metrics.csv")
    result = lumen("create", folder, "--output", tmp_path / "a")
    assert result.exit_code == 1
    assert "'logs/link'" in result.stderr
    assert not (tmp_path / "a").exists()


def test_links_are_followed_and_said_where_that_is_asked(folder: Path, tmp_path: Path) -> None:
    (folder / "logs" / "link").symlink_to("metrics.csv")
    created = answer("create", folder, "--output", tmp_path / "a", "--links", "follow")
    assert (created["links_followed"], created["files"]) == (["logs/link"], 3)
    shown = lumen("create", folder, "--output", tmp_path / "b", "--links", "follow").stdout
    assert "links_followed         logs/link" in shown
    answer("extract", tmp_path / "a", "--to", tmp_path / "out")
    assert (tmp_path / "out" / "data" / "logs" / "link").read_text() == "ts\n"


def test_an_unknown_path_names_near_ones(tmp_path: Path) -> None:
    result = lumen("extract", GOLDEN, "--label", "2026-11-21|r1", "--to", tmp_path / "out", "logs/metric.csv")
    assert result.exit_code == 1
    assert "'logs/metrics.csv'" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("create",), ("create", "nowhere", "--output", "x"), ("verify", "nowhere"), ("extract", GOLDEN), ("unknown",)],
)
def test_wrong_usage(arguments: tuple[object, ...]) -> None:
    assert lumen(*arguments).exit_code == 2


def test_without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    monkeypatch.delenv("LUMEN_ARCHIVE_KEY")
    for arguments in (("verify", GOLDEN), ("create", folder, "--output", tmp_path / "a")):
        assert lumen(*arguments).exit_code == 2
    assert not (tmp_path / "a").exists()


def test_no_other_setting_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text("nonsense: [")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUMEN_DATA_ROOT", os.devnull)
    assert lumen("verify", GOLDEN, "--label", "2026-11-21|r1").exit_code == 0


@pytest.mark.parametrize("label", ["a\nb", "a\u2028b", "a\x85b", "a\x0c", "\udcff"])
def test_a_label_that_a_bag_cannot_hold_is_refused(folder: Path, tmp_path: Path, label: str) -> None:
    result = lumen("create", folder, "--output", tmp_path / "a", "--label", label)
    assert result.exit_code == 2
    assert "one line of text" in result.output
    assert not (tmp_path / "a").exists()


def test_what_a_killed_process_left_in_the_folder_itself_is_not_archived(folder: Path) -> None:
    (folder / ".tmp-0123456789ab-a").write_text("half")
    answer("create", folder, "--output", folder / "a")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "logs", "note[bold].md"]
    assert answer("extract", folder / "a", "--to", folder / "out")["files"] == 2


def test_nobody_may_read_more_than_before(folder: Path, tmp_path: Path) -> None:
    answer("create", folder, "--output", tmp_path / "a")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        answer("extract", tmp_path / "a", "--to", private)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in private.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in [private, *private.rglob("*")] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lumen_assets.archive import parse_keyring
from lumen_assets.cli import main
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY


def lumen(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["key", *arguments])


def test_a_new_key_is_the_only_thing_on_stdout() -> None:
    result = lumen("new")
    assert result.exit_code == 0
    key = parse_keyring(result.stdout).primary
    assert result.stdout == f"{key.text()}\n"
    assert key.id in result.stderr
    assert key.text() not in result.stderr


def test_new_as_json() -> None:
    answer = json.loads(lumen("new", "--json").stdout)
    assert answer["ok"]
    assert parse_keyring(answer["key"]).primary.id == answer["id"]


def test_the_ids_of_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "/" * 43
    monkeypatch.setenv("LUMEN_ARCHIVE_KEY", f"{PUBLIC_TEST_KEY},{other}")
    answer = json.loads(lumen("id", "--json").stdout)
    assert answer == {
        "ok": True,
        "id": "f0de448cf85bf09a",
        "ids": ["f0de448cf85bf09a", parse_keyring(other).primary.id],
    }
    shown = lumen("id").stdout.splitlines()
    assert [line.split()[0] for line in shown] == answer["ids"]
    assert "makes new archives" in shown[0]


def test_a_key_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{PUBLIC_TEST_KEY}\n")
    monkeypatch.setenv("LUMEN_ARCHIVE_KEY_FILE", str(tmp_path / "key"))
    assert json.loads(lumen("id", "--json").stdout)["id"] == "f0de448cf85bf09a"


def test_the_keyset_for_tink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_ARCHIVE_KEY", PUBLIC_TEST_KEY)
    keyset = json.loads(lumen("export-tink").stdout)
    assert keyset["key"][0]["keyData"]["typeUrl"].endswith("AesGcmHkdfStreamingKey")
    answer = json.loads(lumen("export-tink", "--json", "--id", "f0de448cf85bf09a").stdout)
    assert answer["keyset"] == keyset
    missing = lumen("export-tink", "--id", "0000000000000000")
    assert missing.exit_code == 2
    assert "0000000000000000" in missing.stderr


@pytest.mark.parametrize("command", ["id", "export-tink"])
@pytest.mark.parametrize("value", [None, "c2hvcnQ=", "!!"])
def test_a_missing_or_wrong_key_is_a_matter_of_configuration(
    command: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value:
        monkeypatch.setenv("LUMEN_ARCHIVE_KEY", value)
    result = lumen(command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "lumen key new" in " ".join(result.stderr.split())
    assert value is None or value not in result.stderr
    as_json = lumen(command, "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["error"]["error_class"] == "configuration"

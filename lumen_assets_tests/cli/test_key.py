from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lumen_assets.archive import new_key_text, parse_keyring
from lumen_assets.cli import main
from lumen_assets_tests.archive.test_freeze import Place
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY
from lumen_assets_tests.installation import LAST_DAY, Installation
from tools import golden_home


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


class TestUsed:
    OTHER = "/" * 43
    NEXT_DAY = LAST_DAY + timedelta(days=1)

    @pytest.fixture
    def rotated(self, tmp_path: Path) -> Installation:
        """Two days under the public test key, as 0.1.0 left them, and another one under another key."""
        [golden] = (Path(__file__).parents[1] / "golden").glob("0.1.0")
        installation = golden_home.a_copy(golden, tmp_path)
        place = Place(tmp_path / "place", parse_keyring(f"{self.OTHER},{PUBLIC_TEST_KEY}"))
        place.archive = installation.home / "archive"
        place.file.parent.mkdir()
        place.freeze("x", self.NEXT_DAY)
        return installation

    def test_each_key_has_its_archives(self, rotated: Installation) -> None:
        third = new_key_text()
        keys = f"{third},{self.OTHER},{PUBLIC_TEST_KEY}"
        found = rotated.json("key", "used", LUMEN_ARCHIVE_KEY=keys)
        assert found == {
            "ok": True,
            "keys": [
                {"id": parse_keyring(third).primary.id, "archives": 0, "first": None, "last": None},
                {
                    "id": parse_keyring(self.OTHER).primary.id,
                    "archives": 1,
                    "first": str(self.NEXT_DAY),
                    "last": str(self.NEXT_DAY),
                },
                {
                    "id": "f0de448cf85bf09a",
                    "archives": 2,
                    "first": str(LAST_DAY - timedelta(days=1)),
                    "last": str(LAST_DAY),
                },
            ],
            "unknown": [],
            "silent": {},
        }
        shown = rotated.lumen("key", "used", LUMEN_ARCHIVE_KEY=keys).stdout
        assert "0 archives  none needs it" in shown
        assert f"2 archives  {LAST_DAY - timedelta(days=1)} to {LAST_DAY}" in shown

    def test_a_key_that_is_missed_is_a_problem(self, rotated: Installation) -> None:
        found = rotated.json("key", "used", exit_code=1)
        assert {item["id"]: item["archives"] for item in found["keys"]} == {"f0de448cf85bf09a": 2}
        assert found["unknown"]
        assert all(parse_keyring(self.OTHER).primary.id in said for said in found["unknown"])
        assert "not known:" in rotated.lumen("key", "used").stdout

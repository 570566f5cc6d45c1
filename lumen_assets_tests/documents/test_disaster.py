"""Everything is lost but one replica and the key: the runbook's commands bring every day back, on a fresh machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from lumen_assets.days import yesterday
from lumen_assets_tests.documents.reading import ROOT, shell_blocks
from lumen_assets_tests.documents.shell import run_script
from lumen_assets_tests.installation import PUBLIC_TEST_KEY, Installation
from lumen_assets_tests.replication.seaweedfs import REGION, S3Server

RUNBOOK = ROOT / "docs" / "operations.md"
SECTION = "Disaster: one replica and the key are all that is left"


@dataclass(frozen=True)
class Lost:
    """What was there before the disaster, as far as it is known to whoever compares.

    Attributes:
        files: by day and path in its bag, every file that was frozen.
        known: what the operator knows, by the runbook's names for it.
    """

    days: tuple[date, ...]
    files: dict[str, bytes]
    known: dict[str, str]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_days_and_lose_the_machine(root: Path, number: int, destination: str, known: dict[str, str]) -> Lost:
    """Days made by another LUMEN_HOME, of which only the destination is left."""
    last = yesterday()
    days = tuple(last - timedelta(days=back) for back in reversed(range(number)))
    configuration = f"destinations:\n  cloud: {destination}\n  disk: {{type: local, path: copies/disk}}\n"
    installation = Installation.make(root / "old", days=number, last_day=last, configuration=configuration)
    for day in days:
        assert installation.json("daily", "--day", str(day), **known)["attestation"]["good"] == 2
    # What was frozen, from the copy that is about to be lost with the machine.
    installation.json("restore", "all", "--from", "disk", "--to", root / "before", **known)
    files = files_below(root / "before")
    shutil.rmtree(root / "old")
    shutil.rmtree(root / "before")
    return Lost(days, files, known)


@pytest.fixture
def bucket(seaweedfs: S3Server, tmp_path: Path) -> Lost:
    known = {
        **{name: value for name, value in seaweedfs.environment().items() if name != "AWS_EC2_METADATA_DISABLED"},
        "BUCKET": seaweedfs.new_bucket(),
        "PREFIX": "snapshots",
        "ENDPOINT_URL": seaweedfs.endpoint_url,
        "PATH_STYLE": "true",
    }
    place = f"bucket: {known['BUCKET']}, prefix: snapshots, region: {REGION}"
    destination = f"{{type: s3, {place}, endpoint_url: {seaweedfs.endpoint_url}, path_style: true}}"
    return make_days_and_lose_the_machine(tmp_path, 3, destination, known)


@pytest.fixture
def disk(tmp_path: Path) -> Lost:
    folder = tmp_path / "disk"
    folder.mkdir()
    return make_days_and_lose_the_machine(tmp_path, 2, f"{{type: local, path: {folder}}}", {"FOLDER": str(folder)})


@pytest.mark.parametrize("survivor", ["bucket", "disk"])
def test_every_day_comes_back_by_the_runbooks_commands_alone(
    survivor: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    lost: Lost = request.getfixturevalue(survivor)
    known, software, in_a_bucket, in_a_folder, *commands = shell_blocks(RUNBOOK, SECTION)
    # The operator's own values, and the installation, are what the test gives in another way.
    assert known.count("export ") == known.count("\n")
    assert [line.split()[0] for line in software.splitlines()] == ["git", "make", "export"]
    home = tmp_path / "fresh"
    home.mkdir()
    (home / "archive.key").write_text(PUBLIC_TEST_KEY)
    settings = in_a_bucket if survivor == "bucket" else in_a_folder
    script = "\n".join([settings, *commands])
    assert all(f"{name}=" in known for name in lost.known if name != "FOLDER")

    environment = {"HOME": str(home), "LUMEN_ARCHIVE_KEY_FILE": f"{home}/archive.key", **lost.known}
    said = run_script(script, home, environment)

    assert files_below(home / "restored") == lost.files
    assert len(lost.files) > 18 * len(lost.days)
    assert "revision 1," in said.rpartition("+ lumen daily")[2]  # the rebuilt inputs give the content that was frozen
    assert "2 of 2 (2 required)" in said
    command = f"lumen status --json --from {lost.days[0]}"
    status = json.loads(run_script(command, home, environment).partition(command)[2])
    assert list(status["days"]) == [str(day) for day in lost.days]
    for day in status["days"].values():
        assert day["archive"]["revision"] == 1
        assert {name: found["verdict"] for name, found in day["replicas"].items()} == {
            "survivor": "MATCH",
            "copies": "MATCH",
        }
        assert day["attestation"] == {"good": 2, "required": 2, "ok": True}

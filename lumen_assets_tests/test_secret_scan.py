"""``make secrets`` finds what must not be committed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# In pieces, or this file would be found too.
PLANTED = {
    "aws key": "key = '" + "AKIA" + "QYLPMN5HFIQR7XYA" + "'",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "github": "token: " + "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
    "slack": "url = 'https://hooks.slack.com/" + "services/T0123456A/B0123456B/aBcDeFgHiJkLmNoPqRsTuVwX'",
    "address": "postgresql://lumen:" + "hunter2hunter2" + "@db/lumen",
    "password": "SMTP_PASS" + "WORD = 'correct-horse-battery'",
    "archive key": "LUMEN_ARCHIVE_KEY = '" + "pD4Fh0bqkE7m0m2oXv3zq1Wc9sYtR5uJ8aLxKfQeZ6I=" + "'",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    for name in ("tools/scan_secrets.py", ".secrets.baseline"):
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def scan(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/scan_secrets.py", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_planted_secrets_are_found_and_not_printed(repository: Path) -> None:
    """In a file that was not even added yet."""
    (repository / "settings.py").write_text("\n".join(["x = 1", *PLANTED.values()]) + "\n")
    found = scan(repository)
    assert found.returncode == 1, found.stderr
    lines = {int(line.split(":")[1]) for line in found.stdout.splitlines() if line.startswith("settings.py:")}
    missed = [name for number, name in enumerate(PLANTED, 2) if number not in lines]
    assert missed == []
    assert not any(piece in found.stdout for piece in ("QYLPMN5H", "wWPw5k4a", "hunter2", "horse", "pD4Fh0bq"))


def test_what_is_known_may_move_but_not_change(repository: Path) -> None:
    file = repository / "settings.py"
    file.write_text(PLANTED["address"] + "\n")
    assert scan(repository).returncode == 1
    assert scan(repository, "--known").returncode == 0
    assert list(json.loads((repository / ".secrets.baseline").read_text())["results"]) == ["settings.py"]
    file.write_text("\n\n" + PLANTED["address"] + "\n")
    assert scan(repository).returncode == 0
    file.write_text(PLANTED["address"].replace("2@", "3@") + "\n")
    assert scan(repository).returncode == 1


def test_a_lock_file_has_digests_and_no_secrets(repository: Path) -> None:
    digest = "a3f1c95e7b2d8046" * 4
    (repository / "lock.txt").write_text(f"six==1.17.0 \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n")
    assert scan(repository).returncode == 0
    (repository / "lock.txt").write_text(f"--hash=sha256:{digest} x = '{digest}'\n")
    assert scan(repository).returncode == 1

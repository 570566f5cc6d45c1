"""The archive key is changed as ``docs/secrets.md`` says, by its own commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from lumen_assets_tests.installation import LAST_DAY, Installation

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"


def run_the_page(installation: Installation, folder: Path) -> tuple[str, str]:
    """What its commands printed, and the key that they leave in the environment."""
    [commands] = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "lumen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lumen_assets.cli "$@"\n')
    (folder / "lumen").chmod(0o700)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", f'{commands}\nprintf %s "$LUMEN_ARCHIVE_KEY" > key'],
        env={**os.environ, **installation.environment, "PATH": path},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout, (folder / "key").read_text()


def test_old_days_open_and_new_ones_have_the_new_key(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation")
    first, second = LAST_DAY - timedelta(days=1), LAST_DAY
    assert installation.lumen("daily", "--day", str(first)).exit_code == 0
    printed, keyring = run_the_page(installation, tmp_path)
    [old], new = re.findall(r"^(\S+)", printed.splitlines()[0]), printed.splitlines()[1].split()[0]
    assert printed.splitlines()[2].split()[0] == old
    assert installation.lumen("daily", "--day", str(second), LUMEN_ARCHIVE_KEY=keyring).exit_code == 0
    ids = {day: key_of(installation, day) for day in (str(first), str(second))}
    assert ids == {str(first): old, str(second): new}
    assert installation.json("verify", str(first), str(second), LUMEN_ARCHIVE_KEY=keyring)["ok"]
    alone = keyring.partition(",")[0]
    assert not installation.json("verify", str(first), exit_code=1, LUMEN_ARCHIVE_KEY=alone)["ok"]
    assert installation.json("verify", str(second), LUMEN_ARCHIVE_KEY=alone)["ok"]


def key_of(installation: Installation, day: str) -> str:
    [manifest] = (installation.home / "archive" / day).glob("*manifest.json")
    return str(json.loads(manifest.read_text())["key_id"])

"""The archive key is changed as ``docs/secrets.md`` says, by its own commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lumen_assets.cli import main
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"


def run_the_page(folder: Path) -> tuple[str, str]:
    """What its commands printed, and the key that they leave in the environment."""
    [commands] = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "lumen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lumen_assets.cli "$@"\n')
    (folder / "lumen").chmod(0o700)
    done = subprocess.run(
        ["bash", "-euc", f'{commands}\nprintf %s "$LUMEN_ARCHIVE_KEY" > key'],
        env={**os.environ, "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY, "PATH": f"{folder}:{os.environ['PATH']}"},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout, (folder / "key").read_text()


def test_old_archives_open_and_new_ones_have_the_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "metrics.csv").write_text("ts,risk_band\n")

    def archive(command: str, *arguments: str, key: str) -> int:
        monkeypatch.setenv("LUMEN_ARCHIVE_KEY", key)
        return CliRunner().invoke(main, ["archive", command, *arguments]).exit_code

    old, new = str(tmp_path / "old.tink"), str(tmp_path / "new.tink")
    assert archive("create", str(tmp_path / "day"), "--output", old, key=PUBLIC_TEST_KEY) == 0
    printed, keyring = run_the_page(tmp_path)
    before, first, second = (line.split()[0] for line in printed.splitlines())
    assert before == second != first
    assert archive("create", str(tmp_path / "day"), "--output", new, key=keyring) == 0
    assert [archive("verify", name, key=keyring) for name in (old, new)] == [0, 0]
    alone = keyring.partition(",")[0]
    assert [archive("verify", name, key=alone) for name in (old, new)] == [1, 0]

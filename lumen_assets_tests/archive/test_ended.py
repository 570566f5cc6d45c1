"""A process that is told to end while it makes or reads an archive: one clear error, and nothing half made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lumen_assets.archive import Key, members_of
from lumen_assets_tests.archive.conftest import make, verify
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a second of work."""
    folder = tmp_path_factory.mktemp("large")
    words = [f"{os.urandom(3).hex()} " for _ in range(40_000)]
    for number in range(6):
        (folder / f"{number}.txt").write_text("".join(words[number * 97 :] * 80))
    return folder


def lumen(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lumen_assets.cli", "archive", *map(str, arguments)],
        env={**os.environ, "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], number: signal.Signals, place: Path) -> None:
    """Send a signal once something of the output is there, and see that it is gone with the process."""
    before = set(place.iterdir())
    while not any(path.is_dir() or path.stat().st_size for path in set(place.iterdir()) - before):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert set(place.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_create(folder: Path, tmp_path: Path, key: Key, number: signal.Signals) -> None:
    with lumen("create", folder, "--output", tmp_path / "a") as process:
        end(process, number, tmp_path)
        said = process.communicate()
    assert said == (
        "",
        f"error: could not finish lumen archive create: it was ended by {number.name}. Trying again may help.\n",
    )
    make(members_of(folder), tmp_path / "a", key)
    assert verify(tmp_path / "a", key).files == 6


def test_extract(folder: Path, tmp_path: Path, key: Key) -> None:
    make(members_of(folder), tmp_path / "a", key, threads=2)
    with lumen("extract", tmp_path / "a", "--to", tmp_path / "out", "--json") as process:
        end(process, signal.SIGTERM, tmp_path)
        said, errors = process.communicate()
    assert errors == ""
    assert json.loads(said)["error"]["cause"] == "it was ended by SIGTERM"

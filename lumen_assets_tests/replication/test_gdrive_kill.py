"""An upload to Drive whose process is killed with -9 goes on in the next one, and memory stays bounded."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumen_assets.archive import Digests, digest_file
from lumen_assets.replication.retrying import RetryingStore
from lumen_assets_tests.replication.drive_emulator import FOLDER, DriveEmulator, drive_emulator, store_at

KEY = "2026-11-21/archive"
MIB = 1 << 20

UPLOADER = """
import os, re, sys
from pathlib import Path
from lumen_assets.archive import digest_file
from lumen_assets_tests.replication.drive_emulator import store_at
def peak():  # MiB; ru_maxrss would begin with that of the parent process
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10
url, uploads, source = sys.argv[1:]
digests = digest_file(Path(source))
store = store_at(url, os.environ["TOKEN"], Path(uploads))
before = peak()
print("uploading", flush=True)
receipt = store.put("2026-11-21/archive", Path(source), digests)
print(receipt.created, receipt.bytes_sent, peak() - before)
"""


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[DriveEmulator]:
    with drive_emulator(tmp_path / "account") as running:
        yield running


def written(path: Path, size: int) -> Digests:
    generator = random.Random(size)  # noqa: S311 - the same every time
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(generator.randbytes(min(MIB, size - at)))
    return digest_file(path)


def uploading(emulator: DriveEmulator, folder: Path) -> subprocess.Popen[str]:
    arguments = [emulator.url, str(folder / "uploads"), str(folder / "source")]
    environment = {"TOKEN": emulator.new_token(), "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOADER, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    assert process.stdout.readline() == "uploading\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for(emulator: DriveEmulator, process: subprocess.Popen[str], size: int) -> None:
    """Until this many bytes arrived, or the process ended."""
    while emulator.bytes_up < size and process.poll() is None:
        time.sleep(0.002)


def require_one(emulator: DriveEmulator, digests: Digests) -> None:
    [item] = emulator.account.live()
    assert emulator.account.path_of(item) == f"{FOLDER}/{KEY}"
    assert item.path
    assert digest_file(item.path) == digests


@pytest.mark.parametrize("keeps", [True, False], ids=["partial chunks kept", "partial chunks dropped"])
@pytest.mark.parametrize("part", [0.03, 0.4, 0.97])
def test_a_killed_upload_goes_on_where_it_was(
    emulator: DriveEmulator, tmp_path: Path, part: float, keeps: bool
) -> None:
    emulator.account.keeps_partial = keeps
    size = 64 * MIB + 7
    digests = written(tmp_path / "source", size)
    process = uploading(emulator, tmp_path)
    wait_for(emulator, process, int(part * size))
    kill(process)
    assert emulator.account.paths() == []
    receipt = store_at(emulator.url, emulator.new_token(), tmp_path / "uploads").put(KEY, tmp_path / "source", digests)
    assert receipt.created
    require_one(emulator, digests)
    assert emulator.bytes_up <= 1.2 * size
    assert len(emulator.account.sessions) == 1
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("finished", ["answer", "gone"])
def test_killed_while_the_finish_is_under_way(emulator: DriveEmulator, tmp_path: Path, finished: str) -> None:
    emulator.account.finished = finished
    size = 12 * MIB
    digests = written(tmp_path / "source", size)
    process = uploading(emulator, tmp_path)
    wait_for(emulator, process, 9 * MIB)
    emulator.slow = 0.7  # what is asked after the last chunk takes longer than the process lives
    wait_for(emulator, process, size)
    time.sleep(0.3)
    kill(process)
    emulator.slow = 0.0
    RetryingStore(store_at(emulator.url, emulator.new_token(), tmp_path / "uploads")).put(
        KEY, tmp_path / "source", digests
    )
    require_one(emulator, digests)
    assert emulator.bytes_up == size


@pytest.mark.parametrize("moment", ["files/generateIds", "POST /drive/v3/files", "POST /upload"])
def test_killed_before_the_first_byte(emulator: DriveEmulator, tmp_path: Path, moment: str) -> None:
    digests = written(tmp_path / "source", MIB)
    emulator.slow = 0.1
    process = uploading(emulator, tmp_path)
    while not any(moment in call for call in emulator.calls) and process.poll() is None:
        time.sleep(0.002)
    kill(process)
    emulator.slow = 0.0
    time.sleep(0.2)
    store_at(emulator.url, emulator.new_token(), tmp_path / "uploads").put(KEY, tmp_path / "source", digests)
    require_one(emulator, digests)
    folders = emulator.account.folders()
    assert len(folders) == len(set(folders)) == 3


def test_memory_does_not_grow_with_the_file(emulator: DriveEmulator, tmp_path: Path) -> None:
    written(tmp_path / "source", 256 * MIB)
    out, _ = uploading(emulator, tmp_path).communicate(timeout=120)
    created, sent, grown = out.split()
    assert (created, int(sent)) == ("True", 256 * MIB)
    assert int(grown) < 60, "MiB; two chunks of 8 MiB and the connections"


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("keeps", [True, False], ids=["partial chunks kept", "partial chunks dropped"])
def test_a_gigabyte_killed_twenty_times(emulator: DriveEmulator, tmp_path: Path, keeps: bool) -> None:
    emulator.account.keeps_partial = keeps
    size = 1 << 30
    digests = written(tmp_path / "source", size)
    generator = random.Random()  # noqa: S311 - moments, not secrets
    for moment in sorted(generator.uniform(0, 0.98) for _ in range(20)):
        process = uploading(emulator, tmp_path)
        wait_for(emulator, process, int(moment * size))
        kill(process)
    out, _ = uploading(emulator, tmp_path).communicate()
    assert out
    require_one(emulator, digests)
    print(f"bytes sent: {emulator.bytes_up / size:.3f} of the size")
    assert emulator.bytes_up <= 1.2 * size

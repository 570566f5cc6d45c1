"""An upload to Dropbox whose process is killed with -9 goes on in the next one, and memory stays bounded."""

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
from lumen_assets_tests.replication.dropbox_emulator import FOLDER, DropboxEmulator, dropbox_emulator, store_at

KEY = "2026-11-21/archive"
MIB = 1 << 20

UPLOADER = """
import re, sys
from pathlib import Path
from lumen_assets.archive import digest_file
from lumen_assets_tests.replication.dropbox_emulator import store_at
def peak():  # MiB; ru_maxrss would begin with that of the parent process
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10
port, token, uploads, source = sys.argv[1:]
digests = digest_file(Path(source))
store = store_at(int(port), token, Path(uploads))
before = peak()
print("uploading", flush=True)
receipt = store.put("2026-11-21/archive", Path(source), digests)
print(receipt.created, receipt.bytes_sent, peak() - before)
"""


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[DropboxEmulator]:
    with dropbox_emulator(tmp_path / "account") as running:
        yield running


def written(path: Path, size: int) -> Digests:
    generator = random.Random(size)  # noqa: S311 - the same every time
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(generator.randbytes(min(MIB, size - at)))
    return digest_file(path)


def uploading(emulator: DropboxEmulator, folder: Path) -> subprocess.Popen[str]:
    arguments = [str(emulator.port), emulator.new_token(), str(folder / "uploads"), str(folder / "source")]
    process = subprocess.Popen([sys.executable, "-c", UPLOADER, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "uploading\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for(emulator: DropboxEmulator, process: subprocess.Popen[str], size: int) -> None:
    """Until this many bytes arrived, or the process ended."""
    while emulator.bytes_up < size and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.parametrize("part", [0.03, 0.4, 0.97])
def test_a_killed_upload_goes_on_where_it_was(emulator: DropboxEmulator, tmp_path: Path, part: float) -> None:
    size = 48 * MIB + 7
    digests = written(tmp_path / "source", size)
    process = uploading(emulator, tmp_path)
    wait_for(emulator, process, int(part * size))
    kill(process)
    assert emulator.account.files() == {}
    receipt = store_at(emulator.port, emulator.new_token(), tmp_path / "uploads").put(KEY, tmp_path / "source", digests)
    assert receipt.created
    [(path, entry)] = emulator.account.files().items()
    assert path == f"{FOLDER}/{KEY}"
    assert entry.hash == digests.dropbox_content_hash
    assert emulator.bytes_up <= 1.2 * size
    assert len(emulator.account.sessions) == 1
    assert list((tmp_path / "uploads").iterdir()) == []


def test_killed_while_the_finish_is_under_way(emulator: DropboxEmulator, tmp_path: Path) -> None:
    size = 12 * MIB
    digests = written(tmp_path / "source", size)
    process = uploading(emulator, tmp_path)
    wait_for(emulator, process, size - 1)
    emulator.slow = 1.0  # the answer to the last piece or to the finish takes longer than the process lives
    time.sleep(0.3)
    kill(process)
    emulator.slow = 0.0
    time.sleep(1.2)
    RetryingStore(store_at(emulator.port, emulator.new_token(), tmp_path / "uploads")).put(
        KEY, tmp_path / "source", digests
    )
    [entry] = emulator.account.files().values()
    assert entry.hash == digests.dropbox_content_hash
    assert emulator.bytes_up <= size + 4 * MIB


def test_memory_does_not_grow_with_the_file(emulator: DropboxEmulator, tmp_path: Path) -> None:
    written(tmp_path / "source", 96 * MIB)
    out, _ = uploading(emulator, tmp_path).communicate(timeout=120)
    created, sent, grown = out.split()
    assert (created, int(sent)) == ("True", 96 * MIB)
    assert int(grown) < 40, "MiB; four pieces of 4 MiB, and what the SDK's first request imports"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_gigabyte_killed_twenty_times(emulator: DropboxEmulator, tmp_path: Path) -> None:
    size = 1 << 30
    digests = written(tmp_path / "source", size)
    generator = random.Random()  # noqa: S311 - moments, not secrets
    for moment in sorted(generator.uniform(0, 0.98) for _ in range(20)):
        process = uploading(emulator, tmp_path)
        wait_for(emulator, process, int(moment * size))
        kill(process)
    out, _ = uploading(emulator, tmp_path).communicate()
    assert out
    [entry] = emulator.account.files().values()
    assert entry.hash == digests.dropbox_content_hash
    print(f"bytes sent: {emulator.bytes_up / size:.3f} of the size")
    assert emulator.bytes_up <= 1.2 * size

"""The memory of a whole process, start-up included, does not depend on the size of an archive."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, members_of
from lumen_assets_tests.archive.conftest import BOUND_TO, make, verify
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY

MOST_MB: Final = 128
SCRIPT: Final = """
import re, sys, time
from pathlib import Path
from lumen_assets.archive.stage import Stage
from lumen_assets.cli import main

def slow(call, *args):
    time.sleep(0.005)  # a few times as long as most calls take: every queue is full before long
    return call(*args)

submit = Stage.submit
Stage.submit = lambda stage, call, *args: submit(stage, slow, call, *args)
try:
    main(["archive", *sys.argv[1:]], "lumen")
finally:
    peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # that of this program alone
    print(int(peak[1]) * 1024 / 1e6, file=sys.stderr)
"""


def peak_mb(*arguments: object) -> float:
    """The most memory that a command holds while its queues are full, which without help is a matter of luck."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env={**os.environ, "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stderr)


def same_file_often(folder: Path, content: bytes, *, times: int) -> Path:
    folder.mkdir()
    (folder / "0000").write_bytes(content)
    for number in range(1, times):
        (folder / f"{number:04}").hardlink_to(folder / "0000")
    return folder


def most(*runs: list[float]) -> list[float]:
    """The most of each."""
    return [max(found) for found in zip(*runs, strict=True)]


def assert_the_same(small: list[float], large: list[float]) -> None:
    assert max(large) < MOST_MB
    assert all(one < 1.1 * other for one, other in zip(large, small, strict=True)), (small, large)


def test_300_mb(tmp_path: Path) -> None:
    """Bytes that cannot be compressed fill every queue most."""
    once = os.urandom(20_000_000)

    def peaks(size: int) -> list[float]:
        folder, archive, to = (tmp_path / f"{size}{end}" for end in ("", ".tink", ".out"))
        if not folder.exists():
            same_file_often(folder, once, times=size // 20)
        found = [
            peak_mb("create", folder, "--output", archive, "--threads", 2),
            peak_mb("verify", archive),
            peak_mb("extract", archive, "--to", to),
        ]
        archive.unlink()
        shutil.rmtree(to)
        return found

    assert_the_same(most(peaks(100), peaks(100)), peaks(300))


def test_many_threads(tmp_path: Path) -> None:
    """As many as there are on machines with more cores."""
    folder = same_file_often(tmp_path / "folder", os.urandom(20_000_000), times=6)
    assert peak_mb("create", folder, "--output", tmp_path / "a", "--threads", 8) < MOST_MB


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_20_gb(tmp_path: Path) -> None:
    """Of each 250 MB most is one byte, so that the archive has some 1.6 GB."""
    once = os.urandom(20_000_000) + bytes(230_000_000)

    def peaks(size: int) -> list[float]:
        folder, archive = tmp_path / f"{size}", tmp_path / f"{size}.tink"
        if not folder.exists():
            same_file_often(folder, once, times=4 * size)
        found = [peak_mb("create", folder, "--output", archive), peak_mb("verify", archive)]
        archive.unlink()
        return found

    small = most(peaks(1), peaks(1))
    large = peaks(20)
    print(f"peak memory, MB, of creating and verifying: of 1 GB {small}, of 20 GB {large}")
    assert_the_same(small, large)


def traced_peak(work: Callable[[], object]) -> int:
    """The most bytes that Python held meanwhile, of what it did not hold before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_each_of_many_files_takes_little(tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names, a line of the bag's manifest and a line of the index each, and nothing twice."""
    monkeypatch.setattr("lumen_assets.archive.read.keep_freed_memory", lambda: None)  # 16 MiB for a moment
    monkeypatch.setattr("lumen_assets.archive.frames.FRAME_SIZE", 1 << 16)  # how many frames wait is a matter of luck
    few, many = 100, 4100

    def read_one(archive: Path) -> None:
        with archive.open("rb") as file:
            extract_paths(FileRange(file), ["zeros"], archive.with_suffix(".one"), key=key, associated_data=BOUND_TO)

    def peaks(count: int) -> tuple[int, ...]:
        folder, archive = tmp_path / f"{count}", tmp_path / f"{count}.tink"
        for number in range(count):
            place = folder / f"run-{number // 500:04}" / f"sample_{number:07}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        with (folder / "zeros").open("wb") as file:
            file.truncate(4 << 20)  # fills every queue, after all the others
        return (
            traced_peak(lambda: make(members_of(folder), archive, key)),
            traced_peak(lambda: verify(archive, key)),
            traced_peak(lambda: read_one(archive)),
        )

    for small, large in zip(peaks(few), peaks(many), strict=True):
        assert (large - small) / (many - few) < 700

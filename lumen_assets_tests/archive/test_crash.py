"""A process that is killed, and a disk that is full: nothing under a final name."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lumen_assets.archive import Key, Keyring, extract_stream, members_of
from lumen_assets.errors import PermanentError
from lumen_assets_tests.archive.conftest import BOUND_TO, make
from lumen_assets_tests.archive.test_freeze import DAY, Place
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY

FREEZE_FOR_EVER = """
import sys, time
from pathlib import Path
from lumen_assets.archive import Key, Keyring
from lumen_assets_tests.archive.test_freeze import Place

def wait(count):
    print("half", flush=True)
    time.sleep(60)

Place(Path(sys.argv[1]), Keyring([Key(bytes(range(32)))])).freeze("x" * 5_000_000, progress=wait)
"""


def test_a_killed_freeze_leaves_no_final_name_and_the_next_one_cleans_up(tmp_path: Path, key: Key) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FREEZE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    place = Place(tmp_path, Keyring([key]))
    left = [path.name for path in place.archive.iterdir() if path.name != ".locks"]
    assert len(left) == 1
    assert left[0].startswith(".tmp-")
    assert place.freeze("x").manifest.revision == 1
    assert {path.name for path in place.archive.iterdir()} == {".locks", DAY.isoformat(), "index.jsonl"}


@pytest.fixture
def small_files_only() -> object:
    """Writing a file beyond 1 MiB fails, as on a full disk."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    yield None
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_while_creating(tmp_path: Path, key: Key, request: pytest.FixtureRequest) -> None:
    file = tmp_path / "random"
    file.write_bytes(os.urandom(8 << 20))
    request.getfixturevalue("small_files_only")
    with pytest.raises(PermanentError, match="File too large") as caught:
        make({"random": file}, tmp_path / "out" / "a", key, threads=2)
    assert caught.value.error_class == "output"
    assert not (tmp_path / "out").exists()


def test_a_full_disk_while_extracting(tmp_path: Path, key: Key, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "zeros").write_bytes(bytes(8 << 20))
    make(members_of(folder), tmp_path / "a", key)
    request.getfixturevalue("small_files_only")
    (tmp_path / "place").mkdir()
    with (tmp_path / "a").open("rb") as file, pytest.raises(PermanentError, match="File too large") as caught:
        extract_stream(file, tmp_path / "place" / "out", key=key, associated_data=BOUND_TO)
    assert caught.value.error_class == "output"
    assert not list((tmp_path / "place").iterdir())


def test_a_full_disk_while_freezing(tmp_path: Path, key: Key, request: pytest.FixtureRequest) -> None:
    place = Place(tmp_path, Keyring([key]))
    place.freeze("one")
    before = place.files()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        place.file.write_text("two")
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
        with pytest.raises(PermanentError):
            place.freeze("two")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert place.files() == before
    assert not list(place.archive.glob(".tmp-*"))
    assert place.freeze("two").manifest.revision == 2


@pytest.mark.parametrize("spare", [4, 16, 24, 40])
def test_too_little_memory(tmp_path: Path, spare: int) -> None:
    """A thread that cannot start, a buffer or a compressor that has no room."""
    file = tmp_path / "folder" / "random"
    file.parent.mkdir()
    file.write_bytes(os.urandom(30 << 20))
    script = """
import resource, sys
from pathlib import Path
from lumen_assets.cli import main
import awscrt.checksums, lumen_assets.cli.archive
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (int(sys.argv[1]) << 20), -1))
main(["archive", "create", sys.argv[2], "--output", sys.argv[3], "--threads", "2", "--level", "19"], "lumen")
"""
    found = subprocess.run(
        [sys.executable, "-c", script, str(spare), file.parent, tmp_path / "out" / "a"],
        check=False,
        env={**os.environ, "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY},
        capture_output=True,
        text=True,
    )
    assert (
        found.stderr
        == "error: could not finish lumen archive create: there is not enough memory. Trying again may help.\n"
    )
    assert found.returncode == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path, key: Key) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermanentError) as caught:
        make({"f": tmp_path / "file"}, tmp_path / "file" / "a", key)
    assert caught.value.error_class == "output"

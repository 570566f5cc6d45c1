from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.durable import TEMPORARY_PREFIX
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.replication.local import LocalStore, folder_error


def test_a_disk_that_is_not_mounted_is_an_error_and_not_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mnt" / "disk"
    store = LocalStore("there", folder)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(PermanentError, match="there is no folder"):
        store.put("a", source, digest_file(source))
    with pytest.raises(PermanentError, match="there is no folder"):
        store.stat("a")
    with pytest.raises(PermanentError, match="there is no folder"):
        list(store.list())
    assert not folder.exists()


@pytest.mark.parametrize("seen", ["by its name", "whole"])
def test_what_vanishes_while_all_is_listed_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    """Another process sets an object aside, or removes it, between two looks."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x")
    real_walk = os.walk

    def walk(*arguments: Any, **options: Any) -> Iterator[Any]:
        for found in real_walk(*arguments, **options):
            if seen == "by its name":
                (tmp_path / "b").unlink(missing_ok=True)
            yield found
        (tmp_path / "b").unlink(missing_ok=True)

    monkeypatch.setattr(os, "walk", walk)
    assert [stored.key for stored in LocalStore("here", tmp_path).list()] == ["a", "c"]


@pytest.mark.parametrize(
    ("number", "kind", "error_class"),
    [
        (errno.ENOSPC, PermanentError, "quota"),
        (errno.EROFS, PermanentError, "permission"),
        (errno.EACCES, PermanentError, "permission"),
        (errno.EIO, TransientError, "provider"),
        (errno.ESTALE, TransientError, "provider"),
    ],
)
def test_errors_of_the_file_system_say_whether_a_retry_helps(
    number: int, kind: type[Exception], error_class: str
) -> None:
    found = folder_error(OSError(number, "reason"), "copy", "a to b")
    assert type(found) is kind
    assert found.error_class == error_class
    assert "reason" in str(found)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the write fails in the middle with an OSError."""
    source = tmp_path / "source"
    source.write_bytes(bytes(8 << 20))
    program = f"""
import resource, signal
from pathlib import Path
from lumen_assets.archive import digest_file
from lumen_assets.errors import LumenError
from lumen_assets.replication.local import LocalStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = Path({str(source)!r})
digests = digest_file(source)
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
try:
    LocalStore("here", Path({str(tmp_path / "copies")!r}), create=True).put("a/b", source, digests)
except LumenError as error:
    print(type(error).__name__)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "TransientError"  # EFBIG; ENOSPC is quota, see above
    assert [path for path in (tmp_path / "copies").rglob("*") if path.is_file()] == []


def test_killed_in_the_middle_nothing_has_the_final_name_and_the_next_put_succeeds(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(64 << 20))
    folder = tmp_path / "copies"
    program = f"""
import time
from pathlib import Path
from lumen_assets.archive import digest_file
from lumen_assets.replication.local import LocalStore
source = Path({str(source)!r})
LocalStore("here", Path({str(folder)!r}), create=True).put("a", source, digest_file(source), lambda _: time.sleep(0.05))
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while not list(folder.glob(f"{TEMPORARY_PREFIX}*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob(f"{TEMPORARY_PREFIX}*"))
    assert not (folder / "a").exists()
    store = LocalStore("here", folder)
    assert list(store.list()) == []
    (partial,) = folder.glob(f"{TEMPORARY_PREFIX}*")
    there = partial.stat().st_size >> 20 << 20
    receipt = store.put("a", source, digest_file(source))
    assert receipt.created
    assert receipt.bytes_sent == (64 << 20) - there
    assert digest_file(folder / "a") == digest_file(source)
    assert list(folder.iterdir()) == [folder / "a"]


@pytest.mark.parametrize("left", [b"", b"other than the source", bytes(3 << 20), b"x" * (9 << 20)])
def test_whatever_an_earlier_process_left_the_right_bytes_are_stored(tmp_path: Path, left: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(2 << 20) + b"y" * (1 << 20) + b"end")
    folder = tmp_path / "copies"
    folder.mkdir()
    digests = digest_file(source)
    (folder / f"{TEMPORARY_PREFIX}{digests.sha256[:16]}-a").write_bytes(left)
    assert LocalStore("here", folder).put("a", source, digests).created
    assert (folder / "a").read_bytes() == source.read_bytes()
    assert list(folder.iterdir()) == [folder / "a"]


@pytest.mark.parametrize(
    ("size", "kills"), [(64 << 20, 3), pytest.param(1 << 30, 20, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_killed_at_random_moments_it_goes_on_where_it_was(tmp_path: Path, size: int, kills: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20) * (size >> 20))
    folder = tmp_path / "copies"
    program = f"""
import sys, time
from pathlib import Path
from lumen_assets.archive import digest_file
from lumen_assets.replication.local import LocalStore
source = Path({str(source)!r})
count = 0
def said(size):
    global count
    count += size
    Path({str(tmp_path)!r}, sys.argv[1]).write_text(str(count))
    time.sleep({0.5 * (1 << 20) / size!r} * {kills})
LocalStore("here", Path({str(folder)!r}), create=True).put("a", source, digest_file(source), said)
"""
    generator = random.Random()  # noqa: S311 - moments, not secrets
    for number in range(kills):
        process = subprocess.Popen([sys.executable, "-c", program, f"sent-{number}"])
        deadline = time.monotonic() + 60
        while not (tmp_path / f"sent-{number}").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(generator.random() * 0.3)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
    subprocess.run([sys.executable, "-c", program, "sent-last"], check=True)
    sent = sum(int(path.read_text() or 0) for path in tmp_path.glob("sent-*"))
    sent += kills << 20  # a killed process had written up to one more chunk than it said
    print(f"bytes sent: {sent / size:.3f} of the size")
    assert digest_file(folder / "a") == digest_file(source)
    assert list(folder.iterdir()) == [folder / "a"]
    assert sent <= 1.2 * size

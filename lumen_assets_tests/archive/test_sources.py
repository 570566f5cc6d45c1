"""What an archive is made from: links, files that cannot be read, holes, files that grow, a great many of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, members_of, scan_folder
from lumen_assets.archive.stream import DecryptingReader
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets_tests.archive.conftest import BOUND_TO, make, verify

MIB = 1 << 20


def extract(path: Path, to: Path, key: Key) -> Path:
    with path.open("rb") as file:
        extract_stream(file, to, key=key, associated_data=BOUND_TO)
    return to / "data"


class TestLinks:
    def test_what_they_stand_for_is_taken_where_that_is_asked(self, folder: Path, tmp_path: Path, key: Key) -> None:
        (tmp_path / "outside" / "deep").mkdir(parents=True)
        (tmp_path / "outside" / "deep" / "far").write_text("far away")
        (folder / "logs" / "program").symlink_to("../run.sh")
        (folder / "there").symlink_to(tmp_path / "outside")
        (folder / "again").symlink_to("there/deep")
        scan = scan_folder(folder, follow_links=True)
        assert scan.links == ("again", "logs/program", "there")
        make(scan.members, tmp_path / "a", key)
        out = extract(tmp_path / "a", tmp_path / "out", key)
        assert (out / "again" / "far").read_text() == (out / "there" / "deep" / "far").read_text() == "far away"
        assert (out / "logs" / "program").stat().st_mode & 0o777 == 0o755
        assert not any(path.is_symlink() for path in out.rglob("*"))

    def test_a_folder_without_links_is_the_same_either_way(self, folder: Path) -> None:
        assert scan_folder(folder, follow_links=True) == scan_folder(folder)

    @pytest.mark.parametrize(
        ("target", "says"),
        [
            (".", "'logs/link' (a link to a folder that it is in)"),
            ("..", "'logs/link' (a link to a folder that it is in)"),
            ("../..", "'logs/link/folder/logs/link' (a link to a folder that it is in)"),
            ("nowhere", "'logs/link' (a link to nothing)"),
            ("link", "'logs/link' (a link to nothing)"),
            ("/dev/null", "'logs/link' (a device or socket)"),
        ],
    )
    def test_those_that_cannot_be_followed_are_named(self, folder: Path, target: str, says: str) -> None:
        (folder / "logs" / "link").symlink_to(target)
        with pytest.raises(PermanentError) as caught:
            scan_folder(folder, follow_links=True)
        assert says in caught.value.cause


@contextmanager
def not_as_root() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that others can get to, and write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_a_file_that_may_not_be_read_is_named(open_to_all: Path, key: Key) -> None:
    for name in ("open", "shut"):
        (open_to_all / name).write_text("x")
    (open_to_all / "shut").chmod(0)
    members = members_of(open_to_all)
    with not_as_root(), pytest.raises(PermanentError, match="shut: Permission denied") as caught:
        make(members, open_to_all / "a", key)
    assert caught.value.error_class == "input"
    assert {path.name for path in open_to_all.iterdir()} == {"open", "shut"}


def test_a_folder_that_may_not_be_looked_into_is_named(open_to_all: Path) -> None:
    (open_to_all / "shut").mkdir()
    (open_to_all / "shut").chmod(0)
    with not_as_root(), pytest.raises(PermanentError, match="shut: Permission denied"):
        members_of(open_to_all)


def test_holes_are_zeros(tmp_path: Path, key: Key) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"start")
        file.seek(48 * MIB)
        file.write(b"end")
    assert (tmp_path / "sparse").stat().st_blocks * 512 < MIB
    make({"sparse": tmp_path / "sparse"}, tmp_path / "a", key)
    assert (tmp_path / "a").stat().st_size < MIB
    out = extract(tmp_path / "a", tmp_path / "out", key)
    assert (out / "sparse").read_bytes() == (tmp_path / "sparse").read_bytes()


def test_a_log_that_somebody_writes_to_is_stored_as_it_was_listed_or_not_at_all(tmp_path: Path, key: Key) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"line\n" * MIB)
    (tmp_path / "out").mkdir()
    stop = threading.Event()

    def append() -> None:
        while not stop.wait(0.004):
            with log.open("ab") as file:
                file.write(b"one more line\n")

    stored: list[str] = []
    refused = 0
    writer = threading.Thread(target=append)
    writer.start()
    try:
        for number in range(12):
            try:
                made = make({"log": log}, tmp_path / "out" / str(number), key)
            except TransientError as error:
                refused += "it changed while it was read" in str(error)
            else:
                stored.append(made.sha256["log"])
                with log.open("rb") as file:
                    assert hashlib.sha256(file.read(made.bytes)).hexdigest() == made.sha256["log"]
    finally:
        stop.set()
        writer.join()
    assert refused == 12 - len(stored) > 0
    assert len(list((tmp_path / "out").iterdir())) == len(stored)
    make({"log": log}, tmp_path / "out" / "last", key)


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)], id="100,000")]
)
def test_many_small_files(count: int, tmp_path: Path, key: Key) -> None:
    folder = tmp_path / "folder"
    expected: dict[str, str] = {}
    for number in range(count):
        name = f"{number % 100:02d}/기록-{number:06d}.json"
        content = f'{{"number": {number}}}\n'.encode()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        expected[name] = hashlib.sha256(content).hexdigest()
    made = make(members_of(folder), tmp_path / "a", key, threads=2)
    assert made.sha256 == expected
    assert verify(tmp_path / "a", key).sha256 == expected
    out = extract(tmp_path / "a", tmp_path / "out", key)
    assert sum(1 for path in out.rglob("*.json") if path.is_file()) == count
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "manifest-sha256.txt"], cwd=out.parent, check=True)
    wanted = f"{(count - 1) % 100:02d}/기록-{count - 1:06d}.json"
    with (tmp_path / "a").open("rb") as file:
        found = extract_paths(FileRange(file), [wanted], tmp_path / "one", key=key, associated_data=BOUND_TO)
    assert found.sha256 == {wanted: expected[wanted]}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_file_of_more_than_8_gib(tmp_path: Path, key: Key) -> None:
    """More than a ustar header can say."""
    size = (8 << 30) + 12_345
    digest = hashlib.sha256()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size - 3)
        file.seek(size - 3)
        file.write(b"end")
    for _ in range(8 << 10):
        digest.update(bytes(MIB))
    digest.update(bytes(12_342) + b"end")
    (tmp_path / "next").write_text("after it")
    made = make({"large": tmp_path / "large", "next": tmp_path / "next"}, tmp_path / "a", key, threads=2)
    assert made.sha256["large"] == digest.hexdigest()
    out = extract(tmp_path / "a", tmp_path / "out", key)
    with (out / "large").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()
    with (tmp_path / "a").open("rb") as file:
        found = extract_paths(FileRange(file), ["next"], tmp_path / "one", key=key, associated_data=BOUND_TO)
    assert found.bytes == 8
    with (tmp_path / "a").open("rb") as file:
        (tmp_path / "a.tar.zst").write_bytes(DecryptingReader(file, key, BOUND_TO).read(1 << 40))
    listed = subprocess.run(
        ["bash", "-c", 'zstd -dc "$0" | tar tv', tmp_path / "a.tar.zst"], capture_output=True, text=True, check=True
    ).stdout
    assert f" {size} " in next(line for line in listed.splitlines() if line.endswith("/data/large"))
    (out / "large").unlink()

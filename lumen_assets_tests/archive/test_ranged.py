from __future__ import annotations

import io
import os
from pathlib import Path

import bagit
import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, members_of
from lumen_assets.archive.frames import FrameContent
from lumen_assets.archive.stream import ReadableStream
from lumen_assets.errors import PermanentError
from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.restore import StoreRange
from lumen_assets.replication.store import Store
from lumen_assets_tests.archive.conftest import BOUND_TO, MTIME, Made, make


class Watched(StoreRange):
    """Notes how much is read of an object of a store."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        super().__init__(store, key, size)
        self.read: list[int] = []

    def read_at(self, offset: int, length: int) -> bytes:
        self.read.append(length)
        return super().read_at(offset, length)


def paths(made: Path, wanted: list[str], to: Path, key: Key) -> dict[str, bytes]:
    with made.open("rb") as file:
        found = extract_paths(FileRange(file), wanted, to, key=key, associated_data=BOUND_TO)
    files = {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file()}
    assert set(found.sha256) == set(files)
    assert (found.files, found.bytes) == (len(files), sum(map(len, files.values())))
    return files


def test_one_file(made: Made, folder: Path, tmp_path: Path, key: Key) -> None:
    files = paths(made.path, ["controls/규칙/이력.jsonl"], tmp_path / "out", key)
    assert files == {"controls/규칙/이력.jsonl": (folder / "controls/규칙/이력.jsonl").read_bytes()}
    assert (tmp_path / "out" / "controls/규칙/이력.jsonl").stat().st_mtime == MTIME


@pytest.mark.parametrize("wanted", [["controls"], ["controls/"], ["./controls"], ["controls", "controls/규칙"]])
def test_a_folder_takes_everything_below_it(made: Made, wanted: list[str], tmp_path: Path, key: Key) -> None:
    assert list(paths(made.path, wanted, tmp_path / "out", key)) == ["controls/규칙/이력.jsonl"]


def test_empty_and_executable_files(made: Made, tmp_path: Path, key: Key) -> None:
    assert set(paths(made.path, ["empty", "run.sh"], tmp_path / "out", key)) == {"empty", "run.sh"}
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("wanted", ["metrics.csv", "logs/metrics.cvs", "", "/logs", "..", "log", "data/logs"])
def test_an_unknown_path_names_near_ones(made: Made, wanted: str, tmp_path: Path, key: Key) -> None:
    with pytest.raises(PermanentError, match="no such path") as caught:
        paths(made.path, ["empty", wanted], tmp_path / "out", key)
    if "metrics" in wanted:
        assert "'logs/metrics.csv'" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_among_many_paths_the_near_ones_are_those_of_its_folder_or_name(tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").touch()
    members = {f"{folder:03}/{number:03}.json": tmp_path / "f" for folder in range(120) for number in range(50)}
    made = make(members, tmp_path / "a", key)
    assert made.files == 6000
    for wanted, near in (("119/048.jsn", "119/048.json"), ("0119/048.json", "119/048.json"), ("x", "000/000.json")):
        with pytest.raises(PermanentError) as caught:
            paths(tmp_path / "a", [wanted], tmp_path / "out", key)
        assert repr(near) in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_mount_point_is_filled_in_place(
    made: Made, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.ismount", lambda path: str(path) == str(tmp_path / "mount"))
    (tmp_path / "mount").mkdir()
    inode = (tmp_path / "mount").stat().st_ino
    with made.path.open("rb") as file:
        extract_stream(file, tmp_path / "mount", key=key, associated_data=BOUND_TO)
    assert (tmp_path / "mount").stat().st_ino == inode
    bagit.Bag(str(tmp_path / "mount")).validate()
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, key: Key) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("large")
    folder = root / "folder"
    folder.mkdir()
    for number in range(8):
        (folder / f"part{number}").write_bytes(os.urandom(3_000_000))
    make(members_of(folder), root / "a", key, threads=2)
    return folder, root / "a"


def test_every_part_of_a_large_archive(large: tuple[Path, Path], tmp_path: Path, key: Key) -> None:
    folder, archive = large
    for number in range(8):
        name = f"part{number}"
        files = paths(archive, [name], tmp_path / name, key)
        assert files == {name: (folder / name).read_bytes()}


def test_little_more_than_the_file_is_read(large: tuple[Path, Path], tmp_path: Path, key: Key) -> None:
    _, archive = large
    watched = Watched(LocalStore("here", archive.parent), archive.name, archive.stat().st_size)
    extract_paths(watched, ["part4"], tmp_path / "out", key=key, associated_data=BOUND_TO)
    assert archive.stat().st_size > 24_000_000
    assert sum(watched.read) < 3_000_000 + (8 << 20)


def test_a_small_file_wherever_it_lies_takes_little_more(tmp_path: Path, key: Key) -> None:
    """Incompressible files, so that frames are as long as can be; some lie across two."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(160):
        (folder / f"{number:03}").write_bytes(os.urandom(200_000))
    make(members_of(folder), tmp_path / "replicas" / "a", key)
    store = LocalStore("here", tmp_path / "replicas")
    watched = Watched(store, "a", (tmp_path / "replicas" / "a").stat().st_size)
    for number in range(0, 160, 3):
        watched.read.clear()
        name = f"{number:03}"
        extract_paths(watched, [name], tmp_path / "out" / name, key=key, associated_data=BOUND_TO)
        assert (tmp_path / "out" / name / name).read_bytes() == (folder / name).read_bytes()
        assert sum(watched.read) < 200_000 + (6 << 20), (name, watched.read)
        assert len(watched.read) <= 6


def test_files_beside_one_another_are_decompressed_once(
    tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    class Counted(FrameContent):
        def __init__(self, compressed: ReadableStream, head: bytes, size: int, name: str, *, read_size: int) -> None:
            opened.append(size)
            super().__init__(compressed, head, size, name, read_size=read_size)

    monkeypatch.setattr("lumen_assets.archive.ranged.FrameContent", Counted)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number:03}").write_bytes(os.urandom(30_000))
    make(members_of(folder), tmp_path / "a", key)
    files = paths(tmp_path / "a", [f"{number:03}" for number in range(0, 400, 2)], tmp_path / "out", key)
    assert files == {name: (folder / name).read_bytes() for name in files}
    assert len(files) == 200
    assert len(opened) <= 8  # the last one first, for the bag's manifest; then the six that there are


@pytest.mark.parametrize("whole", [True, False])
def test_where_it_may_go(made: Made, tmp_path: Path, key: Key, whole: bool) -> None:
    data = made.path.read_bytes()

    def extract(to: Path) -> None:
        if whole:
            extract_stream(io.BytesIO(data), to, key=key, associated_data=BOUND_TO)
        else:
            extract_paths(FileRange(io.BytesIO(data)), ["empty"], to, key=key, associated_data=BOUND_TO)

    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "x")
    for name in ("taken", "file", "dangling"):
        with pytest.raises(PermanentError) as caught:
            extract(tmp_path / name)
        assert caught.value.error_class == "output"
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine"]

    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    for name in ("link", "deep/er/new"):
        extract(tmp_path / name)
        assert any((tmp_path / name).iterdir())
    assert (tmp_path / "link").is_symlink()
    assert not list(tmp_path.rglob(".tmp-*"))

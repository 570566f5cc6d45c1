"""Names as long and as foreign as a file system takes them, by our reader and by others."""

from __future__ import annotations

import os
import subprocess
import tarfile
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import bagit
import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, members_of
from lumen_assets.archive.stream import DecryptingReader
from lumen_assets_tests.archive.conftest import BOUND_TO, make

BASE = "lumen-2026-11-21-r1"
TO_100 = 100 - len(f"{BASE}/data/")
"""Bytes of a name with which its path in the tar stream has 100: what a ustar header holds."""

NAMES = [
    unicodedata.normalize("NFC", "기록 é.csv"),
    unicodedata.normalize("NFD", "지난 기록 ñ.csv"),
    unicodedata.normalize("NFD", "폴더") + "/" + unicodedata.normalize("NFC", "파일"),
    "n" * 255,
    "가" * 85,
    "📈" * 63 + "csv",
    "/".join(["깊" * 80] * 8),
    *(f"{'p' * (TO_100 + off - 1)}{off % 10}" for off in (-2, -1, 0, 1, 2)),
    *(f"{'가' * (TO_100 // 3)}{'x' * (TO_100 % 3 + off)}" for off in (0, 1)),
]
FILES = {name: f"content of {number}\n".encode() for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Path:
    root = tmp_path_factory.mktemp("names")
    for name, content in FILES.items():
        path = root / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert max(len(os.fsencode(part)) for name in NAMES for part in name.split("/")) == 255
    make(members_of(root / "folder"), root / "a", key)
    return root / "a"


def files_below(folder: Path) -> Mapping[str, bytes]:
    """By the very bytes of the names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def extracted(archive: Path, key: Key, tmp_path: Path) -> Path:
    with archive.open("rb") as file:
        extract_stream(file, tmp_path / "out", key=key, associated_data=BOUND_TO)
    return tmp_path / "out"


def test_they_come_back_byte_for_byte(extracted: Path) -> None:
    assert files_below(extracted / "data") == FILES


def test_each_by_itself(archive: Path, key: Key, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        with archive.open("rb") as file:
            extract_paths(FileRange(file), [name], tmp_path / str(number), key=key, associated_data=BOUND_TO)
        assert files_below(tmp_path / str(number)) == {name: FILES[name]}


def test_bagit_and_sha256sum_find_every_file(extracted: Path) -> None:
    bagit.Bag(str(extracted)).validate()
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "manifest-sha256.txt"], cwd=extracted, check=True)


def test_tar_and_python_read_the_same_names(archive: Path, key: Key, tmp_path: Path) -> None:
    with archive.open("rb") as file:
        packed = DecryptingReader(file, key, BOUND_TO).read(1 << 40)
    tar = tmp_path / "stream.tar"
    tar.write_bytes(subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout)
    subprocess.run(["tar", "-xf", tar, "-C", tmp_path], check=True)
    assert files_below(tmp_path / BASE / "data") == FILES
    with tarfile.open(tar) as opened:
        names = {member.name.removeprefix(f"{BASE}/data/") for member in opened if member.isreg()}
    assert names >= set(FILES)


@pytest.mark.parametrize("name", ["n" * 255, "가" * 85, "x" + "가" * 84])
def test_archives_and_folders_may_have_such_names_too(name: str, folder: Path, tmp_path: Path, key: Key) -> None:
    make(members_of(folder), tmp_path / name, key)
    with (tmp_path / name).open("rb") as file:
        extract_stream(file, tmp_path / "deeper" / name, key=key, associated_data=BOUND_TO)
    assert files_below(tmp_path / "deeper" / name / "data").keys() == files_below(folder).keys()

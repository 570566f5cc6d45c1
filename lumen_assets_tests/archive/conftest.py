"""A key that everybody may know, a small folder, and an archive of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lumen_assets.archive import ArchiveContents, CreatedArchive, Key, create_archive, members_of, verify_stream

BOUND_TO = b"lumen-archive/v1|2026-11-21|r1"
MTIME = 1_795_273_200


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """However making or reading an archive ended."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("archive")]


@pytest.fixture(scope="session")
def key() -> Key:
    return Key(bytes(range(32)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Text, Korean and long names, an empty file, a program, a file in a folder in a folder."""
    root = tmp_path / "folder"
    for path, content in {
        "controls/규칙/이력.jsonl": "{}\n" * 40,
        "empty": "",
        "logs/metrics.csv": "ts,phase_diff\n" * 20,
        f"{'긴이름' * 20}/{'n' * 200}.txt": "long",
        "100%.txt": "percent",
        "run.sh": "#!/bin/sh\n",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    (root / "run.sh").chmod(0o755)
    return root


@dataclass(frozen=True)
class Made:
    path: Path
    created: CreatedArchive


def make(
    members: Mapping[str, Path], output: Path, key: Key, *, mtime: int | None = MTIME, threads: int = 1
) -> CreatedArchive:
    return create_archive(
        members,
        output,
        key=key,
        associated_data=BOUND_TO,
        base_name="lumen-2026-11-21-r1",
        bag_info={"Bagging-Date": "2026-11-21"},
        mtime=mtime,
        level=3,
        threads=threads,
    )


def verify(path: Path, key: Key) -> ArchiveContents:
    with path.open("rb") as file:
        return verify_stream(file, key=key, associated_data=BOUND_TO)


@pytest.fixture
def made(folder: Path, tmp_path: Path, key: Key) -> Made:
    path = tmp_path / "made.tink"
    return Made(path, make(members_of(folder), path, key))

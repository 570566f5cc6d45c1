"""Where archives and restores are written to: what is made there, what is left of it, and what is said."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

import pytest

from lumen_assets import durable
from lumen_assets.archive import Key, members_of
from lumen_assets.errors import IntegrityError, PermanentError
from lumen_assets_tests.archive.conftest import Made, make
from lumen_assets_tests.archive.test_create import extract, files_in


def damaged(made: Made, tmp_path: Path) -> Path:
    content = bytearray(made.path.read_bytes())
    content[-1] ^= 1
    path = tmp_path / "damaged"
    path.write_bytes(content)
    return path


def test_folders_above_are_made_and_go_again_where_it_fails(made: Made, folder: Path, tmp_path: Path, key: Key) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(IntegrityError):
        extract(damaged(made, tmp_path), tmp_path / "there" / "a" / "b" / "out", key)
    with pytest.raises(PermanentError):
        make({"x": tmp_path / "nowhere"}, tmp_path / "there" / "c" / "out", key)
    assert list((tmp_path / "there").iterdir()) == []

    extract(made.path, tmp_path / "there" / "a" / "b" / "out", key)
    make(members_of(folder), tmp_path / "there" / "c" / "out", key)
    assert files_in(tmp_path / "there" / "a" / "b" / "out" / "data") == files_in(folder)


def test_a_file_above_is_said_to_be_in_the_way(made: Made, folder: Path, tmp_path: Path, key: Key) -> None:
    (tmp_path / "file").touch()
    for below in ("file/out", "file/a/out"):
        with pytest.raises(PermanentError) as caught:
            extract(made.path, tmp_path / below, key)
        assert caught.value.error_class == "output"
        assert str(tmp_path / below) in str(caught.value)
        assert "in the way" in caught.value.hint
        with pytest.raises(PermanentError) as caught:
            make(members_of(folder), tmp_path / below, key)
        assert "in the way" in caught.value.hint


def test_an_existing_folder_keeps_its_group_and_hands_it_on(made: Made, tmp_path: Path, key: Key) -> None:
    to = tmp_path / "out"
    to.mkdir()
    groups = [group for group in (*os.getgroups(), 4242) if group != os.getgid()]
    try:
        os.chown(to, -1, groups[-1])
    except PermissionError:
        pytest.skip("nobody but root may give a folder a group that is not its own")
    to.chmod(0o2775)
    extract(made.path, to, key)
    assert stat.S_IMODE(to.stat().st_mode) == 0o2775
    for path in (to, *to.rglob("*")):
        assert path.stat().st_gid == groups[-1]
        assert not path.is_dir() or path.stat().st_mode & stat.S_ISGID


def test_the_files_are_on_the_disk_before_the_folder_has_its_name(
    made: Made, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, int]] = []

    def sync(folder: Path) -> None:
        seen.append(((tmp_path / "out").exists(), len(files_in(folder))))
        durable.sync_file_system(folder)

    monkeypatch.setattr("lumen_assets.archive.extract.sync_file_system", sync)
    extract(made.path, tmp_path / "out", key)
    assert seen == [(False, len(files_in(tmp_path / "out")))]


def test_what_the_disk_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def syncfs(self, descriptor: int) -> int:
            os.fstat(descriptor)
            ctypes.set_errno(5)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)
    with pytest.raises(OSError, match="Input/output error") as caught:
        durable.sync_file_system(tmp_path)
    assert caught.value.errno == 5

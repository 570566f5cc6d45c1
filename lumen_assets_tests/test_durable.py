from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from lumen_assets.archive import revision_prefix
from lumen_assets.durable import new_file, publish_new, replace_bytes, replaced_file
from lumen_assets_tests.installation import LAST_DAY, Installation


def test_a_new_file_appears_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with new_file(path, mode=0o600) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with pytest.raises(FileExistsError), new_file(path) as file:
        file.write(b"other")
    assert path.read_bytes() == b"good"
    assert list(tmp_path.glob(".tmp-*")) == []


@pytest.mark.parametrize("writer", [new_file, replaced_file])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, writer) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with pytest.raises(KeyboardInterrupt), writer(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"good"
    assert list(tmp_path.glob(".tmp-*")) == []


def test_replace_bytes_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_bytes(path, b"one")
    replace_bytes(path, b"two")
    assert path.read_bytes() == b"two"


@pytest.mark.parametrize("taken", [False, True])
def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    temporary, final = tmp_path / ".tmp-x", tmp_path / "final"
    temporary.write_bytes(b"new")
    if taken:
        final.write_bytes(b"good")
        with pytest.raises(FileExistsError):
            publish_new(temporary, final)
        assert final.read_bytes() == b"good"
    else:
        publish_new(temporary, final)
        assert final.read_bytes() == b"new"
        assert not temporary.exists()


def test_what_processes_that_were_killed_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    installation.json("daily", "--day", str(LAST_DAY))
    workspace = installation.workspace
    folders = (workspace.settings.slices_folder, workspace.settings.archive_folder)
    for folder in folders:
        for name in (".tmp-young", ".tmp-old"):
            (folder / name / "deep").mkdir(parents=True)
        (folder / ".tmp-old-file").write_bytes(b"x")
        for name in (".tmp-old", ".tmp-old-file"):
            os.utime(folder / name, (0, 0))
    workspace.inputs.cut(LAST_DAY)
    shutil.rmtree(workspace.settings.archive_folder / revision_prefix(LAST_DAY, 1))
    assert workspace.bring_newest(LAST_DAY) == 1
    for folder in folders:
        assert [path.name for path in folder.glob(".tmp-*")] == [".tmp-young"]

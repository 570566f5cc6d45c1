"""Processes killed with -9 at any moment leave nothing half-made under a final name, and the next one goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lumen_assets.archive import Key, extract_stream, members_of
from lumen_assets.durable import new_file, new_folder_beside
from lumen_assets_tests.archive.conftest import BOUND_TO, make

MIB = 1 << 20


@pytest.mark.parametrize("work", ["create", "restore", "freeze"])
@pytest.mark.parametrize(
    ("kills", "size"),
    [(8, MIB), pytest.param(200, 24 * MIB, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="200")],
)
def test_killed_at_any_moment(work: str, kills: int, size: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lumen_assets_tests.archive.killing", work, tmp_path / "work", kills, size]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    tally = json.loads(done.stdout)
    print(work, tally)
    assert tally["kills"] == kills
    assert tally["left something"] > 0
    assert 0 < tally["had its final name"] < kills


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path, key: Key) -> None:
    (tmp_path / "folder").mkdir()
    output, folder = tmp_path / "place" / "a", tmp_path / "place" / "out"
    with new_file(output.with_name("b")), new_folder_beside(folder) as theirs:
        (theirs / "half").write_text("x")
        before = {path.name for path in output.parent.iterdir()}
        make(members_of(tmp_path / "folder"), output, key)
        with output.open("rb") as file:
            extract_stream(file, folder, key=key, associated_data=BOUND_TO)
        assert {path.name for path in output.parent.iterdir()} == {*before, "a", "out"}
        theirs.joinpath("half").unlink()
        theirs.rmdir()
    assert {path.name for path in output.parent.iterdir()} == {"a", "b", "out"}


def test_two_processes_that_make_the_same_archive_do_not_disturb_each_other(tmp_path: Path, key: Key) -> None:
    (tmp_path / "file").write_text("x")
    output = tmp_path / "place" / "a"
    with pytest.raises(FileExistsError), new_file(output) as file:
        file.write(b"theirs")
        make({"file": tmp_path / "file"}, output, key)
    assert [path.name for path in output.parent.iterdir()] == ["a"]

"""``docs/licences.md`` and the bill of materials have every package of the lock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/licences.py", "--check"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_list_is_that_of_the_lock() -> None:
    checked = check(ROOT)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


def test_a_new_package_without_an_entry_is_found(tmp_path: Path) -> None:
    for folder in ("requirements", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "licences.md", tmp_path / "docs" / "licences.md")
    with (tmp_path / "requirements" / "runtime.txt").open("a") as lock:
        lock.write("not-looked-at==1.0\n")
    checked = check(tmp_path)
    assert checked.returncode == 1
    assert "is not what the lock says" in checked.stdout


def test_the_bill_of_materials_is_that_of_the_lock(tmp_path: Path) -> None:
    lock = ROOT / "requirements" / "fleet.txt"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "--no-validate", "-o", "bill.json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    components = json.loads((tmp_path / "bill.json").read_text())["components"]
    listed = {(one["name"], one["version"]) for one in components}
    assert listed == set(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE))
    assert all(one["externalReferences"][0]["hashes"] for one in components)

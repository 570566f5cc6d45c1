"""``docs/licences.md`` and the bills of materials have every package of the lock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lumen_assets_tests.targets import ROOT, make


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


def test_the_bills_of_materials_are_those_of_the_locks(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    made = make("sbom", tmp_path)
    assert made.returncode == 0, made.stderr
    for name in ("runtime", "fleet"):
        components = json.loads((tmp_path / "build" / f"lumen-{name}.cdx.json").read_text())["components"]
        lock = (ROOT / "requirements" / f"{name}.txt").read_text()
        listed = {(one["name"], one["version"]) for one in components}
        assert listed == set(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", lock, re.MULTILINE))
        assert all(one["externalReferences"][0]["hashes"] for one in components)

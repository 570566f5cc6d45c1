"""docs/recovery.md as it stands: an archive's files by programs that others wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bagit
import pytest

from lumen_assets_tests.archive.test_golden import FILES, GOLDEN
from lumen_assets_tests.documents.reading import ROOT, blocks

RECOVERY = ROOT / "docs" / "recovery.md"
BLOCKS = list(blocks(RECOVERY))
DECRYPTING = "Decrypting with "


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As an operator's shell would, where Python has Tink and nothing of ours is on the path."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "$@"\n')
    (programs / "python3").chmod(0o755)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def commands(language: str) -> str:
    """All commands of the page, those of the other languages left out."""
    wanted = [block for block in BLOCKS if block.language == "sh"]
    return "\n".join(
        block.text
        for block in wanted
        if not block.heading.startswith(DECRYPTING) or block.heading == DECRYPTING + language
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The archive and its manifest, and the page's programs."""
    folder = tmp_path / "recovery"
    shutil.copytree(GOLDEN, folder)
    for language, name in (("python", "decrypt.py"), ("go", "decrypt.go")):
        [program] = [block.text for block in BLOCKS if block.language == language]
        (folder / name).write_text(program, encoding="utf-8")
    return folder


def assert_recovered(folder: Path, said: str) -> None:
    bag = folder / "lumen-2026-11-21-r1"
    found = {path: hashlib.sha256((bag / "data" / path).read_bytes()).hexdigest() for path in FILES}
    assert found == FILES
    assert len([path for path in (bag / "data").rglob("*") if path.is_file()]) == len(FILES)
    bagit.Bag(str(bag)).validate()
    manifest = json.loads((folder / "snapshot.manifest.json").read_bytes())
    assert f"id of the key: {manifest['key_id']}" in said
    assert manifest["content"]["digest"] in said
    assert not (folder / "keyset.json").exists()


def test_with_python(folder: Path) -> None:
    assert "lumen_assets" not in (folder / "decrypt.py").read_text()
    done = run(commands("Python"), folder)
    assert done.returncode == 0, done.stderr
    assert_recovered(folder, done.stdout)


def test_with_go(folder: Path) -> None:
    """Skipped where there is no Go, or Go cannot get Tink's module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go here")
    settings = {name: value for name, value in os.environ.items() if name.startswith("GO")}
    environment = {"HOME": str(folder.parent), **settings}
    programs = f'PATH="$PATH:{Path(go).parent}"\n'
    [preparing] = [line for line in RECOVERY.read_text().splitlines() if "`go mod init" in line]
    prepared = run(programs + preparing.split("`")[3], folder, **environment)
    if prepared.returncode:
        pytest.skip(f"Go cannot get Tink's module: {prepared.stderr[-200:]}")
    done = run(programs + commands("Go"), folder, **environment)
    assert done.returncode == 0, done.stderr
    assert_recovered(folder, done.stdout)


@pytest.mark.parametrize("padding", ["=", ""])
def test_the_keyset_of_a_key_in_the_other_alphabet(folder: Path, padding: str) -> None:
    [keyset] = [block.text for block in BLOCKS if block.language == "sh" and block.heading == "The keyset"]
    done = run(f"KEY={'-_-_' * 10}AAA{padding}\n{keyset}\ncat keyset.json", folder)
    assert '"value": "EggIgIBAECAYAxog' + "+/+/" * 10 + 'AAA="' in done.stdout


@pytest.mark.parametrize("position", [100, -1])
def test_damage_is_no_quiet_success(folder: Path, position: int) -> None:
    archive = folder / "lumen-2026-11-21-r1.tar.zst.tink"
    data = bytearray(archive.read_bytes())
    data[position] ^= 1
    archive.write_bytes(data)
    script = "\n".join(line for line in commands("Python").splitlines() if "snapshot.manifest.json" not in line)
    done = run(script, folder)
    assert done.returncode != 0
    assert "No matching key found for the ciphertext in the stream" in done.stderr
    assert not (folder / "lumen-2026-11-21-r1").exists()

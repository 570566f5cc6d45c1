"""``lumen --version``: the version and the commit, wherever the software came from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lumen_assets import __version__
from lumen_assets.version import git_revision

ROOT = Path(__file__).parent.parent
SOURCES = ["pyproject.toml", "setup.py", "setup.cfg", "README.md", "LICENSE", "lumen_assets"]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What a build takes, with no repository around it."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "revision.txt"))
        else:
            shutil.copy(source, folder)
    return folder


def commit(folder: Path) -> str:
    """Make a repository of the folder; its one commit."""

    def git(*arguments: str) -> str:
        whoever = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        command = ["git", *whoever, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    return git("rev-parse", "HEAD")


def said_by_wheel(sources: Path, to: Path, **environment: str) -> str:
    """What ``lumen --version`` says that comes from a wheel of the sources."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(to), "."],
        cwd=sources,
        env={**os.environ, **environment},
        check=True,
    )
    [wheel] = to.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(to / "installed")
    return said_by(to / "installed")


def said_by_build(sources: Path, **environment: str) -> str:
    """The same of what a wheel would hold, which takes a fifth of the time."""
    command = [sys.executable, "setup.py", "--quiet", "build"]
    subprocess.run(command, cwd=sources, env={**os.environ, **environment}, capture_output=True, check=True)
    return said_by(sources / "build" / "lib")


def said_by(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-m", "lumen_assets.cli", "--version"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_checkout_says_its_commit(sources: Path) -> None:
    revision = commit(sources)
    assert said_by(sources) == f"lumen {__version__} (git revision {revision})"


def test_a_wheel_says_the_commit_that_it_was_built_from(sources: Path, tmp_path: Path) -> None:
    revision = commit(sources)
    assert said_by_wheel(sources, tmp_path / "dist") == f"lumen {__version__} (git revision {revision})"
    assert not (sources / "lumen_assets" / "revision.txt").exists()  # or the checkout would say it for ever


def test_a_wheel_of_a_source_distribution_says_it_too(sources: Path, tmp_path: Path) -> None:
    revision = commit(sources)
    build = "from setuptools.build_meta import build_sdist; build_sdist('.')"
    subprocess.run([sys.executable, "-c", build], cwd=sources, capture_output=True, check=True)
    [distribution] = sources.glob("*.tar.gz")
    shutil.unpack_archive(distribution, tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    assert said_by_build(unpacked) == f"lumen {__version__} (git revision {revision})"


def test_an_image_is_told_the_commit(sources: Path) -> None:
    assert said_by_build(sources, LUMEN_GIT_REVISION="c0ffee") == f"lumen {__version__} (git revision c0ffee)"


def test_what_is_not_known_is_said(sources: Path) -> None:
    assert said_by_build(sources) == f"lumen {__version__} (git revision unknown)"
    assert git_revision(sources / "lumen_assets") is None


def test_the_version_is_a_semantic_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)

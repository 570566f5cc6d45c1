"""Leaves the git revision in what is built. Everything else about the package is in pyproject.toml.

The revision is that of the checkout that is built from; where there is none, as in an image's build, it is taken from
LUMEN_GIT_REVISION; where that is not set either, the package has no ``revision.txt`` and ``lumen --version`` says so.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent


def write_revision(package: Path) -> None:
    """Write ``revision.txt`` into the folder of the package that is being built, where the revision is known."""
    revision = os.environ.get("LUMEN_GIT_REVISION", "")
    if (HERE / ".git").exists():
        command = ["git", "rev-parse", "HEAD"]
        answer = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        revision = answer.stdout.strip() or revision
    if revision:
        (package / "revision.txt").write_text(f"{revision}\n", encoding="ascii")


class BuildPy(build_py):
    """A wheel's files; an editable install has the checkout itself to ask."""

    def run(self) -> None:
        """Build, then leave the revision."""
        super().run()
        if not self.editable_mode:
            write_revision(Path(self.build_lib, "lumen_assets"))


class Sdist(sdist):
    """A source distribution, out of whose files a wheel may be built where there is no repository."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Make it, then leave the revision."""
        super().make_release_tree(base_dir, files)
        write_revision(Path(base_dir, "lumen_assets"))


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})

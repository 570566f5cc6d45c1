"""Which software this is: its version, and the commit that it was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lumen_assets import __version__

_PACKAGE = Path(__file__).resolve().parent


def git_revision(package: Path = _PACKAGE) -> str | None:
    """The commit that this software was built from, or that it runs from where it is a checkout; None if unknown.

    A build leaves it in ``revision.txt`` (``setup.py``), since what is installed has no repository around it.

    Args:
        package: the folder of ``lumen_assets``.
    """
    built = package / "revision.txt"
    if built.is_file():
        return built.read_text(encoding="ascii").strip()
    if not (package.parent / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the operator has
            cwd=package,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def software() -> str:
    """Name and version of this software, for provenance."""
    return f"lumen-assets {__version__}"

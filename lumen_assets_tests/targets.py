"""Targets of the Makefile, with the packages of the tests' own Python in the place of ``.venv``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make(
    target: str, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Make it there; nothing is set up for it."""
    command = ["make", "--old-file=setup-dev", target, f"BIN={Path(sys.executable).parent}"]
    everything = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, check=False)

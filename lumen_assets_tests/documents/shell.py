"""Commands of the documents, run as an operator would: by bash, with ``lumen`` on the path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lumen_assets_tests.documents.reading import ROOT


def run_script(script: str, folder: Path, environment: Mapping[str, str], timeout: float = 240) -> str:
    """What it said; it must succeed, every command of it.

    Args:
        environment: besides PATH, all that there is: nothing of the machine's own gets in.
    """
    own = Path(sys.executable).parent
    everything = {"PATH": f"{own}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=everything,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout

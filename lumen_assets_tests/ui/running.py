"""A running ``lumen ui``: the webserver with its daemon, as an operator starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from lumen_assets.definitions import build_defs
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.waiting import until

IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""As a script starts a job behind ``&``: it ignores the interrupt."""


@dataclass(frozen=True)
class Ui:
    """A running ``lumen ui``.

    Attributes:
        assets: how many it has when its code location is loaded.
    """

    installation: Installation
    url: str
    assets: int

    def graphql(self, query: str, **variables: Any) -> Any:
        """The data of the answer."""
        content = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=content, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]


@contextmanager
def running_ui(installation: Installation, environment: Mapping[str, str]) -> Iterator[Ui]:
    """It, until it is interrupted."""
    [port] = free_ports(1)
    log = installation.root / "ui.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*IN_THE_BACKGROUND, sys.executable, "-m", "lumen_assets.cli", "ui", "--port", str(port)],
            env={**os.environ, **installation.environment, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assets = build_defs(installation.workspace).resolve_asset_graph().get_all_asset_keys()
    started = Ui(installation, f"http://127.0.0.1:{port}", len(assets))
    try:
        until(lambda: loaded(started), f"the code location to load; see {log}")
        yield started
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def loaded(ui: Ui) -> bool:
    try:
        return len(ui.graphql("{ assetNodes { id } }")["assetNodes"]) == ui.assets
    except requests.RequestException:
        return False

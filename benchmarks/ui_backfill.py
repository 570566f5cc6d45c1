"""A backfill started in the UI, measured: what `benchmarks/backfill.py --ui` adds to its table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

_LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename ... on PythonError { message } }
}
"""
_STATUS = "{ partitionBackfillsOrError { ... on PartitionBackfills { results { status } } } }"


def ui_backfill(days: Sequence[date], port: int, log: Path) -> float:
    """Seconds from the click to the backfill's end, all assets of every day, one run a day; the UI runs already.

    Raises:
        SystemExit: if it does not end well.
    """
    with _running_ui(port, log) as url:
        keys = [
            node["assetKey"]
            for node in _ask(url, "{ assetNodes { assetKey { path } jobNames } }", "assetNodes")
            if "daily" in node["jobNames"]
        ]
        started = time.perf_counter()
        parameters = {"assetSelection": keys, "partitionNames": [str(day) for day in days]}
        launched = _ask(url, _LAUNCH, "launchPartitionBackfill", params=parameters)
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise SystemExit(f"the backfill was not launched: {launched}")
        while (status := _ask(url, _STATUS, "partitionBackfillsOrError")["results"][0]["status"]) in (
            "REQUESTED",
            "COMPLETING",
        ):
            time.sleep(5)
        if status not in ("COMPLETED", "COMPLETED_SUCCESS"):
            raise SystemExit(f"the backfill ended as {status}")
        return time.perf_counter() - started


@contextmanager
def _running_ui(port: int, log: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "lumen_assets.cli", "ui", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603 - our own
    url = f"http://127.0.0.1:{port}/graphql"
    try:
        for _ in range(240):
            try:
                if _ask(url, "{ assetNodes { id } }", "assetNodes"):
                    break
            except OSError:
                pass
            time.sleep(0.5)
        else:
            raise SystemExit(f"the UI did not start, see {log}")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def _ask(url: str, query: str, name: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)["data"][name]

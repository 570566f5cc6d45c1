"""Makes the golden set of a release: ``python -m tools.golden_home FOLDER``.

An installation with two days of very little sample data, made by this version: archives and replicas, index, manifests,
ledger, outbox with an incident that waits for a channel that is down, Dagster's instance; and ``expected.json``, which
says what is in them. Later versions must go on with it (``lumen_assets_tests/test_golden_home.py``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from dagster import DagsterInstance

from lumen_assets import __version__
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.telemetry import write_sample
from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS: Final = (LAST_DAY - timedelta(days=1), LAST_DAY)
RATE_HZ: Final = 0.005
"""A row in more than three minutes: the archives are as small as their PDF lets them be."""

SETTINGS: Final = f"""start_date: {DAYS[0]}
sources: {{telemetry: {{rate_hz: {RATE_HZ}, min_coverage: 0}}}}
destinations:
  here: {{type: local, path: copies/here}}
policy: {{required_replicas: 1}}
catch_up: {{enabled: false}}
"""

NOBODY_LISTENS: Final = "http://127.0.0.1:9/"
"""The channel that the messages wait for."""

REMEMBERED: Final = ("archive", "copies", "verification", "alerts", "dagster")
"""What is kept of LUMEN_HOME. Of ``archive`` the archives are left out: the replicas are the same bytes."""


def make(folder: Path) -> None:
    """The golden set of this version, in a folder that is made."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Installation(Path(scratch))
        write_sample(made.data_root, last_day=DAYS[-1] + timedelta(days=1), days=3, rate_hz=RATE_HZ)
        (made.root / "lumen.yaml").write_text(SETTINGS, encoding="utf-8")
        for day in DAYS:
            made.json("daily", "--day", str(day), LUMEN_ALERT_URL=NOBODY_LISTENS)
        made.json("drill", "--day", str(DAYS[0]), LUMEN_ALERT_URL=NOBODY_LISTENS)
        _record_an_incident(made)
        folder.mkdir(parents=True)
        for name in REMEMBERED:
            left_out = ("*.lock", ".*", *(["*.tink"] if name == "archive" else []))
            shutil.copytree(made.home / name, folder / "home" / name, ignore=shutil.ignore_patterns(*left_out))
        shutil.copytree(made.data_root, folder / "data")
        shutil.copy(made.root / "lumen.yaml", folder)
    text = json.dumps(_expected(folder), ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "expected.json").write_text(f"{text}\n", encoding="utf-8")


def _record_an_incident(made: Installation) -> None:
    now = datetime.combine(DAYS[-1], datetime.min.time(), UTC) + timedelta(days=1)
    event = Event(
        id=event_id("golden"),
        kind=Kind.REPLICA_NOT_GOOD,
        severity=Severity.CRITICAL,
        state=State.FIRING,
        source="replica/here",
        subject=str(DAYS[0]),
        at=now,
        title="an incident of the golden set",
    )
    made.workspace.outbox().record([event], now)


def _expected(folder: Path) -> dict[str, Any]:
    """What this version reads in its own files."""
    with tempfile.TemporaryDirectory() as scratch:
        return {"version": __version__, **read(a_copy(folder, Path(scratch)))}


def a_copy(golden: Path, below: Path) -> Installation:
    """The set as the installation that it was; looking at a copy leaves nothing in the set."""
    copy = Installation(below / "copy")
    shutil.copytree(golden, copy.root)
    for replica in (copy.home / "copies" / "here").rglob("*.tink"):
        shutil.copy(replica, copy.home / "archive" / replica.parent.name)
    return copy


def read(installation: Installation) -> dict[str, Any]:
    """What an installation says of the days of the set: status, frozen files by SHA-256, incidents, runs."""
    status = installation.json("status", "--from", str(DAYS[0]), "--to", str(DAYS[-1]))
    alerts = installation.json("alerts", exit_code=1)
    return {
        "days": status["days"],
        "files": {str(day): _restored(installation, day) for day in DAYS},
        "incidents": sorted([item["kind"], item["source"], item["events"]] for item in alerts["incidents"]),
        "runs": _runs(installation),
    }


def _restored(installation: Installation, day: date) -> dict[str, str]:
    to = installation.root / f"restored-{day}"
    installation.json("restore", str(day), "--from", "here", "--to", to)
    files = sorted(path for path in to.rglob("*") if path.is_file())
    return {str(path.relative_to(to)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _runs(installation: Installation) -> list[list[str]]:
    """Job, day and status of every run that Dagster remembers, sorted."""
    home = str(installation.home / "dagster")
    with patch.dict("os.environ", DAGSTER_HOME=home), DagsterInstance.from_config(home) as instance:
        runs = instance.get_runs()
    return sorted([run.job_name, run.tags.get("dagster/partition", ""), run.status.value] for run in runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made; in it a folder VERSION")
    make(parser.parse_args().folder / __version__)

"""The daily and the verify workflow on machines that are thrown away, against S3, Google Drive and Dropbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lumen_assets.days import yesterday
from lumen_assets.telemetry import write_sample
from lumen_assets_tests.alerting.receiver import Server
from lumen_assets_tests.ci.runner import ROOT, Runner
from lumen_assets_tests.installation import PUBLIC_TEST_KEY
from lumen_assets_tests.replication.drive_emulator import drive_emulator
from lumen_assets_tests.replication.dropbox_emulator import DropboxEmulator, dropbox_emulator
from lumen_assets_tests.replication.private_network import forwarded, private_network, why_not
from lumen_assets_tests.replication.seaweedfs import S3Server

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

SITES = {
    "s3": ("s3.example.com",),
    "hook": ("hook.example.com",),
    "gdrive": ("www.googleapis.com", "oauth2.googleapis.com"),
    "dropbox": ("api.dropboxapi.com", "content.dropboxapi.com", "api.dropbox.com"),
}
SCHEDULED: dict[str, Any] = {"schedule": "5 0 * * *"}
AFTER_IT = {"workflow_run": {"event": "schedule", "conclusion": "success"}}


@dataclass
class Clouds:
    """What outlives the machines."""

    runner: Runner
    server: S3Server
    bucket: str
    dropbox: DropboxEmulator
    hook: Server
    data_root: Path
    days: list[date]

    def manifest(self, day: date, revision: str = "") -> dict[str, Any]:
        key = f"snapshots/{day}/{revision}snapshot.manifest.json"
        found = json.loads(self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())
        assert isinstance(found, dict)
        return found

    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.hook.received]


@contextmanager
def clouds(folder: Path, server: S3Server, *, rate_hz: float, environment: dict[str, str], installed: bool) -> Any:
    """Three days of telemetry up to yesterday, three destinations, and somebody who is told."""
    newest = yesterday()
    days = [newest - timedelta(days=back) for back in (2, 1, 0)]
    data_root, bucket, hook = folder / "data", server.new_bucket(), Server()
    write_sample(data_root, last_day=newest, days=3, rate_hz=rate_hz)
    configuration = {
        "start_date": days[0],
        "sources": {"telemetry": {"rate_hz": rate_hz}},
        "destinations": {
            "cloud": {
                "type": "s3", "bucket": bucket, "prefix": "snapshots", "region": "us-east-1",
                "endpoint_url": "https://s3.example.com", "path_style": True,
            },
            "drive": {"type": "gdrive", "folder": "FDO-AGI/Archive"},
            "box": {"type": "dropbox", "folder": "/FDO-AGI/Archive"},
        },
        "policy": {"required_replicas": 3},
        "alerts": {"daily_summary": False},
    }  # fmt: skip
    (folder / "lumen.yaml").write_text(yaml.safe_dump(configuration))
    with ExitStack() as stack:
        network = stack.enter_context(private_network(folder / "network", SITES))
        stack.enter_context(forwarded(network.listeners["s3"], server.port))
        stack.enter_context(forwarded(network.listeners["hook"], hook.port))
        stack.callback(hook.close)
        drive = stack.enter_context(drive_emulator(folder / "drive"))
        dropbox = stack.enter_context(dropbox_emulator(folder / "dropbox"))
        drive.serve(network.listeners["gdrive"])
        dropbox.serve(network.listeners["dropbox"])
        runner = Runner(
            folder,
            network,
            variables={
                "LUMEN_CONFIG": str(folder / "lumen.yaml"),
                "LUMEN_DATA_ROOT": str(data_root),
                "LUMEN_SPREAD_MINUTES": "0",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            secrets={
                "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY,
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
                "GDRIVE_TOKEN": json.dumps(drive.new_refresh_token(url="https://oauth2.googleapis.com")),
                "DROPBOX_TOKEN": json.dumps(dropbox.new_refresh_token()),
                "LUMEN_ALERT_URL": "https://hook.example.com/alerts",
            },
            environment={
                "REQUESTS_CA_BUNDLE": str(network.authority),
                "AWS_CA_BUNDLE": str(network.authority),
                **environment,
            },
            installed=installed,
        )
        yield Clouds(runner, server, bucket, dropbox, hook, data_root, days)


@pytest.fixture
def quick(tmp_path: Path, seaweedfs: S3Server) -> Iterator[Clouds]:
    """Little telemetry, and the Python of the tests."""
    with clouds(tmp_path, seaweedfs, rate_hz=0.05, environment={}, installed=True) as made:
        yield made


@pytest.fixture
def real(tmp_path: Path, seaweedfs: S3Server) -> Iterator[Clouds]:
    """Telemetry at 5 Hz, and ``make setup`` on every machine, from packages that were fetched before."""
    packages = tmp_path / "packages"
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*fetch, "--dest", packages, "-r", ROOT / "requirements" / "runtime.txt"], check=True)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages), "PYTHON": sys.executable}
    with clouds(tmp_path, seaweedfs, rate_hz=5, environment=offline, installed=False) as made:
        yield made


def three_days(clouds: Clouds, *, seconds: float = 240) -> None:
    """Two days by hand and yesterday by the schedule, each on a machine of its own; verified on a fourth."""
    run, days = clouds.runner.run, clouds.days
    for event, payload, day in (
        ("workflow_dispatch", {"inputs": {"day": str(days[0]), "dry_run": "false"}}, days[0]),
        ("workflow_dispatch", {"inputs": {"day": str(days[1]), "dry_run": "false"}}, days[1]),
        ("schedule", SCHEDULED, days[2]),
    ):
        clouds.hook.received.clear()  # by hand, the day that comes next is missing
        done = run("lumen_daily.yml", event, payload, seconds=seconds)
        assert done.succeeded, done.log
        assert done.result_of("Health check") == "success"
        assert "::warning" not in done.log
        assert "✅ **Attestation: 3 of 3 replicas good, 3 required.**" in done.log
        assert {path.name for path in done.artifacts.glob("lumen-reports/*.*")} >= {
            f"report_{day}.md",
            f"report_{day}.pdf",
        }
    assert [clouds.manifest(day)["revision"] for day in days] == [1, 1, 1]
    assert [len(clouds.manifest(day)["parents"]) for day in days] == [0, 1, 1]
    done = run("lumen_archive_verify.yml", "workflow_run", AFTER_IT, seconds=seconds)
    assert done.succeeded, done.log
    for day in days:
        assert f"{day}: **3 of 3 replicas good, 3 required**" in done.log
    assert clouds.alerts() == []


def test_three_days_on_three_machines_verified_on_a_fourth(quick: Clouds) -> None:
    three_days(quick)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_with_full_days_and_everything_installed_anew(real: Clouds) -> None:
    three_days(real, seconds=900)
    with (real.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        line = {"ts": f"{real.days[1]}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {}, "note": "late"}
        file.write(json.dumps(line) + "\n")
    late = {"inputs": {"day": str(real.days[1]), "dry_run": "false"}}
    assert real.runner.run("lumen_daily.yml", "workflow_dispatch", late, seconds=900).succeeded
    assert len(real.manifest(real.days[1], "r2/")["parents"]) == 1
    everything = {"inputs": {"from": str(real.days[0]), "to": "", "level": "bytes"}}
    done = real.runner.run("lumen_archive_verify.yml", "workflow_dispatch", everything, seconds=900)
    assert done.succeeded, done.log
    assert done.log.count("MATCH | bytes") == 4 * 3


def test_a_day_that_fails_is_told_and_the_next_schedule_makes_good_what_is_left(quick: Clouds) -> None:
    """A destination knows its token no more; the days before were never begun."""
    tokens = dict(quick.dropbox.refresh_tokens)
    quick.dropbox.refresh_tokens.clear()
    done = quick.runner.run("lumen_daily.yml", "schedule", SCHEDULED)
    assert not done.succeeded
    assert "::warning title=Health check::" in done.log
    assert (done.result_of("Health check"), done.result_of("The day")) == ("success", "failure")
    assert "❌ **Attestation: 2 of 3 replicas good, 3 required.**" in done.log
    assert f"{quick.days[0]}: box did not answer and may have it" in done.log
    assert (done.artifacts / "lumen-reports" / f"report_{quick.days[2]}.pdf").exists()
    assert done.result_of("Alert") == "success"
    assert "Lumen daily failed in CI" in [alert["title"] for alert in quick.alerts()]
    quick.dropbox.refresh_tokens |= tokens
    assert quick.runner.run("lumen_daily.yml", "schedule", SCHEDULED).succeeded
    assert [quick.manifest(day)["revision"] for day in quick.days] == [1, 1, 1]
    assert [len(quick.manifest(day)["parents"]) for day in quick.days[:2]] == [1, 1]


def test_a_dry_run_sends_nothing_and_a_missing_key_is_said_before_anything_is_done(quick: Clouds) -> None:
    dry = {"inputs": {"day": str(quick.days[0]), "dry_run": "true"}}
    done = quick.runner.run("lumen_daily.yml", "workflow_dispatch", dry)
    assert done.succeeded, done.log
    assert "withheld, this is a dry run" in done.log
    assert quick.server.client().list_objects_v2(Bucket=quick.bucket)["KeyCount"] == 0
    quick.runner.secrets = {**quick.runner.secrets, "LUMEN_ARCHIVE_KEY": ""}
    done = quick.runner.run("lumen_daily.yml", "schedule", SCHEDULED)
    assert not done.succeeded
    assert done.result_of("What must be set") == "failure"
    assert (done.result_of("The day"), done.result_of("Days that were missed")) == (None, None)
    assert quick.server.client().list_objects_v2(Bucket=quick.bucket)["KeyCount"] == 0

"""From a failed run to a receiver: real runs, a real instance, the sensors as the daemon evaluates them, real HTTP."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lumen_assets.alerting.delivery import deliver
from lumen_assets.days import yesterday
from lumen_assets.defs.alerts import sensors
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.receiver import Say, Server, server
from lumen_assets_tests.defs.daemon import Daemon
from lumen_assets_tests.installation import LAST_DAY, Installation

SECRET = "canary-webhook-7Jq2-signed-with-this"  # noqa: S105 - a canary
ALERTS = "alerts: {group_wait_seconds: 0, group_interval_minutes: 1, deadline: '12:00', daily_summary: false}\n"


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("made"), configuration=ALERTS)


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(made.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def told(receiver: Server) -> list[dict[str, Any]]:
    payloads: list[dict[str, Any]] = [json.loads(one.body)["payload"] for one in receiver.received]
    return payloads


@pytest.fixture
def daemon(installation: Installation, receiver: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    for name, value in {
        **installation.environment,
        "LUMEN_ALERT_URL": receiver.url,
        "LUMEN_ALERT_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    workspace = Workspace(load_settings())
    (installation.root / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(installation.root / "dagster")) as instance:
        yield Daemon(workspace, instance)


def without_telemetry(installation: Installation) -> None:
    (installation.data_root / "logs" / "metrics.csv").rename(installation.root / "metrics.csv")


def of_kind(payloads: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [payload for payload in payloads if payload["kind"] == kind]


def test_a_failed_asset_reaches_the_receiver_once(daemon: Daemon, installation: Installation, receiver: Server) -> None:
    without_telemetry(installation)
    assert not daemon.run(LAST_DAY)
    daemon.ticks()
    daemon.ticks()
    (payload,) = of_kind(told(receiver), "materialization_failed")
    assert (payload["source"], payload["subjects"], payload["state"]) == ("telemetry", [str(LAST_DAY)], "firing")
    (event,) = payload["events"]
    assert "there is no such file" in event["cause"]
    assert event["error_class"] == "input"
    assert event["run_url"].startswith("http://127.0.0.1:3000/runs/")
    page = (installation.home / "metrics" / "lumen.prom").read_bytes()
    assert page.count(b"lumen_outbox_depth") >= 1
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_receiver_that_is_down_gets_it_later(daemon: Daemon, installation: Installation, receiver: Server) -> None:
    receiver.say = Say(503)
    without_telemetry(installation)
    daemon.run(LAST_DAY)
    daemon.ticks()
    outbox = daemon.workspace.outbox()
    assert outbox.last_error("webhook")
    (path,) = (installation.home / "alerts").glob("*.sqlite")
    assert SECRET.encode() not in path.read_bytes()
    receiver.say = Say(200)
    receiver.received.clear()
    later = datetime.now(UTC) + timedelta(hours=2)
    deliver(outbox, daemon.workspace.channels, lambda: later, seconds=30)
    assert of_kind(told(receiver), "materialization_failed")
    assert outbox.depth(later)["webhook"].messages == 0


def test_a_bad_replica_and_a_day_below_policy_are_told_and_resolved(
    daemon: Daemon, installation: Installation, receiver: Server
) -> None:
    assert daemon.run(LAST_DAY)
    assert daemon.run(LAST_DAY, "attest")
    archive = installation.archive_at("here", LAST_DAY)
    good = archive.read_bytes()
    archive.write_bytes(good[:-1])
    installation.json("verify", str(LAST_DAY), exit_code=1)
    daemon.ticks()
    (replica,) = of_kind(told(receiver), "replica_not_good")
    assert (replica["source"], replica["error_class"], replica["severity"]) == ("here", "truncated", "critical")
    assert replica["events"][0]["command"] == f"lumen repair {LAST_DAY}"
    (day,) = of_kind(told(receiver), "day_below_policy")
    assert day["subjects"] == [str(LAST_DAY)]
    installation.json("repair", str(LAST_DAY))
    daemon.ticks()
    assert not [one for one in daemon.workspace.outbox().open_incidents() if one.kind == "replica_not_good"]


def test_missing_days_are_one_alert_with_a_count(daemon: Daemon, receiver: Server) -> None:
    daemon.ticks()
    daemon.ticks()
    (payload,) = of_kind(told(receiver), "day_missing")
    assert payload["subjects_total"] > 30
    assert payload["subjects"][0] == "2026-02-01"


def test_a_verdict_is_told_once_and_not_as_a_failed_asset_too(
    daemon: Daemon, installation: Installation, receiver: Server
) -> None:
    """The verification asset fails on a bad replica; that is what its verdict says already."""
    assert daemon.run(LAST_DAY)
    installation.archive_at("here", LAST_DAY).write_bytes(b"x")
    result = daemon.definitions.resolve_job_def("daily").execute_in_process(
        instance=daemon.instance,
        partition_key=LAST_DAY.isoformat(),
        raise_on_error=False,
        asset_selection=[dg.AssetKey(["verification", "here"])],
    )
    assert not result.success
    daemon.ticks()
    assert of_kind(told(receiver), "materialization_failed") == []
    assert len(of_kind(told(receiver), "replica_not_good")) == 1


def test_many_failures_for_one_cause_are_one_alert(
    daemon: Daemon, installation: Installation, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_telemetry(installation)
    for offset in range(6):
        daemon.run(LAST_DAY - timedelta(days=offset))
    monkeypatch.setattr(sensors, "RUNS_AT_ONCE", 2)
    daemon.tick("alerts_runs")
    daemon.tick("alerts_deliver")
    (payload,) = of_kind(told(receiver), "materialization_failed")
    assert payload["count"] == 6
    assert len(payload["subjects"]) == 6


def test_lumen_daily_tells_by_itself_and_lumen_alerts_shows_it(
    installation: Installation, receiver: Server, tmp_path: Path
) -> None:
    environment = {"LUMEN_ALERT_URL": receiver.url, "LUMEN_ALERT_SECRET": SECRET}
    without_telemetry(installation)
    found = installation.json("daily", "--day", str(LAST_DAY), exit_code=1, **environment)
    assert found["alerts"]["webhook"].endswith("sent")
    assert of_kind(told(receiver), "materialization_failed")
    shown = installation.json("alerts", exit_code=1, **environment)
    assert ("materialization_failed", "telemetry") in {(one["kind"], one["source"]) for one in shown["incidents"]}
    assert shown["channels"]["webhook"]["waiting"] == 0
    text = installation.lumen("alerts", **environment).stdout
    assert "critical materialization_failed: telemetry, input" in text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.fixture
def today(tmp_path: Path) -> Installation:
    alerts = ALERTS.replace("}", ", dead_man_url: PING_URL}")
    return Installation.make(tmp_path / "today", days=2, last_day=yesterday(), configuration=alerts)


def pings(receiver: Server) -> list[str]:
    return [one.target.partition("?")[0] for one in receiver.received]


def test_the_dead_man_s_switch_hears_of_yesterday_and_of_no_other_day(today: Installation, receiver: Server) -> None:
    environment = {"PING_URL": f"{receiver.url}/ping/abc"}
    today.json("daily", "--day", str(yesterday() - timedelta(days=1)), **environment)
    assert pings(receiver) == []
    today.json("daily", **environment)
    assert pings(receiver) == ["/ping/abc/start", "/ping/abc"]
    identities = {one.target.partition("?")[2] for one in receiver.received}
    assert len(identities) == 1
    receiver.received.clear()
    shutil.rmtree(today.home / "archive")
    without_telemetry(today)
    today.json("daily", exit_code=1, **environment)
    assert pings(receiver)[0] == "/ping/abc/start"
    assert pings(receiver)[-1] == "/ping/abc/fail"


def test_five_hundred_failures_in_one_tick_of_a_sensor_that_was_just_turned_on(
    daemon: Daemon, receiver: Server
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:  # a run in files takes 80 ms to make
        daemon = Daemon(daemon.workspace, instance)
        job = daemon.definitions.resolve_job_def("daily")
        for number in range(500):
            day = LAST_DAY - timedelta(days=number % 37)
            tags = {"dagster/partition": day.isoformat()}
            run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
            instance.report_run_failed(run, "killed")
        assert daemon.tick("alerts_runs") == "500 new events"
        assert daemon.tick("alerts_runs") == "0 new events"  # read again, and known
        daemon.tick("alerts_deliver")
    (payload,) = of_kind(told(receiver), "run_failed")
    assert (payload["count"], payload["subjects_total"]) == (500, 37)

"""From a failed run to a receiver: real runs, a real instance, the sensors as the daemon evaluates them, real HTTP."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from lumen_assets.alerting.delivery import deliver
from lumen_assets.days import yesterday
from lumen_assets.defs.alerts import runs, sensors
from lumen_assets.errors import PermanentError
from lumen_assets.health.due import ATTESTED_WITHIN
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


def long_ago(folder: Path) -> None:
    then = (datetime.now(UTC) - 2 * ATTESTED_WITHIN).timestamp()
    os.utime(folder, (then, then))


def test_a_day_that_was_frozen_and_never_attested_is_told_and_resolved(
    daemon: Daemon, installation: Installation, receiver: Server
) -> None:
    installation.json("daily", "--day", str(LAST_DAY), "--until", "verify")
    daemon.ticks()
    assert of_kind(told(receiver), "day_below_policy") == [], "its attestation may be under way"
    long_ago(installation.home / "archive" / str(LAST_DAY))
    daemon.ticks()
    (payload,) = of_kind(told(receiver), "day_below_policy")
    assert (payload["subjects"], payload["error_class"]) == ([str(LAST_DAY)], "unattested")
    assert "never attested" in payload["title"]
    installation.json("repair", str(LAST_DAY))
    daemon.tick("alerts_survey")
    assert not [one for one in daemon.workspace.outbox().open_incidents() if one.kind == "day_below_policy"]


def test_the_summary_counts_a_day_that_was_never_attested(tmp_path: Path, receiver: Server) -> None:
    last = yesterday()
    configuration = "alerts: {group_wait_seconds: 0, daily_summary: true}\n"
    installation = Installation.make(tmp_path / "summary", days=2, last_day=last, configuration=configuration)
    written = (installation.root / "lumen.yaml").read_text()
    (installation.root / "lumen.yaml").write_text(written.replace("2026-02-01", str(last - timedelta(days=1))))
    environment = {"LUMEN_ALERT_URL": receiver.url, "LUMEN_ALERT_SECRET": SECRET}
    installation.json("daily", "--day", str(last - timedelta(days=1)), "--until", "verify", **environment)
    long_ago(installation.home / "archive" / str(last - timedelta(days=1)))
    installation.json("daily", **environment)
    (summary,) = of_kind(told(receiver), "daily_summary")
    assert summary["title"] == f"{last} is safe: 2 of 2 replicas are good; 1 day below policy"


def test_what_lumen_repair_made_good_is_over_though_no_run_says_so(daemon: Daemon, installation: Installation) -> None:
    there = installation.archive_at("there", LAST_DAY).parents[2]
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("a file where the folder should be")
    assert not daemon.run(LAST_DAY)
    daemon.ticks()
    failed = {one.source for one in daemon.workspace.outbox().open_incidents() if one.kind == "materialization_failed"}
    assert "replica/there" in failed
    there.unlink()
    installation.json("repair", str(LAST_DAY))
    daemon.tick("alerts_survey")
    assert daemon.workspace.outbox().open_incidents() == () or not {
        one.source for one in daemon.workspace.outbox().open_incidents() if one.kind == "materialization_failed"
    }


def test_after_lumen_repair_no_daemon_is_needed_to_see_that_it_is_over(installation: Installation) -> None:
    there = installation.archive_at("there", LAST_DAY).parents[2]
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("a file where the folder should be")
    installation.json("daily", "--day", str(LAST_DAY), exit_code=1)

    def open_now() -> set[str]:
        shown = installation.json("alerts", exit_code=1)["incidents"]
        return {one["kind"] for one in shown if str(LAST_DAY) in one["subjects"]}

    assert open_now() == {"materialization_failed", "replica_not_good", "day_below_policy"}
    there.unlink()
    installation.json("repair", str(LAST_DAY))
    assert open_now() == set()
    (installation.home / "alerts" / "outbox.sqlite").write_bytes(b"no database" * 1000)
    result = installation.lumen("repair", str(LAST_DAY))
    assert (result.exit_code, "could not use the alert outbox" in result.stderr) == (0, True)


def test_an_incident_that_nothing_will_close_is_closed_by_hand(daemon: Daemon, installation: Installation) -> None:
    without_telemetry(installation)
    daemon.run(LAST_DAY)
    daemon.tick("alerts_runs")
    refused = installation.lumen("alerts", "--close", "materialization_failed:telemtry")
    assert refused.exit_code == 2
    assert "nothing of 'materialization_failed:telemtry' is open" in refused.stderr
    shown = installation.json("alerts", "--close", "materialization_failed:telemetry")
    assert shown["incidents"] == []
    daemon.tick("alerts_runs")  # reads the same failure again
    assert daemon.workspace.outbox().open_incidents() == ()


def test_what_cannot_be_looked_at_hides_nothing_else(
    daemon: Daemon, installation: Installation, receiver: Server
) -> None:
    ledger = installation.home / "verification" / "verdicts.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"no database" * 1000)
    daemon.instance.add_backfill(
        PartitionBackfill(
            backfill_id="bad",
            status=BulkActionStatus.FAILED,
            from_failure=False,
            tags={},
            backfill_timestamp=datetime.now(UTC).timestamp(),
        )
    )
    with pytest.raises(PermanentError, match="move it away"):
        daemon.tick("alerts_survey")
    daemon.tick("alerts_deliver")
    assert [payload["kind"] for payload in told(receiver)] == ["backfill_failed"]


@pytest.mark.parametrize("failing", ["alerts_survey", "alerts_deliver", "alerts_runs", "heal"])
def test_a_sensor_that_fails_three_times_is_told(
    daemon: Daemon, receiver: Server, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    sensor = daemon.definitions.get_repository_def().get_sensor_def(failing)
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(
            InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="lumen_assets.definitions")), "__repository__"
        ),
        sensor.name,
    )
    data = SensorInstigatorData(min_interval=120)
    state = daemon.instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    )
    for seconds in (360, 240, 120):
        daemon.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=state.name,
                instigator_type=state.instigator_type,
                status=TickStatus.FAILURE,
                timestamp=(datetime.now(UTC) - timedelta(seconds=seconds)).timestamp(),
                selector_id=state.selector_id,
                error=SerializableErrorInfo("it broke\n", [], "ValueError"),
            )
        )

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(sensors, "read_ended_runs", away)  # nor can the runs be read
    with pytest.raises(ConnectionError, match="away"):
        daemon.tick("alerts_runs")
    daemon.tick("alerts_deliver")
    (payload,) = of_kind(told(receiver), "not_ticking")
    assert (payload["source"], payload["error_class"]) == (failing, "failing")


def test_a_fault_while_telling_is_said_and_leaves_the_day_as_it_is(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("s3cr3t-canary")

    monkeypatch.setattr("lumen_assets.defs.alerts.telling.look", broken)
    found = installation.json("daily", "--day", str(LAST_DAY))
    assert found["ok"]
    assert found["alerts"] == {"outbox": "unexpected RuntimeError: please report it"}


def test_what_failed_is_sent_though_something_else_cannot_be_looked_at(
    installation: Installation, receiver: Server
) -> None:
    """Where cron alone runs `lumen daily`, nobody else would ever send it."""
    without_telemetry(installation)
    ledger = installation.home / "verification" / "verdicts.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"no database" * 1000)
    environment = {"LUMEN_ALERT_URL": receiver.url, "LUMEN_ALERT_SECRET": SECRET}
    result = installation.lumen("daily", "--day", str(LAST_DAY), "--until", "report", **environment)
    assert result.exit_code == 1
    assert "move it away" in result.stderr
    assert [payload["source"] for payload in of_kind(told(receiver), "materialization_failed")] == ["telemetry"]


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


def test_a_tick_ends_when_its_time_is_over_and_the_next_one_goes_on(
    daemon: Daemon, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_telemetry(installation)
    for offset in range(3):
        daemon.run(LAST_DAY - timedelta(days=offset))
    monkeypatch.setattr(runs, "SETTLING", timedelta())
    monkeypatch.setattr(sensors, "SECONDS_A_TICK", 0.0)
    said = [daemon.tick("alerts_runs") for _ in range(4)]
    assert said == ["2 new events, more to read", "2 new events, more to read", "2 new events", "0 new events"]


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
    daemon: Daemon, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "SECONDS_A_TICK", 600.0)  # a busy machine needs more than the 30
    with dg.DagsterInstance.ephemeral() as instance:  # a run in files takes 80 ms to make
        daemon = Daemon(daemon.workspace, instance)
        for number in range(500):
            tags = {"dagster/partition": (LAST_DAY - timedelta(days=number % 37)).isoformat()}
            run = instance.add_run(dg.DagsterRun("daily", status=dg.DagsterRunStatus.STARTED, tags=tags))
            instance.report_run_failed(run, "killed")
        assert daemon.tick("alerts_runs") == "500 new events"
        assert daemon.tick("alerts_runs") == "0 new events"  # read again, and known
        daemon.tick("alerts_deliver")
    (payload,) = of_kind(told(receiver), "run_failed")
    assert (payload["count"], payload["subjects_total"]) == (500, 37)

"""A dry run makes reports and archives, and uploads, sends and removes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.alerting.delivery import deliver
from lumen_assets.archive import digest_file
from lumen_assets.days import yesterday
from lumen_assets.definitions import build_defs
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.receiver import Server, server
from lumen_assets_tests.alerting.scenes import event
from lumen_assets_tests.installation import Installation

ALERTS = "alerts: {group_wait_seconds: 0}\n"


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "installation", last_day=yesterday(), configuration=ALERTS)


def told(installation: Installation, receiver: Server) -> dict[str, str]:
    """The environment in which people are told."""
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("seconds: 0}", "seconds: 0, dead_man_url: PING_URL}"))
    return {"LUMEN_ALERT_URL": receiver.url, "LUMEN_ALERT_SECRET": "word", "PING_URL": f"{receiver.url}/ping"}


def set_dry(installation: Installation) -> None:
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text() + "dry_run: true\n")


def copies(installation: Installation) -> dict[str, bytes]:
    folder = installation.home / "copies"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_day_is_reported_and_frozen_and_each_upload_says_what_it_would_have_put(
    installation: Installation, receiver: Server
) -> None:
    found = installation.json("daily", "--dry-run", **told(installation, receiver))
    assert (found["ok"], found["dry_run"], found["archive"]["created"]) == (True, True, True)
    size = found["archive"]["size"]
    assert found["withheld"] == {
        f"replica/{name}": f"put {yesterday()} r1, {size:,} bytes, at {name}" for name in ("here", "there")
    }
    assert found["attestation"] is None
    assert found["alerts"]["webhook"].endswith("sent"), "withheld, and not kept for later"
    assert receiver.received == []
    assert copies(installation) == {}
    text = installation.lumen("daily", "--dry-run", **told(installation, receiver))
    assert (text.exit_code, text.stdout.count("withheld")) == (0, 2)
    done = installation.json("daily", **told(installation, receiver))  # in earnest: the same revision goes out
    assert (done["archive"]["revision"], done["attestation"]["ok"]) == (1, True)
    assert len(copies(installation)) == 4
    assert {one.target.partition("?")[0] for one in receiver.received} >= {"/ping", "/ping/start"}


def test_what_is_there_already_is_not_said_to_be_put(installation: Installation) -> None:
    installation.json("daily")
    found = installation.json("daily", "--dry-run")
    assert (found["ok"], found["withheld"]) == (True, {})
    for path in installation.archive_at("there", yesterday()).parent.iterdir():
        path.unlink()
    found = installation.json("daily", "--dry-run")
    assert list(found["withheld"]) == ["replica/there"], "lost, so it would be put"


def test_in_the_setting_it_holds_for_every_command(installation: Installation, receiver: Server) -> None:
    installation.json("daily", **told(installation, receiver))
    damaged = installation.archive_at("here", yesterday())
    damaged.write_bytes(b"damaged")
    before = copies(installation)
    set_dry(installation)
    receiver.received.clear()
    repaired = installation.json("repair", str(yesterday()), exit_code=1, **told(installation, receiver))
    (bad,) = [one for one in repaired["replicas"] if not one["ok"]]
    assert "this is a dry run: it would have been given another name" in bad["problem"]
    kept = installation.json("retention", "--apply", **told(installation, receiver))
    assert (kept["applied"], kept["removed"]) == (False, [])
    said = installation.json("notify", "hello", **told(installation, receiver))
    assert said["channels"][0]["answer"] == "withheld, this is a dry run: hello"
    looked = installation.json("doctor", exit_code=1, **told(installation, receiver))
    assert any("dry_run is set" in one["detail"] for one in looked["findings"])
    assert copies(installation) == before
    assert receiver.received == []


def test_what_waits_for_people_is_sent_when_the_dry_run_is_over(installation: Installation, receiver: Server) -> None:
    environment = told(installation, receiver)
    workspace = Workspace(load_settings({**installation.environment, **environment}, installation.root))
    outbox, now = workspace.outbox(), datetime.now(UTC)
    outbox.record([event("the disk is full", at=now)], now)
    installation.json("daily", "--dry-run", "--until", "report", **environment)
    assert receiver.received == []
    assert [one.kind for one in outbox.open_incidents()] == ["materialization_failed"], "it looks for itself only"
    assert deliver(outbox, workspace.channels, lambda: now, seconds=30).sent == 1
    assert [json.loads(one.body)["title"] for one in receiver.received] == ["the disk is full failed"]


def test_a_destination_is_read_as_ever_and_nothing_there_changes(installation: Installation) -> None:
    installation.json("daily")
    before = copies(installation)
    workspace = Workspace(installation.settings.dry())
    store = workspace.stores["here"]
    (key,) = [item.key for item in store.list() if item.key.endswith("snapshot.manifest.json")]
    path = installation.archive_at("here", yesterday())
    assert store.stat(key)
    with store.read(key) as reader:
        assert reader.read(1) == b"{"
    for refused in (
        lambda: store.put(key, path, digest_file(path)),
        lambda: store.put("another", path, digest_file(path)),
        lambda: store.set_aside(key),
        lambda: store.remove(key),  # type: ignore[attr-defined]
        lambda: workspace.trying_once().stores["here"].set_aside(key),
    ):
        with pytest.raises(PermanentError, match="this is a dry run") as caught:
            refused()
        assert caught.value.error_class == "dry-run"
    assert copies(installation) == before


def test_in_the_ui_nothing_is_materialized_that_was_not_put(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(installation.settings.dry())
    definitions = build_defs(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("daily").execute_in_process(
            instance=instance, partition_key=str(yesterday())
        )
        made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}  # type: ignore[union-attr]
        assert result.success
        nothing_to_do = {"grafana_snapshot", "distribution"}  # no pictures, nobody: nothing is withheld
        assert {"telemetry", "report", "report_pdf", "archive"} | nothing_to_do == made
        (observed,) = instance.fetch_observations(dg.AssetKey(["replica", "here"]), limit=9).records
        assert "bytes, at here" in str(observed.asset_observation.metadata)  # type: ignore[union-attr]
        for name in ("heal", "attest_ended_days"):
            sensor = definitions.get_repository_def().get_sensor_def(name)
            with dg.build_sensor_context(instance=instance, resources={"lumen": workspace}) as context:
                data = sensor.evaluate_tick(context)
            assert data.run_requests == []
            assert str(data.skip_message).startswith("dry run")


def test_what_was_frozen_dry_is_put_when_it_is_over(installation: Installation) -> None:
    installation.json("daily", "--dry-run")
    then = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    folder = installation.home / "archive" / str(yesterday())
    os.utime(folder, (then, then))
    workspace = installation.workspace
    sensor = build_defs(workspace).get_repository_def().get_sensor_def("heal")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(
            instance=instance, resources={"lumen": workspace}, repository_def=build_defs(workspace).get_repository_def()
        ) as context,
    ):
        (request,) = sensor.evaluate_tick(context).run_requests or []
    assert request.partition_key == str(yesterday())


def test_a_backfill_says_that_it_is_one(installation: Installation) -> None:
    set_dry(installation)
    day = str(yesterday())
    found = run_lumen(installation, "backfill", "--from", day, "--to", day, "--json")
    said = json.loads(found)
    assert (said["dry_run"], said["done"]) == (True, [day])
    assert copies(installation) == {}
    assert "dry run        days were reported" in run_lumen(installation, "backfill", "--from", day, "--to", day)


def run_lumen(installation: Installation, *arguments: str) -> str:
    """In a process of its own, as its workers are."""
    done = subprocess.run(
        [sys.executable, "-m", "lumen_assets.cli", *arguments],
        env={**os.environ, **installation.environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout

"""A real Alertmanager: grouped, deduplicated, resolved; seen through its API and by a receiver of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from lumen_assets.alerting.alertmanager import AlertmanagerChannel
from lumen_assets.alerting.channels import AT_ONCE
from lumen_assets.alerting.delivery import deliver
from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.errors import LumenError, PermanentError
from lumen_assets_tests.alerting.receiver import Say, Server, event, message
from lumen_assets_tests.alerting.scenes import Clock, outbox_at, over
from lumen_assets_tests.alerting.scenes import event as scene_event
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.waiting import until

PROGRAM = "/usr/bin/prometheus-alertmanager"
CONFIGURATION = """
route:
  receiver: told
  group_by: [alertname]
  group_wait: 300ms
  group_interval: 500ms
  repeat_interval: 4h
receivers:
  - name: told
    webhook_configs:
      - url: {url}/told
        send_resolved: true
"""


class Alertmanager:
    def __init__(self, port: int, told: Server) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.told = told

    def alerts(self) -> list[dict[str, Any]]:
        found = requests.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return sorted(found, key=lambda alert: sorted(alert["labels"].items()))

    def notifications(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in list(self.told.received)]

    def send(self, **changes: Any) -> str:
        now = datetime.now(UTC)
        since = changes.pop("since", now - timedelta(minutes=5))
        sending = AlertmanagerChannel(SecretStr(self.url), timedelta(hours=24))
        return sending.send(message(**{"since": since, "at": now, **changes}), now)


@pytest.fixture
def alertmanager(tmp_path: Path, receiver: Server) -> Iterator[Alertmanager]:
    (tmp_path / "alertmanager.yml").write_text(CONFIGURATION.format(url=receiver.url))
    [port] = free_ports(1)
    command = [
        PROGRAM,
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'storage'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        running = Alertmanager(port, receiver)

        def ready() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"{running.url}/-/ready", timeout=5).ok
            return False

        try:
            until(ready, "Alertmanager")
            yield running
        finally:
            process.terminate()
            process.wait()


def failed(name: object, **given: Any) -> Event:
    return scene_event(name, **{"severity": Severity.CRITICAL, "error_class": "credentials", **given})


def test_fires_once_however_often_it_is_said_and_is_resolved(alertmanager):
    since = datetime.now(UTC) - timedelta(hours=1)
    assert alertmanager.send(since=since) == "HTTP 200"
    first = until(alertmanager.notifications, "a notification")[0]
    assert first["status"] == "firing"
    (alert,) = first["alerts"]
    assert alert["labels"] == {
        "alertname": "materialization_failed",
        "service": "lumen",
        "source": "replica/cloud",
        "error_class": "credentials",
        "severity": "critical",
    }
    assert alert["annotations"] == {
        "title": message().title,
        "text": alert["annotations"]["text"],
        "command": "lumen daily --day 2026-03-09",
        "run": event().run_url,
    }
    assert "renew the session" in alert["annotations"]["text"]
    assert alert["generatorURL"] == event().run_url
    assert datetime.fromisoformat(alert["startsAt"]) - since < timedelta(seconds=1)
    (stored,) = alertmanager.alerts()
    assert datetime.fromisoformat(stored["endsAt"]) > datetime.now(UTC) + timedelta(hours=47)

    alertmanager.send(number=2, since=since, count=7)
    alertmanager.send(number=3, since=since, count=9)
    assert len(alertmanager.alerts()) == 1
    alertmanager.send(number=4, since=since, state=State.RESOLVED)
    resolved = until(
        lambda: [told for told in alertmanager.notifications() if told["status"] == "resolved"], "the notification"
    )[0]
    assert [alert["labels"] for alert in resolved["alerts"]] == [alert["labels"]]
    assert alertmanager.alerts() == []
    assert [told["status"] for told in alertmanager.notifications()] == ["firing", "resolved"]


def test_events_through_the_outbox_are_grouped_deduplicated_and_resolved(alertmanager, tmp_path):
    """A year of failures for one cause is one alert with a count; nothing is held back by the cap."""
    clock = Clock(datetime.now(UTC) - timedelta(minutes=90))
    outbox = outbox_at(
        f"sqlite:///{tmp_path / 'outbox.sqlite'}", "alertmanager", at_once=AT_ONCE, cap_per_hour=2, repeat_hours=24
    )
    channel = AlertmanagerChannel(SecretStr(alertmanager.url), timedelta(hours=24))

    def told_of(*events: Event) -> int:
        clock.pass_(minutes=1)
        outbox.record(events, clock())
        clock.pass_(minutes=15)
        return deliver(outbox, {"alertmanager": channel}, clock, seconds=60).sent

    begun = clock()
    year = [failed(number, at=begun) for number in range(365)]
    assert told_of(*year) == 1
    (alert,) = alertmanager.alerts()
    assert "365 events so far" in alert["annotations"]["text"]
    assert "and 315 more" in alert["annotations"]["text"]
    assert abs(datetime.fromisoformat(alert["startsAt"]) - begun) < timedelta(seconds=1)
    first = until(alertmanager.notifications, "a notification")[0]
    assert [one["labels"] for one in first["alerts"]] == [alert["labels"]]

    assert told_of(*year) == 0  # all known
    assert told_of(*(failed(number) for number in range(365, 370))) == 1
    (again,) = alertmanager.alerts()
    assert again["fingerprint"] == alert["fingerprint"]
    assert "370 events so far" in again["annotations"]["text"]

    assert told_of(failed("other", source="replica/drive", error_class="quota", severity=Severity.WARNING)) == 1
    assert [one["labels"]["source"] for one in alertmanager.alerts()] == ["replica/cloud", "replica/drive"]
    both = until(
        lambda: [told for told in alertmanager.notifications() if len(told["alerts"]) == 2], "the notification"
    )[0]
    assert both["groupLabels"] == {"alertname": "materialization_failed"}

    assert told_of(over("all", source="replica/cloud", subject="", at=clock())) == 1
    assert [one["labels"]["source"] for one in alertmanager.alerts()] == ["replica/drive"]

    def resolved() -> list[Any]:
        alerts = [one for told in alertmanager.notifications() for one in told["alerts"]]
        return [one["labels"] for one in alerts if one["status"] == "resolved"]

    assert until(resolved, "the alert to be gone")[0] == alert["labels"]
    assert {labels["source"] for labels in resolved()} == {"replica/cloud"}
    assert [incident.source for incident in outbox.open_incidents()] == ["replica/drive"]
    assert outbox.depth(clock())["alertmanager"].messages == 0


def test_a_severity_that_rises_replaces_the_lower_one(alertmanager):
    alertmanager.send(severity=Severity.WARNING)
    until(alertmanager.notifications, "a notification")
    alertmanager.send(number=2, severity=Severity.CRITICAL)
    assert [alert["labels"]["severity"] for alert in alertmanager.alerts()] == ["critical"]
    alertmanager.send(number=3, severity=Severity.INFO, state=State.RESOLVED)
    assert alertmanager.alerts() == []
    last = until(
        lambda: [told for told in alertmanager.notifications() if told["status"] == "resolved"], "the notification"
    )[-1]
    assert {alert["labels"]["severity"] for alert in last["alerts"]} <= {"warning", "critical"}


def test_incidents_of_one_kind_are_one_notification_and_stay_apart(alertmanager):
    sources = ["replica/cloud", "replica/drive", 'odd "source" \\ 한글\n']
    for source in sources:
        alertmanager.send(source=source)
    told = until(
        lambda: [told for told in alertmanager.notifications() if len(told["alerts"]) == len(sources)],
        "the notification",
    )[0]
    assert told["groupLabels"] == {"alertname": "materialization_failed"}
    alertmanager.send(number=2, source=sources[2], severity=Severity.WARNING)  # found by its label
    alertmanager.send(number=3, source=sources[2], severity=Severity.WARNING, state=State.RESOLVED)
    alertmanager.send(number=2, source=sources[0], state=State.RESOLVED)
    assert [alert["labels"]["source"] for alert in alertmanager.alerts()] == ["replica/drive"]


def test_an_incident_without_an_error_class_leaves_those_with_one_alone(alertmanager):
    alertmanager.send()
    alertmanager.send(error_class="", severity=Severity.WARNING)
    assert len(alertmanager.alerts()) == 2


def test_notices_are_alerts_of_their_own_that_end_after_a_day(alertmanager):
    for number in (1, 2):
        alertmanager.send(number=number, state=State.NOTICE, kind=Kind.NOTICE, events=(event(run_url=""),))
    alerts = alertmanager.alerts()
    assert len({alert["labels"]["notice"] for alert in alerts}) == 2
    for alert in alerts:
        left = datetime.fromisoformat(alert["endsAt"]) - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(hours=24)


@pytest.mark.parametrize("run_url", ["", "not a url", "http://host/a b\ud55c", "javascript:alert(1)"])
def test_any_run_address_is_taken(alertmanager, run_url):
    alertmanager.send(events=(event(run_url=run_url),))
    assert len(alertmanager.alerts()) == 1


def test_what_it_refuses_is_said(alertmanager):
    with pytest.raises(PermanentError, match=r"HTTP 400.*start time"):
        alertmanager.send(since=datetime.now(UTC) + timedelta(days=900))


@pytest.mark.parametrize("body", [b"<html>", b'{"status": "success"}', b'[{"labels": {}}]', b"[1]", b"\xff"])
def test_something_else_that_answers_is_permanent(receiver, body):
    receiver.say = Say(body=body)
    channel = AlertmanagerChannel(SecretStr(f"{receiver.url}/base/"), timedelta(hours=1))
    with pytest.raises(PermanentError, match="API v2"):
        channel.send(message(), datetime.now(UTC))
    assert receiver.received[0].target.startswith("/base/api/v2/alerts?filter=alertname%3D%22mat")


def test_a_password_in_the_address_is_used_and_never_said(receiver, elsewhere, caplog):
    caplog.set_level(logging.DEBUG)
    receiver.say = Say(body=b"[]")
    url = f"http://me:canary-password@127.0.0.1:{receiver.port}/canary-path"
    channel = AlertmanagerChannel(SecretStr(url), timedelta(hours=1))
    channel.send(message(), datetime.now(UTC))
    assert [request.method for request in receiver.received] == ["GET", "POST"]
    assert all(request.headers["authorization"].startswith("Basic ") for request in receiver.received)
    for answer in (Say(401), Say(500, body=url.encode()), Say(302, {"Location": elsewhere.url})):
        receiver.say = answer
        with pytest.raises(LumenError) as caught:
            channel.send(message(), datetime.now(UTC))
        assert "canary" not in str(caught.value)
    assert "canary" not in caplog.text
    assert elsewhere.received == []

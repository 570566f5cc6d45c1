"""``lumen notify`` and what ``lumen doctor`` says of alerts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from lumen_assets.alerting.webhook import signing_key
from lumen_assets.cli import notify as module
from lumen_assets_tests.alerting.receiver import Say, Server, server
from lumen_assets_tests.installation import Installation

SECRET = "canary-alert-secret"  # noqa: S105 - a canary


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "notify", days=1)


@pytest.fixture
def receiver():
    with server() as running:
        yield running


@pytest.fixture
def second():
    with server() as running:
        yield running


def with_apprise(installation: Installation, tmp_path: Path, *addresses: str) -> dict[str, str]:
    path = tmp_path / "lumen.yaml"
    path.write_text((installation.root / "lumen.yaml").read_text() + f"alerts: {{apprise: {list(addresses)}}}\n")
    return {"LUMEN_CONFIG": str(path)}


def payload(received: Server) -> dict[str, Any]:
    content = json.loads(received.received[-1].body)["payload"]
    assert isinstance(content, dict)
    return content


def test_title_and_facts_arrive_through_every_channel(installation, receiver, second, tmp_path):
    environment = {"LUMEN_ALERT_URL": f"{receiver.url}/canary-path", "LUMEN_ALERT_SECRET": SECRET}
    environment |= {**with_apprise(installation, tmp_path, "CHAT_URL"), "CHAT_URL": f"json://127.0.0.1:{second.port}"}
    facts = '{"disk": "꽉 참", "free": 3, "nested": {"a": [1, "나"]}, "nothing": null, "yes": true}'
    result = installation.lumen("notify", "디스크 점검", facts, **environment)
    assert result.exit_code == 0, result.output
    assert result.output == "✓ webhook: HTTP 200\n✓ apprise-1: HTTP 200\n"
    request = receiver.received[0]
    Webhook(signing_key(SECRET)).verify(request.body, dict(request.headers))
    (event,) = payload(receiver)["events"]
    assert event["title"] == payload(receiver)["title"] == "디스크 점검"
    assert event["facts"] == {
        "disk": "꽉 참",
        "free": "3",
        "nested": '{"a": [1, "나"]}',
        "nothing": "null",
        "yes": "true",
    }
    assert (event["kind"], event["state"], event["severity"]) == ("notice", "notice", "info")
    assert "디스크 점검" in json.loads(second.received[0].body)["title"]


def test_a_channel_that_fails_is_named_and_the_others_still_get_it(installation, receiver, second, tmp_path):
    receiver.say = Say(403)
    environment = {"LUMEN_ALERT_URL": f"{receiver.url}/canary-path", "LUMEN_ALERT_SECRET": SECRET}
    environment |= {**with_apprise(installation, tmp_path, "CHAT_URL"), "CHAT_URL": f"json://127.0.0.1:{second.port}"}
    result = installation.lumen("notify", "title", **environment)
    assert result.exit_code == 1
    assert "✗ webhook: credentials: HTTP 403" in result.output
    assert "it waits in the outbox and is sent again" in result.output
    assert "✓ apprise-1" in result.output
    found = installation.json("notify", "title", exit_code=1, **environment)
    assert found["ok"] is False
    assert [(channel["channel"], channel["ok"]) for channel in found["channels"]] == [
        ("webhook", False),
        ("apprise-1", True),
    ]
    assert "canary" not in result.output + json.dumps(found)


def test_a_channel_that_has_just_failed_is_not_tried_and_said_not_to_be(installation, receiver):
    environment = {"LUMEN_ALERT_URL": receiver.url}
    receiver.say = Say(503, {"Retry-After": "600"}, b"broken")
    assert installation.lumen("notify", "first", **environment).exit_code == 1
    receiver.say = Say()
    receiver.received.clear()
    result = installation.lumen("notify", "second", **environment)
    assert (result.exit_code, receiver.received) == (1, [])
    assert re.search(
        r"✗ webhook: not tried before 20\d\d-\d\d-\d\d \d\d:\d\d KST, since it did not take another message: "
        r"provider: HTTP 503: broken; it waits in the outbox",
        result.stdout,
    )
    shown = installation.lumen("alerts", **environment)
    assert re.search(r"webhook: 2 messages to be sent; .*; not tried again before 20.* KST\n", shown.stdout)


def test_json_from_stdin(installation, receiver, monkeypatch):
    from click.testing import CliRunner

    from lumen_assets.cli import main

    environment = {**installation.environment, "LUMEN_ALERT_URL": receiver.url}
    result = CliRunner().invoke(main, ["notify", "title", "-"], input='{"a": "b"}', env=environment)
    assert result.exit_code == 0, result.output
    assert payload(receiver)["events"][0]["facts"] == {"a": "b"}


@pytest.mark.parametrize("text", ["{", "[1]", '"text"', "", "3", "{'a': 1}", "[" * 100_000])
def test_what_is_no_json_object_is_usage(installation, receiver, text):
    result = installation.lumen("notify", "title", text, LUMEN_ALERT_URL=receiver.url)
    assert result.exit_code == 2
    assert "JSON" in result.output
    assert receiver.received == []


def test_an_empty_title_is_usage(installation, receiver):
    assert installation.lumen("notify", " ", LUMEN_ALERT_URL=receiver.url).exit_code == 2
    assert receiver.received == []


def test_without_a_channel_it_is_usage(installation):
    result = installation.lumen("notify", "title")
    assert result.exit_code == 2
    assert "LUMEN_ALERT_URL" in result.output
    assert installation.json("notify", "title", exit_code=2)["ok"] is False


def test_how_it_is_sent_can_be_exchanged(installation, monkeypatch):
    sent = []
    monkeypatch.setattr(module, "send_now", lambda event: sent.append(event) or [])
    assert installation.lumen("notify", "title", "--severity", "critical").exit_code == 0
    assert (sent[0].title, sent[0].severity) == ("title", "critical")


def findings(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in found["findings"]}


def test_doctor_warns_where_nobody_would_be_told(installation):
    found = installation.json("doctor")
    assert found["ok"]
    alerts = findings(found)["alerts"]
    assert (alerts["ok"], alerts["warning"]) == (True, True)
    assert "LUMEN_ALERT_URL" in alerts["fix"]
    assert "! alerts: no channel" in installation.lumen("doctor").output


def test_doctor_names_the_channels_and_warns_of_a_webhook_without_a_signature(installation, receiver):
    found = findings(installation.json("doctor", LUMEN_ALERT_URL=receiver.url))
    assert "webhook" in found["alerts"]["detail"]
    assert found["alerts"]["warning"] is True
    assert "not signed" in found["alerts"]["detail"]
    found = findings(installation.json("doctor", LUMEN_ALERT_URL=receiver.url, LUMEN_ALERT_SECRET=SECRET))
    assert not found["alerts"]["warning"]
    assert receiver.received == []  # it is only looked at


def test_doctor_finds_a_channel_that_takes_nothing_and_an_outbox_that_cannot_be_used(installation, receiver):
    environment = {"LUMEN_ALERT_URL": f"{receiver.url}/canary-path", "LUMEN_ALERT_SECRET": SECRET}
    assert findings(installation.json("doctor", **environment))["outbox"]["detail"] == "0 messages to be sent"
    receiver.say = Say(403, body=f"no {SECRET}".encode())
    installation.json("notify", "title", exit_code=1, **environment)
    found = findings(installation.json("doctor", exit_code=1, **environment))["outbox"]
    assert re.fullmatch(
        r"webhook did not take the last one, at 20.* KST: credentials: HTTP 403: no .*; 1 message to be sent",
        found["detail"],
    )
    assert "canary" not in json.dumps(found)
    for path in (installation.home / "alerts").glob("outbox.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    found = findings(installation.json("doctor", exit_code=1, **environment))["outbox"]
    assert "file is not a database" in found["detail"]
    assert found["fix"]


def test_doctor_sends_a_test_through_each_channel(installation, receiver, second, tmp_path):
    second.say = Say(500)
    environment = {"LUMEN_ALERT_URL": f"{receiver.url}/canary-path", "LUMEN_ALERT_SECRET": SECRET}
    environment |= {
        **with_apprise(installation, tmp_path, "CHAT_URL"),
        "CHAT_URL": f"json://127.0.0.1:{second.port}/canary",
    }
    found = installation.json("doctor", "--send-test", exit_code=1, **environment)
    named = findings(found)
    assert named["test message webhook"]["ok"]
    assert named["test message webhook"]["detail"] == "HTTP 200"
    assert not named["test message apprise-1"]["ok"]
    assert "HTTP 500" in named["test message apprise-1"]["detail"]
    assert payload(receiver)["kind"] == "test"
    assert "canary" not in json.dumps(found)
    assert "✗ test message apprise-1" in installation.lumen("doctor", "--send-test", **environment).output


def test_doctor_has_nothing_to_send_through(installation):
    found = installation.json("doctor", "--send-test", exit_code=1)
    assert not findings(found)["test message"]["ok"]

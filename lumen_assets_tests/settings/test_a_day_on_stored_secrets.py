"""A day whose secrets AWS keeps: it works, and they are in no file, log, message, event or argument."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from dagster import DagsterInstance

from lumen_assets.environment import aws
from lumen_assets_tests.alerting.receiver import Received, Say, Server, server
from lumen_assets_tests.arguments import watched_arguments
from lumen_assets_tests.installation import LAST_DAY, Installation
from lumen_assets_tests.settings.aws_server import environment

ARCHIVE_KEY = base64.b64encode(b"secret-canary-of-32-bytes-len!!!").decode()
SIGNING, OTHER, PATH = "canary-signing-secret-01", "canary-signing-secret-02", "canary/in+the-address-03"


@pytest.fixture
def service() -> Iterator[Server]:
    with server() as running:
        yield running


def refuse(request: Received) -> Say:
    """A receiver that says everything again that it was told, and what it was not."""
    return Say(403, body=f"{request.target} {request.headers} {SIGNING} {OTHER} {ARCHIVE_KEY}".encode())


def test_no_canary_gets_out(
    tmp_path: Path, service: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_kept", {})
    caplog.set_level(logging.DEBUG)
    with server() as receiver:
        receiver.say = refuse
        kept = {"key": ARCHIVE_KEY, "sign": f"{SIGNING},{OTHER}", "url": f"{receiver.url}/{PATH}"}
        service.say = Say(body=json.dumps({"SecretString": json.dumps(kept)}).encode())
        installation = Installation.make(tmp_path / "installation", days=1)
        given = {
            "LUMEN_ARCHIVE_KEY": "",
            "LUMEN_ARCHIVE_KEY_AWS": "secretsmanager:lumen/prod#key",
            "LUMEN_ALERT_SECRET_AWS": "secretsmanager:lumen/prod#sign",
            "LUMEN_ALERT_URL_AWS": "secretsmanager:lumen/prod#url",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            **environment(service.url),
        }
        with watched_arguments() as arguments:
            day = installation.lumen("daily", "--day", str(LAST_DAY), **given)
            told = installation.lumen("doctor", "--send-test", **given)
    assert day.exit_code == 0, day.output
    assert "403" in told.output
    assert "secret LUMEN_ARCHIVE_KEY" in told.output
    assert len(service.received) == 1
    assert receiver.received
    signed = receiver.received[-1].headers["webhook-signature"].split()
    assert len(signed) == 2
    assert installation.json("verify", str(LAST_DAY), LUMEN_ARCHIVE_KEY=ARCHIVE_KEY)["ok"]
    monkeypatch.setenv("DAGSTER_HOME", str(installation.home / "dagster"))
    with DagsterInstance.get() as instance:
        events = [str(entry) for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert len(events) > 20
    texts = {"the log": caplog.text, "the day": day.output, "the doctor": told.output, "events": str(events)}
    places = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    places |= {name: text.encode() for name, text in texts.items()} | {"arguments": b" ".join(arguments)}
    for canary in (ARCHIVE_KEY, SIGNING, OTHER, PATH):
        forms = {canary.encode(), quote(canary, safe="").encode(), base64.b64encode(canary.encode())}
        assert [place for place, content in places.items() if any(form in content for form in forms)] == []

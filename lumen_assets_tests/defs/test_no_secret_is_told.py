"""From a destination that says our credentials again, to people: no secret on the way, in no file that is left."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
import sqlalchemy as sa

from lumen_assets.alerting import schema
from lumen_assets.alerting.clean import LENGTH
from lumen_assets.alerting.database import Database
from lumen_assets.alerting.delivery import deliver
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.mail_server import mail_server
from lumen_assets_tests.alerting.receiver import Received, Say, Server, server
from lumen_assets_tests.defs.daemon import Daemon
from lumen_assets_tests.installation import LAST_DAY, Installation

CONFIGURATION = """
destinations:
  here: {{type: local, path: copies/here}}
  cloud: {{type: s3, bucket: bucket, endpoint_url: "{endpoint}", region: us-east-1, path_style: true}}
alerts: {{group_wait_seconds: 0, deadline: '12:00', daily_summary: false, mail: {{to: [ops@example.org]}}}}
"""
ARCHIVE_KEY = "c2VjcmV0LWNhbmFyeS1vZi0zMi1ieXRlcy1sZW4hISE="
SESSION = "FwoGZXIvYXdzEcanarySESSION+canary/SESSION02=="
CANARIES = {
    "LUMEN_ARCHIVE_KEY": ARCHIVE_KEY,
    "AWS_SECRET_ACCESS_KEY": "canary/SECRET+canarySECRETcanarySECRET01",
    "AWS_SESSION_TOKEN": SESSION,
    "LUMEN_ALERT_SECRET": "canary-webhook-secret-03",
    "SMTP_PASS": "canary-mail-password-04",
}
URL_CANARY = "canary-in-the-address-05"


IN_PLACE = tuple(CANARIES.values())
QUOTED = tuple(quote(canary, safe="") for canary in IN_PLACE)
OF_THE_CLOUD = (CANARIES["AWS_SECRET_ACCESS_KEY"], SESSION)


@dataclass(frozen=True)
class Answer:
    """How a destination refuses, with what it says again between ``before`` and ``after``."""

    says: tuple[str, ...]
    content_type: str = "application/xml"
    before: str = "<Error><Code>AccessDenied</Code><Message>"
    after: str = "</Message></Error>"

    def __call__(self, request: Received) -> Say:
        """All that it was asked and all that it says, on many lines, and much else behind."""
        if request.method == "HEAD":
            return Say(404)  # not there yet; what is asked next is refused
        said = "\n".join([*self.says, f"\u202eauthorization={request.headers}", "https://u:p@h/?X-Amz-Signature=0"])
        body = f"{self.before}{said}{'long ' * 5000}{self.after}"
        return Say(403, {"Content-Type": self.content_type}, body.encode())


ANSWERS = {
    "denied": Answer(OF_THE_CLOUD),
    "code": Answer(OF_THE_CLOUD, before=f"<Error><Code>{SESSION}</Code><Message>"),
    "page": Answer(OF_THE_CLOUD, "text/html", "<html><body>", "</body></html>"),
    "quoted": Answer(tuple(quote(canary, safe="") for canary in OF_THE_CLOUD)),
    "all secrets": Answer((*IN_PLACE, *QUOTED)),
}
"""The last one says what no destination knows: then the outbox, which cleans once more, is what is looked at."""


@pytest.fixture
def cloud() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


def seen_in(root: Path, *texts: str) -> list[str]:
    """Where a secret is seen: in files below ``root``, in texts."""
    places = {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    places |= {f"text {number}": text.encode() for number, text in enumerate(texts)}
    found = []
    for name, canary in {**CANARIES, "LUMEN_ALERT_URL": URL_CANARY}.items():
        plain = canary.encode()
        forms = {plain, base64.b64encode(plain), quote(canary, safe="").encode(), quote(canary).encode()}
        found += [f"{name} in {place}" for place, content in places.items() if any(form in content for form in forms)]
    return found


@contextmanager
def failing_daemon(
    root: Path, cloud: Server, receiver: Server, mail_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    installation = Installation.make(root, days=1, configuration=CONFIGURATION.format(endpoint=cloud.url))
    environment = {
        **installation.environment,
        **CANARIES,
        "AWS_ACCESS_KEY_ID": "AKIACANARY0000000001",
        "LUMEN_ALERT_URL": f"{receiver.url}/{URL_CANARY}",
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(mail_port),
        "SMTP_USER": "me@example.org",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    dagster = installation.home / "dagster"
    dagster.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(dagster)) as instance:
        yield Daemon(Workspace(load_settings()), instance)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_destination_says_again_is_told_without_secrets(
    tmp_path: Path,
    cloud: Server,
    receiver: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    answer: str,
) -> None:
    caplog.set_level(logging.CRITICAL, "mail.log")  # the server's own
    caplog.set_level(logging.INFO, "botocore")  # it shows whole answers where somebody debugs it
    caplog.set_level(logging.DEBUG)  # second: it sets the level of the handler too
    cloud.say = ANSWERS[answer]
    with (
        mail_server(auth_require_tls=False) as mail,
        failing_daemon(tmp_path / "installation", cloud, receiver, mail.port, monkeypatch) as daemon,
    ):
        home = daemon.workspace.settings.home
        mail.password = CANARIES["SMTP_PASS"]
        mail.login_answer = f"535 5.7.8 {mail.password} is wrong"
        receiver.say = lambda request: Say(403, body=f"{request.target} {request.headers} {CANARIES}".encode())
        daemon.workspace.outbox().depth(datetime.now(UTC))
        with Database(f"sqlite:///{home / 'alerts' / 'outbox.sqlite'}", str).reading() as reading:
            reading.execute(sa.select(schema.event)).all()  # while somebody reads, all that is new stays in the WAL
            assert not daemon.run(LAST_DAY)
            daemon.ticks()
            outbox = daemon.workspace.outbox()
            assert {name: bool(outbox.last_error(name)) for name in outbox.channels} == {"webhook": True, "mail": True}
            mail.login_answer, receiver.say = None, Say()
            receiver.received.clear()
            later = datetime.now(UTC) + timedelta(hours=2)
            deliver(outbox, daemon.workspace.channels, lambda: later, seconds=60)
            assert {name: depth.messages for name, depth in outbox.depth(later).items()} == {"webhook": 0, "mail": 0}
            assert any(request.headers.get("x-amz-security-token") == SESSION for request in cloud.received)
            files = {path.name: path.stat().st_size for path in home.rglob("*") if path.is_file()}
            assert files["outbox.sqlite-wal"] > files["outbox.sqlite"]
            assert {"outbox.sqlite-shm", "lumen.prom"} <= set(files)
            assert any((home / "dagster").rglob("*.db"))
            payloads = [request.body.decode() for request in receiver.received]
            mails = [message.as_string() + message.get_content() for message in mail.mails]
            assert sum("replica/cloud failed" in text for text in (*payloads, *mails)) >= 2
            logs = [str(entry) for run in daemon.instance.get_runs() for entry in daemon.instance.all_logs(run.run_id)]
            assert any("replica__cloud" in text or "replica/cloud" in text for text in logs)
            written = capfd.readouterr()
            assert seen_in(home / "alerts", *payloads, *mails) == []
            if answer != "all secrets":
                assert seen_in(tmp_path, caplog.text, written.out, written.err, *logs) == []
        told = [event for one in outbox.recent(100) for event in one.message.events if event.source == "replica/cloud"]
    assert told
    for event in told:
        assert "403" in event.cause
        assert len(event.cause) <= LENGTH
        assert event.cause.isprintable()


def test_a_secret_that_is_only_in_the_wal_would_be_found(tmp_path: Path) -> None:
    """The search above sees what nobody cleaned, also where the database file does not have it yet."""
    database = Database(f"sqlite:///{tmp_path / 'outbox.sqlite'}", str)
    with database.writing():
        pass
    with database.reading() as reading:
        reading.execute(sa.select(schema.channel)).all()
        with database.writing() as connection:
            connection.execute(sa.insert(schema.channel).values(name=CANARIES["SMTP_PASS"], failures=0, digests=0))
        assert seen_in(tmp_path) == [f"SMTP_PASS in {tmp_path / 'outbox.sqlite-wal'}"]

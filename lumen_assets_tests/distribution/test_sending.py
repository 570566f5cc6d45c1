"""A report to people by a real mail server with STARTTLS and a login: each has it once, whatever the server does."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lumen_assets.alerting.smtp import SmtpClient
from lumen_assets.distribution.frozen import FrozenReport
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State
from lumen_assets.distribution.sending import send_report
from lumen_assets.settings import MailServer as Where
from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.mail_server import mail_server
from lumen_assets_tests.report.scenes import DAY

TO = ("Operator <ops@example.org>", "second@example.org", "third@example.org")
BARE = ["ops@example.org", "second@example.org", "third@example.org"]
CANARY = "canary-mail-password"


class Distributing:
    """Sends one report to three people, as often as it is asked to."""

    def __init__(self, report: FrozenReport, server: Any, folder: Path) -> None:
        self.report = report
        self.server = server
        self.ledger = DeliveryLedger(folder / "deliveries.sqlite")
        self.password = server.password

    def send(self, to=TO, **options) -> dict[str, Delivery]:
        where = Where(
            host="localhost",
            port=self.server.port,
            user="me",
            password=SecretStr(self.password),
            sender="Lumen <lumen@example.org>",
        )
        client = SmtpClient(where, "distribution.mail.to", plain=False, timeout=5)
        send_report(self.report, to, client, self.ledger, **options)
        return dict(self.ledger.of(DAY, self.report.revision))

    @property
    def had(self) -> dict[str, int]:
        """How many mails each recipient was sent."""
        return dict(Counter(to for recipients in self.server.recipients for to in recipients))

    def states(self, **options) -> list[str]:
        return [found.state.value for found in self.send(**options).values()]


@pytest.fixture
def distributing(report, server, tmp_path) -> Distributing:
    return Distributing(report, server, tmp_path)


def test_each_recipient_has_a_mail_of_their_own_once(distributing, server) -> None:
    assert distributing.states() == ["sent"] * 3
    assert distributing.states() == ["sent"] * 3
    assert server.recipients == [[to] for to in BARE]
    assert [mail["To"] for mail in server.mails] == list(TO)
    assert len({mail["Message-ID"] for mail in server.mails}) == 3
    assert len(server.logins) == 1, "one connection for all"
    assert not server.in_the_clear


def test_the_next_revision_is_sent_again_and_another_recipient_has_what_the_others_had(distributing) -> None:
    distributing.send(to=TO[:2])
    distributing.send(to=(*TO[:2], "new@example.org"))
    assert distributing.had == {"ops@example.org": 1, "second@example.org": 1, "new@example.org": 1}
    distributing.report = dataclasses.replace(distributing.report, revision=2)
    distributing.send(to=TO[:1])
    assert distributing.had["ops@example.org"] == 2
    assert "r2: " in distributing.server.mails[-1]["Subject"]


def test_a_recipient_is_the_address_however_it_is_written(distributing) -> None:
    distributing.send(to=TO[:1])
    distributing.send(to=("OPS@example.org",))
    assert distributing.had == {"ops@example.org": 1}


def test_a_wrong_password_is_permanent_tried_once_and_never_said(distributing, server, caplog) -> None:
    caplog.set_level(logging.CRITICAL, "mail.log")  # the server's own
    caplog.set_level(logging.DEBUG)
    distributing.password = CANARY
    found = distributing.send().values()
    assert {(one.state, one.error_class, one.retry_helps) for one in found} == {(State.FAILED, "credentials", False)}
    assert len(found) == 3
    assert len(server.logins) <= 2, "each mechanism once, and not for each recipient: that locks accounts"
    assert CANARY not in str(found) + caplog.text
    distributing.password = "right"  # noqa: S105
    assert distributing.states() == ["sent"] * 3


@pytest.mark.parametrize(("name", "known"), [("localhost", False), ("other.example", True)])
def test_a_certificate_that_is_not_trusted_is_permanent(
    report, authority: Authority, tmp_path, monkeypatch, name, known
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with mail_server(tls_context=authority.server_context(name), require_starttls=True) as server:
        found = Distributing(report, server, tmp_path).send().values()
        assert {(one.state, one.retry_helps) for one in found} == {(State.FAILED, False)}
        assert all("certificate cannot be verified" in one.detail for one in found)
        assert (server.mails, server.logins) == ([], [])


@pytest.mark.parametrize("step", ["on_data", "on_sender", "refuse"])
def test_4xx_and_then_success_is_one_mail(distributing, server, step) -> None:
    answer = "451 4.7.1 greylisted"
    setattr(server, step, dict.fromkeys(BARE, answer) if step == "refuse" else answer)
    found = distributing.send().values()
    assert {(one.state, one.error_class, one.retry_helps) for one in found} == {(State.FAILED, "provider", True)}
    assert all("451" in one.detail for one in found)
    server.on_data, server.on_sender, server.refuse = "250 OK", "", {}
    assert distributing.states() == ["sent"] * 3
    assert distributing.had == dict.fromkeys(BARE, 1)


@pytest.mark.parametrize("step", ["on_data", "refuse"])
def test_5xx_is_permanent_for_those_that_it_is_said_of(distributing, server, step) -> None:
    answer = "554 5.7.1 no"
    setattr(server, step, {BARE[1]: answer} if step == "refuse" else answer)
    found = distributing.send()
    bad = [one for one in found.values() if one.state is State.FAILED]
    assert len(bad) == (1 if step == "refuse" else 3)
    assert {(one.error_class, one.retry_helps) for one in bad} == {("configuration", False)}
    assert len(distributing.had) == 3 - len(bad)


def test_a_connection_that_is_lost_before_the_end_is_transient_and_nothing_is_delivered(distributing, server) -> None:
    server.dies_at = "RCPT"
    found = distributing.send(to=TO[:1])["mail:ops@example.org"]
    assert (found.state, found.error_class, found.retry_helps) == (State.FAILED, "network", True)
    server.dies_at = ""
    assert distributing.states(to=TO[:1]) == ["sent"]
    assert distributing.had == {"ops@example.org": 1}


def test_a_connection_that_is_lost_within_a_mail_is_transient_and_it_is_sent_once(report, server, tmp_path) -> None:
    folder = tmp_path / "reports"
    shutil.copytree(report.folder, folder)
    (folder / f"report_{DAY}.pdf").write_bytes(b"%PDF-1.4 " + bytes(16 << 20))
    distributing = Distributing(dataclasses.replace(report, folder=folder), server, tmp_path)
    server.dies_at = "content"
    found = distributing.send(to=TO[:1])["mail:ops@example.org"]
    assert (found.state, found.error_class, found.retry_helps) == (State.FAILED, "network", True)
    assert not server.mails
    server.dies_at = ""
    assert distributing.states(to=TO[:1]) == ["sent"]
    assert distributing.had == {"ops@example.org": 1}


def test_a_connection_that_is_lost_after_the_end_leaves_it_in_doubt_and_is_one_mail(distributing, server) -> None:
    server.dies_at = "answer"
    found = distributing.send()
    assert {(one.state, one.error_class) for one in found.values()} == {(State.IN_DOUBT, "in-doubt")}
    assert all("may have been delivered" in one.detail for one in found.values())
    server.dies_at = ""
    assert distributing.states() == ["in doubt"] * 3
    assert distributing.had == dict.fromkeys(BARE, 1), "it had been taken, and is not sent twice"


def test_what_is_in_doubt_is_sent_again_when_somebody_asks_with_the_same_message_id(distributing, server) -> None:
    server.dies_at = "answer"
    distributing.send(to=TO[:1])
    server.dies_at = ""
    assert distributing.states(to=TO[:1], over=(State.FAILED, State.IN_DOUBT)) == ["sent"]
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_two_who_send_at_once_send_one_mail(distributing, report, server, tmp_path) -> None:
    several = [Distributing(report, server, tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(len(several)) as pool:
        list(pool.map(Distributing.send, several))
    assert distributing.had == dict.fromkeys(BARE, 1)
    assert distributing.states() == ["sent"] * 3


def test_an_address_that_is_none_hinders_nobody_else(distributing) -> None:
    found = distributing.send(to=("nobody", *TO[1:]))
    assert found["mail:nobody"].state is State.FAILED
    assert "distribution.mail.to" in found["mail:nobody"].detail
    assert distributing.had == dict.fromkeys(BARE[1:], 1)

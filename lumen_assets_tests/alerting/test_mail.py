"""Mail, through a real SMTP server with TLS."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lumen_assets.alerting import smtp
from lumen_assets.alerting.delivery import deliver
from lumen_assets.alerting.events import State
from lumen_assets.alerting.mail import MailChannel, mail_of
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import is_this_machine
from lumen_assets.settings import MailServer as Where
from lumen_assets_tests.alerting import mail_server
from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.receiver import NOW, message
from lumen_assets_tests.alerting.scenes import Clock, event, outbox_at, over

TO = ("운영자 <ops@example.org>", "second@example.org", "third@example.org")
CANARY = "canary-mail-password"


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))


@pytest.fixture
def starttls(authority: Authority, trusted: None) -> Iterator[mail_server.MailServer]:
    context = authority.server_context("localhost")
    with mail_server.mail_server(tls_context=context, require_starttls=True) as running:
        yield running


def channel(server: Any, folder: Path, **changes: Any) -> MailChannel:
    where = Where(host="localhost", port=server.port, user=None, password=None, sender="Lumen <lumen@example.org>")
    options = {"plain": False, **{name: changes.pop(name) for name in ("plain", "timeout", "total") if name in changes}}
    to = changes.pop("to", TO)
    return MailChannel(where.model_copy(update=changes), to, folder, **options)


def test_by_starttls_with_the_certificate_verified(starttls, tmp_path):
    assert channel(starttls, tmp_path).send(message(), NOW) == "localhost took it"
    assert not starttls.in_the_clear
    (arrived,) = starttls.mails
    assert starttls.recipients == [["ops@example.org", "second@example.org", "third@example.org"]]
    assert arrived["Subject"] == "[lumen] critical firing: replica/cloud: 자격 증명이 만료됨"
    assert arrived["From"] == "Lumen <lumen@example.org>"
    assert arrived["To"] == "운영자 <ops@example.org>, second@example.org, third@example.org"
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived.get_content_type() == "text/plain"
    assert arrived.get_content().replace("\r\n", "\n") == f"{message().title}\n\n{message().text()}"


def test_events_go_through_the_outbox_and_tls_to_people(starttls, tmp_path):
    """A year of failures for one cause; a server that is busy at first; and that it is over."""
    outbox, clock = outbox_at(f"sqlite:///{tmp_path / 'outbox.sqlite'}", "mail"), Clock()
    channels = {"mail": channel(starttls, tmp_path / "mail", user="me", password=SecretStr("right"))}

    def sent() -> int:
        clock.pass_(hours=1)
        return deliver(outbox, channels, clock, seconds=60).sent

    year = [event(f"day {number}", cause="ExpiredToken: renew it", hint="sign in again") for number in range(365)]
    outbox.record(year, clock())
    starttls.on_data = "451 4.3.0 later"
    assert sent() == 0
    assert "SMTP 451" in outbox.last_error("mail").text
    starttls.on_data = "250 OK"
    assert [sent(), sent()] == [1, 0]
    outbox.record([over("all", subject="", at=clock())], clock())
    assert [sent(), sent()] == [1, 0]
    firing, resolved = starttls.mails
    assert not starttls.in_the_clear
    assert set(starttls.logins) == {("me", "right")}
    assert starttls.recipients == [["ops@example.org", "second@example.org", "third@example.org"]] * 2
    assert firing["Subject"].startswith("[lumen] warning firing: day ")
    assert firing["Subject"].endswith("failed (and 364 more)")
    text = firing.get_content()
    for said in (
        "365 events so far",
        "why: ExpiredToken: renew it",
        "what to do: sign in again",
        "and 345 more events",
    ):
        assert said in text
    assert "warning resolved: Resolved: day " in resolved["Subject"]
    assert resolved["In-Reply-To"] == firing["Message-ID"]
    assert outbox.depth(clock())["mail"].messages == 0
    assert outbox.open_incidents() == ()


def test_by_tls_from_the_start(authority, trusted, tmp_path, monkeypatch):
    with mail_server.mail_server(implicit=authority.server_context("localhost")) as server:
        monkeypatch.setattr(smtp, "IMPLICIT_TLS", server.port)
        channel(server, tmp_path).send(message(), NOW)
        assert len(server.mails) == 1


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(("name", "known"), [("localhost", False), ("other.example", True)])
def test_a_wrong_certificate_is_refused(authority, tmp_path, monkeypatch, name, known, implicit):
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    context = authority.server_context(name)
    with mail_server.mail_server(**({"implicit": context} if implicit else {"tls_context": context})) as server:
        if implicit:
            monkeypatch.setattr(smtp, "IMPLICIT_TLS", server.port)
        with pytest.raises(PermanentError, match="certificate cannot be verified"):
            channel(server, tmp_path).send(message(), NOW)
        assert not server.mails


def test_nothing_goes_in_the_clear_but_on_this_machine(tmp_path):
    with mail_server.mail_server() as server:
        with pytest.raises(PermanentError, match="STARTTLS"):
            channel(server, tmp_path, user="me", password=SecretStr(CANARY)).send(message(), NOW)
        assert (server.mails, server.logins) == ([], [])
        channel(server, tmp_path, plain=None).send(message(), NOW)
        assert len(server.mails) == 1


def test_this_machine_is_loopback_alone():
    assert all(map(is_this_machine, ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]))
    assert not any(map(is_this_machine, ["mail.example.org", "10.0.0.1", "localhost.example.org", "0.0.0.0"]))  # noqa: S104


def test_login(starttls, tmp_path):
    channel(starttls, tmp_path, user="me", password=SecretStr("right")).send(message(), NOW)
    assert starttls.logins == [("me", "right")]


def test_a_wrong_password_is_permanent_and_never_said(starttls, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "mail.log")  # the server's own
    caplog.set_level(logging.DEBUG)  # second: it sets the level of the handler too
    with pytest.raises(PermanentError) as caught:
        channel(starttls, tmp_path, user="me", password=SecretStr(CANARY)).send(message(), NOW)
    assert caught.value.error_class == "credentials"
    assert "SMTP_PASS" in caught.value.hint
    said = str(caught.value) + caplog.text
    assert CANARY not in said
    assert base64.b64encode(f"\0me\0{CANARY}".encode()).decode() not in said
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_login_that_fails_for_now_is_transient(starttls, tmp_path):
    starttls.login_answer = "454 4.7.0 Temporary authentication failure"
    with pytest.raises(TransientError, match="454"):
        channel(starttls, tmp_path, user="me", password=SecretStr("right")).send(message(), NOW)


@pytest.mark.parametrize(
    ("answer", "kind"), [("451 4.3.0 later", TransientError), ("554 5.7.1 spam, token " + "Ab3" * 20, PermanentError)]
)
@pytest.mark.parametrize("step", ["on_data", "on_sender", "refuse"])
def test_4xx_may_succeed_later_and_5xx_does_not(starttls, tmp_path, step, answer, kind):
    setattr(starttls, step, {"ops@example.org": answer} if step == "refuse" else answer)
    with pytest.raises(LumenError) as caught:
        channel(starttls, tmp_path, to=TO[:1]).send(message(), NOW)
    assert type(caught.value) is kind
    assert answer[:3] in caught.value.cause
    assert "Ab3Ab3" not in caught.value.cause


def test_who_is_refused_for_good_is_reported_and_the_rest_have_it(starttls, tmp_path):
    starttls.refuse = {"second@example.org": "550 5.1.1 no such user"}
    answer = channel(starttls, tmp_path).send(message(), NOW)
    assert answer.startswith(
        "localhost took it, not for 1 of 3; refused for good: second@example.org (SMTP 550: 5.1.1 n"
    )
    assert starttls.recipients == [["ops@example.org", "third@example.org"]]


def test_who_is_refused_for_now_is_tried_again_alone_also_by_another_process(starttls, tmp_path):
    starttls.refuse = {"second@example.org": "450 4.2.0 greylisted", "third@example.org": "550 5.1.1 gone"}
    with pytest.raises(TransientError, match=r"second@example.org \(SMTP 450"):
        channel(starttls, tmp_path).send(message(), NOW)
    with pytest.raises(TransientError, match="450"):
        channel(starttls, tmp_path).send(message(), NOW)
    starttls.refuse = {}
    assert channel(starttls, tmp_path).send(message(), NOW) == "localhost took it"
    assert starttls.recipients == [["ops@example.org"], ["second@example.org"]]
    assert starttls.mails[0]["Message-ID"] == starttls.mails[1]["Message-ID"]
    assert list(tmp_path.glob("*.json")) == []
    channel(starttls, tmp_path).send(message(2), NOW)
    assert len(starttls.recipients[-1]) == 3


def test_where_the_last_one_is_refused_for_good_after_all_the_others_had_it(starttls, tmp_path):
    starttls.refuse = {"second@example.org": "450 4.2.0 greylisted"}
    with pytest.raises(TransientError):
        channel(starttls, tmp_path).send(message(), NOW)
    starttls.refuse = {"second@example.org": "550 5.1.1 no such user"}
    assert "refused for good: second@example.org" in channel(starttls, tmp_path).send(message(), NOW)
    assert starttls.recipients == [["ops@example.org", "third@example.org"]]


def test_the_messages_of_an_incident_are_one_thread(starttls, tmp_path):
    sending = channel(starttls, tmp_path)
    for number, state in ((1, State.FIRING), (2, State.FIRING), (3, State.RESOLVED)):
        sending.send(message(number, state=state), NOW)
    sending.send(message(4, since=NOW.replace(year=2027)), NOW)
    first, second, third, other = starttls.mails
    assert first["In-Reply-To"] is None
    assert second["In-Reply-To"] == second["References"] == third["References"] == first["Message-ID"]
    assert len({mail["Message-ID"] for mail in starttls.mails}) == 4
    assert other["References"] != first["Message-ID"]
    assert "resolved" in third["Subject"]
    again = mail_of(message(2), "lumen@example.org", TO, NOW.replace(hour=23))
    assert again["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize("line", ["\r\nBcc: evil@example.org", "\nX: y", "\u2028Bcc: evil@example.org", "\0", "\ud800"])
def test_no_header_can_be_put_in(starttls, tmp_path, line):
    bad = dataclasses.replace(message(title=f"title{line}"), id=f"id{line}", incident=f"incident{line}", number=2)
    channel(starttls, tmp_path).send(bad, NOW)
    (arrived,) = starttls.mails
    assert arrived["Bcc"] is arrived["X"] is None
    assert arrived["Subject"].startswith("[lumen] critical firing: title")
    with pytest.raises(PermanentError, match=r"alerts\.mail\.to"):
        channel(starttls, tmp_path, to=(f"ops@example.org{line}",)).send(message(), NOW)
    with pytest.raises(PermanentError, match="SMTP_FROM"):
        channel(starttls, tmp_path, sender=f"lumen@example.org{line}").send(message(), NOW)


def test_a_dot_on_a_line_and_long_lines_arrive_whole(starttls, tmp_path):
    text = "\n.\n..\n" + "가" * 3000
    channel(starttls, tmp_path).send(message(digest=(text,)), NOW)
    assert text in starttls.mails[0].get_content().replace("\r\n", "\n")


@contextlib.contextmanager
def dripping(head: bytes) -> Iterator[int]:
    """A server that sends ``head`` and then a byte now and then; its port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(head)
                    while not stop.wait(0.05):
                        connection.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        stop.set()
    thread.join()


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("head", [b"", b"220 test ESMTP\r\n250-"])
def test_a_server_that_drips_ends_at_the_total_bound(tmp_path, monkeypatch, head, implicit):
    with dripping(head) as port:
        if implicit:
            monkeypatch.setattr(smtp, "IMPLICIT_TLS", port)
        where = Where(host="localhost", port=port, user=None, password=None, sender="lumen@example.org")
        with pytest.raises(TransientError) as caught:
            MailChannel(where, TO, tmp_path, total=0.5).send(message(), NOW)
    assert caught.value.error_class == "network"


def test_no_server(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    where = Where(host="localhost", port=port, user=None, password=None, sender="lumen@example.org")
    with pytest.raises(TransientError, match="ConnectionRefused"):
        MailChannel(where, TO, tmp_path).send(message(), NOW)

"""Apprise, by its ``json://`` to a server on loopback."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from lumen_assets.alerting import chat_sender
from lumen_assets.alerting.chat import LONGEST_TEXT, ChatChannel
from lumen_assets.alerting.events import State
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets_tests.alerting.receiver import NOW, Received, Say, Server, message

CANARY = "canary-chat-secret"


def channel(server: Server, query: str = "", total: float = 60) -> ChatChannel:
    url = f"json://me:{CANARY}@127.0.0.1:{server.port}/{CANARY}{query}"
    return ChatChannel(2, SecretStr(url), total=total)


def failure(sending: ChatChannel) -> LumenError:
    with pytest.raises(LumenError) as caught:
        sending.send(message(), NOW)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


def test_it_arrives_and_says_what_happened(receiver):
    assert channel(receiver).name == "apprise-2"
    assert channel(receiver).send(message(), NOW) == "HTTP 200"
    (request,) = receiver.received
    content = json.loads(request.body)
    assert content["title"] == f"[critical, firing] {message().title}"
    assert content["message"].strip() == message().text().strip()
    assert content["type"] == "failure"
    assert CANARY not in request.body.decode()
    channel(receiver).send(message(2, state=State.RESOLVED), NOW)
    assert json.loads(receiver.received[1].body)["type"] == "success"


@pytest.mark.parametrize("query", ["", "?redirect=yes&retry=3&optional=yes"])
@pytest.mark.parametrize(
    ("answer", "kind", "error_class"),
    [
        (Say(429, {"Retry-After": "17"}), TransientError, "throttle"),
        (Say(503), TransientError, "provider"),
        (Say(403), PermanentError, "credentials"),
        (Say(404), PermanentError, "configuration"),
    ],
)
def test_more_than_true_or_false_is_told(receiver, answer, kind, error_class, query):
    receiver.say = answer
    error = failure(channel(receiver, query))
    assert (type(error), error.error_class) == (kind, error_class)
    assert f"HTTP {answer.status}" in error.cause
    assert getattr(error, "retry_after", None) == (17 if answer.status == 429 else None)
    assert len(receiver.received) == 1  # retries are the outbox's


@pytest.mark.parametrize("query", ["", "?redirect=yes"])
def test_redirects_are_not_followed_whatever_the_address_says(receiver, elsewhere, query):
    receiver.say = Say(307, {"Location": f"{elsewhere.url}/taken"})
    error = failure(channel(receiver, query))
    assert isinstance(error, PermanentError)
    assert "redirect" in error.cause
    assert elsewhere.received == []


def test_no_connection_is_transient(receiver):
    receiver.close()
    error = failure(channel(receiver))
    assert isinstance(error, TransientError)
    assert error.error_class == "network"


def test_a_receiver_that_drips_ends_at_the_total_bound(receiver):
    receiver.say = receiver.drip(b"HTTP/1.1 200 OK\r\n\r\n")
    assert failure(channel(receiver, total=4)).cause == "no answer in time"


def test_of_an_answer_that_never_ends_a_part_is_read(receiver):
    receiver.say = receiver.flood(b"HTTP/1.1 200 OK\r\n\r\n")
    assert channel(receiver).send(message(), NOW) == "HTTP 200"


@pytest.mark.parametrize("url", [f"nothing://{CANARY}", f"slack://{CANARY}", "json://", f"json://[{CANARY}"])
def test_an_address_that_apprise_does_not_take_is_permanent(url):
    assert isinstance(failure(ChatChannel(1, SecretStr(url))), PermanentError)


def test_a_long_message_is_cut(receiver):
    channel(receiver).send(message(title="제" * 5000, digest=("긴 " * 20_000,)), NOW)
    content = json.loads(receiver.received[0].body)
    assert len(content["message"]) <= LONGEST_TEXT
    assert len(content["title"]) <= 250


def test_text_of_services_that_know_markup_stays_text(receiver):
    receiver.say = lambda request: Say(200, {"Content-Type": "application/json"}, b"{}")
    channel(receiver, "?format=markdown").send(message(title="a *b* <c>"), NOW)
    assert len(receiver.received) == 1


def test_nothing_is_logged_or_printed(receiver, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    channel(receiver).send(message(), NOW)
    receiver.say = Say(500, body=CANARY.encode())
    failure(channel(receiver))
    failure(ChatChannel(1, SecretStr(f"nothing://{CANARY}")))
    written = capfd.readouterr()
    assert CANARY not in caplog.text + written.out + written.err


def test_the_address_is_not_among_the_arguments_of_the_program(receiver):
    seen: list[str] = []

    def look(_: Received) -> Say:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(path.read_text())
            except OSError:
                continue
        return Say()

    receiver.say = look
    channel(receiver).send(message(), NOW)
    assert any("chat_sender" in line for line in seen)
    assert not any(CANARY in line for line in seen)


FOLLOWING = """
import runpy, sys, requests
program, url = sys.argv[1:]
runpy.run_path(program)["_watch_requests"](seen := {})
try:
    requests.post(url, allow_redirects=True)
except requests.TooManyRedirects:
    print(seen["status"])
"""


def test_a_plugin_of_apprise_that_follows_redirects_does_not_either(receiver, elsewhere):
    receiver.say = Say(308, {"Location": f"{elsewhere.url}/taken"})
    command = [sys.executable, "-c", FOLLOWING, chat_sender.__file__, receiver.url]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "308\n"
    assert elsewhere.received == []


def test_the_program_answers_alone_and_without_our_package():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    order = {"url": f"json://127.0.0.1:{port}", "title": "t", "body": "b", "severity": "info"}
    command = [sys.executable, "-I", chat_sender.__file__]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"outcome": "refused", "status": None, "retry_after": "", "connected": False}
    assert done.stderr == ""

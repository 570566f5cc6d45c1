"""Outgoing HTTP: what an answer means, bounds, redirects, and that nothing secret is said."""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import LONGEST_WAIT, Limits, Receiver, origin, seconds_to_wait, send
from lumen_assets_tests.alerting.receiver import NOW, Say, Server, server

CANARY = "canary-7f3a9d"
RECEIVER = Receiver("the webhook", "LUMEN_ALERT_URL", "LUMEN_ALERT_SECRET", (f"signing-{CANARY}",))
ALL = Limits()
SHORT = Limits(connect=2, read=2, total=0.5)
PATH = f"/services/{CANARY}?token=x{CANARY}"


def post(server: Server, limits: Limits = ALL, path: str = PATH) -> int:
    return send("POST", server.url + path, receiver=RECEIVER, now=NOW, body=b"{}", limits=limits).status


def failure(server: Server, answer: Say, limits: Limits = ALL) -> LumenError:
    server.say = answer
    with pytest.raises(LumenError) as caught:
        post(server, limits)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None  # requests' exceptions hold the address
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_good(receiver, status):
    receiver.say = Say(status, body=b"")
    assert post(receiver) == status


@pytest.mark.parametrize(
    ("status", "kind", "error_class", "says"),
    [
        (408, TransientError, "provider", ""),
        (425, TransientError, "provider", ""),
        (429, TransientError, "throttle", ""),
        (500, TransientError, "provider", ""),
        (503, TransientError, "provider", ""),
        (599, TransientError, "provider", ""),
        (301, PermanentError, "configuration", "redirect"),
        (304, PermanentError, "configuration", "redirect"),
        (400, PermanentError, "configuration", "LUMEN_ALERT_URL"),
        (401, PermanentError, "credentials", "LUMEN_ALERT_SECRET"),
        (403, PermanentError, "credentials", "LUMEN_ALERT_SECRET"),
        (404, PermanentError, "configuration", "LUMEN_ALERT_URL"),
        (407, PermanentError, "configuration", "HTTPS_PROXY"),
        (410, PermanentError, "configuration", "LUMEN_ALERT_URL"),
        (422, PermanentError, "configuration", "LUMEN_ALERT_URL"),
    ],
)
def test_what_a_status_means(receiver, status, kind, error_class, says):
    error = failure(receiver, Say(status, body=b"" if status == 304 else b"no"))
    assert type(error) is kind
    assert error.error_class == error_class
    assert says in error.hint
    assert f"HTTP {status}" in error.cause


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("99999999999999999999", LONGEST_WAIT),
        ("", None),
        ("-5", None),
        ("٣", None),
        ("soon", None),
        ("Mon, 99 Mar 2026 03:04:05 GMT", None),
    ],
)
def test_retry_after_in_both_forms(receiver, value, seconds):
    assert seconds_to_wait(value, NOW) == seconds
    if value.isascii():
        error = failure(receiver, Say(429, {"Retry-After": value}))
        assert isinstance(error, TransientError)
        assert error.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver, elsewhere, status):
    error = failure(receiver, Say(status, {"Location": f"{elsewhere.url}/taken"}))
    assert isinstance(error, PermanentError)
    assert elsewhere.received == []
    assert len(receiver.received) == 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_a_good_status_is_good_however_slow_the_rest_is(receiver, head):
    receiver.say = receiver.drip(head)
    assert post(receiver, SHORT) == 200


def test_of_a_body_that_never_ends_only_the_beginning_is_read(receiver):
    receiver.say = receiver.flood(HEAD)
    answer = send("POST", receiver.url, receiver=RECEIVER, now=NOW, body=b"{}")
    assert len(answer.body) == Limits().body


def test_the_body_of_a_redirect_is_not_read_whole(receiver, elsewhere):
    flood = receiver.flood(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\n\r\n".encode())
    assert "redirect" in failure(receiver, flood, Limits(total=5)).cause
    assert receiver.flooded < 64 << 20  # what the system's buffers take


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 2"])
def test_a_head_that_drips_ends_at_the_total_bound(receiver, head):
    error = failure(receiver, receiver.drip(head), SHORT)
    assert isinstance(error, TransientError)
    assert error.error_class == "network"
    assert error.cause == "no answer in time"


def test_a_receiver_that_says_nothing_or_is_not_there(receiver):
    error = failure(receiver, Say(play=lambda handler: receiver.closing.wait(30)), Limits(read=0.2, total=20))
    assert error.cause == "no answer in time"
    url = receiver.url
    receiver.close()
    with pytest.raises(TransientError, match="no connection") as caught:
        send("POST", url + PATH, receiver=RECEIVER, now=NOW)
    assert CANARY not in str(caught.value)


def test_a_connection_that_breaks_is_transient(receiver):
    error = failure(receiver, Say(play=lambda handler: handler.wfile.write(b"HTTP/1.1 2")))
    assert isinstance(error, TransientError)


@pytest.mark.parametrize(
    "url", ["nothing", "ftp://host/x", "http://", "http://[::1", "http://host:port/", "http://\0/"]
)
def test_an_address_that_is_none_is_permanent(url):
    with pytest.raises(PermanentError, match="LUMEN_ALERT_URL"):
        send("POST", url, receiver=RECEIVER, now=NOW)


def test_tls_is_verified(authority, monkeypatch):
    with server(authority.server_context("127.0.0.1")) as running:
        url = f"https://127.0.0.1:{running.port}{PATH}"
        with pytest.raises(PermanentError, match="certificate cannot be verified") as caught:
            send("POST", url, receiver=RECEIVER, now=NOW, body=b"secret")
        assert CANARY not in str(caught.value)
        assert running.received == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
        assert send("POST", url, receiver=RECEIVER, now=NOW).status == 200
        running.say = running.drip(b"HTTP/1.1 2")
        with pytest.raises(TransientError, match="no answer in time"):
            send("POST", url, receiver=RECEIVER, now=NOW, limits=SHORT)


def test_a_certificate_of_another_name_is_refused(authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    with server(authority.server_context("other.example")) as running:
        with pytest.raises(PermanentError, match="certificate"):
            send("POST", f"https://127.0.0.1:{running.port}/", receiver=RECEIVER, now=NOW)
        assert running.received == []


def test_a_handshake_that_never_comes_ends_at_the_total_bound():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TransientError, match="in time"):
            send("POST", url, receiver=RECEIVER, now=NOW, limits=Limits(connect=30, read=30, total=0.3))


def test_what_a_refusal_says_is_cut_and_has_no_secret(receiver):
    echo = f"bad: {receiver.url}{PATH} signing-{CANARY} Bearer abc123 {'ab12' * 20}\n\x1b[31m and more {'.. ' * 500}"
    error = failure(receiver, Say(400, body=echo.encode()))
    assert error.cause.startswith("HTTP 400: bad: ")
    assert "ab12ab12" not in error.cause
    assert "abc123" not in error.cause
    assert "\x1b" not in error.cause
    assert len(error.cause) < 250
    html = failure(receiver, Say(502, {"Content-Type": "text/html"}, b"<html>a page"))
    assert html.cause == "HTTP 502"


def test_nothing_of_the_address_is_logged(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    post(receiver)
    failure(receiver, Say(500))
    assert receiver.received[0].target == PATH
    assert CANARY not in caplog.text


def test_no_password_of_netrc_is_sent_and_that_of_the_address_is(receiver, clean_environment: Path):
    (clean_environment / ".netrc").write_text("machine 127.0.0.1 login somebody password else")
    post(receiver)
    assert "authorization" not in receiver.received[0].headers
    send("GET", f"http://me:{CANARY}@127.0.0.1:{receiver.port}/", receiver=RECEIVER, now=NOW)
    assert receiver.received[1].headers["authorization"].startswith("Basic ")


def test_a_proxy_of_the_environment_is_used(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", receiver.url)
    monkeypatch.setenv("no_proxy", "")
    assert send("GET", "http://alerts.example/x", receiver=RECEIVER, now=NOW).status == 200
    assert receiver.received[0].target == "http://alerts.example/x"


def test_origin_is_scheme_and_host():
    assert origin(f"https://me:{CANARY}@hooks.example:8443/{CANARY}?{CANARY}") == "https://hooks.example:8443"
    assert origin(f"https://{CANARY}@[2001:db8::1]/") == "https://[2001:db8::1]"
    assert CANARY not in origin(f"mailto:{CANARY}") + origin(f"http://[{CANARY}")

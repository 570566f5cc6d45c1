"""``LUMEN_METRICS_URL``: what is good, and everything else."""

from __future__ import annotations

import base64

import pytest

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.health.endpoint import metrics_endpoint
from lumen_assets.health.findings import Check, Finding, look_at
from lumen_assets.health.http import ask, shown
from lumen_assets.settings import Configuration
from lumen_assets_tests.health.servers import PAGE, answer, dead_port, serving

CONFIGURATION = Configuration()


def look(url: str, *, within: float = 10.0) -> Finding:
    """The finding of the endpoint, what it raises included."""
    (found,) = look_at([Check("metrics", lambda: metrics_endpoint(url, CONFIGURATION, within=within))], within=30)
    return found


def test_a_page_with_the_expected_gauges_is_good() -> None:
    with serving(answer()) as server:
        found = look(server.url)
    assert found.ok, found
    assert "5 of 5 expected gauges" in found.detail
    assert server.requests[0].startswith(b"GET /metrics HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("<!DOCTYPE html><html><body>lumen_phase_diff</body></html>", content_type="text/html"), "page of HTML"),
        (answer("<html><body>sign in</body></html>"), "not in the Prometheus text format"),
        (answer('{"status": "ok"}', content_type="application/json"), "not in the Prometheus text format"),
        (answer(b"\xff\xfe\x00"), "not in the Prometheus text format"),
        (answer(PAGE + "lumen_x{ 1\n"), "not in the Prometheus text format"),
        (answer(""), "lumen_phase_diff is missing"),
        (answer(PAGE.replace("lumen_risk_band 0.1\n", "")), "lumen_risk_band is missing"),
        (answer(PAGE.replace("lumen_gateway_status 3\n", "")), "lumen_gateway_status is missing"),
        (answer(PAGE.replace("lumen_risk_band 0.1", "lumen_risk_band NaN")), "lumen_risk_band has no number"),
        (answer(PAGE.replace("phase_diff gauge", "phase_diff counter")), "lumen_phase_diff is missing"),
        (answer(status="503 Service Unavailable"), "HTTP 503"),
        (answer(status="204 No Content"), "HTTP 204"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP (BadStatusLine)"),
        (b"", "does not speak HTTP (RemoteDisconnected)"),
        (answer()[:-1], "the answer broke off"),
        (answer("x" * (5 << 20)), "more than 4,194,304 bytes"),
    ],
)
def test_anything_else_is_not(reply: bytes, words: str) -> None:
    with serving(reply) as server:
        found = look(server.url)
    assert not found.ok
    assert words in str(found)


def test_a_redirect_is_not_followed() -> None:
    with serving(answer()) as target:
        redirect = answer("", status="302 Found", headers=[f"Location: {target.url}"])
        with serving(redirect) as server:
            found = look(server.url)
    assert not found.ok
    assert "redirects (HTTP 302), which is not followed" in found.detail
    assert target.requests == []


@pytest.mark.parametrize("reply", [answer(), b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_slow_drip_does_not_hold_us(reply: bytes) -> None:
    with serving(reply, drip=0.02) as server:
        found = look(server.url, within=0.5)
    assert not found.ok
    assert found.detail == f"{server.url}: no whole answer within 0.5 s"


def test_a_dead_port_is_said() -> None:
    with dead_port() as port:
        found = look(f"http://127.0.0.1:{port}/metrics")
    assert not found.ok
    assert found.detail == f"http://127.0.0.1:{port}/metrics: Connection refused"


def test_user_and_password_are_sent_and_never_shown() -> None:
    with serving(answer(status="401 Unauthorized")) as server:
        found = look(f"http://lumen:p%40ss@127.0.0.1:{server.port}/metrics?token=canary")
    assert b"Authorization: Basic " + base64.b64encode(b"lumen:p@ss") in server.requests[0]
    assert b"GET /metrics?token=canary " in server.requests[0]
    assert f"http://127.0.0.1:{server.port}/metrics: HTTP 401" in found.detail
    assert "canary" not in str(found)
    assert "p@ss" not in str(found)
    assert "p%40ss" not in str(found)


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with dead_port() as port, serving(answer()) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert look(server.url).ok


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9108/metrics",
        "ftp://x/y",
        "http://",
        "http://[::1/x",
        "http://a:b:c/",
        "http://x:99999/",
        "/etc/passwd",
    ],
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(PermanentError, match="form http://HOST:PORT/PATH"):
        ask(url)
    assert (look(url).ok, look(url).fix) == (False, "correct LUMEN_METRICS_URL")


@pytest.mark.parametrize("path", ["/a b", "/지표", "/x\r\nHost: evil", "/%41"])
def test_a_path_cannot_break_the_request(path: str) -> None:
    with serving(answer()) as server:
        ask(f"http://127.0.0.1:{server.port}{path}")
    assert b"\r\nHost: evil" not in server.requests[0]


def test_shown_holds_no_secret() -> None:
    assert shown("https://u:p@h:1/x?t=1#f") == "https://h:1/x"
    assert shown("http://[::1/x?t=1") == "an address that cannot be read"


@pytest.mark.parametrize("error", [TransientError, PermanentError])
def test_errors_of_a_look_become_its_finding(error: type[LumenError]) -> None:
    def look() -> Finding:
        raise error(action="a", subject="b", cause="why", error_class="c", hint="do this")

    assert look_at([Check("x", look)], within=10) == [Finding("x", ok=False, detail="why", fix="do this")]

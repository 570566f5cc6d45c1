"""Only a whole picture is one, whatever Grafana, or what stands in front of it, answers."""

from __future__ import annotations

import logging
import time
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.grafana import rendering
from lumen_assets.grafana.rendering import LARGEST, render
from lumen_assets.settings import GrafanaPictures
from lumen_assets_tests.alerting.receiver import Say, server
from lumen_assets_tests.grafana.stub import TOKEN, broken_off, claiming, grafana, picture, png

DAY = date(2026, 3, 9)
NOW = datetime(2026, 3, 10, tzinfo=UTC)
LOOKS = GrafanaPictures(timeout_seconds=5)


def test_a_panel_is_asked_for_over_the_kst_day_with_the_token(receiver) -> None:
    drawn = png(size=(800, 400))
    receiver.say = picture(drawn)
    assert render(grafana(receiver), "4", DAY, GrafanaPictures(width=800, height=400), NOW) == drawn
    (request,) = receiver.received
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    address = urlsplit(request.target)
    assert address.path == "/render/d-solo/abc/lumen"
    asked = {name: value for name, (value,) in parse_qs(address.query).items()}
    start = datetime.fromisoformat("2026-03-09T00:00:00+09:00").timestamp() * 1000
    assert (float(asked.pop("from")), float(asked.pop("to"))) == (start, start + 86_400_000)
    assert asked == {
        "tz": "Asia/Seoul", "width": "800", "height": "400", "theme": "light", "timeout": "60", "panelId": "4"
    }  # fmt: skip


def test_without_panels_the_whole_dashboard_is_asked_for_down_to_its_end(receiver) -> None:
    drawn = png(size=(1000, 2345))
    receiver.say = picture(drawn)
    assert render(grafana(receiver), "", DAY, LOOKS, NOW) == drawn
    address = urlsplit(receiver.received[0].target)
    assert address.path == "/render/d/abc/lumen"
    asked = parse_qs(address.query)
    assert (asked["width"], asked["height"]) == (["1000"], ["-1"])
    assert "panelId" not in asked


@pytest.mark.parametrize(("panel", "size"), [("4", (2000, 1000)), ("4", (3000, 1500)), ("", (2000, 2345))])
def test_a_renderer_that_scales_is_one(receiver, panel, size) -> None:
    receiver.say = picture(png(size=size))
    assert render(grafana(receiver), panel, DAY, LOOKS, NOW) == png(size=size)


@pytest.mark.parametrize(
    ("panel", "size", "wanted"),
    [
        ("4", (824, 500), "1000 by 500 pixels"),
        ("4", (1000, 562), "1000 by 500 pixels"),
        ("4", (2000, 500), "1000 by 500 pixels"),
        ("4", (500, 250), "1000 by 500 pixels"),
        ("", (824, 500), "1000 pixels in width"),
        ("", (10, 2000), "1000 pixels in width"),
    ],
)
def test_what_grafana_draws_itself_is_no_picture_of_the_day(receiver, panel, size, wanted) -> None:
    """It answers so, with 200, where it has no image renderer and where that has too much to do."""
    receiver.say = picture(png(size=size))
    with pytest.raises(PermanentError) as caught:
        render(grafana(receiver), panel, DAY, LOOKS, NOW)
    assert caught.value.error_class == "input"
    assert f"has {size[0]} by {size[1]} pixels instead of {wanted}" in caught.value.cause
    assert "no image renderer" in caught.value.cause
    assert "grafana-image-renderer" in caught.value.hint


@pytest.mark.parametrize(
    ("say", "kind", "error_class", "words"),
    [
        (Say(401, body=b'{"message": "Invalid API key"}'), PermanentError, "credentials", "GRAFANA_TOKEN"),
        (Say(302, {"Location": "/login"}), PermanentError, "configuration", "it redirects"),
        (Say(500), TransientError, "provider", "HTTP 500"),
        (Say(429, {"Retry-After": "7"}), TransientError, "throttle", "HTTP 429"),
        (picture(b"<html>Grafana</html>", "text/html; charset=utf-8"), PermanentError, "input", "with text/html"),
        (picture(b"<html>Grafana</html>"), PermanentError, "input", "does not begin like a PNG"),
        (picture(png(), ""), PermanentError, "input", "no content type"),
        (picture(png()[:-1]), TransientError, "damaged", "broke off"),
        (picture(png()[:20]), TransientError, "damaged", "broke off"),
        (picture(b""), TransientError, "damaged", "broke off"),
        (picture(png()[:200] + png()[-12:]), TransientError, "damaged", "is damaged"),
        (picture(claiming(100_000, 100_000)), PermanentError, "input", "100000 by 100000 pixels"),
        (picture(claiming(0, 10)), PermanentError, "input", "0 by 10 pixels"),
        (Say(play=broken_off), TransientError, "damaged", "broke off"),
    ],
)
def test_what_is_no_picture_is_none(receiver, say, kind, error_class, words) -> None:
    receiver.say = say
    with pytest.raises(LumenError) as caught:
        render(grafana(receiver), "4", DAY, LOOKS, NOW)
    assert (type(caught.value), caught.value.error_class) == (kind, error_class)
    assert words in str(caught.value)
    assert "get a picture from Grafana at http://127.0.0.1" in str(caught.value)
    assert len(receiver.received) == 1, "no redirect is followed"


def test_a_picture_without_an_end_is_not_read_to_it(receiver) -> None:
    receiver.say = receiver.flood(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + png()[:100])
    with pytest.raises(PermanentError, match="more than 20 MiB"):
        render(grafana(receiver), "4", DAY, GrafanaPictures(), NOW)
    assert receiver.flooded < 50e6


def test_fifty_megabytes_are_too_many(receiver) -> None:
    receiver.say = picture(png()[:100] + bytes(50_000_000) + png()[-12:])
    with pytest.raises(PermanentError, match="more than 20 MiB"):
        render(grafana(receiver), "4", DAY, GrafanaPictures(), NOW)


def test_the_largest_that_is_taken_is_whole(receiver, monkeypatch) -> None:
    monkeypatch.setattr(rendering, "LARGEST", len(png()))
    receiver.say = picture(png())
    assert render(grafana(receiver), "4", DAY, LOOKS, NOW) == png()
    monkeypatch.setattr(rendering, "LARGEST", len(png()) - 1)
    with pytest.raises(PermanentError, match="more than"):
        render(grafana(receiver), "4", DAY, LOOKS, NOW)
    assert LARGEST == 20 << 20


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + png()[:99]], ids=len)
def test_a_slow_grafana_is_left_at_the_total_bound(receiver, head) -> None:
    receiver.say = receiver.drip(head)
    began = time.monotonic()
    with pytest.raises(TransientError) as caught:
        render(grafana(receiver), "4", DAY, GrafanaPictures(timeout_seconds=0.4), NOW)
    assert time.monotonic() - began < 3
    assert caught.value.error_class == "network"


def test_nobody_is_there() -> None:
    with server() as gone:
        pass
    with pytest.raises(TransientError, match="no connection"):
        render(grafana(gone), "4", DAY, LOOKS, NOW)


def test_the_token_is_never_said(receiver, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.say = lambda request: Say(403, body=f"{request.headers} {request.target}".encode())
    with pytest.raises(PermanentError) as caught:
        render(grafana(receiver), "4", DAY, LOOKS, NOW)
    assert TOKEN not in str(caught.value) + repr(grafana(receiver)) + caplog.text
    assert caught.value.__cause__ is caught.value.__context__ is None

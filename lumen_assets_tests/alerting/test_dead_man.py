"""The dead man's switch."""

from __future__ import annotations

import logging

import pytest

from lumen_assets.alerting.dead_man import LIMITS, WAITS, ping
from lumen_assets.http import Limits
from lumen_assets_tests.alerting.receiver import Received, Say

RUN = "0b9cf1b6-0d5f-4d3b-9b40-3f6b1c4d9d10"
CANARY = "canary-ping-uuid"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.mark.parametrize(
    ("address", "signal", "run_id", "asked"),
    [
        (f"/{CANARY}", "start", RUN, f"/{CANARY}/start?rid={RUN}"),
        (f"/{CANARY}", "success", RUN, f"/{CANARY}?rid={RUN}"),
        (f"/{CANARY}/", "fail", RUN, f"/{CANARY}/fail?rid={RUN}"),
        (f"/{CANARY}?create=1", "fail", RUN, f"/{CANARY}/fail?create=1&rid={RUN}"),
        (f"/{CANARY}?create=1", "success", "", f"/{CANARY}?create=1"),
    ],
)
def test_the_addresses_of_healthchecks(receiver, address, signal, run_id, asked):
    assert ping(receiver.url + address, signal, run_id)
    assert [(request.method, request.target) for request in receiver.received] == [("GET", asked)]


def test_tries_three_times(receiver, waits):
    answers = iter([503, 429, 200])
    receiver.say = lambda request: Say(next(answers))
    assert ping(receiver.url, "success", sleep=waits.append)
    assert waits == [1.0, 3.0]
    receiver.say = Say(500)
    assert not ping(receiver.url, "success", sleep=waits.append)
    assert len(receiver.received) == 6


def test_three_tries_take_less_than_twenty_seconds():
    assert sum(WAITS) + len(WAITS) * LIMITS.total < 20


@pytest.mark.parametrize("answer", [Say(404), Say(302, {"Location": "/"}), Say(200, body=b"OK (not found)")])
def test_what_a_try_does_not_help_is_not_tried_again(receiver, waits, answer):
    receiver.say = answer
    assert not ping(receiver.url, "success", sleep=waits.append)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("url", ["", "nothing", "http://[", "http://127.0.0.1:1/x", "ftp://127.0.0.1/"])
def test_never_raises(url, waits):
    assert ping(url, "start", RUN, sleep=waits.append) is False


def test_a_receiver_that_drips(receiver, waits):
    receiver.say = receiver.drip(b"HTTP/1.1 2")
    assert not ping(receiver.url, "success", limits=Limits(total=0.3), sleep=waits.append)


def test_the_address_is_not_logged(receiver, caplog, waits):
    caplog.set_level(logging.DEBUG)

    def echo(request: Received) -> Say:
        return Say(500 if len(receiver.received) == 1 else 400, body=request.target.encode())

    receiver.say = echo
    assert not ping(f"{receiver.url}/{CANARY}?key={CANARY}", "fail", RUN, sleep=waits.append)
    receiver.say = Say(200, body=b"OK (not found)")
    assert not ping(f"{receiver.url}/{CANARY}", "fail", RUN, sleep=waits.append)
    assert "127.0.0.1" in caplog.text
    assert CANARY not in caplog.text

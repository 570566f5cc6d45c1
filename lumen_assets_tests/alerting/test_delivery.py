"""Sending what waits: side by side, within the time, through a receiver that is down for days."""

from __future__ import annotations

import logging
import re
import threading
from datetime import datetime, timedelta

import pytest

from lumen_assets.alerting.delivery import ChannelDelivered, deliver
from lumen_assets.alerting.events import State
from lumen_assets.alerting.messages import Message
from lumen_assets_tests.alerting.remembering import Poster, require_order, running_receiver
from lumen_assets_tests.alerting.scenes import DOWN, START, Clock, Remembering, event, outbox_at, over


def test_it_composes_and_sends_and_says_what_it_did(address: str) -> None:
    outbox = outbox_at(address, "hook", "mail")
    clock, hook, mail = Clock(), Remembering("hook"), Remembering("mail", DOWN)
    outbox.record([event(n, state=State.NOTICE) for n in range(3)], clock())
    done = deliver(outbox, {"hook": hook, "mail": mail}, clock, seconds=10)
    assert done.composed == 3
    assert done.channels == {
        "hook": ChannelDelivered(3, 0, "200"),
        "mail": ChannelDelivered(0, 1, "network: connection refused"),
    }
    assert (done.sent, done.failed) == (3, 1)
    assert [message.title for message in hook.got] == ["0 failed", "1 failed", "2 failed"]
    assert deliver(outbox, {"hook": hook}, clock, seconds=10).channels["hook"] == ChannelDelivered(0, 0, "")


def test_without_channels_it_only_composes(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("n", state=State.NOTICE)], START)
    assert deliver(outbox, {}, Clock(), seconds=1).composed == 1
    assert outbox.depth(START)["hook"].messages == 1


def test_an_error_that_nobody_foresaw_counts_as_failed_and_its_text_is_not_kept(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, clock = outbox_at(address), Clock()
    channel = Remembering(error=ZeroDivisionError("with hunter22 in it"))
    outbox.record([event("n", state=State.NOTICE)], clock())
    with caplog.at_level(logging.DEBUG):
        done = deliver(outbox, {"hook": channel}, clock, seconds=10)
    assert done.channels["hook"] == ChannelDelivered(0, 1, "ZeroDivisionError")
    assert "ZeroDivisionError" in caplog.text
    assert "hunter22" not in caplog.text
    channel.error = None
    clock.pass_(minutes=1)
    assert deliver(outbox, {"hook": channel}, clock, seconds=10).sent == 1


def test_nothing_new_is_begun_when_the_time_is_over(address: str) -> None:
    outbox, clock = outbox_at(address), Clock()

    class Slow(Remembering):
        def send(self, message: Message, now: datetime) -> str:
            clock.pass_(seconds=4)
            return super().send(message, now)

    outbox.record([event(n, state=State.NOTICE) for n in range(9)], clock())
    assert deliver(outbox, {"hook": Slow()}, clock, seconds=10).sent == 3


def test_a_slow_channel_holds_up_no_other(address: str) -> None:
    outbox, clock = outbox_at(address, "slow", "hook"), Clock()
    all_sent = threading.Event()

    class Slow(Remembering):
        def send(self, message: Message, now: datetime) -> str:
            assert all_sent.wait(60), "the other channel was held up"
            return super().send(message, now)

    class Quick(Remembering):
        def send(self, message: Message, now: datetime) -> str:
            answer = super().send(message, now)
            if len(self.got) == 5:
                all_sent.set()
            return answer

    outbox.record([event(n, state=State.NOTICE) for n in range(5)], clock())
    done = deliver(outbox, {"slow": Slow("slow"), "hook": Quick()}, clock, seconds=10)
    assert {name: channel.sent for name, channel in done.channels.items()} == {"slow": 5, "hook": 5}


def require_each_incident_in_order(composed: list[Message], told: list[Message]) -> None:
    """Of every incident all that was composed was told once, in that order, by itself or as a line of a digest."""
    lines = [line for message in told for line in message.digest or (line_of(message),)]
    of_incident: dict[str, list[str]] = {}
    for message in composed:
        if not message.digest:
            of_incident.setdefault(message.incident, []).append(line_of(message))
    assert sum(map(len, of_incident.values())) == len(lines)
    for expected in of_incident.values():
        assert [line for line in lines if line in expected] == expected


def line_of(message: Message) -> str:
    return f"{message.severity}, {message.state}: {message.title}"


@pytest.mark.parametrize("cap", [500, 30])
def test_a_receiver_that_is_down_for_three_days_gets_everything_when_it_is_back(address: str, cap: int) -> None:
    outbox, clock = outbox_at(address, cap_per_hour=cap), Clock()
    with running_receiver() as receiver:
        channel, composed = Poster(receiver.url), 0
        receiver.down = True
        for hour in range(24 * 3):
            if hour < 40:
                outbox.record([event(hour, source=f"asset {hour % 20}", at=clock())], clock())
            if hour == 50:
                outbox.record([over("3", source="asset 3", subject="", at=clock())], clock())
            composed += deliver(outbox, {"hook": channel}, clock, seconds=60).composed
            clock.pass_(hours=1)
        assert receiver.told == {}
        assert outbox.depth(clock())["hook"].messages == composed >= 40
        assert len(receiver.requests) <= 24 * 3, "one try at a time"
        receiver.down = False
        for _ in range(3):
            clock.pass_(minutes=15)
            composed += deliver(outbox, {"hook": channel}, clock, seconds=60).composed
        assert outbox.depth(clock())["hook"].messages == 0
        told = receiver.messages
        singles = [message for message in told if not message.digest]
        carried = [title for message in told for title in message.digest]
        assert len(singles) + len(carried) == composed
        assert len(singles) <= cap
        assert (len(carried) == 0) == (cap == 500)
        require_order([message for message in told if not message.digest])
        if cap == 500:
            assert {event.id for message in singles for event in message.events} >= {event(n).id for n in range(40)}
            assert [m.state for m in singles if m.source == "asset 3"][-1] is State.RESOLVED
        shown = {event.id for message in singles for event in message.events}
        for number in range(40):  # told by itself, or by the one line of a digest that names it
            named = re.compile(rf"warning, firing: {number} failed\b")
            assert (event(number).id in shown) + sum(bool(named.match(title)) for title in carried) == 1, number
        require_each_incident_in_order([one.message for one in reversed(outbox.recent(1000))], told)
        accepted = receiver.requests[-len(told) :]
        assert sorted(accepted) == sorted(receiver.told), "none came twice"
        assert clock() < START + timedelta(days=4)

"""Senders that are killed with -9 while another process records: in the end all is as if nobody had been."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lumen_assets.alerting.claiming import LEASE
from lumen_assets.alerting.delivery import deliver
from lumen_assets.alerting.events import event_id
from lumen_assets_tests.alerting.remembering import Poster, Receiver, require_order, running_receiver
from lumen_assets_tests.alerting.scenes import Clock, after, outbox_at

ROOT = Path(__file__).parents[2]
SOURCES = 5
ROUNDS = 12
LEASES_PASS = LEASE.total_seconds() / 60 + 1

RECORDER = """
import sys
from lumen_assets_tests.alerting.scenes import after, event, outbox_at, over
outbox = outbox_at(sys.argv[1], group_wait_seconds=0, group_interval_minutes=1, cap_per_hour=100_000)
number = 0
for line in sys.stdin:
    for _ in range(int(line)):
        now = after(minutes=2 * number)
        source = f"asset {number % 5}"
        outbox.record([event(number, source=source, at=now)], now)
        if number % 3 == 2:
            outbox.record([over(number, source=source, subject="", at=now)], now)
        number += 1
    print(number, flush=True)
"""

SENDER = """
import sys
from datetime import timedelta
from lumen_assets.alerting.delivery import deliver
from lumen_assets_tests.alerting.remembering import Poster
from lumen_assets_tests.alerting.scenes import Clock, after, outbox_at
address, url, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
outbox = outbox_at(address, group_wait_seconds=0, group_interval_minutes=1, cap_per_hour=100_000)
clock = Clock(after(minutes=minutes))
print("sending", flush=True)
while True:
    deliver(outbox, {"hook": Poster(url)}, clock, seconds=3600)
    clock.pass_(seconds=5)
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )


def killed_again_and_again(address: str, receiver: Receiver, kills: int) -> int:
    """The number of events that were recorded meanwhile."""
    generator = random.Random()  # noqa: S311 - moments, not secrets
    recorder = started(RECORDER, address)
    assert recorder.stdin
    assert recorder.stdout
    for kill in range(kills):
        # a sender starts later than the leases of the one before ended, as time does for people
        sender = started(SENDER, address, receiver.url, 100_000 + kill * LEASES_PASS)
        assert sender.stdout
        assert sender.stdout.readline() == "sending\n"
        recorder.stdin.write(f"{ROUNDS}\n")
        recorder.stdin.flush()
        if kill % 2:  # right in the middle of a delivery
            arrived = len(receiver.requests)
            while len(receiver.requests) <= arrived and sender.poll() is None:
                time.sleep(0.001)
        else:
            time.sleep(generator.uniform(0, 0.5))
        assert sender.poll() is None, "it was alive when it was killed"
        sender.send_signal(signal.SIGKILL)
        sender.communicate()
        assert recorder.stdout.readline() == f"{(kill + 1) * ROUNDS}\n"
    recorder.communicate()
    assert recorder.returncode == 0
    return kills * ROUNDS


def require_all_arrived(address: str, receiver: Receiver, kills: int) -> None:
    rounds = killed_again_and_again(address, receiver, kills)
    outbox = outbox_at(address, group_wait_seconds=0, group_interval_minutes=1, cap_per_hour=100_000)
    clock = Clock(after(minutes=100_000 + (kills + 2) * LEASES_PASS))
    for _ in range(3):
        deliver(outbox, {"hook": Poster(receiver.url)}, clock, seconds=3600)
        clock.pass_(minutes=10)
    assert outbox.depth(clock())["hook"].messages == 0
    messages = receiver.messages
    composed = [recent.message for recent in reversed(outbox.recent(100_000))]
    assert {message.id for message in messages} == {message.id for message in composed}
    assert [m for m in messages if m.digest] == []
    require_order(messages)
    repeats = len(receiver.requests) - len(receiver.told)
    assert repeats <= kills, "only what was on its way when a sender died comes twice"
    shown = {event.id for message in messages for event in message.events}
    unsaid = [number for number in range(rounds) if event_id(number) not in shown]
    assert all(recent.channels["hook"].status == "delivered" for recent in outbox.recent(100_000))
    # an event that closed before anything was said is recorded only; any other was told
    assert len(unsaid) < rounds / 2
    assert {incident.source for incident in outbox.open_incidents()} <= {f"asset {n}" for n in range(SOURCES)}
    still_open = {subject for incident in outbox.open_incidents() for subject in incident.subjects}
    assert not still_open & {str(number) for number in unsaid}


def test_senders_killed_at_random_moments(address: str) -> None:
    with running_receiver() as receiver:
        require_all_arrived(address, receiver, 8)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_senders_killed_at_fifty_random_moments(address: str) -> None:
    with running_receiver() as receiver:
        require_all_arrived(address, receiver, 50)

"""Sending what waits: every channel in a thread of its own, for a limited time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumen_assets.alerting.messages import Channel
from lumen_assets.alerting.outbox import Outbox

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelDelivered:
    """What one channel took.

    Attributes:
        sent: messages that it took.
        failed: attempts that failed.
        last: the last answer or error, short and clean; empty where nothing was tried.
    """

    sent: int
    failed: int
    last: str


@dataclass(frozen=True)
class Delivered:
    """What one round did: messages composed, and what became of those that were due, by channel."""

    composed: int
    channels: Mapping[str, ChannelDelivered]

    def __str__(self) -> str:
        said = [f"{name}: {one.sent} sent, {one.failed} failed" for name, one in self.channels.items()]
        return "; ".join(said) or "no channel is configured"

    @property
    def sent(self) -> int:
        """By all channels."""
        return sum(channel.sent for channel in self.channels.values())

    @property
    def failed(self) -> int:
        """By all channels."""
        return sum(channel.failed for channel in self.channels.values())


def deliver(
    outbox: Outbox,
    channels: Mapping[str, Channel],
    clock: Callable[[], datetime],
    *,
    seconds: float,
    at_once: bool = False,
) -> Delivered:
    """Compose what is due and send what may go.

    Nothing new is begun after ``seconds``, so a round lasts at most that and the time-out of one request. A channel
    that is slow or fails holds up no other.

    Args:
        outbox: where messages wait.
        channels: by their names in the outbox.
        clock: the time, with a zone.
        seconds: the time for it.
        at_once: whether a new incident does not wait for more of its kind, since nothing more is to come.

    Raises:
        TransientError, PermanentError: of the outbox; those of channels are kept there and never raised.
    """
    end = clock() + timedelta(seconds=seconds)
    composed = outbox.compose(clock(), at_once=at_once)
    if not channels:
        return Delivered(composed, {})
    with ThreadPoolExecutor(len(channels), thread_name_prefix="alerts") as pool:
        rounds = {name: pool.submit(_round, outbox, name, channel, clock, end) for name, channel in channels.items()}
    return Delivered(composed, {name: done.result() for name, done in rounds.items()})


def _round(
    outbox: Outbox, name: str, channel: Channel, clock: Callable[[], datetime], end: datetime
) -> ChannelDelivered:
    sent = failed = 0
    last = ""
    while (now := clock()) < end and (message := outbox.claim(name, now)) is not None:
        try:
            answer = channel.send(message, now)
        except Exception as error:
            failed += 1
            last = outbox.failed(name, message.id, error, clock())
            _log.warning("alerts: %s did not take message %s: %s", name, message.id, last)
        else:
            sent += 1
            last = outbox.delivered(name, message.id, answer, clock())
    return ChannelDelivered(sent, failed, last)

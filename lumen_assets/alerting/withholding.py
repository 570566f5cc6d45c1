"""A channel in a dry run: it takes every message and sends none."""

from __future__ import annotations

from datetime import datetime

from lumen_assets.alerting.messages import Channel, Message


class WithholdingChannel:
    """A channel that says what it would have sent.

    A message counts as delivered, in the outbox that a dry run has of its own: its end is not greeted by all that
    happened during it.

    Args:
        channel: the channel itself.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def name(self) -> str:
        """Its name in the outbox."""
        return self._channel.name

    def send(self, message: Message, now: datetime) -> str:  # noqa: ARG002
        """The answer: what was withheld."""
        return f"withheld, this is a dry run: {message.title}"

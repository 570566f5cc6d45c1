"""A channel in a dry run: it takes every message and sends none."""

from __future__ import annotations

from datetime import datetime

from lumen_assets.alerting.messages import Channel, Message


class WithholdingChannel:
    """A channel that says what it would have sent.

    A message counts as delivered, so that the end of the dry run is not greeted by all that happened during it; what is
    still wrong then is told again after ``alerts.repeat_hours``.

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

"""What the tests of alerts are made of: events, a clock that is set, channels that remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lumen_assets.alerting.clean import Cleaner
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.errors import TransientError
from lumen_assets.settings import Alerts

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
"""10:00 KST: no quiet hours."""

DOWN = TransientError(action="post to", subject="the receiver", cause="connection refused", error_class="network")


def after(**parts: float) -> datetime:
    return START + timedelta(**parts)


def event(name: object, **given: Any) -> Event:
    """A firing one of ``replica/cloud`` at START, with ``name`` making its id and, if not given, its subject."""
    values: dict[str, Any] = {
        "id": event_id(name),
        "kind": Kind.MATERIALIZATION_FAILED,
        "severity": Severity.WARNING,
        "state": State.FIRING,
        "source": "replica/cloud",
        "subject": str(name),
        "at": START,
        "title": f"{name} failed",
        "error_class": "quota",
    }
    return Event(**values | given)


def over(name: object, **given: Any) -> Event:
    """What closes ``event(name)``."""
    values: dict[str, Any] = {
        "id": event_id(name, "over", given),
        "state": State.RESOLVED,
        "error_class": "",
        "at": START + timedelta(minutes=1),
        "title": f"{name} is well again",
    }
    return event(name, **values | given)


def outbox_at(
    address: str, *channels: str, secrets: tuple[str, ...] = (), at_once: tuple[str, ...] = (), **alerts: Any
) -> Outbox:
    """An outbox whose jitter is always as long as it may be."""
    return Outbox(
        address,
        alerts=Alerts(**alerts),
        channels=channels or ("hook",),
        cleaner=Cleaner(secrets),
        at_once=at_once,
        draw=lambda _, most: most,
    )


def take_all(outbox: Outbox, now: datetime, channel: str = "hook") -> list[Message]:
    """What the channel gets when all is well."""
    taken = []
    while (message := outbox.claim(channel, now)) is not None:
        outbox.delivered(channel, message.id, "ok", now)
        taken.append(message)
    return taken


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class Remembering:
    """A channel that keeps what it got; it fails with ``error`` while there is one."""

    def __init__(self, name: str = "hook", error: BaseException | None = None) -> None:
        self.name = name
        self.error = error
        self.got: list[Message] = []
        self.tries = 0

    def send(self, message: Message, now: datetime) -> str:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.got.append(message)
        return "200"

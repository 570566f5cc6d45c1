"""What the outbox holds, for gauges, ``lumen status`` and ``lumen doctor``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from lumen_assets.alerting import schema
from lumen_assets.alerting.events import Kind, Severity, State
from lumen_assets.alerting.messages import Message


@dataclass(frozen=True)
class Depth:
    """What one channel has not got yet: how many messages, and for how long the oldest waits."""

    messages: int
    oldest: timedelta


@dataclass(frozen=True)
class OpenIncident:
    """An incident that goes on.

    Attributes:
        key, kind, source, error_class: what it is.
        severity: the highest of its events.
        since: when what is open of it began, in UTC.
        count: how many events that has had.
        subjects: those that are open, sorted.
        messages: how many messages were composed about it.
    """

    key: str
    kind: Kind
    source: str
    error_class: str
    severity: Severity
    since: datetime
    count: int
    subjects: tuple[str, ...]
    messages: int


@dataclass(frozen=True)
class Extent:
    """Of the open subjects of an incident: when the earliest of their events was, in UTC, and how many there are."""

    since: datetime
    events: int


@dataclass(frozen=True)
class Sent:
    """How a message fares at one channel.

    Attributes:
        status: ``pending``, ``carried`` (by a digest that is under way) or ``delivered``.
        attempts: how many failed.
        done_at: when it was delivered, in UTC.
        next_at: not tried before this, in UTC.
        answer: what the channel answered, short.
        error: of the last attempt that failed, until it is delivered.
    """

    status: str
    attempts: int
    done_at: datetime | None
    next_at: datetime | None
    answer: str
    error: str


@dataclass(frozen=True)
class Recent:
    """A message and how it fares, by channel."""

    message: Message
    channels: Mapping[str, Sent]


@dataclass(frozen=True)
class ChannelError:
    """Why a channel does not take messages now.

    Attributes:
        text: clean and short.
        at: of the last failure, in UTC.
        failures: in a row.
        next_try: in UTC.
    """

    text: str
    at: datetime
    failures: int
    next_try: datetime


def read_depth(connection: Connection, channels: Sequence[str], now: datetime) -> dict[str, Depth]:
    """See ``Outbox.depth``."""
    d, m = schema.delivery.c, schema.message.c
    rows = connection.execute(
        select(d.channel, func.count().label("messages"), func.min(m.composed_at).label("oldest"))
        .join_from(schema.delivery, schema.message, d.message == m.seq)
        .where(d.channel.in_(channels), d.status != schema.DELIVERED, ~m.is_digest)
        .group_by(d.channel)
    )
    waiting = {row.channel: Depth(row.messages, max(now - row.oldest, timedelta())) for row in rows}
    return {channel: waiting.get(channel, Depth(0, timedelta())) for channel in channels}


def read_open_incidents(connection: Connection) -> tuple[OpenIncident, ...]:
    """See ``Outbox.open_incidents``."""
    i, s = schema.incident.c, schema.subject.c
    subjects: dict[int, list[str]] = {}
    for row in connection.execute(
        select(s.incident, s.subject)
        .join_from(schema.subject, schema.incident)
        .where(~i.settled, s.is_open)
        .order_by(s.subject)
    ):
        subjects.setdefault(row.incident, []).append(row.subject)
    going_on = select(schema.incident).where(~i.settled, i.ended_at.is_(None), i.state == State.FIRING)
    rows = connection.execute(going_on).all()
    extents = read_open_extents(connection, [row.id for row in rows])
    found = [
        OpenIncident(
            key=row.key,
            kind=Kind(row.kind),
            source=row.source,
            error_class=row.error_class,
            severity=list(Severity)[row.severity],
            since=extents[row.id].since,
            count=extents[row.id].events,
            subjects=tuple(sorted(subjects[row.id])),
            messages=row.messages,
        )
        for row in sorted(rows, key=lambda row: (extents[row.id].since, row.id))
    ]
    return tuple(found)


def read_open_extents(connection: Connection, incidents: Collection[int]) -> dict[int, Extent]:
    """What is open of incidents that go on: not what of them is over, as days that are made by now."""
    e, s = schema.event.c, schema.subject.c
    rows = connection.execute(
        select(e.incident, func.min(e.at).label("since"), func.count().label("events"))
        .join_from(schema.event, schema.subject, (s.incident == e.incident) & (s.subject == e.subject))
        .where(e.incident.in_(incidents), s.is_open)
        .group_by(e.incident)
    )
    return {row.incident: Extent(row.since, row.events) for row in rows}


def read_recent(connection: Connection, channels: Iterable[str], limit: int) -> tuple[Recent, ...]:
    """See ``Outbox.recent``."""
    m = schema.message.c
    messages = connection.execute(select(m.seq, m.payload).order_by(m.seq.desc()).limit(limit)).all()
    of_message = _deliveries(connection, channels, [message.seq for message in messages])
    return tuple(
        Recent(Message.from_payload(json.loads(message.payload)), of_message.get(message.seq, {}))
        for message in messages
    )


def read_sent(connection: Connection, channels: Iterable[str], event_id: str) -> Mapping[str, Sent]:
    """See ``Outbox.sent``."""
    e, m = schema.event.c, schema.message.c
    seq = connection.scalar(
        select(m.seq)
        .join_from(schema.event, schema.message, (m.incident == e.incident) & (m.number == e.message))
        .where(e.id == event_id)
    )
    return {} if seq is None else _deliveries(connection, channels, [seq]).get(seq, {})


def _deliveries(
    connection: Connection, channels: Iterable[str], messages: Sequence[int]
) -> Mapping[int, Mapping[str, Sent]]:
    d = schema.delivery.c
    rows = connection.execute(
        select(schema.delivery).where(d.message.in_(messages), d.channel.in_(list(channels))).order_by(d.channel)
    )
    found: dict[int, dict[str, Sent]] = {}
    for row in rows:
        found.setdefault(row.message, {})[row.channel] = Sent(
            row.status, row.attempts, row.done_at, row.next_at, row.answer or "", row.error or ""
        )
    return found


def read_error(connection: Connection, channel: str) -> ChannelError | None:
    """See ``Outbox.last_error``."""
    c = schema.channel.c
    row = connection.execute(select(schema.channel).where(c.name == channel, c.failures > 0)).one_or_none()
    return None if row is None else ChannelError(row.error, row.error_at, row.failures, row.next_try)

"""Messages out of incidents: when there is something to say, and what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from lumen_assets.alerting import schema
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.incidents import read_event
from lumen_assets.alerting.messages import Message
from lumen_assets.settings import Alerts

EVENTS_SHOWN: Final = 20
SUBJECTS_SHOWN: Final = 50


def compose_messages(
    connection: Connection, alerts: Alerts, channels: Iterable[str], now: datetime, *, at_once: bool = False
) -> int:
    """Say of every incident what is due, as rows of messages and deliveries; returns how many messages.

    Alertmanager's timing: the first message comes ``group_wait`` after the first event was recorded, a further one at
    least ``group_interval`` after the last if there were new events, or that it is over, and a repeat after
    ``repeat_interval`` if it lasts. An incident that ended before its first message is settled in silence, one that
    fires again before the end was told goes on. ``at_once`` leaves out ``group_wait``: nothing more is to come.
    """
    composed = 0
    i = schema.incident.c
    for incident in connection.execute(select(schema.incident).where(~i.settled).order_by(i.id)).all():
        over = incident.ended_at is not None
        silent = over and not incident.messages and incident.state == State.FIRING
        due = not silent and _due(connection, incident, alerts, now, at_once=at_once)
        if due:
            message = _message(connection, incident, now)
            _store(connection, incident, message, channels)
            composed += 1
        if silent or (due and over):
            connection.execute(update(schema.incident).where(i.id == incident.id).values(settled=True))
    return composed


def insert_message(connection: Connection, message: Message, incident: int | None, *, is_digest: bool = False) -> int:
    """The number of the row of ``message``."""
    seq: int = connection.execute(
        insert(schema.message)
        .values(
            id=message.id,
            incident=incident,
            key=message.incident,
            number=message.number,
            state=message.state,
            severity=message.severity.rank,
            composed_at=message.at,
            is_digest=is_digest,
            payload=json.dumps(message.payload(), ensure_ascii=False),
        )
        .returning(schema.message.c.seq)
    ).scalar_one()
    return seq


def insert_delivery(connection: Connection, message: int, channel: str) -> None:
    """That the message of this row number is to be delivered."""
    connection.execute(
        insert(schema.delivery).values(message=message, channel=channel, status=schema.PENDING, attempts=0)
    )


def _due(connection: Connection, incident: Row[Any], alerts: Alerts, now: datetime, *, at_once: bool) -> bool:
    if incident.state == State.NOTICE:
        return True
    if not incident.messages:
        return at_once or bool(now >= incident.opened_at + timedelta(seconds=alerts.group_wait_seconds))
    since_last = now - incident.last_message_at
    if since_last >= timedelta(hours=alerts.repeat_hours):
        return True
    if since_last < timedelta(minutes=alerts.group_interval_minutes):
        return False
    return incident.ended_at is not None or _untold(connection, incident.id) > 0


def _untold(connection: Connection, incident: int) -> int:
    e = schema.event.c
    return (
        connection.scalar(
            select(func.count()).select_from(schema.event).where(e.incident == incident, e.message.is_(None))
        )
        or 0
    )


def _message(connection: Connection, incident: Row[Any], now: datetime) -> Message:
    notice, over = incident.state == State.NOTICE, incident.ended_at is not None
    state = State.NOTICE if notice else State.RESOLVED if over else State.FIRING
    subjects = _subjects(connection, incident.id, only_open=state is State.FIRING)
    events, total = _new_events(connection, incident.id, with_closing=state is State.RESOLVED)
    number = incident.messages + 1
    return Message(
        id=event_id(incident.uid, number),
        incident=incident.key,
        number=number,
        kind=Kind(incident.kind),
        source=incident.source,
        error_class=incident.error_class,
        severity=list(Severity)[incident.severity],
        state=state,
        title=_title(connection, incident.id, state, len(subjects), repeats=number > 1 and not total),
        since=incident.since,
        at=now,
        count=incident.events,
        subjects=tuple(subjects[:SUBJECTS_SHOWN]),
        subjects_total=len(subjects),
        events=events,
        events_total=total,
    )


def _subjects(connection: Connection, incident: int, *, only_open: bool) -> Sequence[str]:
    s = schema.subject.c
    query = select(s.subject).where(s.incident == incident, s.subject != "")
    return sorted(connection.scalars(query.where(s.is_open) if only_open else query))


def _new_events(connection: Connection, incident: int, *, with_closing: bool) -> tuple[tuple[Event, ...], int]:
    """The newest of those that no message told, newest last, and how many there are."""
    e, s = schema.event.c, schema.subject.c
    new: ColumnElement[bool] = (e.incident == incident) & e.message.is_(None)
    if with_closing:
        closing = select(s.closed_by).where(s.incident == incident, s.closed_by.is_not(None))
        new = or_(new, e.id.in_(closing))
    total = connection.scalar(select(func.count()).select_from(schema.event).where(new)) or 0
    newest = select(e.payload).where(new).order_by(e.at.desc(), e.seq.desc()).limit(EVENTS_SHOWN)
    return tuple(reversed([read_event(payload) for payload in connection.scalars(newest)])), total


def _title(connection: Connection, incident: int, state: State, subjects: int, *, repeats: bool) -> str:
    e = schema.event.c
    newest = select(e.payload).where(e.incident == incident).order_by(e.at.desc(), e.seq.desc()).limit(1)
    title = read_event(connection.scalars(newest).one()).title
    if subjects > 1:
        title += f" (and {subjects - 1} more)"
    if state is State.RESOLVED:
        return f"Resolved: {title}"
    return f"Still: {title}" if repeats and state is State.FIRING else title


def _store(connection: Connection, incident: Row[Any], message: Message, channels: Iterable[str]) -> None:
    i, e = schema.incident.c, schema.event.c
    seq = insert_message(connection, message, incident.id)
    for channel in channels:
        insert_delivery(connection, seq, channel)
    connection.execute(
        update(schema.incident).where(i.id == incident.id).values(messages=message.number, last_message_at=message.at)
    )
    connection.execute(
        update(schema.event).where(e.incident == incident.id, e.message.is_(None)).values(message=message.number)
    )

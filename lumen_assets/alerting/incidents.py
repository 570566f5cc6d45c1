"""Incidents: what events open, continue and close."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, and_, exists, func, insert, select, true, update

from lumen_assets.alerting import schema
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id

_EVENT: Final = TypeAdapter(Event)


def read_event(payload: str) -> Event:
    """The event of a stored payload."""
    return _EVENT.validate_json(payload)


def record_event(connection: Connection, event: Event, now: datetime) -> bool:
    """Insert ``event`` and let it open, continue or close; False if its id is known already."""
    if _known(connection, event.id):
        return False
    if event.state is State.FIRING:
        _fire(connection, event, now, resolution=_resolution(connection, event))
    elif event.state is State.RESOLVED:
        _insert(connection, event, None)
        _resolve(connection, event, now)
    else:
        incident = _begin(connection, event, f"{event.incident}|{event.id}", now)
        _insert(connection, event, incident.id)
        connection.execute(
            update(schema.incident).where(schema.incident.c.id == incident.id).values(events=1, ended_at=now)
        )
    return True


def reconcile_kind(connection: Connection, kind: Kind, firing: Iterable[Event], now: datetime) -> int:
    """Open what fires and is not open, or fires worse than before; close what is open and does not fire.

    An event whose id is known, because the same state was there before, is recorded under another id.
    """
    changes = 0
    wanted = set()
    for event in firing:
        if event.kind is not kind or event.state is not State.FIRING:
            raise ValueError(f"{event.kind} {event.state} among the firing events of {kind}")
        wanted.add((event.incident, event.subject))
        row = _open_subject(connection, event)
        if row is not None and row.severity >= event.severity.rank:
            continue
        known = _known(connection, event.id)
        fresh = replace(event, id=_unused_id(connection, event.id, now.isoformat())) if known else event
        _fire(connection, fresh, now, resolution=None, fired_at=max(now, event.at))
        changes += 1
    return changes + _close_others(connection, kind, wanted, now)


def _close_others(connection: Connection, kind: Kind, wanted: Collection[tuple[str, str]], now: datetime) -> int:
    s, i = schema.subject.c, schema.incident.c
    rows = connection.execute(
        select(i.id, i.uid, i.key, i.source, i.error_class, s.subject, s.severity, s.title, s.fired_at)
        .join_from(schema.subject, schema.incident)
        .where(i.kind == kind, ~i.settled, s.is_open)
        .order_by(i.id, s.subject)
    ).all()
    gone = [row for row in rows if (row.key, row.subject) not in wanted]
    for row in gone:
        event = Event(
            id=_unused_id(connection, "over", row.uid, row.subject, now.isoformat()),
            kind=kind,
            severity=list(Severity)[row.severity],
            state=State.RESOLVED,
            source=row.source,
            subject=row.subject,
            at=now,
            title=f"over: {row.title}",
            error_class=row.error_class,
        )
        _insert(connection, event, None)
        connection.execute(
            update(schema.subject)
            .where(s.incident == row.id, s.subject == row.subject)
            .values(is_open=False, closed_by=event.id)
        )
    for incident in {row.id for row in gone}:
        _end_if_nothing_is_open(connection, incident, now)
    return len(gone)


def _fire(
    connection: Connection,
    event: Event,
    now: datetime,
    *,
    resolution: str | None,
    fired_at: datetime | None = None,
) -> None:
    """Open or continue; ``resolution`` is the event that closed this subject later, where they came out of order."""
    i, s = schema.incident.c, schema.subject.c
    incident = connection.execute(select(schema.incident).where(i.key == event.incident, ~i.settled)).one_or_none()
    if incident is None:
        incident = _begin(connection, event, event.incident, now)
    _insert(connection, event, incident.id)
    this = and_(s.incident == incident.id, s.subject == event.subject)
    known = connection.execute(select(schema.subject).where(this)).one_or_none()
    fired_at = fired_at or event.at
    if known is None:
        connection.execute(
            insert(schema.subject).values(
                incident=incident.id,
                subject=event.subject,
                is_open=resolution is None,
                fired_at=fired_at,
                severity=event.severity.rank,
                title=event.title,
                closed_by=resolution,
            )
        )
    else:
        stays_closed = resolution is not None and not known.is_open
        newer = fired_at >= known.fired_at
        connection.execute(
            update(schema.subject)
            .where(this)
            .values(
                is_open=not stays_closed,
                fired_at=max(fired_at, known.fired_at),
                severity=max(event.severity.rank, known.severity),
                title=event.title if newer else known.title,
                closed_by=known.closed_by if stays_closed else None,
            )
        )
    connection.execute(
        update(schema.incident)
        .where(i.id == incident.id)
        .values(
            events=incident.events + 1,
            severity=max(event.severity.rank, incident.severity),
            since=min(event.at, incident.since),
            ended_at=None,
        )
    )
    _end_if_nothing_is_open(connection, incident.id, incident.ended_at or now)


def _resolve(connection: Connection, event: Event, now: datetime) -> None:
    """Close the subject (all of them where it is empty) in every open incident of the kind and source."""
    i, s = schema.incident.c, schema.subject.c
    incidents = connection.scalars(
        select(i.id).where(i.kind == event.kind, i.source == event.source, ~i.settled, i.ended_at.is_(None))
    ).all()
    for incident in incidents:
        connection.execute(
            update(schema.subject)
            .where(s.incident == incident, s.is_open, s.fired_at <= event.at)
            .where(true() if event.subject == "" else s.subject == event.subject)
            .values(is_open=False, closed_by=event.id)
        )
        _end_if_nothing_is_open(connection, incident, now)


def _resolution(connection: Connection, event: Event) -> str | None:
    """The id of the first event that closed this firing one, recorded before it."""
    e = schema.event.c
    found: str | None = connection.scalar(
        select(e.id)
        .where(e.kind == event.kind, e.source == event.source, e.state == State.RESOLVED)
        .where(e.subject.in_((event.subject, "")), e.at >= event.at)
        .order_by(e.at, e.seq)
        .limit(1)
    )
    return found


def _begin(connection: Connection, event: Event, key: str, now: datetime) -> Row[Any]:
    return connection.execute(
        insert(schema.incident)
        .values(
            uid=event_id("incident", key, event.id),
            key=key,
            kind=event.kind,
            source=event.source,
            error_class=event.error_class,
            state=event.state,
            severity=event.severity.rank,
            since=event.at,
            opened_at=now,
            events=0,
            messages=0,
            settled=False,
        )
        .returning(schema.incident)
    ).one()


def _insert(connection: Connection, event: Event, incident: int | None) -> None:
    connection.execute(
        insert(schema.event).values(
            id=event.id,
            incident=incident,
            kind=event.kind,
            source=event.source,
            subject=event.subject,
            state=event.state,
            at=event.at,
            payload=_EVENT.dump_json(event).decode(),
        )
    )


def _known(connection: Connection, identity: str) -> bool:
    return bool(connection.scalar(select(exists().where(schema.event.c.id == identity))))


def _unused_id(connection: Connection, *parts: object) -> str:
    """An id of ``parts``; states may come and go within one instant."""
    ids = (event_id(*parts, number) for number in count(1))
    return next(identity for identity in ids if not _known(connection, identity))


def _open_subject(connection: Connection, event: Event) -> Row[Any] | None:
    i, s = schema.incident.c, schema.subject.c
    return connection.execute(
        select(schema.subject)
        .join_from(schema.subject, schema.incident)
        .where(i.key == event.incident, ~i.settled, s.subject == event.subject, s.is_open)
    ).one_or_none()


def _end_if_nothing_is_open(connection: Connection, incident: int, at: datetime) -> None:
    s = schema.subject.c
    left = connection.scalar(select(func.count()).select_from(schema.subject).where(s.incident == incident, s.is_open))
    if not left:
        connection.execute(update(schema.incident).where(schema.incident.c.id == incident).values(ended_at=at))

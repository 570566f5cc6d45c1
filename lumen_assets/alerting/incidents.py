"""Incidents: what events open, continue and close."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, and_, exists, func, insert, select, true, update

from lumen_assets.alerting import schema
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id


@cache
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(Event)


def read_event(payload: str) -> Event:
    """The event of a stored payload."""
    return _adapter().validate_json(payload)


def record_event(connection: Connection, event: Event, now: datetime) -> bool:
    """Insert ``event`` and let it open, continue or close; False if its id is known already."""
    if _known(connection, event.id):
        return False
    if event.state is State.FIRING:
        _fire(connection, [event], now, resolution=_resolution(connection, event))
    elif event.state is State.RESOLVED:
        _insert(connection, [event], None)
        _resolve(connection, event, now)
    else:
        incident = _begin(connection, event, f"{event.incident}|{event.id}", now)
        _insert(connection, [event], incident.id)
        connection.execute(
            update(schema.incident).where(schema.incident.c.id == incident.id).values(events=1, ended_at=now)
        )
    return True


def reconcile_kind(connection: Connection, kind: Kind, firing: Iterable[Event], now: datetime) -> int:
    """Open what fires and is not open, or fires worse than before; close what is open and does not fire.

    An event whose id is known, because the same state was there before, is recorded under another id.
    """
    already_open = _open_subjects(connection, kind)
    severity = {place: row.severity for place, row in already_open.items()}
    wanted, changed = set(), []
    for event in firing:
        if event.kind is not kind or event.state is not State.FIRING:
            raise ValueError(f"{event.kind} {event.state} among the firing events of {kind}")
        place = (event.incident, event.subject)
        wanted.add(place)
        if severity.get(place, -1) < event.severity.rank:
            severity[place] = event.severity.rank
            changed.append(event)
    incidents: dict[str, list[Event]] = {}
    known = _known_among(connection, [event.id for event in changed])
    for event in changed:
        fresh = event
        if event.id in known:
            fresh = replace(event, id=_unused_id(connection, event.id, now.isoformat()))
        incidents.setdefault(event.incident, []).append(fresh)
    for events in incidents.values():
        _fire(connection, events, now, not_before=now)
    gone = [row for place, row in already_open.items() if place not in wanted]
    _close(connection, kind, gone, now)
    return len(changed) + len(gone)


def _open_subjects(connection: Connection, kind: Kind) -> dict[tuple[str, str], Row[Any]]:
    """What is open of a kind, by the incident's key and the subject."""
    s, i = schema.subject.c, schema.incident.c
    rows: Iterable[Row[Any]] = connection.execute(
        select(i.id, i.uid, i.key, i.source, i.error_class, s.subject, s.severity, s.title)
        .join_from(schema.subject, schema.incident)
        .where(i.kind == kind, ~i.settled, s.is_open)
        .order_by(i.id, s.subject)
    )
    return {(row.key, row.subject): row for row in rows}


def _close(connection: Connection, kind: Kind, gone: Collection[Row[Any]], now: datetime) -> None:
    """Close rows of ``_open_subjects``."""
    s = schema.subject.c
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
        _insert(connection, [event], None)
        connection.execute(
            update(schema.subject)
            .where(s.incident == row.id, s.subject == row.subject)
            .values(is_open=False, closed_by=event.id)
        )
    for incident in {row.id for row in gone}:
        _end_if_nothing_is_open(connection, incident, now)


def _fire(
    connection: Connection,
    events: Sequence[Event],
    now: datetime,
    *,
    resolution: str | None = None,
    not_before: datetime | None = None,
) -> None:
    """Open an incident, or continue it, by events that are all of it.

    Args:
        connection: in a transaction.
        events: at least one.
        now: with a zone.
        resolution: the event that closed the subject later, where they came out of order.
        not_before: when the subjects fired at the earliest, whatever their events say.
    """
    i, s = schema.incident.c, schema.subject.c
    key = events[0].incident
    incident = connection.execute(select(schema.incident).where(i.key == key, ~i.settled)).one_or_none()
    if incident is None:
        incident = _begin(connection, events[0], key, now)
    _insert(connection, events, incident.id)
    names = {event.subject for event in events}
    rows = connection.execute(select(schema.subject).where(s.incident == incident.id, s.subject.in_(names)))
    before = {row.subject: row._asdict() for row in rows}
    subjects = dict(before)
    for event in events:
        fired_at = max(event.at, not_before or event.at)
        subjects[event.subject] = _fired(subjects.get(event.subject), event, incident.id, fired_at, resolution)
    new = [values for subject, values in subjects.items() if subject not in before]
    if new:
        connection.execute(insert(schema.subject), new)
    for subject in before:
        this = and_(s.incident == incident.id, s.subject == subject)
        connection.execute(update(schema.subject).where(this).values(subjects[subject]))
    connection.execute(
        update(schema.incident)
        .where(i.id == incident.id)
        .values(
            events=incident.events + len(events),
            severity=max(incident.severity, *(event.severity.rank for event in events)),
            since=min(incident.since, *(event.at for event in events)),
            ended_at=None,
        )
    )
    if resolution is not None:
        _end_if_nothing_is_open(connection, incident.id, incident.ended_at or now)


def _fired(
    before: Mapping[str, Any] | None, event: Event, incident: int, fired_at: datetime, resolution: str | None
) -> dict[str, Any]:
    """The row of a subject after an event, by what it was ``before``."""
    if before is None:
        before = {"is_open": False, "fired_at": fired_at, "severity": 0, "title": event.title, "closed_by": resolution}
    stays_closed = resolution is not None and not before["is_open"]
    return {
        "incident": incident,
        "subject": event.subject,
        "is_open": not stays_closed,
        "fired_at": max(fired_at, before["fired_at"]),
        "severity": max(event.severity.rank, before["severity"]),
        "title": event.title if fired_at >= before["fired_at"] else before["title"],
        "closed_by": before["closed_by"] if stays_closed else None,
    }


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


def _insert(connection: Connection, events: Iterable[Event], incident: int | None) -> None:
    rows = [
        {
            "id": event.id,
            "incident": incident,
            "kind": event.kind,
            "source": event.source,
            "subject": event.subject,
            "state": event.state,
            "at": event.at,
            "payload": _adapter().dump_json(event).decode(),
        }
        for event in events
    ]
    connection.execute(insert(schema.event), rows)


def _known(connection: Connection, identity: str) -> bool:
    return bool(connection.scalar(select(exists().where(schema.event.c.id == identity))))


def _known_among(connection: Connection, identities: Collection[str]) -> set[str]:
    e = schema.event.c
    return set(connection.scalars(select(e.id).where(e.id.in_(identities)))) if identities else set()


def _unused_id(connection: Connection, *parts: object) -> str:
    """An id of ``parts``; states may come and go within one instant."""
    ids = (event_id(*parts, number) for number in count(1))
    return next(identity for identity in ids if not _known(connection, identity))


def _end_if_nothing_is_open(connection: Connection, incident: int, at: datetime) -> None:
    s = schema.subject.c
    left = connection.scalar(select(func.count()).select_from(schema.subject).where(s.incident == incident, s.is_open))
    if not left:
        connection.execute(update(schema.incident).where(schema.incident.c.id == incident).values(ended_at=at))

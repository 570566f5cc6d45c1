"""What is over and told need not be kept for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, select

from lumen_assets.alerting import schema
from lumen_assets.alerting.events import State

BATCH: Final = 100
"""Rows of one kind that are removed in one transaction, so that nobody waits long."""


def forget_some(connection: Connection, channels: Iterable[str], before: datetime) -> int:
    """Remove at most a batch each of messages, incidents and resolved events; returns how many of all.

    A message goes when it was composed before ``before`` and no channel that there still is waits for it; a digest
    stays until its members go. An incident goes when it ended before, all about it is composed and none of its
    messages is left, and with it its events.
    """
    m, i, e, s, d = (
        schema.message.c,
        schema.incident.c,
        schema.event.c,
        schema.subject.c,
        schema.delivery.c,
    )
    carried = schema.delivery.alias()
    messages = _some(
        connection,
        m.seq,
        and_(
            m.composed_at < before,
            ~exists().where(d.message == m.seq, d.status != schema.DELIVERED, d.channel.in_(list(channels))),
            ~exists().where(carried.c.carried_by == m.seq),
        ),
    )
    connection.execute(delete(schema.delivery).where(d.message.in_(messages)))
    connection.execute(delete(schema.message).where(m.seq.in_(messages)))
    incidents = _some(connection, i.id, and_(i.settled, i.ended_at < before, ~exists().where(m.incident == i.id)))
    connection.execute(delete(schema.event).where(e.incident.in_(incidents)))
    connection.execute(delete(schema.subject).where(s.incident.in_(incidents)))
    connection.execute(delete(schema.incident).where(i.id.in_(incidents)))
    closing = exists().where(s.closed_by == e.id)
    resolved = _some(connection, e.seq, and_(e.state == State.RESOLVED, e.at < before, ~closing))
    connection.execute(delete(schema.event).where(e.seq.in_(resolved)))
    return len(messages) + len(incidents) + len(resolved)


def _some(connection: Connection, column: ColumnElement[int], where: ColumnElement[bool]) -> list[int]:
    return list(connection.scalars(select(column).where(where).order_by(column).limit(BATCH)))

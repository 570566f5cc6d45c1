"""The tables of the outbox, the same in SQLite and Postgres.

Every instant is stored as microseconds since 1970 (UTC): it sorts the same in both. Payloads are JSON texts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect

VERSION: Final = 2
"""Of the tables; a database of a newer one is refused."""

CHANGES: Final = {2: "ALTER TABLE lumen_alert_delivery ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0"}
"""What makes the tables of the version before into those of each version."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An instant with a zone; read back in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Microseconds since 1970."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The instant."""
        return None if value is None else _EPOCH + value * _MICROSECOND


METADATA: Final = MetaData()

schema = Table("lumen_alert_schema", METADATA, Column("version", Integer, primary_key=True))

incident = Table(
    "lumen_alert_incident",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("uid", String, nullable=False, unique=True),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source", String, nullable=False),
    Column("error_class", String, nullable=False),
    Column("state", String, nullable=False),  # firing or notice
    Column("severity", Integer, nullable=False),  # the rank of the highest
    Column("since", Instant, nullable=False),  # when the earliest of its events happened
    Column("opened_at", Instant, nullable=False),  # when the first of its events was recorded
    Column("events", Integer, nullable=False),  # firing ones and notices
    Column("messages", Integer, nullable=False),
    Column("last_message_at", Instant),
    Column("ended_at", Instant),
    Column("settled", Boolean, nullable=False),  # ended, and everything about it is composed
    Index("lumen_alert_incident_settled", "settled", "kind", "source"),
    Index(
        "lumen_alert_incident_one_at_a_time",
        "key",
        unique=True,
        sqlite_where=text("NOT settled"),
        postgresql_where=text("NOT settled"),
    ),
    sqlite_autoincrement=True,
)

subject = Table(
    "lumen_alert_subject",
    METADATA,
    Column("incident", ForeignKey(incident.c.id), primary_key=True),
    Column("subject", String, primary_key=True),
    Column("is_open", Boolean, nullable=False),
    Column("fired_at", Instant, nullable=False),  # the last time
    Column("severity", Integer, nullable=False),
    Column("title", String, nullable=False),
    Column("closed_by", String),  # the id of the event
)

event = Table(
    "lumen_alert_event",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("incident", ForeignKey(incident.c.id)),  # none of a resolved one: it may close subjects of several
    Column("kind", String, nullable=False),
    Column("source", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("payload", Text, nullable=False),
    Column("message", Integer),  # the number of the message that told it
    Index("lumen_alert_event_of_incident", "incident", "message"),
    Index("lumen_alert_event_resolved", "kind", "source", "state", "subject", "at"),
    sqlite_autoincrement=True,
)

message = Table(
    "lumen_alert_message",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("incident", ForeignKey(incident.c.id)),  # none of a digest
    Column("key", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("composed_at", Instant, nullable=False),
    Column("is_digest", Boolean, nullable=False),
    Column("payload", Text, nullable=False),
    Index("lumen_alert_message_of_incident", "incident"),
    Index("lumen_alert_message_composed", "composed_at"),
    sqlite_autoincrement=True,
)

PENDING: Final = "pending"
CARRIED: Final = "carried"
"""Told by a digest that is not delivered yet."""
DELIVERED: Final = "delivered"

delivery = Table(
    "lumen_alert_delivery",
    METADATA,
    Column("message", ForeignKey(message.c.seq), primary_key=True),
    Column("channel", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),  # those that failed
    Column("refusals", Integer, nullable=False, server_default="0"),  # refused for good by a channel that took others
    Column("next_at", Instant),
    Column("leased_until", Instant),
    Column("leased_by", String),
    Column("done_at", Instant),
    Column("carried_by", ForeignKey(message.c.seq)),
    Column("answer", String),
    Column("error", String),
    Index("lumen_alert_delivery_status", "channel", "status"),
    Index("lumen_alert_delivery_done", "channel", "done_at"),
    Index("lumen_alert_delivery_carried", "carried_by"),
)

channel = Table(
    "lumen_alert_channel",
    METADATA,
    Column("name", String, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("next_try", Instant),
    Column("error", String),
    Column("error_at", Instant),
    Column("answer", String),
    Column("answer_at", Instant),
    Column("digests", Integer, nullable=False),
    Column("last_digest_at", Instant),
)

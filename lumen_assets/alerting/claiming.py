"""Who may send what now: leases, the cap with its digests, and what an answer or an error means for the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, insert, select, update

from lumen_assets.alerting import schema
from lumen_assets.alerting.backoff import PERMANENT, Draw, is_permanent, wait_after
from lumen_assets.alerting.composing import insert_delivery, insert_message
from lumen_assets.alerting.digest import digest_of
from lumen_assets.alerting.events import Severity, State
from lumen_assets.alerting.line import Waiting, digest_members, sendable
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.quiet import is_quiet
from lumen_assets.settings import Alerts

LEASE: Final = timedelta(minutes=5)
"""How long a sender may take, many times what channels allow a request; a crashed one holds its message so long."""

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Counter:
    """The place where messages are handed out to the senders of one channel, within one transaction."""

    connection: Connection
    channel: str
    alerts: Alerts
    owner: str
    """Tells the lease of this sender from that of another."""
    holds_back: bool = True
    """Whether the cap and the quiet hours are for it."""

    def claim(self, now: datetime) -> Message | None:
        """See ``Outbox.claim``."""
        state = self._state()
        if state.next_try is not None and state.next_try > now:
            return None
        line = self._line()
        if state.failures and any(waiting.leased(now) for waiting in line):
            return None  # one probe at a time
        quiet = self.alerts.quiet if self.holds_back else None
        quiet_below = Severity(quiet.below).rank if quiet is not None and is_quiet(quiet, now) else None
        ready = sendable(line, now, quiet_below)
        under_cap = not self.holds_back or self._spent(line, now) < self.alerts.cap_per_hour
        now_possible = [waiting for waiting in ready if under_cap or waiting.is_digest]
        if now_possible:
            return self._leased(now_possible[0].seq, now)
        members = digest_members(line, ready, now)
        if not members or not self._may_digest(state, line, members, now):
            return None
        return self._leased(self._make_digest(state, members, now), now)

    def delivered(self, message_id: str, answer: str, now: datetime) -> None:
        """See ``Outbox.delivered``."""
        d, seq = schema.delivery.c, self._seq(message_id)
        done = {"status": schema.DELIVERED, "done_at": now, "leased_until": None, "leased_by": None, "error": None}
        undelivered = and_(d.channel == self.channel, d.status != schema.DELIVERED)
        self.connection.execute(
            update(schema.delivery).where(undelivered, d.message == seq).values(**done, answer=answer)
        )
        self.connection.execute(update(schema.delivery).where(undelivered, d.carried_by == seq).values(**done))
        self._update_state(failures=0, next_try=None, answer=answer, answer_at=now)

    def failed(self, message_id: str, error: BaseException, text: str, now: datetime, draw: Draw) -> None:
        """See ``Outbox.failed``; ``text`` is what is kept of the error."""
        d, seq = schema.delivery.c, self._seq(message_id)
        this = and_(d.message == seq, d.channel == self.channel, d.status == schema.PENDING, d.leased_by == self.owner)
        attempts = self.connection.scalar(select(d.attempts).where(this))
        failures = self._state().failures + 1
        if attempts is not None:  # else the lease ran out, and the message is another sender's business
            permanent = is_permanent(error)
            wait = PERMANENT if permanent else wait_after(attempts + 1, error, draw)
            tried = {"attempts": attempts + 1, "refusals": d.refusals + int(permanent and failures == 1)}
            self.connection.execute(
                update(schema.delivery)
                .where(this)
                .values(**tried, next_at=now + wait, leased_until=None, leased_by=None, error=text)
            )
        self._update_state(
            failures=failures, next_try=now + wait_after(failures, error, draw), error=text, error_at=now
        )

    def _line(self) -> list[Waiting]:
        d, m = schema.delivery.c, schema.message.c
        rows = self.connection.execute(
            select(m.seq, m.key, m.severity, m.state, m.is_digest)
            .add_columns(d.carried_by, d.attempts, d.refusals, d.next_at, d.leased_until)
            .join_from(schema.delivery, schema.message, d.message == m.seq)
            .where(d.channel == self.channel, d.status != schema.DELIVERED)
            .order_by(m.seq)
        )
        return [Waiting(**{**row._mapping, "state": State(row.state)}) for row in rows]

    def _spent(self, line: Sequence[Waiting], now: datetime) -> int:
        """Messages of the last hour that count for the cap, those on their way included."""
        d, m = schema.delivery.c, schema.message.c
        sent = self.connection.scalar(
            select(func.count())
            .select_from(schema.delivery)
            .join(schema.message, d.message == m.seq)
            .where(d.channel == self.channel, d.done_at > now - _HOUR, d.carried_by.is_(None), ~m.is_digest)
        )
        return (sent or 0) + sum(waiting.leased(now) and not waiting.is_digest for waiting in line)

    def _may_digest(self, state: Row[Any], line: Sequence[Waiting], members: Sequence[Waiting], now: datetime) -> bool:
        if any(waiting.is_digest for waiting in line):
            return False
        critical = any(w.severity == Severity.CRITICAL.rank and w.state is not State.RESOLVED for w in members)
        interval = timedelta(minutes=self.alerts.group_interval_minutes)
        return critical or state.last_digest_at is None or now >= state.last_digest_at + interval

    def _make_digest(self, state: Row[Any], members: Sequence[Waiting], now: datetime) -> int:
        m, d = schema.message.c, schema.delivery.c
        rows = [waiting.seq for waiting in members]
        found = self.connection.execute(select(m.seq, m.payload).where(m.seq.in_(rows))).all()
        payloads = {row.seq: row.payload for row in found}
        messages = [Message.from_payload(json.loads(payloads[row])) for row in rows]
        number = state.digests + 1
        seq = insert_message(
            self.connection, digest_of(messages, self.channel, number, now), incident=None, is_digest=True
        )
        insert_delivery(self.connection, seq, self.channel)
        self.connection.execute(
            update(schema.delivery)
            .where(d.channel == self.channel, d.message.in_(rows))
            .values(status=schema.CARRIED, carried_by=seq)
        )
        self._update_state(digests=number, last_digest_at=now)
        return seq

    def _leased(self, seq: int, now: datetime) -> Message:
        d, m = schema.delivery.c, schema.message.c
        self.connection.execute(
            update(schema.delivery)
            .where(d.message == seq, d.channel == self.channel)
            .values(leased_until=now + LEASE, leased_by=self.owner)
        )
        payload = self.connection.scalars(select(m.payload).where(m.seq == seq)).one()
        return Message.from_payload(json.loads(payload))

    def _seq(self, message_id: str) -> int:
        m = schema.message.c
        seq: int = self.connection.scalars(select(m.seq).where(m.id == message_id)).one()
        return seq

    def _state(self) -> Row[Any]:
        this = select(schema.channel).where(schema.channel.c.name == self.channel)
        row = self.connection.execute(this).one_or_none()
        if row is None:
            self.connection.execute(insert(schema.channel).values(name=self.channel, failures=0, digests=0))
            row = self.connection.execute(this).one()
        return row

    def _update_state(self, **values: Any) -> None:
        self._state()
        self.connection.execute(update(schema.channel).where(schema.channel.c.name == self.channel).values(**values))

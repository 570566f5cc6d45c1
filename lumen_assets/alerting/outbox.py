"""The durable outbox: events in, messages out, nothing lost between."""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import URL, Connection

from lumen_assets.alerting.backoff import Draw
from lumen_assets.alerting.claiming import Counter
from lumen_assets.alerting.clean import Cleaner
from lumen_assets.alerting.composing import compose_messages
from lumen_assets.alerting.database import Database
from lumen_assets.alerting.events import Event, Kind
from lumen_assets.alerting.forgetting import forget_some
from lumen_assets.alerting.incidents import reconcile_kind, record_event
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.reading import (
    ChannelError,
    Depth,
    OpenIncident,
    Recent,
    Sent,
    read_depth,
    read_error,
    read_open_incidents,
    read_recent,
    read_sent,
)
from lumen_assets.errors import LumenError
from lumen_assets.settings import Alerts


class Outbox:
    """Events, the incidents that they make, and the messages about them with their deliveries.

    Several processes and threads may use the same database at once. Every method is one transaction: after a crash at
    any point, all of it happened or nothing. All instants have a zone. Every method raises ``TransientError`` where
    the database is busy or away and ``PermanentError`` where it cannot be used.

    A channel gets the messages that are composed while it is among ``channels``. What waits for one that is not any
    more is neither sent nor counted, and goes on if it comes back.

    Args:
        url: ``sqlite:///…``, made with its folder on first use, or ``postgresql://…``.
        alerts: timing, quiet hours and cap.
        channels: the names of the channels that there are.
        cleaner: applied to every text of an event before it is stored, and to answers and errors.
        at_once: channels that get every message by itself, at any hour: neither cap nor quiet hours are for them.
        draw: a number between two others, for the jitter.
    """

    def __init__(
        self,
        url: URL | str,
        *,
        alerts: Alerts,
        channels: Sequence[str],
        cleaner: Cleaner,
        at_once: Collection[str] = (),
        draw: Draw = random.uniform,
    ) -> None:
        self._database = Database(url, cleaner)
        self._alerts = alerts
        self._channels = tuple(dict.fromkeys(channels))
        self._clean = cleaner
        self._at_once = frozenset(at_once)
        self._draw = draw
        self._owner = str(uuid.uuid4())

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that there are."""
        return self._channels

    def record(self, events: Iterable[Event], now: datetime) -> int:
        """Keep events and what they open and close; returns how many were new.

        A firing event opens its subject or continues it. A resolved one closes its subject (all, where it has none) in
        the open incidents of its kind and source, unless the subject fired after it. Events may come in any order and
        more than once. A notice makes an incident of its own that is complete at once.
        """
        cleaned = [self._clean.event(event) for event in events]
        if not cleaned:
            return 0
        with self._database.writing() as connection:
            return sum(record_event(connection, event, now) for event in cleaned)

    def reconcile(self, kind: Kind, firing: Iterable[Event], now: datetime) -> int:
        """Make the open subjects of ``kind`` those of ``firing``; returns how many were opened, worsened or closed.

        For what is looked at anew each time. The same state again changes nothing.

        Raises:
            ValueError: if an event is of another kind or does not fire.
        """
        cleaned = [self._clean.event(event) for event in firing]
        with self._database.writing() as connection:
            return reconcile_kind(connection, kind, cleaned, now)

    def compose(self, now: datetime, *, at_once: bool = False) -> int:
        """Turn what is due to be said into messages; returns how many. See ``compose_messages`` for the timing."""
        with self._database.writing() as connection:
            return compose_messages(connection, self._alerts, self._channels, now, at_once=at_once)

    def claim(self, channel: str, now: datetime) -> Message | None:
        """The message that is to be sent next, for as long as ``claiming.LEASE``; None where none may be sent now.

        The messages of an incident go one after the other. Quiet hours hold back what is mild and what is resolved.
        Where the channel has had ``cap_per_hour`` messages within an hour, what else waits is put together into one
        digest, not more often than ``group_interval`` unless something critical is among it. After a failure one
        message is tried at a time, when its wait is over; the rest follows when one was delivered.
        """
        if channel not in self._channels:
            return None
        with self._database.writing() as connection:
            return self._counter(connection, channel).claim(now)

    def delivered(self, channel: str, message_id: str, answer: str, now: datetime) -> str:
        """Keep that the channel took the message; a digest takes its members with it. Returns the answer, cleaned."""
        answer = self._clean(answer)
        with self._database.writing() as connection:
            self._counter(connection, channel).delivered(message_id, answer, now)
        return answer

    def failed(self, channel: str, message_id: str, error: BaseException, now: datetime) -> str:
        """Keep that sending failed, and when the message and the channel are tried next; see ``backoff``.

        Returns what is kept of the error: of one that is not ours, only the name of its type.
        """
        text = type(error).__name__
        if isinstance(error, LumenError):
            text = self._clean(f"{error.error_class}: {error.cause}")
        with self._database.writing() as connection:
            self._counter(connection, channel).failed(message_id, error, text, now, self._draw)
        return text

    def depth(self, now: datetime) -> Mapping[str, Depth]:
        """What is not delivered, by channel; a digest counts as the messages that it stands for."""
        with self._database.reading() as connection:
            return read_depth(connection, self._channels, now)

    def open_incidents(self) -> tuple[OpenIncident, ...]:
        """What goes on, oldest first."""
        with self._database.reading() as connection:
            return read_open_incidents(connection)

    def recent(self, limit: int) -> tuple[Recent, ...]:
        """The newest messages, newest first, and how they fare."""
        with self._database.reading() as connection:
            return read_recent(connection, self._channels, limit)

    def sent(self, event_id: str) -> Mapping[str, Sent]:
        """How the message that first told an event fares, by channel; empty where it was not told yet."""
        with self._database.reading() as connection:
            return read_sent(connection, self._channels, event_id)

    def last_error(self, channel: str) -> ChannelError | None:
        """Why the channel does not take messages; None where nothing failed since it last took one."""
        with self._database.reading() as connection:
            return read_error(connection, channel)

    def forget(self, before: datetime) -> int:
        """Remove what is delivered and over since before ``before``; returns how many rows of messages and events.

        What is not delivered stays, however old it is.
        """
        removed = 0
        while True:
            with self._database.writing() as connection:
                batch = forget_some(connection, self._channels, before)
            if not batch:
                return removed
            removed += batch

    def _counter(self, connection: Connection, channel: str) -> Counter:
        return Counter(connection, channel, self._alerts, self._owner, holds_back=channel not in self._at_once)

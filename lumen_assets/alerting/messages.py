"""What is sent: a message about an incident, and the channels that take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from pydantic import TypeAdapter

from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.days import KST


@dataclass(frozen=True)
class Message:
    """One message, the same through every retry and for every channel.

    Attributes:
        id: a UUID; a receiver that remembers ids sees through a message that arrives twice.
        incident: the key of the incident; a notice has one of its own.
        number: counts the messages of an incident, from 1: they are delivered in this order.
        kind, source, error_class: those of the incident; a digest of several has ``source`` "several".
        severity: the highest of its events.
        state: firing (new, or still), resolved, or notice.
        title: one line.
        since: when the incident began, with a zone.
        at: when the message was composed, with a zone.
        count: how many events the incident has had so far.
        subjects: the subjects that are (firing) or were (resolved) concerned, sorted, at most 50.
        subjects_total: how many there are.
        events: those that are new since the last message, newest last, at most 20.
        events_total: how many are new.
        digest: the titles of further messages that this one stands for, where a cap has put them together.
    """

    id: str
    incident: str
    number: int
    kind: Kind
    source: str
    error_class: str
    severity: Severity
    state: State
    title: str
    since: datetime
    at: datetime
    count: int
    subjects: tuple[str, ...]
    subjects_total: int
    events: tuple[Event, ...]
    events_total: int
    digest: tuple[str, ...] = ()

    def payload(self) -> dict[str, Any]:
        """All of it as JSON types; instants in ISO 8601 with an offset."""
        content: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return content

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Message:
        """The message that ``payload`` was made of.

        Raises:
            ValueError: if it is none.
        """
        return _adapter().validate_python(payload)

    def text(self) -> str:
        """All of it as plain text for people, without the title: what it is about, why, what to do, links."""
        lines = [f"{self.severity}, {self.state}: {self.source}"]
        if self.subjects:
            more = self.subjects_total - len(self.subjects)
            lines.append("for " + ", ".join(self.subjects) + (f" and {more} more" if more else ""))
        # Its subjects are those that are open; beginning and count are the whole incident's, with what is over of it.
        whole = f"since {_moment(self.since)}" + (f", {self.count} events so far" if self.count > 1 else "")
        lines.append(whole if self.state is State.NOTICE else f"the incident as a whole: {whole}")
        for event in self.events:
            lines += ["", f"{_moment(event.at)}  {event.title}", *_explanation(event)]
        if self.events_total > len(self.events):
            lines += ["", f"and {self.events_total - len(self.events)} more events"]
        if self.digest:
            lines += ["", "Put together, so as not to flood you:", *(f"- {title}" for title in self.digest)]
        return "\n".join(lines) + "\n"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(KST):%Y-%m-%d %H:%M:%S} KST"


def _explanation(event: Event) -> list[str]:
    retry = {True: "Trying again may help.", False: "Trying again does not help.", None: ""}[event.retry_helps]
    parts = {
        "why": " ".join(part for part in (event.cause, retry) if part),
        "what to do": event.hint,
        "command": event.command,
        "attempt": "" if event.attempt is None else str(event.attempt),
        "run": event.run_url or event.run_id,
        **event.facts,
    }
    return [f"  {name}: {value}" for name, value in parts.items() if value]


@cache
def _adapter() -> TypeAdapter[Message]:
    """Made when it is needed first: that takes 60 ms."""
    return TypeAdapter(Message)


class Channel(Protocol):
    """A way to people: webhook, mail, a chat, Alertmanager."""

    @property
    def name(self) -> str:
        """Its name in the outbox, in commands and in logs: ``webhook``, ``mail``, ``apprise-1``; never a URL."""

    def send(self, message: Message, now: datetime) -> str:
        """Send once, without retries; returns what was answered, short and clean.

        Raises:
            TransientError: if a later try may succeed; with ``retry_after`` where the receiver said so.
            PermanentError: if something has to be changed first. It is tried again all the same, more rarely: nothing
                is dropped.
        """

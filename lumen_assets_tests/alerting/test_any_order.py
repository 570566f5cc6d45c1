"""Whatever happens in whatever order: nothing is lost, nothing comes twice, order and cap are kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from lumen_assets.alerting import schema
from lumen_assets.alerting.claiming import LEASE
from lumen_assets.alerting.database import Database
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.incidents import read_event
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.errors import PermanentError
from lumen_assets_tests.alerting.remembering import require_order
from lumen_assets_tests.alerting.scenes import DOWN, START, Clock, event, outbox_at
from lumen_assets_tests.postgres import Postgres

CAP = 3
CHANNELS = ("hook", "mail")
REFUSED = PermanentError(action="post to", subject="it", cause="401", error_class="credentials")

channels = st.sampled_from(CHANNELS)
subjects = st.sampled_from(["1", "2", "3"])
sources = st.sampled_from(["a", "b"])
severities = st.sampled_from(list(Severity))
ages = st.integers(0, 5).map(lambda minutes: timedelta(minutes=minutes))


@dataclass
class Claimed:
    """A message that a sender holds; it may have sent it before it crashes."""

    channel: str
    message: Message
    until: Any


@dataclass
class Told:
    """What one channel got."""

    messages: list[Message] = field(default_factory=list)
    single_at: list[Any] = field(default_factory=list)
    twice: int = 0


class AnyOrder(RuleBasedStateMachine):
    """Two processes with the same database, and what must hold after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.address = self.new_address()
        self.clock = Clock()
        self.count = 0
        self.recorded: dict[str, Event] = {}
        self.claimed: list[Claimed] = []
        self.crashes = 0
        self.told = {channel: Told() for channel in CHANNELS}
        self.states: dict[Kind, list[Event]] = {}

    def new_address(self) -> str:
        return f"sqlite:///{Path(self.folder.name) / 'outbox.db'}"

    def outbox(self) -> Outbox:
        quiet = {"start": "10:20", "end": "10:50", "below": "critical"} if self.quiet else None
        return outbox_at(self.address, *CHANNELS, cap_per_hour=CAP, quiet=quiet)

    @initialize(quiet=st.booleans())
    def begin(self, quiet: bool) -> None:
        self.quiet = quiet
        self.senders = [self.outbox(), self.outbox()]

    @rule(
        sender=st.integers(0, 1),
        events=st.lists(
            st.tuples(sources, subjects, severities, st.sampled_from(list(State)), ages), min_size=1, max_size=4
        ),
    )
    def record(self, sender: int, events: list[Any]) -> None:
        made = []
        for source, subject, severity, state, age in events:
            self.count += 1
            at = self.clock() - age
            made.append(event(self.count, source=source, subject=subject, severity=severity, state=state, at=at))
        assert self.senders[sender].record(made, self.clock()) == len(made)
        assert self.senders[1 - sender].record(made, self.clock()) == 0
        self.recorded |= {one.id: one for one in made}

    @rule(states=st.dictionaries(subjects, severities))
    def reconcile(self, states: dict[str, Severity]) -> None:
        firing = [
            event(f"day {subject}", kind=Kind.DAY_MISSING, source="days", subject=subject, severity=severity)
            for subject, severity in states.items()
        ]
        self.senders[0].reconcile(Kind.DAY_MISSING, firing, self.clock())
        before = self.senders[0].open_incidents()
        assert self.senders[1].reconcile(Kind.DAY_MISSING, firing, self.clock()) == 0
        assert self.senders[0].open_incidents() == before
        now_open = {s for incident in before if incident.kind is Kind.DAY_MISSING for s in incident.subjects}
        assert now_open == set(states)

    @rule(sender=st.integers(0, 1))
    def compose(self, sender: int) -> None:
        self.senders[sender].compose(self.clock())
        assert self.senders[1 - sender].compose(self.clock()) == 0

    @rule(
        sender=st.integers(0, 1), channel=channels, outcomes=st.lists(st.sampled_from("hdtdp"), min_size=1, max_size=6)
    )
    def send(self, sender: int, channel: str, outcomes: str) -> None:
        outbox = self.senders[sender]
        self.clock.pass_(minutes=1)
        outbox.compose(self.clock())
        for outcome in outcomes:
            message = outbox.claim(channel, self.clock())
            if message is None:
                return
            self.not_held_by_another(channel, message)
            if outcome == "d":
                self.arrived(channel, message)
                outbox.delivered(channel, message.id, "ok", self.clock())
            elif outcome == "h":
                self.claimed.append(Claimed(channel, message, self.clock() + LEASE))
            else:
                outbox.failed(channel, message.id, DOWN if outcome == "t" else REFUSED, self.clock())

    @rule(channel=channels)
    def both_claim(self, channel: str) -> None:
        """And neither says what became of it, until they die or their leases run out."""
        self.clock.pass_(minutes=1)
        for outbox in self.senders:
            outbox.compose(self.clock())
            message = outbox.claim(channel, self.clock())
            if message is not None:
                self.not_held_by_another(channel, message)
                self.claimed.append(Claimed(channel, message, self.clock() + LEASE))

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), arrives=st.booleans(), sender=st.integers(0, 1))
    def crash(self, data: st.DataObject, arrives: bool, sender: int) -> None:
        """Whoever holds a message dies, perhaps after the receiver took it; another process starts."""
        index = data.draw(st.integers(0, len(self.claimed) - 1))
        held = self.claimed[index]
        if arrives and held.until > self.clock():
            self.arrived(held.channel, held.message)
        self.crashes += 1
        self.senders[sender] = self.outbox()

    @rule(minutes=st.sampled_from([0.1, 1, 6, 16, 61, 60 * 25]))
    def time_passes(self, minutes: float) -> None:
        self.clock.pass_(minutes=minutes)

    def not_held_by_another(self, channel: str, message: Message) -> None:
        for held in self.claimed:
            if held.channel == channel and held.message.id == message.id:
                assert held.until <= self.clock(), "claimed while another holds it"
        already = message.id in {told.id for told in self.told[channel].messages}
        crashed = any(held.channel == channel and held.message.id == message.id for held in self.claimed)
        assert crashed or not already, "delivered twice though no lease ran out"

    def arrived(self, channel: str, message: Message) -> None:
        told = self.told[channel]
        if message.id in {one.id for one in told.messages}:
            told.twice += 1
            return
        told.messages.append(message)
        if not message.digest:
            held = any(one.channel == channel and one.message.id == message.id for one in self.claimed)
            if not held:  # one that arrived before a crash counts when it is known to have arrived
                told.single_at.append(self.clock())

    @invariant()
    def never_more_than_the_cap_in_an_hour(self) -> None:
        for told in self.told.values():
            for at in told.single_at:
                within = [other for other in told.single_at if at - timedelta(hours=1) < other <= at]
                assert len(within) <= CAP

    @invariant()
    def ids_are_unique_and_the_order_of_incidents_is_kept(self) -> None:
        for told in self.told.values():
            assert len({message.id for message in told.messages}) == len(told.messages)
            last: dict[str, Message] = {}
            for message in told.messages:
                before = last.get(message.incident)
                assert before is None or before.at <= message.at, (before, message)
                last[message.incident] = message

    def teardown(self) -> None:
        try:
            if self.recorded or self.count:
                self.everything_arrives_in_the_end()
        finally:
            self.folder.cleanup()

    def everything_arrives_in_the_end(self) -> None:
        outbox = self.outbox()
        for _ in range(60):  # each a day after the other: nothing waits longer than that
            self.clock.now = self.clock.now.replace(hour=3, minute=0) + timedelta(days=1)
            outbox.record(
                [
                    event(
                        ("end", source, self.clock()), source=source, subject="", state=State.RESOLVED, at=self.clock()
                    )
                    for source in ("a", "b")
                ],
                self.clock(),
            )
            outbox.reconcile(Kind.DAY_MISSING, [], self.clock())
            outbox.compose(self.clock())
            for channel in CHANNELS:
                while (message := outbox.claim(channel, self.clock())) is not None:
                    self.not_held_by_another(channel, message)
                    self.arrived(channel, message)
                    outbox.delivered(channel, message.id, "ok", self.clock())
            if not any(depth.messages for depth in outbox.depth(self.clock()).values()):
                break
        assert not outbox.open_incidents()
        assert not any(depth.messages for depth in outbox.depth(self.clock()).values())
        self.never_more_than_the_cap_in_an_hour()
        self.ids_are_unique_and_the_order_of_incidents_is_kept()
        for channel in CHANNELS:
            self.all_was_told(channel)

    def all_was_told(self, channel: str) -> None:
        """Every event that was recorded is in the count of what was said, or over before anything was."""
        stored = self.stored()
        assert set(self.recorded) <= set(stored)
        told = {message.id: message for message in self.told[channel].messages}
        digests = [message for message in told.values() if message.digest]
        in_digests = sum(len(message.digest) for message in digests)
        singles = [message for message in told.values() if not message.digest]
        composed = self.composed()
        assert len({m.id for m in composed} - {m.id for m in singles}) <= in_digests
        assert len(singles) + in_digests >= len(composed)
        for uid, (incident, messages) in self.incidents(composed).items():
            events = [one for one, of in stored.values() if of == uid]
            if not messages:
                assert incident.state == State.FIRING, "a notice is always said"
                continue
            assert messages[-1].count == incident.events == len(events), "all of them are counted"
            assert sum(message.events_total for message in messages[:-1]) <= len(events)
            if incident.state == State.FIRING:
                assert [message.number for message in messages] == list(range(1, len(messages) + 1))
                assert messages[-1].state is State.RESOLVED
                require_order(messages)

    def stored(self) -> dict[str, tuple[Event, int | None]]:
        with Database(self.address, str).reading() as connection:
            rows = connection.execute(select(schema.event)).all()
        return {row.id: (read_event(row.payload), row.incident) for row in rows}

    def composed(self) -> list[Message]:
        recent = self.outbox().recent(10_000)
        return [one.message for one in reversed(recent) if not one.message.digest]

    def incidents(self, composed: list[Message]) -> dict[int, tuple[Any, list[Message]]]:
        with Database(self.address, str).reading() as connection:
            rows = connection.execute(select(schema.incident)).all()
        by_id = {message.id: message for message in composed}
        return {
            row.id: (row, [by_id[event_id(row.uid, number)] for number in range(1, row.messages + 1)]) for row in rows
        }


AnyOrder.TestCase.settings = settings(max_examples=20, stateful_step_count=30)
TestAnyOrder = AnyOrder.TestCase


def test_any_order_on_postgres(postgres: Postgres, database: str) -> None:
    class OnPostgres(AnyOrder):
        def new_address(self) -> str:
            return postgres.emptied(database)

    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=6, stateful_step_count=20))


def test_time_starts_outside_the_quiet_hours() -> None:
    assert START.hour == 1, "10:00 in Seoul; the quiet hours of the machine are 10:20 to 10:50"

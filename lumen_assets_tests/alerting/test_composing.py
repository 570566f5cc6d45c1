"""When something is said of an incident, and what."""

from __future__ import annotations

from lumen_assets.alerting.events import Kind, Severity, State
from lumen_assets.alerting.messages import Message
from lumen_assets_tests.alerting.scenes import START, after, event, outbox_at, over, take_all


def test_the_first_message_waits_for_more_of_its_kind(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a", at=after(days=-1))], START)
    assert outbox.compose(after(seconds=29)) == 0
    outbox.record([event("b")], after(seconds=29))
    assert outbox.compose(after(seconds=30)) == 1
    assert outbox.compose(after(seconds=31)) == 0
    [message] = take_all(outbox, after(seconds=30))
    assert (message.number, message.state, message.count, message.subjects) == (1, State.FIRING, 2, ("a", "b"))
    assert [event.subject for event in message.events] == ["a", "b"]
    assert message.title == "b failed (and 1 more)"
    assert (message.since, message.at) == (after(days=-1), after(seconds=30))


def test_what_comes_later_is_said_after_the_interval(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a")], START)
    outbox.compose(after(seconds=30))
    outbox.record([event("b"), event("a again", subject="a")], after(minutes=1))
    assert outbox.compose(after(minutes=15, seconds=29)) == 0
    assert outbox.compose(after(minutes=15, seconds=30)) == 1
    second = take_all(outbox, after(minutes=16))[1]
    assert (second.number, second.count, second.subjects) == (2, 3, ("a", "b"))
    assert [event.title for event in second.events] == ["b failed", "a again failed"]
    assert second.title == "a again failed (and 1 more)"


def test_what_lasts_is_said_again(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a")], START)
    outbox.compose(after(seconds=30))
    assert outbox.compose(after(hours=24, seconds=29)) == 0
    assert outbox.compose(after(hours=24, seconds=30)) == 1
    assert outbox.compose(after(hours=24, seconds=31)) == 0
    again = take_all(outbox, after(days=2))[1]
    assert (again.title, again.state, again.events, again.events_total) == ("Still: a failed", State.FIRING, (), 0)
    assert (again.count, again.subjects) == (1, ("a",))


def test_a_message_says_of_which_days_it_is_and_that_the_rest_is_the_whole_incident(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event(n, at=after(days=n - 2)) for n in range(3)], START)
    outbox.record([over(0), over(1)], after(minutes=1))
    outbox.compose(after(minutes=2))
    [message] = take_all(outbox, after(minutes=2))
    assert message.text().splitlines()[1:3] == [
        "for 2",
        "the incident as a whole: since 2026-11-21 10:00:00 KST, 3 events so far",
    ]


def test_the_end_is_said(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a"), event("b")], START)
    outbox.compose(after(seconds=30))
    outbox.record([over("a")], after(minutes=1))
    assert outbox.compose(after(minutes=20)) == 0  # a part of it is no news
    outbox.record([over("b")], after(minutes=21))
    assert outbox.compose(after(minutes=21)) == 1
    assert outbox.compose(after(days=3)) == 0
    end = take_all(outbox, after(minutes=22))[1]
    assert (end.number, end.state, end.count, end.subjects) == (2, State.RESOLVED, 2, ("a", "b"))
    assert [event.title for event in end.events] == ["a is well again", "b is well again"]
    assert end.title == "Resolved: b failed (and 1 more)"


def test_what_flaps_is_not_said_each_time(address: str) -> None:
    outbox = outbox_at(address)
    for minute in range(60):
        outbox.record([event(minute, subject="a", at=after(minutes=minute))], after(minutes=minute))
        outbox.compose(after(minutes=minute, seconds=30))
        outbox.record([over(minute, subject="a", at=after(minutes=minute, seconds=31))], after(minutes=minute))
        outbox.compose(after(minutes=minute, seconds=59))
    outbox.compose(after(hours=2))
    messages = take_all(outbox, after(hours=2))
    assert len(messages) <= 5
    assert messages[-1].state is State.RESOLVED
    assert {message.incident for message in messages} == {"materialization_failed|replica/cloud|quota"}


def test_what_ended_before_it_was_said_is_not_said(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a"), over("a")], START)
    assert outbox.compose(after(hours=1)) == 0
    outbox.record([event("a2", subject="a", at=after(hours=2))], after(hours=2))
    assert outbox.compose(after(hours=3)) == 1
    [message] = take_all(outbox, after(hours=3))
    assert (message.number, message.count) == (1, 1)


def test_the_same_key_later_is_a_new_incident_with_other_ids(address: str) -> None:
    outbox = outbox_at(address)
    taken: list[Message] = []
    for day in range(3):
        outbox.record([event(day, at=after(days=day))], after(days=day))
        outbox.compose(after(days=day, minutes=1))
        outbox.record([over(day, at=after(days=day, minutes=2))], after(days=day, minutes=2))
        outbox.compose(after(days=day, hours=1))
        taken += take_all(outbox, after(days=day, hours=1))
    assert [(m.number, m.state.value, m.count) for m in taken] == [(1, "firing", 1), (2, "resolved", 1)] * 3
    assert len({message.id for message in taken}) == 6
    assert len({message.incident for message in taken}) == 1


def test_ids_are_the_same_wherever_the_same_happens(address: str, tmp_path: object) -> None:
    ids = []
    for name in (address, f"sqlite:///{tmp_path}/other.db"):
        outbox = outbox_at(name)
        outbox.record([event("a")], START)
        outbox.compose(after(minutes=1))
        ids.append([message.id for message in take_all(outbox, after(minutes=1))])
    assert ids[0] == ids[1] != []


def test_a_notice_is_said_at_once_and_alone(address: str) -> None:
    outbox = outbox_at(address)
    notices = [
        event(n, kind=Kind.NOTICE, state=State.NOTICE, severity=Severity.INFO, subject="", error_class="")
        for n in range(2)
    ]
    outbox.record([*notices, notices[0]], START)
    assert outbox.open_incidents() == ()
    assert outbox.compose(START) == 2
    messages = take_all(outbox, START)
    assert [(m.title, m.state, m.count, m.number) for m in messages] == [
        ("0 failed", State.NOTICE, 1, 1),
        ("1 failed", State.NOTICE, 1, 1),
    ]
    assert messages[0].incident != messages[1].incident
    assert outbox.compose(after(days=9)) == 0


def test_a_big_incident_makes_a_bounded_message(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event(f"{n:03}", at=after(seconds=n), cause="x" * 5000) for n in range(365)], START)
    outbox.compose(after(minutes=1))
    [message] = take_all(outbox, after(minutes=1))
    assert (message.count, message.subjects_total, message.events_total) == (365, 365, 365)
    assert message.subjects == tuple(f"{n:03}" for n in range(50))
    assert [event.subject for event in message.events] == [f"{n:03}" for n in range(345, 365)]
    assert len(str(message.payload())) < 40_000
    assert Message.from_payload(message.payload()) == message


def test_reconciled_states_are_told_when_they_end(address: str) -> None:
    outbox = outbox_at(address)
    missing = event("2026-11-22", kind=Kind.DAY_MISSING)
    outbox.reconcile(Kind.DAY_MISSING, [missing], START)
    outbox.compose(after(minutes=1))
    outbox.reconcile(Kind.DAY_MISSING, [], after(hours=1))
    outbox.compose(after(hours=1))
    firing, end = take_all(outbox, after(hours=1))
    assert (firing.state, end.state) == (State.FIRING, State.RESOLVED)
    assert [event.title for event in end.events] == ["over: 2026-11-22 failed"]


def test_every_channel_gets_every_message_from_when_it_is_there(address: str) -> None:
    one = outbox_at(address, "hook")
    one.record([event("a")], START)
    one.compose(after(minutes=1))
    two = outbox_at(address, "hook", "mail")
    two.record([event("b", source="pdf")], after(minutes=1))
    two.compose(after(minutes=2))
    assert [m.source for m in take_all(two, after(minutes=2), "mail")] == ["pdf"]
    assert [m.source for m in take_all(two, after(minutes=2), "hook")] == ["replica/cloud", "pdf"]

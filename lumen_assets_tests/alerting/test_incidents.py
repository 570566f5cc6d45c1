"""What events open, continue and close, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.outbox import Outbox
from lumen_assets_tests.alerting.scenes import START, after, event, outbox_at, over, take_all


def open_subjects(outbox: Outbox) -> dict[str, tuple[str, ...]]:
    return {incident.key: incident.subjects for incident in outbox.open_incidents()}


def test_events_with_one_cause_are_one_incident(address: str) -> None:
    outbox = outbox_at(address)
    assert outbox.record([event(n) for n in range(365)], START) == 365
    [incident] = outbox.open_incidents()
    assert incident.key == "materialization_failed|replica/cloud|quota"
    assert (incident.count, len(incident.subjects), incident.since) == (365, 365, START)
    assert (incident.kind, incident.severity) == (Kind.MATERIALIZATION_FAILED, Severity.WARNING)


def test_an_event_that_is_known_is_ignored(address: str) -> None:
    outbox = outbox_at(address)
    assert outbox.record([event("a"), event("a")], START) == 1
    assert outbox.record([event("a"), event("b")], after(hours=1)) == 1
    assert outbox.record([], START) == 0
    assert outbox.open_incidents()[0].count == 2


def test_another_cause_source_or_kind_is_another_incident(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record(
        [event(1), event(2, error_class="network"), event(3, source="pdf"), event(4, kind=Kind.RUN_FAILED)], START
    )
    assert len(outbox.open_incidents()) == 4


def test_a_resolved_event_closes_its_subject_whatever_the_cause_was(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a"), event("b"), event("a2", subject="a", error_class="network")], START)
    outbox.record([over("a")], after(minutes=1))
    assert open_subjects(outbox) == {"materialization_failed|replica/cloud|quota": ("b",)}


def test_a_resolved_event_without_subject_closes_all(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a"), event("b"), event("c", source="pdf"), event("d", kind=Kind.RUN_FAILED)], START)
    outbox.record([over("all", subject="")], after(minutes=1))
    assert sorted(open_subjects(outbox).values()) == [("c",), ("d",)]


def test_a_resolved_event_from_before_the_last_firing_closes_nothing(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a", at=after(minutes=5)), over("a", at=after(minutes=4))], START)
    assert open_subjects(outbox) == {"materialization_failed|replica/cloud|quota": ("a",)}
    outbox.record([over("a", at=after(minutes=5))], START)
    assert open_subjects(outbox) == {}


SHUFFLED: list[tuple[list[Event], tuple[str, ...]]] = [
    ([event("a"), over("a")], ()),
    ([event("a"), over("a"), event("a2", subject="a", at=after(minutes=2))], ("a",)),
    ([event("a"), over("all", subject=""), event("b")], ()),
    ([event("a"), over("all", subject=""), event("b", at=after(minutes=2))], ("b",)),
    ([event("a"), over("b"), event("b"), event("c")], ("a", "c")),
]


@pytest.mark.parametrize(("events", "left"), SHUFFLED)
def test_the_order_of_recording_does_not_matter(address: str, events: list[Event], left: tuple[str, ...]) -> None:
    for order in permutations(range(len(events))):
        # the same database for all orders: every one has a source of its own
        source = f"source {order}"
        outbox = outbox_at(address)
        for index in order:
            one = events[index]
            outbox.record([replace(one, id=event_id(one.id, source), source=source)], START)
        found = tuple(subject for i in outbox.open_incidents() if i.source == source for subject in i.subjects)
        assert found == left, order


def test_what_is_severe_makes_the_incident_severe(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("a"), event("b", severity=Severity.CRITICAL), event("c", severity=Severity.INFO)], START)
    assert outbox.open_incidents()[0].severity is Severity.CRITICAL


def test_it_began_with_the_earliest_event_not_with_the_first_recorded(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("b"), event("a", at=after(hours=-3))], START)
    assert outbox.open_incidents()[0].since == after(hours=-3)


def test_what_is_over_of_an_incident_counts_no_more(address: str) -> None:
    """Five days that were missing and are made by now, and the one that still is."""
    outbox = outbox_at(address)
    outbox.record([event(n, at=after(days=n)) for n in range(6)], START)
    outbox.record([event("again", subject="5", at=after(days=6))], START)
    outbox.record([event("pdf", source="pdf", at=after(days=3))], START)
    outbox.record([over(n, at=after(days=n, hours=1)) for n in range(5)], after(days=7))
    pdf, cloud = outbox.open_incidents()
    assert (cloud.subjects, cloud.since, cloud.count) == (("5",), after(days=5), 2)
    assert (pdf.source, pdf.since, pdf.count) == ("pdf", after(days=3), 1)


def test_texts_are_cleaned_before_they_are_stored(address: str) -> None:
    outbox = outbox_at(address, secrets=("hunter22",))
    outbox.record([event("a", cause="no: hunter22\nat https://u:p@h/x?k=v", title="\x1b[1mbad\x00 day")], START)
    outbox.compose(after(minutes=1))
    [message] = take_all(outbox, after(minutes=1))
    assert message.title == "bad day"
    assert message.events[0].cause == "no: [secret] at https://…@h/x"


def state(name: str, **given: object) -> Event:
    return event(name, **({"kind": Kind.DAY_MISSING, "source": "days", "error_class": ""} | given))


def test_reconciling_opens_and_closes_what_changed_and_nothing_else(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event("other")], START)
    assert outbox.reconcile(Kind.DAY_MISSING, [state("a"), state("b")], START) == 2
    assert outbox.reconcile(Kind.DAY_MISSING, [state("a"), state("b")], after(minutes=1)) == 0
    assert outbox.reconcile(Kind.DAY_MISSING, [state("b"), state("c")], after(minutes=2)) == 2
    assert open_subjects(outbox)["day_missing|days|"] == ("b", "c")
    assert [i.count for i in outbox.open_incidents()] == [1, 2]
    assert outbox.reconcile(Kind.DAY_MISSING, [], after(minutes=3)) == 2
    assert list(open_subjects(outbox)) == ["materialization_failed|replica/cloud|quota"]


def test_the_same_state_may_come_again_later_with_the_same_ids(address: str) -> None:
    outbox = outbox_at(address)
    for hour in range(3):
        assert outbox.reconcile(Kind.DAY_MISSING, [state("a")], after(hours=hour)) == 1
        assert open_subjects(outbox) == {"day_missing|days|": ("a",)}
        assert outbox.reconcile(Kind.DAY_MISSING, [], after(hours=hour, minutes=30)) == 1
        assert open_subjects(outbox) == {}


def test_a_state_that_gets_worse_is_news_once(address: str) -> None:
    outbox = outbox_at(address)
    worse = state("a", severity=Severity.CRITICAL)
    assert outbox.reconcile(Kind.DAY_MISSING, [state("a")], START) == 1
    assert outbox.reconcile(Kind.DAY_MISSING, [worse], after(minutes=1)) == 1
    assert outbox.reconcile(Kind.DAY_MISSING, [worse], after(minutes=2)) == 0
    assert outbox.reconcile(Kind.DAY_MISSING, [state("a")], after(minutes=3)) == 0
    assert outbox.open_incidents()[0].severity is Severity.CRITICAL


def test_a_state_that_moves_to_another_cause_closes_the_first(address: str) -> None:
    outbox = outbox_at(address)
    outbox.reconcile(Kind.DAY_MISSING, [state("a", error_class="network")], START)
    outbox.reconcile(Kind.DAY_MISSING, [state("a2", subject="a", error_class="quota")], after(minutes=1))
    assert open_subjects(outbox) == {"day_missing|days|quota": ("a",)}


@pytest.mark.parametrize("wrong", [event("a"), state("a", state=State.RESOLVED), state("a", state=State.NOTICE)])
def test_reconciling_takes_only_firing_events_of_its_kind(address: str, wrong: Event) -> None:
    outbox = outbox_at(address)
    with pytest.raises(ValueError, match="among the firing events of day_missing"):
        outbox.reconcile(Kind.DAY_MISSING, [state("b"), wrong], START)
    assert outbox.open_incidents() == ()

"""State turned into events: the same state always says the same."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.alerting import survey
from lumen_assets.alerting.events import Kind, Severity, State
from lumen_assets.alerting.reading import OpenIncident
from lumen_assets.days import KST, days_between
from lumen_assets.verification import Attested, Drill, Finding, Level, Verdict, Verification, restore_command

NOON = time(12)
UI = "https://lumen.example"
START = date(2026, 1, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=KST)


@given(st.sets(st.dates(START, date(2026, 2, 10))), st.dates(START, date(2026, 2, 20)))
def test_exactly_the_days_that_are_due_and_do_not_exist_are_missing(existing: set[date], due: date) -> None:
    events = survey.days_missing(START, due, existing, NOON)
    assert {event.subject for event in events} == {str(day) for day in set(days_between(START, due)) - existing}
    assert len({event.incident for event in events}) <= 1  # a year of them is one alert
    assert survey.days_missing(START, due + timedelta(days=1), existing, NOON)[: len(events)] == events


def test_a_missing_day_says_how_to_make_it() -> None:
    assert survey.days_missing(START, None, set(), NOON) == []
    (event,) = survey.days_missing(START, date(2026, 1, 2), {START}, NOON)
    assert event.command == "lumen daily --day 2026-01-02"
    assert event.at == at("2026-01-03 12:00")
    assert (event.state, event.severity) == (State.FIRING, Severity.CRITICAL)


def test_days_below_policy() -> None:
    good = {date(2026, 1, 1): 2, date(2026, 1, 2): 1, date(2026, 1, 3): 0, date(2026, 1, 4): 2}
    attested = {day: counted(count) for day, count in good.items()}
    never = {date(2026, 1, 3), date(2026, 1, 4), date(2026, 1, 5)}  # two of them were frozen anew since
    events = survey.days_below_policy(attested, never, at("2026-01-06 10:00"))
    assert [(event.subject, event.error_class) for event in events] == [
        ("2026-01-02", "policy"),
        ("2026-01-03", "unattested"),
        ("2026-01-04", "unattested"),
        ("2026-01-05", "unattested"),
    ]
    assert events[0].command == "lumen repair 2026-01-02"


def counted(good: int, *, revision: int = 1, when: str = "2026-01-02 10:00") -> Attested:
    return Attested(revision, good, 2, at(when))


def open_incident(source: str, kind: Kind = Kind.MATERIALIZATION_FAILED, subject: str = "2026-01-01") -> OpenIncident:
    return OpenIncident(
        key=f"{kind}|{source}|network",
        kind=kind,
        source=source,
        error_class="network",
        severity=Severity.WARNING,
        since=at("2026-01-02 09:00"),
        count=1,
        subjects=(subject,),
        messages=1,
    )


def proved(
    incident: OpenIncident, found: Verification | None, count: Attested | None, *, revision: int = 2
) -> list[str]:
    events = survey.proved_good(
        [incident],
        {START: {"cloud": found}} if found else {},
        {START: count} if count else {},
        {START: revision},
        ["cloud"],
        at("2026-01-05 10:00"),
    )
    assert all((event.kind, event.source) == (incident.kind, incident.source) for event in events)
    assert all(event.state is State.RESOLVED for event in events)
    return [f"{event.subject} {event.at.astimezone(KST):%m-%d}" for event in events]


def test_what_a_repair_made_good_is_over_when_the_proof_was_come_to() -> None:
    replica, verifying = open_incident("replica/cloud"), open_incident("verification/cloud")
    match = verification(Verdict.MATCH, Finding.INTACT)
    for incident in (replica, verifying):
        assert proved(incident, match, None) == ["2026-01-01 01-02"]
        assert proved(incident, None, None) == []
        assert proved(incident, match, None, revision=3) == [], "an older revision proves nothing of the newest"
        assert proved(incident, verification(Verdict.MISMATCH, Finding.DAMAGED), counted(2, revision=2)) == []
    for source, kind in (("attestation", Kind.MATERIALIZATION_FAILED), ("daily", Kind.RUN_FAILED)):
        assert proved(open_incident(source, kind), match, counted(2, revision=2)) == ["2026-01-01 01-02"]
        assert proved(open_incident(source, kind), match, counted(2)) == [], "an older revision was counted"
        assert proved(open_incident(source, kind), match, counted(1, revision=2)) == []
    assert proved(open_incident("report"), match, counted(2, revision=2)) == [], "its next run says"
    assert proved(open_incident("replica/cloud", subject="not a day"), match, None) == []
    assert proved(open_incident("replica/cloud", Kind.REPLICA_NOT_GOOD), match, None) == []


def test_what_failed_at_a_destination_that_is_gone_is_over() -> None:
    assert proved(open_incident("replica/old"), None, None) == [" 01-05"]


def test_a_day_that_was_given_up_and_is_frozen_is_over() -> None:
    given_up = open_incident("catch_up", Kind.GIVEN_UP)
    now = at("2026-01-05 10:00")
    assert [event.subject for event in survey.given_up_and_there([given_up], {START}, now)] == ["2026-01-01"]
    assert survey.given_up_and_there([given_up], set(), now) == []
    assert survey.given_up_and_there([open_incident("replica/cloud")], {START}, now) == []


def verification(verdict: Verdict, finding: Finding, **more: object) -> Verification:
    fields: dict[str, object] = {
        "day": START,
        "revision": 2,
        "destination": "cloud",
        "level": Level.BYTES,
        "verdict": verdict,
        "finding": finding,
        "detail": "why",
        "bytes_read": 1,
        "at": at("2026-01-02 10:00"),
    }
    return Verification(**(fields | more))  # type: ignore[arg-type]


def test_only_what_is_not_good_and_configured_is_told() -> None:
    found = [
        verification(Verdict.MISMATCH, Finding.DAMAGED),
        verification(Verdict.UNVERIFIABLE, Finding.UNREACHABLE, destination="box"),
        verification(Verdict.MATCH, Finding.INTACT, destination="here"),
        verification(Verdict.MISSING, Finding.MISSING, destination="gone"),
    ]
    standing = {(START, 2): {one.destination: one for one in found}}
    bad, silent = survey.replicas_not_good(standing, ["cloud", "box", "here"], UI)
    assert (bad.source, bad.subject, bad.severity) == ("cloud", str(START), Severity.CRITICAL)
    assert bad.command == f"lumen repair {START}"
    assert bad.retry_helps is False
    assert (silent.source, silent.severity, silent.retry_helps) == ("box", Severity.WARNING, True)
    assert survey.replicas_not_good(standing, ["cloud", "box", "here"], UI) == [bad, silent]
    way_back = f"lumen restore {START} --revision 2 --from here --to restored-{START}-r2"
    assert bad.facts["restore the newest good revision"] == way_back
    assert bad.run_url == f"{UI}/assets/verification/cloud?partition={START}"


def test_the_way_back_is_the_newest_revision_of_which_a_good_replica_stands() -> None:
    good = verification(Verdict.MATCH, Finding.INTACT)
    bad = verification(Verdict.MISMATCH, Finding.DAMAGED)
    gone = verification(Verdict.REMOVED, Finding.RETENTION)
    other = START + timedelta(days=1)
    standing = {
        (START, 1): {"a": good},
        (START, 2): {"a": bad, "b c": good},
        (START, 3): {"a": bad},
        (other, 9): {"a": good},
    }
    assert restore_command(START, standing).startswith(f"lumen restore {START} --revision 2 --from 'b c' --to ")
    assert restore_command(START, {(START, 1): {"a": gone}, (START, 2): {"a": bad}}) == ""
    assert restore_command(START, {}) == ""


def drilled(good: bool | None, when: str = "2026-01-05 10:00", **more: object) -> Drill:
    fields: dict[str, object] = {"day": START, "revision": 2, "destination": "cloud", "at": at(when), "good": good}
    return Drill(**(fields | {"seconds": 1.0, "files": 1, "bytes": 1, "detail": "why"} | more))  # type: ignore[arg-type]


def told_of_drills(*done: Drill, standing: Verification | None = None, now: str = "2026-01-08 10:00") -> list[str]:
    of_replica = {(START, 2): {"cloud": standing}} if standing else {}
    events = survey.drills(done, of_replica, at("2026-01-02 10:00"), timedelta(days=9), at(now))
    return [f"{event.error_class} {event.source} {event.subject}".strip() for event in events]


def test_a_drill_that_failed_is_told_until_its_replica_is_proven_good() -> None:
    failed = f"drill cloud {START}"
    assert told_of_drills(drilled(True)) == []
    assert told_of_drills(drilled(False)) == [failed]
    assert told_of_drills(drilled(False), drilled(True, "2026-01-06 10:00")) == []
    assert told_of_drills(drilled(True), drilled(False, "2026-01-06 10:00")) == [failed]
    not_made = f"unreachable cloud {START}"
    assert told_of_drills(drilled(False), drilled(None, "2026-01-06 10:00")) == [failed, not_made]
    assert told_of_drills(drilled(False), drilled(True, "2026-01-06 10:00", destination="box")) == [failed]
    before = verification(Verdict.MATCH, Finding.INTACT)
    after = verification(Verdict.MATCH, Finding.INTACT, at=at("2026-01-07 10:00"))
    assert told_of_drills(drilled(False), standing=before) == [failed]
    assert told_of_drills(drilled(False), standing=after) == []


def test_that_the_last_drill_could_not_be_made_is_told_until_the_next() -> None:
    assert told_of_drills(drilled(None)) == [f"unreachable cloud {START}"]
    assert told_of_drills(drilled(None), drilled(True, "2026-01-06 10:00", destination="box")) == []


def test_that_no_drill_was_made_in_time_is_told() -> None:
    assert told_of_drills(now="2026-01-11 09:59") == []
    assert told_of_drills(now="2026-01-11 10:01") == ["overdue drill"]
    assert told_of_drills(drilled(True), now="2026-01-14 09:59") == []
    assert told_of_drills(drilled(True), now="2026-01-14 10:01") == ["overdue drill"]
    assert told_of_drills(drilled(None), now="2026-01-14 10:01") == ["overdue drill"], "one that was not made is none"
    assert survey.drills([], {}, None, timedelta(days=9), at("2027-01-01 10:00")) == [], "there is nothing to drill"


def test_the_summary_is_said_once_for_a_day() -> None:
    first = survey.all_is_well(START, 3, 3, missing=0, below=0, now=at("2026-01-02 10:00"))
    again = survey.all_is_well(START, 3, 3, missing=1, below=0, now=at("2026-01-02 11:00"))
    assert first.id == again.id
    assert first.state is State.NOTICE
    assert "no day is missing" in first.title
    assert "1 day missing" in again.title


def test_a_bare_token_is_named_by_its_variable() -> None:
    (event,) = survey.short_lived_tokens({"drive": ("GDRIVE_TOKEN", "an hour")}, at("2026-01-02 10:00"))
    assert event.source == "drive"
    assert "GDRIVE_TOKEN" in event.cause

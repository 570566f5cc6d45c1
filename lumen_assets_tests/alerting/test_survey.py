"""State turned into events: the same state always says the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.alerting import survey
from lumen_assets.alerting.events import Severity, State
from lumen_assets.days import KST, days_between
from lumen_assets.verification import Finding, Level, Verdict, Verification

NOON = time(12)
START = date(2026, 1, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=KST)


def test_yesterday_is_due_from_the_deadline_on_in_kst_wherever_the_machine_is() -> None:
    assert survey.newest_due(at("2026-03-10 11:59"), NOON) == date(2026, 3, 8)
    assert survey.newest_due(at("2026-03-10 12:00"), NOON) == date(2026, 3, 9)
    assert survey.newest_due(at("2026-03-10 12:00").astimezone(UTC), NOON) == date(2026, 3, 9)
    assert survey.newest_due(datetime(2026, 12, 31, 15, 0, tzinfo=UTC), NOON) == date(2026, 12, 30)  # new year in KST


@given(st.sets(st.dates(START, date(2026, 2, 10))), st.integers(0, 50 * 24))
def test_exactly_the_days_that_are_due_and_do_not_exist_are_missing(existing: set[date], hours: int) -> None:
    moment = at("2026-01-03 00:00") + timedelta(hours=hours)
    expected = set(days_between(START, survey.newest_due(moment, NOON))) - existing
    events = survey.days_missing(START, existing, moment, NOON)
    assert {event.subject for event in events} == {str(day) for day in expected}
    assert len({event.incident for event in events}) <= 1  # a year of them is one alert
    assert all(event.at <= moment for event in events)
    assert events == survey.days_missing(START, existing, moment + timedelta(seconds=1), NOON)[: len(events)]


def test_a_missing_day_says_how_to_make_it() -> None:
    (event,) = survey.days_missing(START, {START}, at("2026-01-03 13:00"), NOON)
    assert event.command == "lumen daily --day 2026-01-02"
    assert (event.state, event.severity) == (State.FIRING, Severity.CRITICAL)


def test_days_below_policy() -> None:
    attested = {date(2026, 1, 1): (2, 2), date(2026, 1, 2): (1, 2), date(2026, 1, 3): (0, 2)}
    events = survey.days_below_policy(attested, at("2026-01-05 10:00"))
    assert [event.subject for event in events] == ["2026-01-02", "2026-01-03"]
    assert events[0].command == "lumen repair 2026-01-02"


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
    standing = [
        verification(Verdict.MISMATCH, Finding.DAMAGED),
        verification(Verdict.UNVERIFIABLE, Finding.UNREACHABLE, destination="box"),
        verification(Verdict.MATCH, Finding.INTACT, destination="here"),
        verification(Verdict.MISSING, Finding.MISSING, destination="gone"),
    ]
    bad, silent = survey.replicas_not_good(standing, ["cloud", "box", "here"])
    assert (bad.source, bad.subject, bad.severity) == ("cloud", str(START), Severity.CRITICAL)
    assert bad.command == f"lumen repair {START}"
    assert bad.retry_helps is False
    assert (silent.source, silent.severity, silent.retry_helps) == ("box", Severity.WARNING, True)
    assert survey.replicas_not_good(standing, ["cloud", "box", "here"]) == [bad, silent]


def test_the_summary_is_said_once_for_a_day() -> None:
    first = survey.all_is_well(START, 3, 3, missing=0, below=0, now=at("2026-01-02 10:00"))
    again = survey.all_is_well(START, 3, 3, missing=1, below=0, now=at("2026-01-02 11:00"))
    assert first.id == again.id
    assert first.state is State.NOTICE
    assert "no day is missing" in first.title
    assert "1 days missing" in again.title


def test_a_bare_token_is_named_by_its_variable() -> None:
    (event,) = survey.short_lived_tokens({"drive": ("GDRIVE_TOKEN", "an hour")}, at("2026-01-02 10:00"))
    assert event.source == "drive"
    assert "GDRIVE_TOKEN" in event.cause

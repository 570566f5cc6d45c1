"""The plan over random histories: it never goes below what it promises, and explains every removal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.retention.policy import Place, Plan, Replica, Revision, kept_by_rule, plan
from lumen_assets.settings import Hold, Retention
from lumen_assets.verification import Verdict

TODAY = date(2026, 11, 23)
START = date(2025, 1, 1)
NAMES = ("cloud", "box", "here")
History = dict[Revision, dict[str, Replica]]
GOOD = Replica(Verdict.MATCH, 100)


def keeping(days: int = 60, weekly: int = 8, monthly: int = 12) -> Retention:
    return Retention(keep_days=days, keep_weekly=weekly, keep_monthly=monthly)


def planned(history: History, places: dict[str, Place] | None = None, **settings: Any) -> Plan:
    everywhere = {name: Place(keeping()) for name in NAMES} if places is None else places
    return plan(history, everywhere, **{"required": 2, "today": TODAY, "start_date": START, **settings})


def daily(count: int, *, until: date = TODAY - timedelta(days=1)) -> History:
    return {(until - timedelta(days=back), 1): dict.fromkeys(NAMES, GOOD) for back in range(count)}


def after(history: History, done: Plan) -> History:
    """What there is when the plan was carried out."""
    left = {revision: dict(held) for revision, held in history.items()}
    for item in done.removals:
        left[item.day, item.revision][item.destination] = Replica(Verdict.REMOVED, None)
    return left


def gone(found: Plan) -> set[tuple[str, date, int]]:
    return {(item.destination, item.day, item.revision) for item in found.removals}


verdicts = st.sampled_from([*[Verdict.MATCH] * 6, None, *Verdict])
replicas = st.builds(Replica, verdicts, st.one_of(st.just(100), st.just(100), st.just(100), st.none()))
days = st.integers(1, 700).map(lambda back: TODAY - timedelta(days=back))
revisions = st.tuples(days, st.sampled_from([1, 1, 1, 2]))
held = st.fixed_dictionaries(dict.fromkeys(NAMES, replicas))
newest = st.tuples(st.integers(1, 7), st.lists(held, min_size=7, max_size=7)).map(
    lambda parts: {(TODAY - timedelta(days=parts[0] + back), 1): of_day for back, of_day in enumerate(parts[1])}
)
histories = st.tuples(st.dictionaries(revisions, held, max_size=40), newest).map(lambda parts: parts[0] | parts[1])
rules = st.builds(keeping, st.integers(1, 90), st.integers(0, 12), st.integers(0, 14))
places = st.fixed_dictionaries(
    {
        name: st.builds(Place, rules, st.sampled_from([0, 0, 0, 200]), st.sampled_from(["", "", "", "it is down"]))
        for name in NAMES
    }
)
required = st.integers(1, 3)


@given(histories, places, required)
def test_never_below_policy_and_never_the_last_good_copy(history: History, at: dict[str, Place], needed: int) -> None:
    found = planned(history, at, required=needed)
    left = after(history, found)
    for item in found.removals:
        before, now = history[item.day, item.revision], left[item.day, item.revision]
        good = sum(replica.good for name, replica in before.items() if not at[name].silent)
        removed = sum(replica == Replica(Verdict.REMOVED, None) for replica in before.values())
        assert good + removed >= needed
        assert any(replica.good for replica in now.values())
        assert item.stays
        assert all(now[name].good for name in item.stays)


@given(histories, places, required)
def test_only_what_is_proven_good_is_removed_where_the_destination_answered(
    history: History, at: dict[str, Place], needed: int
) -> None:
    for item in planned(history, at, required=needed).removals:
        place = at[item.destination]
        assert history[item.day, item.revision][item.destination].good
        assert not place.silent
        assert item.day < TODAY - timedelta(days=place.keep.keep_days)
        assert not place.locked_days or item.day + timedelta(days=place.locked_days) < TODAY


@given(histories, places, required)
def test_every_replica_that_is_there_has_a_decision_and_every_decision_reasons(
    history: History, at: dict[str, Place], needed: int
) -> None:
    found = planned(history, at, required=needed)
    there = {(name, *revision) for revision, held in history.items() for name in held if held[name].size is not None}
    assert sorted(there) == sorted((item.destination, item.day, item.revision) for item in found.decisions)
    assert all(item.reasons and all(item.reasons) for item in found.decisions)
    for item in found.removals:
        assert "older than the newest" in item.reasons[0]


@given(histories, places, required)
def test_planning_again_after_applying_removes_nothing_more(
    history: History, at: dict[str, Place], needed: int
) -> None:
    found = planned(history, at, required=needed)
    again = planned(after(history, found), at, required=needed)
    assert again.removals == []
    assert gone(found).isdisjoint((item.destination, item.day, item.revision) for item in again.decisions)


@given(histories, places, required, st.data())
def test_carried_out_in_part_the_rest_stays_as_planned(
    history: History, at: dict[str, Place], needed: int, data: st.DataObject
) -> None:
    """A crash in the middle: what was planned is still what is planned."""
    found = planned(history, at, required=needed)
    part = [item for item in found.removals if data.draw(st.booleans())]
    kept = [item for item in found.decisions if item.kept]
    again = planned(after(history, replace(found, decisions=(*part, *kept))), at, required=needed)
    assert gone(again) == gone(found) - {(item.destination, item.day, item.revision) for item in part}


@given(histories, st.integers(1, 90), st.integers(0, 12), st.integers(0, 14), st.integers(0, 30))
def test_what_the_rules_keep_only_grows_with_them(
    history: History, keep_days: int, weekly: int, monthly: int, more: int
) -> None:
    existing = {day for day, _ in history}
    smaller = kept_by_rule(existing, keeping(keep_days, weekly, monthly), TODAY).keys()
    for larger in (
        keeping(keep_days + more, weekly, monthly),
        keeping(keep_days, weekly + more, monthly),
        keeping(keep_days, weekly, monthly + more),
    ):
        assert smaller <= kept_by_rule(existing, larger, TODAY).keys()


@given(histories, rules, st.integers(0, 30))
def test_of_one_destination_beside_one_that_keeps_all_nothing_more_goes_with_larger_rules(
    history: History, keep: Retention, more: int
) -> None:
    forever = {"cloud": Place(keeping(10_000)), "box": Place(keep)}
    larger = keeping(keep.keep_days + more, keep.keep_weekly + more, keep.keep_monthly + more)
    smaller = gone(planned(history, forever, required=1))
    assert gone(planned(history, {**forever, "box": Place(larger)}, required=1)) <= smaller


@given(histories, places, st.integers(8, 4000))
def test_a_clock_ahead_removes_nothing(history: History, at: dict[str, Place], ahead: int) -> None:
    newest = max(day for day, _ in history)
    found = planned(history, at, today=newest + timedelta(days=ahead))
    assert "the clock says" in found.stopped
    assert found.removals == []


@given(histories, places, st.integers(0, 4000))
def test_a_clock_behind_removes_nothing(history: History, at: dict[str, Place], behind: int) -> None:
    newest = max(day for day, _ in history)
    found = planned(history, at, today=newest - timedelta(days=behind))
    assert "the clock says" in found.stopped
    assert found.removals == []


@given(histories, places, st.integers(8, 400))
def test_a_clock_ahead_removes_nothing_though_days_without_rows_were_made_by_it(
    history: History, at: dict[str, Place], ahead: int
) -> None:
    newest = max(day for day, _ in history)
    made = [newest + timedelta(days=number) for number in range(1, ahead)]
    full = history | {(day, 1): dict.fromkeys(NAMES, GOOD) for day in made}
    today = newest + timedelta(days=ahead)
    assert planned(full, at, today=today).stopped == "", "days with rows would prove it right"
    for without_rows in (made, [day for day, _ in full]):
        found = planned(full, at, today=today, without_rows=without_rows)
        assert "the clock says" in found.stopped
        assert found.removals == []


@given(histories, places, st.integers(15, 4000), st.integers(1, 6), st.booleans())
def test_a_clock_ahead_removes_nothing_though_rows_are_dated_by_it(
    history: History, at: dict[str, Place], ahead: int, written: int, empty_too: bool
) -> None:
    """What writes the telemetry runs on the same machine; the days between are made, too, or are not."""
    newest = max(day for day, _ in history)
    made = [newest + timedelta(days=number) for number in range(1, ahead)]
    dated = made[-written:]
    there = made if empty_too else dated
    full = history | {(day, 1): dict.fromkeys(NAMES, GOOD) for day in there}
    without_rows = set(there) - set(dated)
    found = planned(full, at, today=newest + timedelta(days=ahead), without_rows=without_rows)
    assert "the clock says" in found.stopped
    assert f"no day between {newest} and {dated[0]} has telemetry" in found.stopped
    assert found.removals == []


@pytest.mark.parametrize("pause", [8, 40, 365])
def test_after_a_pause_that_was_real_a_week_of_days_or_the_setting_lets_it_go_on(pause: int) -> None:
    def since_the_pause(count: int) -> History:
        return daily(count) | daily(300, until=TODAY - timedelta(days=count + pause))

    for count in range(1, 7):
        found = planned(since_the_pause(count))
        assert found.removals == []
        (asked,) = re.findall(r"set retention.newest_within_days to (\d+) for once", found.stopped)
        assert planned(since_the_pause(count), newest_within_days=int(asked) - 1).removals == []
        assert len(planned(since_the_pause(count), newest_within_days=int(asked)).removals) > 0
    assert planned(since_the_pause(7)).stopped == ""
    assert len(planned(since_the_pause(7)).removals) > 0


def test_a_pause_as_long_as_newest_within_days_is_an_ordinary_one() -> None:
    weekly = {(TODAY - timedelta(days=1 + 7 * number), 1): dict.fromkeys(NAMES, GOOD) for number in range(60)}
    assert planned(weekly).stopped == ""
    assert "the clock says" in planned(weekly, newest_within_days=6).stopped


def test_days_of_the_future_without_rows_hinder_nothing_and_stay() -> None:
    history = daily(400)
    made = {(TODAY + timedelta(days=number), 1): dict.fromkeys(NAMES, GOOD) for number in range(365)}
    assert planned(history | made).removals == []
    found = planned(history | made, without_rows=[day for day, _ in made])
    assert gone(found) == gone(planned(history))


def test_a_clock_a_year_ahead_removes_nothing_of_a_real_history() -> None:
    history = daily(400)
    assert len(planned(history).removals) > 0
    assert planned(history, today=TODAY + timedelta(days=365)).removals == []


@given(histories, places, st.lists(st.tuples(days, st.integers(0, 100)), max_size=4))
def test_holds_are_honoured(history: History, at: dict[str, Place], spans: list[tuple[date, int]]) -> None:
    holds = [Hold(first, first + timedelta(days=length)) for first, length in spans]
    found = planned(history, at, holds=holds)
    assert not any(item.day in hold for item in found.removals for hold in holds)
    free = planned(history, at)
    assert gone(found) <= gone(free)


@pytest.mark.parametrize("verdict", [None, Verdict.MISMATCH, Verdict.UNVERIFIABLE, Verdict.MISSING])
def test_an_unknown_verdict_keeps(verdict: Verdict | None) -> None:
    history = daily(400)
    old = (TODAY - timedelta(days=300), 1)
    assert any((item.day, item.revision) == old for item in planned(history).removals)
    history[old] = {"cloud": GOOD, "box": Replica(verdict, 100), "here": Replica(verdict, 100)}
    assert not any((item.day, item.revision) == old for item in planned(history).removals)
    (box,) = [item for item in planned(history).kept if (item.day, item.destination) == (old[0], "box")]
    assert box.reasons == (
        "below policy: 1 proven good, 2 required",
        f"it is not proven good ({verdict or 'no verdict that counts'})",
    )


def test_a_year_of_days() -> None:
    """What the rules mean, counted by hand for Monday 23 November 2026."""
    at = {"cloud": Place(keeping(10_000)), "here": Place(keeping(days=10, weekly=3, monthly=4))}
    found = planned(daily(365), at, required=2)
    kept = {item.day for item in found.kept if item.destination == "here"}
    newest_days = {date(2026, 11, day) for day in range(13, 23)}
    sundays = {date(2026, 11, 22), date(2026, 11, 15), date(2026, 11, 8)}
    ends_of_months = {date(2026, 11, 22), date(2026, 10, 31), date(2026, 9, 30), date(2026, 8, 31)}
    assert kept == newest_days | sundays | ends_of_months
    assert {item.destination for item in found.removals} == {"here"}


def test_weeks_and_months_without_a_day_do_not_count() -> None:
    existing = [date(2026, 11, 22), date(2026, 7, 1), date(2026, 7, 9), date(2025, 12, 31), date(2026, 1, 1)]
    kept = kept_by_rule(existing, keeping(days=1, weekly=0, monthly=3), TODAY)
    assert sorted(kept) == [date(2026, 1, 1), date(2026, 7, 9), date(2026, 11, 22)]
    kept = kept_by_rule(existing, keeping(days=1, weekly=4, monthly=0), TODAY)
    assert sorted(kept) == [date(2026, 1, 1), date(2026, 7, 1), date(2026, 7, 9), date(2026, 11, 22)]


def test_an_earlier_revision_of_a_kept_day_stays_and_says_so() -> None:
    day = TODAY - timedelta(days=3)
    history: History = {(day, 1): dict.fromkeys(NAMES, GOOD), (day, 2): dict.fromkeys(NAMES, GOOD)}
    reasons = {item.revision: item.reasons[0] for item in planned(history).decisions}
    assert reasons == {
        1: "an earlier revision of a kept day: one of the newest 60 days",
        2: "one of the newest 60 days",
    }


def test_the_last_copy_stays_at_the_first_destination_that_has_a_good_one() -> None:
    history = daily(400)
    old = (TODAY - timedelta(days=300), 1)
    history[old] = {"cloud": Replica(Verdict.MISMATCH, 100), "box": GOOD, "here": GOOD}
    of_day = {item.destination: item.kept for item in planned(history).decisions if (item.day, item.revision) == old}
    assert of_day == {"cloud": True, "box": True, "here": False}
    assert {item.destination for item in planned(daily(400)).removals} == {"box", "here"}


def test_where_nothing_exists_nothing_is_planned() -> None:
    assert planned({}) == Plan(())


def test_a_day_before_the_start_date_stays() -> None:
    history = daily(400)
    found = planned(history, start_date=TODAY - timedelta(days=200))
    assert min(item.day for item in found.removals) >= TODAY - timedelta(days=200)

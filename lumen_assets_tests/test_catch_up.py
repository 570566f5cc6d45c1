"""Which days are run again: pure rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.catch_up import LONGEST_WAIT, Plan, plan, wait_before
from lumen_assets.settings import CatchUp

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
FIRST = date(2026, 2, 1)
FIRST_WAIT = timedelta(minutes=CatchUp().first_wait_minutes)
DAYS = st.integers(0, 30).map(lambda offset: FIRST + timedelta(days=offset))
ENDS = st.lists(st.integers(0, 7 * 24 * 60 - 1).map(lambda minutes: NOW - timedelta(minutes=minutes)), max_size=8)


def planned(wanted: set[date], ends: Mapping[date, list[datetime]] | None = None, **more: object) -> Plan:
    given = {"in_flight": (), "settings": CatchUp(), "attempts": 5, "room": 100} | more
    return plan(
        wanted, given["in_flight"], ends or {}, given["settings"], NOW, attempts=given["attempts"], room=given["room"]
    )  # type: ignore[arg-type]


@given(
    st.sets(DAYS),
    st.sets(DAYS),
    st.dictionaries(DAYS, ENDS),
    st.sampled_from(["oldest", "newest"]),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_every_day_that_is_wanted_is_in_exactly_one_place_or_waits_for_room(
    wanted: set[date], in_flight: set[date], ends: dict[date, list[datetime]], order: str, attempts: int, room: int
) -> None:
    found = planned(
        wanted,
        ends,
        in_flight=in_flight,
        settings=CatchUp.model_validate({"order": order}),
        attempts=attempts,
        room=room,
    )
    requested = list(found.requests)
    placed = [*requested, *found.waiting, *found.given_up]
    assert len(placed) == len(set(placed))
    assert set(placed) <= wanted - in_flight
    assert len(requested) <= room
    assert requested == sorted(requested, reverse=order == "newest")
    left_over = wanted - in_flight - set(placed)
    assert not left_over or len(requested) == room
    for day in found.given_up:
        assert len(ends[day]) >= attempts


def test_an_attempt_waits_longer_each_time() -> None:
    assert [wait_before(attempt, FIRST_WAIT) for attempt in (1, 2, 3, 4)] == [
        timedelta(),
        FIRST_WAIT,
        2 * FIRST_WAIT,
        4 * FIRST_WAIT,
    ]
    assert wait_before(1000, FIRST_WAIT) == LONGEST_WAIT
    recent = {FIRST: [NOW - timedelta(hours=1), NOW - timedelta(minutes=19)]}
    assert planned({FIRST}, recent).waiting == (FIRST,)
    recent = {FIRST: [NOW - timedelta(hours=1), NOW - timedelta(minutes=20)]}
    assert planned({FIRST}, recent).requests == (FIRST,)


def test_without_a_cap_no_day_is_given_up() -> None:
    ends = [NOW - timedelta(hours=7, minutes=number) for number in range(50)]
    assert planned({FIRST}, {FIRST: ends}).given_up == (FIRST,)
    assert planned({FIRST}, {FIRST: ends}, attempts=None).requests == (FIRST,)

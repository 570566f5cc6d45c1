from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.verification.sampling import due_for_reading

NOW = datetime(2026, 3, 9, 0, 5, tzinfo=UTC)


@given(st.integers(1, 200), st.integers(1, 40))
def test_run_daily_no_replica_is_unread_for_longer_than_asked(count: int, full_read_days: int) -> None:
    last_read: dict[int, datetime | None] = dict.fromkeys(range(count))
    for day in range(3 * full_read_days):
        now = NOW + timedelta(days=day)
        last_read[count + day] = now  # the day's new replica, read when it was made
        for replica in due_for_reading(last_read, now, full_read_days):
            last_read[replica] = now
        if day >= full_read_days:
            assert all(read and now - read < timedelta(days=full_read_days) for read in last_read.values())


@given(st.integers(0, 400), st.integers(1, 60))
def test_the_work_is_spread_evenly_once_it_is_known(count: int, full_read_days: int) -> None:
    last_read: dict[int, datetime | None] = {
        replica: NOW - timedelta(days=replica % full_read_days) for replica in range(count)
    }
    due = due_for_reading(last_read, NOW, full_read_days)
    assert len(due) <= -(-count // full_read_days) + 1


def test_after_a_month_off_everything_is_read_at_once() -> None:
    last_read: dict[int, datetime | None] = {replica: NOW - timedelta(days=40) for replica in range(10)}
    assert sorted(due_for_reading(last_read, NOW, 30)) == list(range(10))


def test_never_read_comes_first_then_the_oldest() -> None:
    last_read = {"b": NOW - timedelta(days=2), "a": NOW - timedelta(days=5), "c": None}
    assert due_for_reading(last_read, NOW, 1) == ["c", "a", "b"]

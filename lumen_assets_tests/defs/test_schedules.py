from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.days import KST
from lumen_assets.defs.jobs import daily_job
from lumen_assets.defs.schedules import daily_schedule, spread_offset, start_of_run
from lumen_assets.settings import Schedule


def ticks(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Every run that the schedule asks for between two instants, with the tick's time."""
    job = daily_job()
    definition = daily_schedule(schedule, job)
    assert definition.execution_timezone == "Asia/Seoul"
    requested = []
    for moment in schedule_execution_time_iterator(
        start.timestamp(), definition.cron_schedule, definition.execution_timezone
    ):
        if moment >= end:
            return requested
        answer = definition(dg.build_schedule_context(scheduled_execution_time=moment))
        if isinstance(answer, dg.RunRequest):
            requested.append((moment, answer.partition_key or ""))
    return requested


SHOWN = """
import json, sys
from datetime import datetime, timedelta
from lumen_assets_tests.defs.test_schedules import KST, Schedule, ticks
start = datetime(2026, 12, 31, tzinfo=KST)
print(json.dumps([[moment.isoformat(), day] for moment, day in ticks(Schedule(), start, start + timedelta(days=3))]))
"""


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Seoul", "America/Los_Angeles", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
)
def test_the_tick_is_about_yesterday_in_kst_over_the_new_year_wherever_the_machine_is(zone: str) -> None:
    """In a process of that zone, whose hashes have another seed: the same moments each time."""
    environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": str(len(zone))}
    command = [sys.executable, "-c", SHOWN]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    moments = [(datetime.fromisoformat(moment), day) for moment, day in json.loads(found.stdout)]
    assert [(moment.astimezone(KST).strftime("%Y-%m-%d %H:%M"), day) for moment, day in moments] == [
        ("2026-12-31 09:10", "2026-12-30"),
        ("2027-01-01 09:00", "2026-12-31"),
        ("2027-01-02 09:10", "2027-01-01"),
    ]


def test_without_spread_it_is_on_the_minute() -> None:
    start = datetime(2026, 3, 10, tzinfo=KST)
    (found,) = ticks(Schedule(spread_minutes=0), start, start + timedelta(days=1))
    assert found == (datetime(2026, 3, 10, 9, 5, tzinfo=KST), "2026-03-09")


def test_a_spread_over_the_full_hour_has_exactly_one_run_a_day() -> None:
    start = datetime(2026, 3, 10, tzinfo=KST)
    found = ticks(Schedule(at="10:02", spread_minutes=5), start, start + timedelta(days=5))
    assert [day for _, day in found] == [f"2026-03-{day:02}" for day in range(9, 14)]


@given(st.dates(), st.integers(0, 5))
def test_the_spread_is_bounded_and_stable(day: date, minutes: int) -> None:
    assert abs(spread_offset(day, minutes)) <= minutes
    assert spread_offset(day, minutes) == spread_offset(day, minutes)


def test_the_spread_uses_its_whole_width() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert {spread_offset(day, 5) for day in days} == set(range(-5, 6))


def test_the_start_is_given_in_kst() -> None:
    start = start_of_run(date(2026, 3, 10), Schedule(spread_minutes=0))
    assert start.astimezone(UTC) == datetime(2026, 3, 10, 0, 5, tzinfo=UTC)

"""KST days: the calendar day in Asia/Seoul that every partition stands for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

KST: Final = ZoneInfo("Asia/Seoul")
"""UTC+9; Seoul has had no daylight saving time since 1988, so every day of ours is 24 hours long."""


def parse_day(text: str) -> date:
    """The day of a partition key ``YYYY-MM-DD``.

    Raises:
        ValueError: if ``text`` is anything else.
    """
    day = date.fromisoformat(text)
    if day.isoformat() != text:  # fromisoformat also takes 20251023 and 2025-W43-4
        raise ValueError(f"{text!r} is not a day in the form YYYY-MM-DD")
    return day


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The first instant of ``day`` and the first of the next one, both in KST: a half-open range."""
    start = datetime.combine(day, time(), tzinfo=KST)
    return start, start + timedelta(days=1)


def day_of(moment: datetime) -> date:
    """The KST day that an instant (with a zone) falls on."""
    return moment.astimezone(KST).date()


def yesterday(now: datetime | None = None) -> date:
    """The newest KST day that is over at ``now`` (default: the clock)."""
    return day_of(now or datetime.now(UTC)) - timedelta(days=1)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``, both included, oldest first."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def kst(moment: datetime) -> str:
    """An instant (with a zone) as people read it: ``2026-03-10 09:05 KST``."""
    return f"{moment.astimezone(KST):%Y-%m-%d %H:%M} KST"

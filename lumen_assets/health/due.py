"""Which days should be done by now."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from lumen_assets.days import KST, yesterday
from lumen_assets.settings import Configuration


def due_at(day: date, configuration: Configuration) -> datetime:
    """The moment by which ``day`` should be attested: the first ``alerts.deadline`` after its run has started."""
    schedule = configuration.schedule
    next_day = day + timedelta(days=1)
    start = datetime.combine(next_day, time.fromisoformat(schedule.at), tzinfo=KST)
    deadline = datetime.combine(next_day, time.fromisoformat(configuration.alerts.deadline), tzinfo=KST)
    in_time = deadline > start + timedelta(minutes=schedule.spread_minutes)
    return deadline if in_time else deadline + timedelta(days=1)


def newest_due(configuration: Configuration, now: datetime) -> date | None:
    """The newest day that should be attested at ``now`` (with a zone); None if not even the first is due yet."""
    day = yesterday(now)
    while now < due_at(day, configuration):
        day -= timedelta(days=1)
    return day if day >= configuration.start_date else None

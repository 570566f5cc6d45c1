"""Which days should be done by now, and which are not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final

from lumen_assets.days import KST, yesterday
from lumen_assets.settings import Configuration
from lumen_assets.verification import Attested

ATTESTED_WITHIN: Final = timedelta(minutes=30)
"""How long after a day was frozen its attestation should have followed: a run of its own may have to make it."""


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


def unattested(
    frozen: Mapping[date, tuple[int, datetime]], attested: Mapping[date, Attested], now: datetime
) -> set[date]:
    """Days whose newest revision was frozen a while ago and was never attested.

    Args:
        frozen: the newest revision by day, and when it was frozen or last found good.
        attested: the newest attestation by day.
        now: with a zone.
    """
    return {
        day
        for day, (revision, at) in frozen.items()
        if (day not in attested or (attested[day].revision or 0) < revision) and at < now - ATTESTED_WITHIN
    }

"""The machine's clock: the days are counted by it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from lumen_assets import archive
from lumen_assets.days import yesterday
from lumen_assets.errors import LumenError
from lumen_assets.health.findings import Finding
from lumen_assets.health.http import ask, shown
from lumen_assets.settings import DropboxDestination, GoogleDriveDestination, S3Destination, Settings

TOLERANCE: Final = timedelta(minutes=2)
"""S3 refuses requests of a clock that is 15 minutes off; a day of telemetry should not begin minutes late."""

_MOST_SOURCES: Final = 3
_ASKING_SECONDS: Final = 8.0
_FIX: Final = "set the machine's clock (NTP)"


def time_sources(settings: Settings) -> list[str]:
    """Addresses whose servers say the time with any answer: those of destinations, then ``LUMEN_METRICS_URL``."""
    found = []
    for destination in settings.configuration.destinations.values():
        match destination:
            case S3Destination(endpoint_url=str(url)):
                found.append(url)
            case S3Destination(region=region):
                end = "amazonaws.com.cn" if (region or "").startswith("cn-") else "amazonaws.com"
                found.append(f"https://s3.{region or 'us-east-1'}.{end}/")
            case GoogleDriveDestination():
                found.append("https://www.googleapis.com/")
            case DropboxDestination():
                found.append("https://api.dropboxapi.com/")
            case _:
                pass
    if settings.metrics_url:
        found.append(settings.metrics_url)
    return list(dict.fromkeys(found))[:_MOST_SOURCES]


def clock(settings: Settings, now: datetime) -> Finding:
    """Whether the clock is plausible, and right by the first server at hand that says the time.

    Args:
        now: the clock, with a zone, read just before.
    """
    day = yesterday(now)
    newest = max((entry.day for entry in archive.read_index(settings.archive_folder)), default=None)
    if newest and day < newest:
        said = f"it says that yesterday was {day} in KST, but {newest} is already frozen"
        return Finding("clock", ok=False, detail=said, fix=_FIX)
    end = time.monotonic() + _ASKING_SECONDS
    for url in time_sources(settings):
        if time.monotonic() > end:
            break
        moment = _time_at(url)
        if moment is None:
            continue
        where = shown(url)
        off = now - moment
        if abs(off) > TOLERANCE:
            said = f"it is {abs(off)} {'ahead of' if off > timedelta() else 'behind'} that of {where}"
            return Finding("clock", ok=False, detail=said, fix=f"{_FIX}, or that server's")
        return Finding("clock", ok=True, detail=f"yesterday was {day} in KST; agrees with {where}")
    return Finding("clock", ok=True, detail=f"yesterday was {day} in KST; no server at hand to compare it with")


def _time_at(url: str) -> datetime | None:
    try:
        return ask(url, method="HEAD", within=3.0).date
    except LumenError:
        return None  # that it does not answer is another check's finding

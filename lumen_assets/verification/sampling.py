"""Which older replicas to read in full today, so that each is read at least every so many days."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

_Replica = TypeVar("_Replica")


def due_for_reading(
    last_read: Mapping[_Replica, datetime | None], now: datetime, full_read_days: int
) -> list[_Replica]:
    """The replicas to read now, the longest unread first; those never read come first of all.

    Called once a day, it reads an even share of all replicas a day and, besides, every one whose turn would otherwise
    come too late: so none is ever older than ``full_read_days``, also after new ones came or days were missed.

    Args:
        last_read: when each replica was last read in full and found good; None if never.
        now: with a zone.
        full_read_days: the longest time, in days, between two readings of the same replica.
    """
    beginning = datetime.min.replace(tzinfo=now.tzinfo)
    oldest_first = sorted(last_read, key=lambda replica: last_read[replica] or beginning)
    share = math.ceil(len(oldest_first) / full_read_days)
    must_be_after = now - timedelta(days=full_read_days - 1)
    late = sum((last_read[replica] or beginning) <= must_be_after for replica in oldest_first)
    return oldest_first[: max(share, late)]

"""By what the runs of a backfill, and a worker at work on a day, are known."""

from __future__ import annotations

from datetime import date
from typing import Final

BACKFILL: Final = "lumen/backfill"
"""Tag of the runs that ``lumen backfill`` made: its id."""


def lock_of(day: date) -> str:
    """The name of the lock that a worker holds for as long as it is at work on a day."""
    return f"backfill-{day}"

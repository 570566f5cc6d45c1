"""By what the runs of a backfill, and a worker at work on a day, are known."""

from __future__ import annotations

import socket
from datetime import date
from typing import Final

BACKFILL: Final = "lumen/backfill"
"""Tag of the runs that ``lumen backfill`` made: its id."""

HOST: Final = "lumen/host"
"""Tag of the same: the machine, since only there can be seen whether their process lives."""


def tags_of(backfill: str) -> dict[str, str]:
    """The tags of the runs of a backfill on this machine; the daemon never starts one of them again by itself."""
    return {BACKFILL: backfill, HOST: socket.gethostname(), "dagster/max_retries": "0"}


def lock_of(day: date) -> str:
    """The name of the lock that a worker holds for as long as it is at work on a day."""
    return f"backfill-{day}"

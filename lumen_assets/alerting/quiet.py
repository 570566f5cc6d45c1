"""Quiet hours."""

from __future__ import annotations

from datetime import datetime, time

from lumen_assets.days import KST
from lumen_assets.settings.alerts import QuietHours


def is_quiet(quiet: QuietHours | None, now: datetime) -> bool:
    """Whether ``now`` (with a zone) is in the quiet hours: from their start on, before their end, by KST."""
    if quiet is None:
        return False
    clock = now.astimezone(KST).time()
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    if start < end:
        return start <= clock < end
    return clock >= start or clock < end

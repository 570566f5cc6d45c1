"""Whether a CSV of telemetry tells the time as is configured, from its header and its last lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.preamble import csv_preamble, telemetry_line_instant

_TAIL: Final = 1 << 16
_LINES: Final = 20
"""The last ones; among so many a sound file has a whole one."""

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD: Final = timedelta(days=2)


def clock_problem(source: Source, clock: Clock) -> str:
    """What is wrong with a file's times, in words; empty if nothing is, or it has no lines yet."""
    front = csv_preamble(source, clock)
    if front.header is None:
        return f"it has no header line with a column {clock.column}" if source.size else ""
    start = source.line_start(max(front.end, source.size - _TAIL), front.end, source.size)
    whole = source.read(start, source.size - start).rpartition(b"\n")[0]
    lines = [line for line in whole.split(b"\n") if line.strip()]
    if not lines:
        return ""
    line_instant = telemetry_line_instant(clock, front.column)
    found = [moment for line in lines[-_LINES:] if (moment := line_instant(line)) is not None]
    if not found:
        shown = lines[-1].decode("utf-8", "replace").strip()[:80]
        return f"none of its last lines has a time of the form that is configured, as: {shown}"
    typical = sorted(found)[len(found) // 2]
    if typical < _EARLIEST or typical > datetime.now(UTC) + _AHEAD:
        return f"its last lines are of {typical.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by the form that is configured"
    return ""

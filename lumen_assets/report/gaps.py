"""How complete the day's rows are, and where they are silent."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from lumen_assets.days import KST, day_bounds
from lumen_assets.report.model import Gap, Recording
from lumen_assets.report.signals import instants, microseconds
from lumen_assets.report.statistics import SECONDS_A_DAY

LISTED_GAPS: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=KST) + timedelta(hours=9)


def recording(day: date, rows: pl.DataFrame, rate_hz: float) -> Recording:
    """Coverage and gaps of a day's rows, whatever their values.

    A gap is a stretch between two rows, or between a row and an end of the day, that is longer than
    ``max(5 s, 10 / rate)``: short enough to see a restart, long enough to look past ten missed samples.
    """
    threshold = gap_seconds(rate_hz)
    start, end = (microseconds(moment) for moment in day_bounds(day))
    moments = np.concatenate(([start], instants(rows), [end])).astype(np.int64)
    lengths = np.diff(moments)
    silent = np.flatnonzero(lengths > threshold * 1_000_000)
    longest = silent[np.argsort(-lengths[silent], kind="stable")][:LISTED_GAPS]
    expected = SECONDS_A_DAY * rate_hz
    return Recording(
        rows=rows.height,
        expected_rows=expected,
        coverage=rows.height / expected,
        rate_hz=rate_hz,
        gap_seconds=threshold,
        gap_count=int(silent.size),
        silent_seconds=int(lengths[silent].sum()) / 1_000_000,
        longest_gaps=tuple(_gap(int(moments[i]), int(moments[i + 1])) for i in longest),
    )


def gap_seconds(rate_hz: float) -> float:
    """Silence that is longer is a gap, where so many rows or values a second are expected."""
    return max(5.0, 10 / rate_hz)


def _gap(start: int, end: int) -> Gap:
    return Gap(start=_moment(start), end=_moment(end), seconds=(end - start) / 1_000_000)


def _moment(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)

"""Timestamps: one reference parser for every input, and the same for whole columns at a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from lumen_assets.telemetry.model import Clock

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# What the column parser may take by itself: the form that writers use. Everything else (a space for the T, week
# dates, seven digits, second 60) goes to the reference parser, so that the two cannot disagree.
_USUAL: Final = (
    r"^(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
    r"T[0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-9]|2[0-3]):[0-5][0-9])$"
)


def instant(text: str) -> datetime | None:
    """The instant that an ISO 8601 timestamp with an offset or ``Z`` stands for; None if it is anything else.

    A timestamp without an offset is none: which zone its writer meant cannot be known.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an instant with a zone."""
    return (moment - EPOCH) // _MICROSECOND


def at_microsecond(microsecond: int) -> datetime:
    """The instant so many microseconds after 1970-01-01T00:00Z.

    Raises:
        OverflowError: if its year is none of 1 to 9999.
    """
    return EPOCH + microsecond * _MICROSECOND


def _reference_microseconds(text: str) -> int | None:
    moment = instant(text.strip())
    return None if moment is None else microseconds(moment)


def column_microseconds(texts: pl.Series) -> pl.Series:
    """``microseconds(instant(text))`` for a column of text, null where it is no timestamp.

    Surrounding blanks are ignored, as in single cells.
    """
    usual = texts.str.contains(_USUAL).fill_null(value=False)
    parsed = texts.str.to_datetime("%+", strict=False, time_unit="us").to_physical().cast(pl.Int64)
    if not usual.all():
        parsed = parsed.set(~usual, None)
    doubtful = parsed.is_null().arg_true()
    if len(doubtful) == 0:
        return parsed
    again = [_reference_microseconds(text or "") for text in texts.gather(doubtful)]
    return parsed.scatter(doubtful, pl.Series(again, dtype=pl.Int64))


_UNITS: Final = {"unix_s": 1_000_000, "unix_ms": 1000}
"""Microseconds."""

_WITHOUT_OFFSET: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?$"
_SINCE_1970: Final = r"^[+-]?[0-9]{1,15}(?:\.[0-9]*)?$"
_FIRST: Final = microseconds(datetime(1, 1, 1, tzinfo=UTC))
_LAST: Final = microseconds(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC))


def clock_instant(clock: Clock, text: str) -> datetime | None:
    """The instant that a cell stands for; None if it is none by the clock. Surrounding blanks are ignored."""
    text = text.strip()
    if clock.form == "iso":
        moment = instant(text)
        return instant(text + clock.offset) if moment is None and clock.offset else moment
    if not re.fullmatch(_SINCE_1970, text):
        return None
    microsecond = round(float(text) * _UNITS[clock.form])
    return at_microsecond(microsecond) if _FIRST <= microsecond <= _LAST else None


def clock_microseconds(clock: Clock, texts: pl.Series) -> pl.Series:
    """``clock_instant`` for a column of text, in microseconds since 1970 UTC; null where a cell is no timestamp.

    Seconds and milliseconds are rounded to whole microseconds, which a float holds exactly up to the year 2106.
    """
    if clock.is_usual:
        return column_microseconds(texts)
    texts = texts.str.strip_chars()
    if clock.form == "iso":
        bare = texts.str.contains(_WITHOUT_OFFSET).fill_null(value=False)
        found = column_microseconds((texts.str.replace(" ", "T", literal=True) + clock.offset).zip_with(bare, texts))
        doubtful = found.is_null().arg_true()
        return found.scatter(doubtful, column_microseconds(texts.gather(doubtful) + clock.offset))
    numbers = texts.set(~texts.str.contains(_SINCE_1970).fill_null(value=False), None).cast(pl.Float64, strict=False)
    found = (numbers * _UNITS[clock.form]).round(mode="half_to_even")
    return found.set(~found.is_between(_FIRST, _LAST).fill_null(value=True), None).cast(pl.Int64)

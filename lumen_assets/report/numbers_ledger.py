"""Where the numbers of every frozen day are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from lumen_assets.report.model import HISTORY, PastDay
from lumen_assets.report.numbers import DayNumbers
from lumen_assets.state import StateDatabase

_TABLES: Final = sa.MetaData()

_NUMBERS: Final = sa.Table(
    "day_numbers",
    _TABLES,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("numbers", sa.Text, nullable=False),
)


class NumbersLedger:
    """The numbers of frozen days; several processes may use it at once.

    Args:
        place: a SQLite file, made with its folder when something is first recorded, or a Postgres.
    """

    def __init__(self, place: Path | sa.URL) -> None:
        hint = "move it away: freezing a day again fills it"
        self._database = StateDatabase(place, _TABLES, name="the numbers of frozen days,", hint=hint)

    def record(self, numbers: DayNumbers) -> None:
        """The day was frozen with these numbers."""
        with self._database.connected() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO day_numbers VALUES (:day, :numbers) "
                    "ON CONFLICT (day) DO UPDATE SET numbers = excluded.numbers"
                ),
                {"day": numbers.day.isoformat(), "numbers": numbers.to_json()},
            )

    def between(self, first: date, last: date) -> Sequence[DayNumbers]:
        """Those of the days from ``first`` to ``last``, both included, that were frozen; oldest first."""
        if not self._database.exists:
            return ()
        day = _NUMBERS.c.day
        with self._database.connected() as connection:
            rows = connection.execute(
                sa.select(_NUMBERS.c.numbers).where(day.between(first.isoformat(), last.isoformat())).order_by(day)
            ).fetchall()
        return [DayNumbers.from_json(text) for (text,) in rows]

    def history(self, day: date) -> tuple[PastDay, ...]:
        """The days that a day is compared with, oldest first."""
        return tuple(numbers.past for numbers in self.between(day - HISTORY, day - timedelta(days=1)))

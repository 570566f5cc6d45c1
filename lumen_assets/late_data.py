"""Late data: days whose inputs are no longer what was frozen of them.

Inputs only grow, but rows may arrive late, and a file may be put right or lost. What each day was frozen from is
remembered here, and cut again from time to time: recent days every day, older ones a share a day.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError
from lumen_assets.telemetry import InputSlice

RECENT: Final = timedelta(days=14)
"""Days as young as this are looked at every time."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS frozen_from (
    day TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    inputs TEXT NOT NULL,
    looked_at TEXT NOT NULL,
    changed TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class FrozenFrom:
    """What a day was frozen from.

    Attributes:
        revision: of the archive.
        inputs: SHA-256 of the day's part of each input that is cut by day, by its name; empty where it was absent.
        looked_at: when the inputs were last compared with it, with a zone.
        changed: names of those that differed then.
    """

    day: date
    revision: int
    inputs: Mapping[str, str]
    looked_at: datetime
    changed: tuple[str, ...]


def inputs_of(inputs: Iterable[InputSlice]) -> dict[str, str]:
    """SHA-256 by name of what is cut by day; files that are frozen as a whole change on every day."""
    return {item.name: item.sha256 if item.present else "" for item in inputs if item.by_day}


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the inputs that differ, sorted. One that appears with nothing of the day in it is no difference."""
    return tuple(sorted(name for name in before.keys() | now.keys() if before.get(name, "") != now.get(name, "")))


def days_to_look_at(known: Iterable[FrozenFrom], today: date, within: timedelta) -> list[date]:
    """Recent days, and of the older ones those unlooked at for longest, so that each comes up once in ``within``."""
    older = sorted((item for item in known if today - item.day > RECENT), key=lambda item: (item.looked_at, item.day))
    share = -(-len(older) // max(within.days, 1))
    return sorted({item.day for item in known if today - item.day <= RECENT} | {item.day for item in older[:share]})


class FrozenInputs:
    """What every day that was frozen here was frozen from: a SQLite file that several processes may use at once.

    Args:
        path: the file; made with its folder when something is first recorded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, day: date, revision: int, inputs: Mapping[str, str], at: datetime) -> None:
        """The day was frozen, or found unchanged: nothing differs now."""
        with self._connected() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO frozen_from VALUES (?, ?, ?, ?, '[]')",
                (day.isoformat(), revision, json.dumps(inputs, sort_keys=True), at.isoformat()),
            )

    def look(self, day: date, now: Mapping[str, str], at: datetime) -> tuple[str, ...]:
        """Compare the day with its inputs, keep what differs, and return it; nothing for a day that is not known."""
        known = {item.day: item for item in self.known()}.get(day)
        if known is None:
            return ()
        changed = changed_inputs(known.inputs, now)
        with self._connected() as connection:  # unless it was frozen again meanwhile
            connection.execute(
                "UPDATE frozen_from SET looked_at = ?, changed = ? WHERE day = ? AND revision = ? AND inputs = ?",
                (
                    at.isoformat(),
                    json.dumps(changed),
                    day.isoformat(),
                    known.revision,
                    json.dumps(known.inputs, sort_keys=True),
                ),
            )
        return changed

    def known(self) -> Sequence[FrozenFrom]:
        """Every day, oldest first."""
        if not self._path.exists():
            return ()
        with self._connected() as connection:
            rows = connection.execute("SELECT * FROM frozen_from ORDER BY day").fetchall()
        return [
            FrozenFrom(
                date.fromisoformat(day),
                revision,
                json.loads(inputs),
                datetime.fromisoformat(looked_at),
                tuple(json.loads(changed)),
            )
            for day, revision, inputs, looked_at, changed in rows
        ]

    def changed(self) -> dict[date, tuple[str, ...]]:
        """The inputs that differed when they were last looked at, by day, oldest first; only days with any."""
        return {item.day: item.changed for item in self.known() if item.changed}

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(self._path, timeout=30)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise PermanentError(
                action="use",
                subject=str(self._path),
                cause=str(error),
                error_class="state",
                hint="move it away: freezing a day again fills it",
            ) from error

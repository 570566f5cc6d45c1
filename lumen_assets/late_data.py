"""Late data: days whose inputs are no longer what was frozen of them.

Inputs only grow, but rows may arrive late, and a file may be put right or lost. What each day was frozen from is
remembered here, and cut again from time to time: recent days every day, older ones a share a day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from lumen_assets.settings.sources import is_rows_path
from lumen_assets.state import StateDatabase
from lumen_assets.telemetry.model import InputSlice

RECENT: Final = timedelta(days=14)
"""Days as young as this are looked at every time."""

_NOTHING: Final = "nothing, "
"""In front of the digest of a part without any line of the day: of nothing, or of comments and header alone."""

_TABLES: Final = sa.MetaData()

_FROZEN_FROM: Final = sa.Table(
    "frozen_from",
    _TABLES,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("looked_at", sa.Text, nullable=False),
    sa.Column("changed", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class FrozenFrom:
    """What a day was frozen from.

    Attributes:
        revision: of the archive.
        inputs: what ``inputs_of`` gave of them.
        looked_at: when the inputs were last compared with it, with a zone.
        changed: names of those that differed then.
    """

    day: date
    revision: int
    inputs: Mapping[str, str]
    looked_at: datetime
    changed: tuple[str, ...]


def inputs_of(inputs: Iterable[InputSlice]) -> dict[str, str]:
    """What a day is known by: SHA-256 of its part of each input that is cut by day, by name; files that are frozen as a
    whole change on every day. Empty for one that is absent, and marked where the part has no line of the day.

    Without what a Prometheus was asked for: it is not asked again, as it forgets.
    """
    return {item.name: _known_by(item) for item in inputs if item.by_day and not is_rows_path(item.name)}


def _known_by(item: InputSlice) -> str:
    if not item.present:
        return ""
    return item.sha256 if item.has_lines else f"{_NOTHING}{item.sha256}"


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the inputs that differ, sorted. One that appears or goes with nothing of the day in it is no difference.

    Args:
        before, now: from ``inputs_of``.
    """
    names = sorted(before.keys() | now.keys())
    return tuple(name for name in names if not _is_same(before.get(name, ""), now.get(name, "")))


def _is_same(before: str, now: str) -> bool:
    """Whether two parts are, also one that was recorded when those with nothing of the day were not yet marked."""
    if all(not part or part.startswith(_NOTHING) for part in (before, now)):
        return True
    return before.removeprefix(_NOTHING) == now.removeprefix(_NOTHING)


def days_to_look_at(known: Iterable[FrozenFrom], today: date, within: timedelta) -> list[date]:
    """Recent days, and of the older ones those unlooked at for longest, so that each comes up once in ``within``."""
    older = sorted((item for item in known if today - item.day > RECENT), key=lambda item: (item.looked_at, item.day))
    share = -(-len(older) // max(within.days, 1))
    return sorted({item.day for item in known if today - item.day <= RECENT} | {item.day for item in older[:share]})


class FrozenInputs:
    """What every day that was frozen was frozen from; several processes may use it at once.

    Args:
        place: a SQLite file, made with its folder when something is first recorded, or a Postgres.
    """

    def __init__(self, place: Path | sa.URL) -> None:
        hint = "move it away: freezing a day again fills it"
        self._database = StateDatabase(place, _TABLES, name="the inputs of frozen days,", hint=hint)

    def record(self, day: date, revision: int, inputs: Mapping[str, str], at: datetime) -> None:
        """The day was frozen, or found unchanged: nothing differs now."""
        with self._database.connected() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO frozen_from VALUES (:day, :revision, :inputs, :at, '[]') "
                    "ON CONFLICT (day) DO UPDATE SET revision = excluded.revision, inputs = excluded.inputs, "
                    "looked_at = excluded.looked_at, changed = excluded.changed"
                ),
                {"day": day.isoformat(), "revision": revision, "inputs": _as_text(inputs), "at": at.isoformat()},
            )

    def look(self, day: date, now: Mapping[str, str], at: datetime) -> tuple[str, ...]:
        """Compare the day with its inputs, keep what differs, and return it; nothing for a day that is not known."""
        known = {item.day: item for item in self.known()}.get(day)
        if known is None:
            return ()
        changed = changed_inputs(known.inputs, now)
        unless_frozen_again_meanwhile = (
            (_FROZEN_FROM.c.day == day.isoformat())
            & (_FROZEN_FROM.c.revision == known.revision)
            & (_FROZEN_FROM.c.inputs == _as_text(known.inputs))
        )
        with self._database.connected() as connection:
            connection.execute(
                sa.update(_FROZEN_FROM)
                .where(unless_frozen_again_meanwhile)
                .values(looked_at=at.isoformat(), changed=json.dumps(changed))
            )
        return changed

    def known(self) -> Sequence[FrozenFrom]:
        """Every day, oldest first."""
        if not self._database.exists:
            return ()
        with self._database.connected() as connection:
            rows = connection.execute(sa.select(_FROZEN_FROM).order_by(_FROZEN_FROM.c.day)).fetchall()
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


def _as_text(inputs: Mapping[str, str]) -> str:
    return json.dumps(inputs, sort_keys=True)

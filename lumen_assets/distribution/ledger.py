"""What became of each report on its way to each recipient and folder.

A mail cannot be taken back and cannot be asked for. So what may have been sent is written down before it can be: see
docs/decisions/0011.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lumen_assets.errors import LumenError
from lumen_assets.state import StateDatabase


class State(StrEnum):
    """What is known of a delivery."""

    SENT = "sent"
    """It was taken."""
    IN_DOUBT = "in doubt"
    """It was handed over, and whether it was taken is not known: the answer was lost, or our process."""
    FAILED = "failed"
    """It was not taken."""


@dataclass(frozen=True)
class Delivery:
    """One report to one recipient or folder.

    Attributes:
        target: ``mail:ADDRESS`` or ``folder:DESTINATION``.
        at: when it came to that, with a zone.
        detail: why it failed.
        error_class: of the error tree; empty where there was no error.
        retry_helps: whether trying again may.
    """

    day: date
    revision: int
    target: str
    state: State
    at: datetime
    detail: str = ""
    error_class: str = ""
    retry_helps: bool = False

    @classmethod
    def failed(cls, day: date, revision: int, target: str, error: LumenError, at: datetime) -> Delivery:
        """One that came to an error."""
        why = f"{error.cause.rstrip('.')}{f': {error.hint}' if error.hint else ''}"
        return cls(day, revision, target, State.FAILED, at, why, error.error_class, error.retry_helps)


def mail_target(address: str) -> str:
    """A recipient, whatever name stands before the address and however it is capitalized."""
    return f"mail:{address.casefold()}"


def folder_target(destination: str) -> str:
    """The folder at a destination."""
    return f"folder:{destination}"


_TABLES: Final = sa.MetaData()

_DELIVERY: Final = sa.Table(
    "delivery",
    _TABLES,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),  # in UTC, so that texts compare as instants do
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("error_class", sa.Text, nullable=False),
    sa.Column("retry_helps", sa.Integer, nullable=False),
)

_PUT: Final = """
INSERT INTO delivery VALUES (:day, :revision, :target, :state, :at, :detail, :error_class, :retry_helps)
ON CONFLICT (day, revision, target) DO UPDATE SET state = excluded.state, at = excluded.at, detail = excluded.detail,
error_class = excluded.error_class, retry_helps = excluded.retry_helps
"""


class DeliveryLedger:
    """Every delivery; several processes may use it at once, on several machines where it is shared.

    Args:
        place: a SQLite file, made with its folder when something is first recorded, or a Postgres.
    """

    def __init__(self, place: Path | sa.URL) -> None:
        hint = "move it away: then reports that are distributed again are also sent again"
        self._database = StateDatabase(place, _TABLES, name="the ledger of sent reports,", hint=hint)

    def note(self, delivery: Delivery, over: Collection[State] = (State.FAILED,)) -> bool:
        """Note what a delivery comes to, unless what is known of it is another state than those of ``over``.

        False where nothing was noted. Of two who note that a delivery is in doubt one is told True, and it is theirs.
        """
        allowed = sa.text(f"{_PUT} WHERE delivery.state IN :over").bindparams(sa.bindparam("over", expanding=True))
        values = {**_row(delivery), "over": [state.value for state in over]}
        with self._database.connected() as connection:
            return connection.execute(allowed, values).rowcount == 1

    def settle(self, delivery: Delivery) -> None:
        """Note what a delivery came to, whatever was known of it: for whom it belongs to."""
        with self._database.connected() as connection:
            connection.execute(sa.text(_PUT), _row(delivery))

    def of(self, day: date, revision: int) -> Mapping[str, Delivery]:
        """The deliveries of a revision, by target."""
        this = (_DELIVERY.c.day == day.isoformat()) & (_DELIVERY.c.revision == revision)
        return {found.target: found for found in self._where(this)}

    def since(self, at: datetime) -> Sequence[Delivery]:
        """The deliveries of every day's newest revision that came to something since ``at`` (with a zone), by day."""
        newest: dict[tuple[date, str], Delivery] = {}
        for found in self._where(_DELIVERY.c.at >= at.isoformat()):
            newest[found.day, found.target] = found
        return list(newest.values())

    def _where(self, condition: sa.ColumnElement[bool]) -> list[Delivery]:
        if not self._database.exists:
            return []
        query = sa.select(_DELIVERY).where(condition).order_by(_DELIVERY.c.day, _DELIVERY.c.revision)
        with self._database.connected() as connection:
            rows = connection.execute(query).all()
        return [_delivery(row) for row in rows]


def _row(delivery: Delivery) -> dict[str, str | int]:
    return {
        **vars(delivery),
        "day": delivery.day.isoformat(),
        "state": delivery.state.value,
        "at": delivery.at.isoformat(),
        "retry_helps": int(delivery.retry_helps),
    }


def _delivery(row: Any) -> Delivery:
    """A row of the table."""
    return Delivery(
        date.fromisoformat(row.day),
        row.revision,
        row.target,
        State(row.state),
        datetime.fromisoformat(row.at),
        row.detail,
        row.error_class,
        bool(row.retry_helps),
    )

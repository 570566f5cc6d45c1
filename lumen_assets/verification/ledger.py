"""What verifications found, which several processes may read and write at once, on several machines where it is shared.

It is a record, not a source of truth: lost, it is filled again by verifying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lumen_assets.state import StateDatabase
from lumen_assets.verification.attestation import Attestation, Attested
from lumen_assets.verification.drill import Drill
from lumen_assets.verification.verdicts import Finding, Level, Verdict, Verification

_TABLES: Final = sa.MetaData()

_VERIFICATION: Final = sa.Table(
    "verification",
    _TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("bytes_read", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("verification_of_replica", "day", "destination", "id"),
)

_ATTESTATION: Final = sa.Table(
    "attestation",
    _TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer),
    sa.Column("good", sa.Integer, nullable=False),
    sa.Column("destinations", sa.Integer, nullable=False),
    sa.Column("required", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("attestation_of_day", "day", "id"),
)

_DRILL: Final = sa.Table(
    "drill",
    _TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("good", sa.Integer),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

_SEEN: Final = sa.Table(
    "seen", _TABLES, sa.Column("day", sa.Text, primary_key=True), sa.Column("revision", sa.Integer, nullable=False)
)
"""The newest revision of each day, as the last look at all places found it."""

_RETENTION: Final = sa.Table(
    "retention", _TABLES, sa.Column("destination", sa.Text, primary_key=True), sa.Column("at", sa.Text, nullable=False)
)
"""When it was last carried out to the end."""

_MANIFEST: Final = sa.Table(
    "manifest",
    _TABLES,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("parents", sa.Text, nullable=False),
)
"""Manifests that destinations hold, by the digest that later ones name them by, and those that they name."""

_THAT_MATTER: Final = """
WITH proven AS (
    SELECT day, revision, destination, max(id) AS since FROM verification
    WHERE day BETWEEN :first AND :last AND verdict = 'MATCH' AND level = 'members' GROUP BY day, revision, destination
)
SELECT day, revision, destination, level, verdict, finding, detail, bytes_read, at
FROM verification LEFT JOIN proven USING (day, revision, destination)
WHERE day BETWEEN :first AND :last AND id >= coalesce(since, 0) ORDER BY id
"""
"""Not what came before a replica was last read to its members and found good: whatever it was, that is over."""

_LAST_READ: Final = """
SELECT day, revision, max(at) FROM verification
WHERE destination = :destination AND (verdict = 'MATCH' AND level != 'digest' OR verdict = 'REMOVED')
GROUP BY day, revision
"""

_PROVEN: Final = """
SELECT day, revision, max(at) FROM verification WHERE verdict IN ('MATCH', 'REMOVED')
AND (:day IS NULL OR day = :day) GROUP BY day, revision ORDER BY day, revision
"""

_NEWEST_ATTESTATION: Final = """
SELECT day, revision, good, required, at FROM attestation
WHERE id IN (SELECT max(id) FROM attestation WHERE day BETWEEN :first AND :last GROUP BY day)
"""

_LAST_SUCCESS: Final = """
SELECT min(at) FROM attestation WHERE good >= required
AND day = (SELECT max(day) FROM attestation WHERE good >= required)
"""

_DRILLS: Final = "SELECT day, revision, destination, at, good, seconds, files, bytes, detail FROM drill ORDER BY id"


def weigh(verdicts: Sequence[Verification]) -> Verification:
    """The verdict that stands, of all that were made on one replica, oldest first and at least one.

    What was read in full stands until it is read again, and what was found wrong until it is found right at that level
    or a stronger one: bytes that are those of the manifest say nothing of files that were not those of the bag. A look
    at a checksum, or no answer at all, that came later can only make it worse: a checksum that is right says nothing of
    bytes that were read and found wrong.
    """
    read: Verification | None = None
    for found in filter(_conclusive, verdicts):
        if read is None or found.verdict is not Verdict.MATCH or read.verdict.accepted or _as_strong(found, read):
            read = found
    looked = [found for found in verdicts if not _conclusive(found) and found.finding is not Finding.NO_CHECKSUM]
    if read is None:
        return looked[-1] if looked else verdicts[-1]
    if looked and looked[-1].at > read.at and looked[-1].verdict is not Verdict.MATCH:
        return looked[-1]
    return read


def _as_strong(found: Verification, other: Verification) -> bool:
    levels = list(Level)
    return levels.index(found.level) >= levels.index(other.level)


def _conclusive(found: Verification) -> bool:
    return found.level is not Level.DIGEST and found.finding is not Finding.UNREACHABLE


class VerdictLedger:
    """Every verification and attestation that was made, newest last.

    Args:
        place: a SQLite file, made with its folder when something is first recorded, or a Postgres.
    """

    def __init__(self, place: Path | sa.URL) -> None:
        hint = "if it is damaged, move it away and run `lumen verify`: it is filled again"
        self._database = StateDatabase(place, _TABLES, name="the verdict ledger", hint=hint)

    def record(self, verification: Verification) -> None:
        """Append a verdict."""
        self._insert(_VERIFICATION, asdict(verification))

    def standing(self, first: date, last: date) -> dict[tuple[date, int], dict[str, Verification]]:
        """The verdict that stands on every replica in the range, by day and revision, then by destination.

        See ``weigh``: weaker evidence never makes a verdict better.
        """
        of_replica: dict[tuple[date, int, str], list[Verification]] = {}
        for day, revision, destination, level, verdict, finding, detail, bytes_read, at in self._rows(
            _THAT_MATTER, first=first, last=last
        ):
            found = Verification(
                day=date.fromisoformat(day),
                revision=revision,
                destination=destination,
                level=Level(level),
                verdict=Verdict(verdict),
                finding=Finding(finding),
                detail=detail,
                bytes_read=bytes_read,
                at=datetime.fromisoformat(at),
            )
            of_replica.setdefault((found.day, revision, destination), []).append(found)
        standing: dict[tuple[date, int], dict[str, Verification]] = {}
        for (of_day, number, name), verdicts in sorted(of_replica.items(), key=lambda item: item[0]):
            standing.setdefault((of_day, number), {})[name] = weigh(verdicts)
        return standing

    def newest(self, first: date, last: date) -> dict[date, dict[str, Verification]]:
        """The same of the newest verified revision of every replica only, by day and destination."""
        days: dict[date, dict[str, Verification]] = {}
        for (day, _), replicas in self.standing(first, last).items():
            days.setdefault(day, {}).update(replicas)  # the highest revision comes last
        return days

    def proven(self, day: date | None = None) -> dict[date, tuple[int, datetime]]:
        """The newest revision that was found good anywhere at any time, of one day or of all, and when last it was."""
        rows = self._rows(_PROVEN, day=day)
        return {date.fromisoformat(of_day): (revision, datetime.fromisoformat(at)) for of_day, revision, at in rows}

    def last_read(self, destination: str) -> dict[tuple[date, int], datetime]:
        """When each replica at a destination was last read in full and found good, by day and revision.

        Of one that retention removed, when its record was last read: there is nothing else.
        """
        rows = self._rows(_LAST_READ, destination=destination)
        return {(date.fromisoformat(day), revision): datetime.fromisoformat(at) for day, revision, at in rows}

    def record_attestation(self, attestation: Attestation, at: datetime) -> None:
        """Append an attestation."""
        a = attestation
        values = {"day": a.day, "revision": a.revision, "good": a.good, "destinations": a.destinations}
        self._insert(_ATTESTATION, {**values, "required": a.required, "at": at})

    def newest_attestations(self, first: date, last: date) -> dict[date, Attested]:
        """The newest attestation of each day in the range that has one."""
        return {
            date.fromisoformat(day): Attested(revision, good, required, datetime.fromisoformat(at))
            for day, revision, good, required, at in self._rows(_NEWEST_ATTESTATION, first=first, last=last)
        }

    def last_success(self) -> datetime | None:
        """When the newest day that ever met the policy first did; None if no day has.

        Neither a backfill of older days nor attesting a day again moves it: both go on while the newest days fail.
        """
        return next((datetime.fromisoformat(at) for (at,) in self._rows(_LAST_SUCCESS) if at), None)

    def record_drill(self, drill: Drill) -> None:
        """Append a restore drill."""
        self._insert(_DRILL, asdict(drill))

    def drills(self) -> list[Drill]:
        """Every restore drill, oldest first."""
        return [
            Drill(
                date.fromisoformat(day),
                revision,
                destination,
                datetime.fromisoformat(at),
                None if good is None else bool(good),
                *rest,
            )
            for day, revision, destination, at, good, *rest in self._rows(_DRILLS)
        ]

    def note_seen(self, newest: Mapping[date, int]) -> None:
        """Remember the newest revision of every day, as a look at all places found it, instead of what was before.

        Of two looks that end at once each adds what it found.
        """
        with self._database.connected() as connection:
            connection.execute(sa.delete(_SEEN))
            if newest:
                connection.execute(
                    sa.text(
                        "INSERT INTO seen VALUES (:day, :revision) "
                        "ON CONFLICT (day) DO UPDATE SET revision = excluded.revision"
                    ),
                    [_stored({"day": day, "revision": newest[day]}) for day in sorted(newest)],
                )

    def note_retention(self, destination: str, at: datetime) -> None:
        """Retention was carried out to the end at a destination, with nothing left to go."""
        with self._database.connected() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO retention VALUES (:destination, :at) "
                    "ON CONFLICT (destination) DO UPDATE SET at = excluded.at"
                ),
                {"destination": destination, "at": at.isoformat()},
            )

    def retention_done(self) -> dict[str, datetime]:
        """When it last was, by destination."""
        rows = self._rows("SELECT destination, at FROM retention")
        return {name: datetime.fromisoformat(at) for name, at in rows}

    def note_manifests(self, parents: Mapping[str, Sequence[str]]) -> None:
        """Remember manifests that destinations hold: those that each names, by its own digest."""
        with self._database.connected() as connection:
            for digest, named in sorted(parents.items()):  # two who note at once never wait for each other
                connection.execute(
                    sa.text("INSERT INTO manifest VALUES (:digest, :parents) ON CONFLICT (digest) DO NOTHING"),
                    {"digest": digest, "parents": ",".join(named)},
                )

    def manifests(self) -> dict[str, tuple[str, ...]]:
        """What was noted."""
        rows = self._rows("SELECT digest, parents FROM manifest")
        return {digest: tuple(filter(None, named.split(","))) for digest, named in rows}

    def heads(self) -> tuple[str, ...]:
        """Digests of the manifests noted that no other one names, sorted."""
        noted = self.manifests()
        return tuple(sorted(noted.keys() - {one for named in noted.values() for one in named}))

    def seen(self) -> dict[date, int]:
        """What was noted last."""
        return {date.fromisoformat(day): revision for day, revision in self._rows("SELECT day, revision FROM seen")}

    def _insert(self, table: sa.Table, values: Mapping[str, Any]) -> None:
        with self._database.connected() as connection:
            connection.execute(sa.insert(table), _stored(values))

    def _rows(self, query: str, **values: Any) -> Sequence[Sequence[Any]]:
        if not self._database.exists:
            return ()
        with self._database.connected() as connection:
            return connection.execute(sa.text(query), _stored(values)).fetchall()


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Days and instants as texts, truths as numbers."""

    def one(value: Any) -> Any:
        if isinstance(value, bool):
            return int(value)
        return value.isoformat() if isinstance(value, date) else value

    return {name: one(value) for name, value in values.items()}

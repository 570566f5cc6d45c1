"""What verifications found, kept under ``LUMEN_HOME``: a SQLite file that several processes may use at once.

It is a record, not a source of truth: lost, it is filled again by verifying.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError
from lumen_assets.verification.attestation import Attestation, Attested
from lumen_assets.verification.drill import Drill
from lumen_assets.verification.verdicts import Finding, Level, Verdict, Verification

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS verification (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    revision INTEGER NOT NULL,
    destination TEXT NOT NULL,
    level TEXT NOT NULL,
    verdict TEXT NOT NULL,
    finding TEXT NOT NULL,
    detail TEXT NOT NULL,
    bytes_read INTEGER NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS verification_of_replica ON verification (day, destination, id);
CREATE TABLE IF NOT EXISTS attestation (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    revision INTEGER,
    good INTEGER NOT NULL,
    destinations INTEGER NOT NULL,
    required INTEGER NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attestation_of_day ON attestation (day, id);
CREATE TABLE IF NOT EXISTS drill (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    revision INTEGER NOT NULL,
    destination TEXT NOT NULL,
    at TEXT NOT NULL,
    good INTEGER,
    seconds REAL NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    detail TEXT NOT NULL
);
"""

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
WHERE destination = ? AND (verdict = 'MATCH' AND level != 'digest' OR verdict = 'REMOVED')
GROUP BY day, revision
"""

_NEWEST_ATTESTATION: Final = """
SELECT day, revision, good, required, at FROM attestation
WHERE id IN (SELECT max(id) FROM attestation WHERE day BETWEEN ? AND ? GROUP BY day)
"""

_LAST_SUCCESS: Final = """
SELECT min(at) FROM attestation WHERE good >= required
AND day = (SELECT max(day) FROM attestation WHERE good >= required)
"""


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
        path: the SQLite file; made with its folder when something is first recorded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, verification: Verification) -> None:
        """Append a verdict."""
        v = verification
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO verification (day, revision, destination, level, verdict, finding, detail, bytes_read, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    v.day.isoformat(),
                    v.revision,
                    v.destination,
                    v.level.value,
                    v.verdict.value,
                    v.finding.value,
                    v.detail,
                    v.bytes_read,
                    v.at.isoformat(),
                ),
            )

    def standing(self, first: date, last: date) -> dict[tuple[date, int], dict[str, Verification]]:
        """The verdict that stands on every replica in the range, by day and revision, then by destination.

        See ``weigh``: weaker evidence never makes a verdict better.
        """
        if not self._path.exists():
            return {}
        with self._connected() as connection:
            rows = connection.execute(_THAT_MATTER, {"first": first.isoformat(), "last": last.isoformat()}).fetchall()
        of_replica: dict[tuple[date, int, str], list[Verification]] = {}
        for day, revision, destination, level, verdict, finding, detail, bytes_read, at in rows:
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

    def last_read(self, destination: str) -> dict[tuple[date, int], datetime]:
        """When each replica at a destination was last read in full and found good, by day and revision.

        Of one that retention removed, when its record was last read: there is nothing else.
        """
        if not self._path.exists():
            return {}
        with self._connected() as connection:
            rows = connection.execute(_LAST_READ, (destination,)).fetchall()
        return {(date.fromisoformat(day), revision): datetime.fromisoformat(at) for day, revision, at in rows}

    def record_attestation(self, attestation: Attestation, at: datetime) -> None:
        """Append an attestation."""
        a = attestation
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO attestation (day, revision, good, destinations, required, at) VALUES (?, ?, ?, ?, ?, ?)",
                (a.day.isoformat(), a.revision, a.good, a.destinations, a.required, at.isoformat()),
            )

    def newest_attestations(self, first: date, last: date) -> dict[date, Attested]:
        """The newest attestation of each day in the range that has one."""
        if not self._path.exists():
            return {}
        with self._connected() as connection:
            rows = connection.execute(_NEWEST_ATTESTATION, (first.isoformat(), last.isoformat())).fetchall()
        return {
            date.fromisoformat(day): Attested(revision, good, required, datetime.fromisoformat(at))
            for day, revision, good, required, at in rows
        }

    def last_success(self) -> datetime | None:
        """When the newest day that ever met the policy first did; None if no day has.

        Neither a backfill of older days nor attesting a day again moves it: both go on while the newest days fail.
        """
        if not self._path.exists():
            return None
        with self._connected() as connection:
            (at,) = connection.execute(_LAST_SUCCESS).fetchone()
        return datetime.fromisoformat(at) if at else None

    def record_drill(self, drill: Drill) -> None:
        """Append a restore drill."""
        d = drill
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO drill (day, revision, destination, at, good, seconds, files, bytes, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    d.day.isoformat(),
                    d.revision,
                    d.destination,
                    d.at.isoformat(),
                    d.good,
                    d.seconds,
                    d.files,
                    d.bytes,
                    d.detail,
                ),
            )

    def drills(self) -> list[Drill]:
        """Every restore drill, oldest first."""
        if not self._path.exists():
            return []
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT day, revision, destination, at, good, seconds, files, bytes, detail FROM drill ORDER BY id"
            ).fetchall()
        return [
            Drill(
                date.fromisoformat(day),
                revision,
                destination,
                datetime.fromisoformat(at),
                None if good is None else bool(good),
                *rest,
            )
            for day, revision, destination, at, good, *rest in rows
        ]

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
                subject=f"the verdict ledger {self._path}",
                cause=str(error),
                error_class="state",
                hint="if it is damaged, move it away and run `lumen verify`: it is filled again",
            ) from error

"""What a verification claims, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Level(StrEnum):
    """How strong a claim is, weakest first.

    DIGEST: size and the provider's own checksum against the manifest, nothing downloaded.
    BYTES: every byte read back, SHA-256 against the manifest.
    MEMBERS: read back, decrypted, decompressed, and every file compared with the bag's own manifest.
    """

    DIGEST = "digest"
    BYTES = "bytes"
    MEMBERS = "members"


class Verdict(StrEnum):
    """One replica's verdict; unknown is never success."""

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    MISSING = "MISSING"
    UNVERIFIABLE = "UNVERIFIABLE"
    REMOVED = "REMOVED"
    """Not there because retention removed it, as an authentic record beside its manifest says."""

    @property
    def accepted(self) -> bool:
        """Whether the replica is as it should be: good, or removed on purpose."""
        return self in (Verdict.MATCH, Verdict.REMOVED)


class Finding(StrEnum):
    """What exactly was found behind a verdict."""

    INTACT = "intact"
    MISSING = "missing"
    MANIFEST_MISSING = "manifest missing"
    MANIFEST_REJECTED = "manifest rejected"
    MANIFEST_DIFFERS = "manifest differs"
    TRUNCATED = "truncated"
    EXTENDED = "extended"
    """Bytes were appended: all of the archive is there, and more behind it."""
    TOO_LONG = "too long"
    """By what the destination says of its size; nothing was read."""
    DAMAGED = "damaged"
    WRONG_ARCHIVE = "wrong archive"
    NO_CHECKSUM = "no checksum"
    UNKNOWN_KEY = "unknown key"
    UNREACHABLE = "unreachable"
    RETENTION = "removed by retention"


@dataclass(frozen=True)
class Verification:
    """One replica's verdict.

    Attributes:
        day, revision, destination: which replica.
        level: how strong the claim is.
        verdict, finding: the claim.
        detail: the same for people, with numbers.
        bytes_read: bytes that were read from the destination.
        at: when it was made, UTC.
    """

    day: date
    revision: int
    destination: str
    level: Level
    verdict: Verdict
    finding: Finding
    detail: str
    bytes_read: int
    at: datetime

    def as_json(self) -> dict[str, object]:
        """The form of ``lumen verify --json``."""
        return {
            "day": self.day.isoformat(),
            "revision": self.revision,
            "destination": self.destination,
            "level": self.level.value,
            "verdict": self.verdict.value,
            "finding": self.finding.value,
            "detail": self.detail,
            "bytes_read": self.bytes_read,
            "at": self.at.isoformat(timespec="seconds"),
        }

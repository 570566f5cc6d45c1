"""One replica against its manifest, at one of three levels.

Needs a store and the key, nothing local: a fresh machine comes to the same verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from lumen_assets.archive import (
    REMOVAL_NAME,
    Keyring,
    Manifest,
    Removal,
    archive_name,
    associated_data,
    revision_prefix,
    verify_stream,
)
from lumen_assets.archive.freeze import MANIFEST_NAME
from lumen_assets.archive.manifest import ArchiveFile
from lumen_assets.errors import IntegrityError, LumenError, PermanentError
from lumen_assets.replication.store import Reader, Store, StoredObject
from lumen_assets.verification.history import Held
from lumen_assets.verification.verdicts import Finding, Level, Verdict, Verification

CHUNK: Final = 1 << 20
MANIFEST_LIMIT: Final = 16 << 20
"""Bytes of a manifest that are read at the most; a real one has a few thousand."""

Identify = Callable[[str, int], str | None]
"""From an archive's SHA-256 and size to the name of the archive that is known by them, if any."""

Unpacked = dict[Manifest, int]
"""Of the archives that this process has read to their members and found right: how many files. A replica of the very
same bytes holds the same, so its SHA-256 is enough for level ``members``."""


@dataclass(frozen=True)
class _Found:
    verdict: Verdict
    finding: Finding
    detail: str
    bytes_read: int = 0


def verify_replica(
    store: Store,
    day: date,
    revision: int,
    level: Level,
    keyring: Keyring,
    *,
    expected: Manifest | None = None,
    identify: Identify = lambda _sha256, _size: None,
    unpacked: Unpacked | None = None,
) -> Verification:
    """The verdict on one replica. A mismatch is read once more before it is called damage.

    Args:
        expected: the manifest of another copy, where one is known. The replica's own may differ from it, where two
            machines froze the day at once, but must name the same content.
        identify: names an archive that is found where it does not belong.
        unpacked: of this process; what is unpacked and found right is added. None: everything is unpacked.

    Raises:
        TransientError, PermanentError: if the destination or the key could not be used, so that there is no verdict.
    """
    found = _looked_at(store, day, revision, level, keyring, expected, identify, unpacked)
    if found.verdict is Verdict.MISMATCH:
        again = _looked_at(store, day, revision, level, keyring, expected, identify, None)
        found = _Found(again.verdict, again.finding, again.detail, found.bytes_read + again.bytes_read)
    return Verification(
        day=day,
        revision=revision,
        destination=store.name,
        level=level,
        verdict=found.verdict,
        finding=found.finding,
        detail=found.detail,
        bytes_read=found.bytes_read,
        at=datetime.now(UTC),
    )


def unreachable(store_name: str, day: date, revision: int, level: Level, error: LumenError) -> Verification:
    """The verdict where the destination gave no answer: unknown, with the reason."""
    return Verification(
        day=day,
        revision=revision,
        destination=store_name,
        level=level,
        verdict=Verdict.UNVERIFIABLE,
        finding=Finding.UNREACHABLE,
        detail=str(error),
        bytes_read=0,
        at=datetime.now(UTC),
    )


def read_manifest(store: Store, day: date, revision: int, keyring: Keyring) -> Manifest:
    """A destination's manifest of a day, authenticated.

    Raises:
        IntegrityError: if it is not an authentic manifest of this day and revision.
        PermanentError: with ``error_class="missing"`` if there is none.
    """
    return read_held(store, day, revision, keyring).manifest


def read_held(store: Store, day: date, revision: int, keyring: Keyring) -> Held:
    """The same with the digest that other manifests name it by."""
    return read_held_at(store, revision_prefix(day, revision) + MANIFEST_NAME, day, revision, keyring)


def read_held_at(store: Store, key: str, day: date, revision: int, keyring: Keyring) -> Held:
    """The same from any key: what is set aside has another than its own."""
    with store.read(key) as reader:
        data = _read_bounded(reader, MANIFEST_LIMIT)
    manifest = Manifest.parse_at(data, keyring, f"{store.name}/{revision_prefix(day, revision)}{MANIFEST_NAME}")
    return Held(manifest, hashlib.sha256(data).hexdigest())


def _looked_at(
    store: Store,
    day: date,
    revision: int,
    level: Level,
    keyring: Keyring,
    expected: Manifest | None,
    identify: Identify,
    unpacked: Unpacked | None,
) -> _Found:
    try:
        return _verify(store, day, revision, level, keyring, expected, identify, unpacked)
    except IntegrityError as error:  # what is there is no object at all: a link, a folder
        return _Found(Verdict.MISMATCH, Finding.DAMAGED, error.cause)


def _verify(
    store: Store,
    day: date,
    revision: int,
    level: Level,
    keyring: Keyring,
    expected: Manifest | None,
    identify: Identify,
    unpacked: Unpacked | None,
) -> _Found:
    stored = store.stat(revision_prefix(day, revision) + archive_name(day, revision))
    try:
        manifest = read_manifest(store, day, revision, keyring)
    except (IntegrityError, PermanentError) as error:
        return _without_manifest(error, stored, expected)
    if expected is not None and manifest.content.digest != expected.content.digest:
        return _Found(
            Verdict.MISMATCH,
            Finding.MANIFEST_DIFFERS,
            "its manifest is authentic, but of other content than the one known elsewhere",
        )
    if stored is None:
        return _not_there(store, manifest, keyring)
    if level is Level.DIGEST:
        return _by_checksum(stored, manifest)
    return _by_reading(store, stored, manifest, level, keyring, identify, {} if unpacked is None else unpacked)


def _not_there(store: Store, manifest: Manifest, keyring: Keyring) -> _Found:
    what = "the manifest is there, the archive is not"
    try:
        removal = read_removal(store, manifest, keyring)
    except IntegrityError as error:
        return _Found(Verdict.MISSING, Finding.MISSING, f"{what}; {error.subject} does not excuse it: {error.cause}")
    except PermanentError as error:
        if error.error_class != "unknown-key":
            raise
        return _Found(Verdict.MISSING, Finding.MISSING, f"{what}; {REMOVAL_NAME} names {error.subject}; {error.cause}")
    if removal is None:
        return _Found(Verdict.MISSING, Finding.MISSING, what)
    said = f"removed by retention on {removal.removed_at:%Y-%m-%d}: {removal.reason}"
    return _Found(Verdict.REMOVED, Finding.RETENTION, said)


def read_removal(store: Store, manifest: Manifest, keyring: Keyring) -> Removal | None:
    """The record that retention removed this archive from this destination; None if there is none.

    Raises:
        IntegrityError: if what is there is not an authentic record of just that.
        TransientError, PermanentError: if the destination, or the key that it names, could not be used.
    """
    key = revision_prefix(manifest.day, manifest.revision) + REMOVAL_NAME
    try:
        with store.read(key) as reader:
            data = _read_bounded(reader, MANIFEST_LIMIT)
    except PermanentError as error:
        if error.error_class != "missing":
            raise
        return None
    place = f"{store.name}/{key}"
    removal = Removal.parse(data, keyring, place)
    of = (removal.day, removal.revision, removal.destination, removal.archive_sha256)
    if of != (manifest.day, manifest.revision, store.name, manifest.archive.sha256):
        raise IntegrityError(
            action="use",
            subject=place,
            cause=f"it is of {removal.day} r{removal.revision} at {removal.destination}, which is not what was here",
            error_class="removal",
        )
    return removal


def _without_manifest(
    error: IntegrityError | PermanentError, stored: StoredObject | None, expected: Manifest | None
) -> _Found:
    """What it means that there is no manifest to go by.

    Raises:
        PermanentError: if the destination is why.
    """
    if isinstance(error, IntegrityError):
        return _Found(Verdict.MISMATCH, Finding.MANIFEST_REJECTED, error.cause)
    if error.error_class == "unknown-key":
        why = f"its manifest names {error.subject}; {error.cause}"
        if expected is None:
            return _Found(Verdict.UNVERIFIABLE, Finding.UNKNOWN_KEY, why)
        return _Found(Verdict.MISMATCH, Finding.MANIFEST_REJECTED, why)  # the real one is known
    if error.error_class != "missing":
        raise error
    what = "the archive is there, its manifest is not" if stored else "neither archive nor manifest is there"
    return _Found(Verdict.MISSING, Finding.MANIFEST_MISSING if stored else Finding.MISSING, what)


def _by_checksum(stored: StoredObject, manifest: Manifest) -> _Found:
    size = manifest.archive.size
    if stored.size < size:
        return _truncated(stored.size, size)
    if stored.size > size:
        return _Found(Verdict.MISMATCH, Finding.TOO_LONG, f"{stored.size:,} bytes instead of {size:,}")
    known: Mapping[str, object] = vars(manifest.archive)
    differing = [name for name, value in stored.checksums.items() if known[name] != value]
    if differing:
        return _Found(Verdict.MISMATCH, Finding.DAMAGED, f"the provider's {', '.join(differing)} differs")
    if not stored.checksums:
        return _Found(
            Verdict.UNVERIFIABLE,
            Finding.NO_CHECKSUM,
            "the size is right, and the destination computes no checksum: level bytes reads it back",
        )
    return _Found(Verdict.MATCH, Finding.INTACT, f"size and the provider's {', '.join(stored.checksums)} are right")


def _truncated(size: int, expected: int, bytes_read: int = 0) -> _Found:
    return _Found(Verdict.MISMATCH, Finding.TRUNCATED, f"{size:,} of {expected:,} bytes are there", bytes_read)


def _by_reading(
    store: Store,
    stored: StoredObject,
    manifest: Manifest,
    level: Level,
    keyring: Keyring,
    identify: Identify,
    unpacked: Unpacked,
) -> _Found:
    problem = ""
    members = unpacked.get(manifest)
    with store.read(stored.key) as reader:
        hashing = _HashingReader(reader, manifest.archive.size)
        if level is Level.MEMBERS and members is None:
            try:
                contents = verify_stream(
                    hashing,
                    key=keyring.find(manifest.key_id),
                    associated_data=associated_data(manifest.day, manifest.revision),
                )
            except IntegrityError as error:
                problem = error.cause
            else:
                members = contents.files
                if contents.content_digest != manifest.content.digest:
                    problem = "its content is authentic but not the one that the manifest names"
        hashing.drain()
    archive = manifest.archive
    if hashing.sha256 != archive.sha256:
        other = identify(hashing.sha256, hashing.count)
        if other:
            return _Found(Verdict.MISMATCH, Finding.WRONG_ARCHIVE, f"it is the archive of {other}", hashing.count)
        return _unlike(hashing, archive, problem)
    if problem:
        return _Found(Verdict.MISMATCH, Finding.DAMAGED, problem, hashing.count)
    detail = f"{hashing.count:,} bytes, SHA-256 right"
    if level is Level.MEMBERS and members is not None:
        unpacked[manifest] = members
        detail += f", all {members} files right"
    return _Found(Verdict.MATCH, Finding.INTACT, detail, hashing.count)


def _unlike(hashing: _HashingReader, archive: ArchiveFile, problem: str) -> _Found:
    """What is wrong with an archive that was read to its end and has another SHA-256."""
    size, count = archive.size, hashing.count
    if count < size:
        return _truncated(count, size, count)
    if count > size and hashing.first_sha256 == archive.sha256:
        said = f"its {size:,} bytes are right, and {count - size:,} were appended"
        return _Found(Verdict.MISMATCH, Finding.EXTENDED, said, count)
    differs = "the size is right, the SHA-256 differs"
    if count > size:
        differs = f"{count:,} bytes instead of {size:,}, and the first {size:,} differ too"
    return _Found(Verdict.MISMATCH, Finding.DAMAGED, problem or differs, count)


class _HashingReader:
    """Counts and hashes what is read through it.

    Args:
        expected: how many bytes there should be: those have a digest of their own, where more follow.
    """

    def __init__(self, reader: Reader, expected: int) -> None:
        self._reader = reader
        self._expected = expected
        self._digest = hashlib.sha256()
        self.count = 0
        self.first_sha256 = ""

    def read(self, size: int = CHUNK, /) -> bytes:
        data = self._reader.read(size)
        left = self._expected - self.count
        if 0 <= left < len(data):
            self._digest.update(data[:left])
            self.first_sha256 = self.sha256
            self._digest.update(data[left:])
        else:
            self._digest.update(data)
        self.count += len(data)
        return data

    def drain(self) -> None:
        """Read what is left, so that the digest is that of the whole object."""
        while self.read(CHUNK):
            pass

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _read_bounded(reader: Reader, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while left and (data := reader.read(min(CHUNK, left))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)

"""``archive/index.jsonl``: one line a frozen revision. Made of the manifests, and made again from them if lost."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from lumen_assets.archive.keys import Keyring
from lumen_assets.archive.layout import MANIFEST_NAME, days_frozen, revision_folders, revisions_named
from lumen_assets.archive.manifest import Manifest
from lumen_assets.days import parse_day
from lumen_assets.durable import fsync_folder, remove_abandoned, replaced_file

INDEX_NAME: Final = "index.jsonl"
_LOCKS: Final = ".locks"


@dataclass(frozen=True)
class IndexEntry:
    """One frozen revision.

    Attributes:
        day: the KST day.
        revision: 1, 2, …
        manifest_digest: SHA-256 of the manifest file.
        content_digest: SHA-256 of the bag's ``manifest-sha256.txt``.
        archive_sha256: SHA-256 of the archive file.
        size: bytes of the archive file.
        parents: as in the manifest.
    """

    day: date
    revision: int
    manifest_digest: str
    content_digest: str
    archive_sha256: str
    size: int
    parents: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> IndexEntry:
        """The line of a manifest that was read from its file."""
        return cls(
            day=manifest.day,
            revision=manifest.revision,
            manifest_digest=manifest.digest,
            content_digest=manifest.content.digest,
            archive_sha256=manifest.archive.sha256,
            size=manifest.archive.size,
            parents=manifest.parents,
        )

    def to_line(self) -> bytes:
        """The entry as a line."""
        content = {**vars(self), "day": self.day.isoformat(), "parents": list(self.parents)}
        return json.dumps(content, sort_keys=True).encode() + b"\n"


def read_index(archive_folder: Path) -> tuple[IndexEntry, ...]:
    """The entries of the index as it is, in the order in which they were frozen; a torn last line is not one."""
    try:
        return _parse((archive_folder / INDEX_NAME).read_bytes())
    except FileNotFoundError:
        return ()


def newest_revisions(archive_folder: Path) -> dict[date, int]:
    """The newest revision in the index, by day."""
    newest: dict[date, int] = {}
    for entry in read_index(archive_folder):
        newest[entry.day] = max(entry.revision, newest.get(entry.day, 0))
    return newest


def refresh_index(archive_folder: Path, keyring: Keyring, only: date | None = None) -> tuple[IndexEntry, ...]:
    """Make the index agree with the manifests that are there, and return its entries.

    Lines that are missing are appended; an index that was damaged is written anew. Entries whose manifest is gone are
    kept: that they existed is what the index tells.

    Args:
        archive_folder: holds every day's folder and the index.
        keyring: its keys make manifests authentic.
        only: the one day that is looked at, where the index is not damaged; None: all.

    Raises:
        IntegrityError, PermanentError: if a manifest that has no line cannot be used.
    """
    with locked(archive_folder, "index"):
        path = archive_folder / INDEX_NAME
        data = path.read_bytes() if path.exists() else None
        entries = _parse(data or b"")
        known = {(entry.day, entry.revision) for entry in entries}
        whole = data is not None and data.count(b"\n") == len(entries) and data[-1:] in (b"\n", b"")
        missing = tuple(
            IndexEntry.of(read_manifest(folder, keyring))
            for day in ((only,) if only and whole else days_frozen(archive_folder))
            if any((day, revision) not in known for revision in revisions_named(archive_folder, day))
            for revision, folder in revision_folders(archive_folder, day).items()
            if (day, revision) not in known
        )
        if whole:
            if missing:
                _append(path, missing)
        elif missing or data is not None:
            remove_abandoned(path)
            with replaced_file(path) as file:
                file.write(_lines((*entries, *missing)))
        return (*entries, *missing)


def read_manifest(folder: Path, keyring: Keyring) -> Manifest:
    """The manifest in a revision's folder, authenticated, and of that day and revision.

    Raises:
        IntegrityError: if it is not.
        PermanentError: if its key is not in the keyring.
    """
    path = folder.absolute() / MANIFEST_NAME
    return Manifest.parse_at(path.read_bytes(), keyring, path.as_posix())


def heads(entries: Iterable[IndexEntry]) -> tuple[str, ...]:
    """Digests of the manifests that no other one names as a parent, sorted: the parents of the next one."""
    listed = tuple(entries)
    named = {parent for entry in listed for parent in entry.parents}
    return tuple(sorted({entry.manifest_digest for entry in listed} - named))


@contextmanager
def locked(archive_folder: Path, what: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a day or of the index, against other processes and threads.

    The lock files stay: removing one while another process waits for it would give two locks.

    Yields:
        Whether the lock is held; always true when waiting.
    """
    folder = archive_folder / _LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / what, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _append(path: Path, entries: Iterable[IndexEntry]) -> None:
    with path.open("ab") as file:
        file.write(_lines(entries))
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)


def _lines(entries: Iterable[IndexEntry]) -> bytes:
    return b"".join(entry.to_line() for entry in entries)


def _parse(data: bytes) -> tuple[IndexEntry, ...]:
    entries = (_parse_line(line) for line in data.split(b"\n")[:-1])
    return tuple(entry for entry in entries if entry is not None)


@lru_cache(maxsize=1 << 13)
def _parse_line(line: bytes) -> IndexEntry | None:
    """Remembered for 20 years of days: a process that makes one day after the other reads the index with each."""
    try:
        content = json.loads(line)
        entry = IndexEntry(
            **{**content, "day": parse_day(content["day"]), "parents": tuple(content["parents"])},
        )
        return entry if entry.to_line() == line + b"\n" else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None

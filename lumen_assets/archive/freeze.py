"""A day's snapshot into its next revision, once and for ever."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final, Protocol

from lumen_assets.archive.create import create_archive
from lumen_assets.archive.index import IndexEntry, heads, locked, read_manifest, refresh_index
from lumen_assets.archive.keys import Keyring
from lumen_assets.archive.layout import (
    MANIFEST_NAME,
    archive_name,
    base_name,
    parse_manifest_key,
    revision_folders,
    revision_prefix,
)
from lumen_assets.archive.manifest import ArchiveFile, Content, InputRange, Manifest, Provenance, associated_data
from lumen_assets.archive.payload import content_digest_of
from lumen_assets.archive.stream import Progress
from lumen_assets.days import day_bounds
from lumen_assets.durable import TEMPORARY_PREFIX, fsync_folder, new_file
from lumen_assets.errors import IntegrityError, LumenError, PermanentError

__all__ = [
    "MANIFEST_NAME",
    "FrozenDay",
    "FrozenInput",
    "archive_name",
    "freeze_day",
    "load_frozen",
    "newest",
    "parse_manifest_key",
    "revision_prefix",
    "revisions",
]

_DAY_LENGTH: Final = len("YYYY-MM-DD")


class FrozenInput(Protocol):
    """An input of the day, for the provenance and to make sure that just that was frozen."""

    @property
    def name(self) -> str:
        """Its path in the payload."""
        ...

    @property
    def role(self) -> str:
        """What it is for: ``telemetry``."""
        ...

    @property
    def present(self) -> bool:
        """Whether there was one."""
        ...

    @property
    def byte_range(self) -> tuple[int, int]:
        """First byte and one past the last byte of the day's part."""
        ...

    @property
    def sha256(self) -> str:
        """Of the day's part."""
        ...


@dataclass(frozen=True)
class FrozenDay:
    """A revision of a day as it lies on this machine.

    Attributes:
        folder: holds the archive and its manifest.
        manifest: what the archive is.
        manifest_digest: SHA-256 of the manifest file.
        created: whether this call made it.
    """

    folder: Path
    manifest: Manifest
    manifest_digest: str
    created: bool

    @property
    def archive_path(self) -> Path:
        """The archive file."""
        return self.folder / archive_name(self.manifest.day, self.manifest.revision)

    @property
    def manifest_path(self) -> Path:
        """The manifest file."""
        return self.folder / MANIFEST_NAME


def freeze_day(
    payload: Mapping[str, Path],
    *,
    day: date,
    archive_folder: Path,
    keyring: Keyring,
    level: int,
    threads: int,
    inputs: Sequence[FrozenInput],
    software: str,
    git_revision: str | None,
    run_id: str | None,
    created_at: datetime,
    known_revision: int = 0,
    parents: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> FrozenDay:
    """Freeze the payload of a day: as its next revision, or not at all if the newest one has the same content.

    The revision appears whole, by one rename. Safe to run twice at once, also in other processes.

    Args:
        payload: files by their path in the bag's ``data/``.
        day: the KST day.
        archive_folder: holds every day's folder and the index.
        keyring: its first key makes the archive.
        level: Zstandard level.
        threads: compressing threads; 0: one a core, at most 8.
        inputs: what of the payload was cut from where; absent ones are left out of the provenance.
        software: name and version of what makes the archive.
        git_revision: its commit, if known.
        run_id: of the run that makes it, if there is one.
        created_at: now, with a zone.
        known_revision: the newest one known elsewhere, at a destination: the next one is above it.
        parents: digests of the manifests that its own follows; None: the newest ones of the index here.
        progress: told of payload bytes.

    Raises:
        PermanentError: if a file or folder cannot be used.
        TransientError: if a file changed while it was read.
        IntegrityError: if an input is not what was cut, or what is frozen already is not as it was made.
    """
    with folder_errors(archive_folder), locked(archive_folder, day.isoformat()):
        _clean(archive_folder, day)
        _require_whole(archive_folder, day)
        entries = refresh_index(archive_folder, keyring)
        before = newest(archive_folder, day, keyring)
        if before and before.manifest.content.digest == content_digest_of(payload):
            return before
        revision = 1 + max(known_revision, *_revisions_known(entries, day))
        with _staged(archive_folder, day, revision) as staging:
            created = create_archive(
                payload,
                staging / archive_name(day, revision),
                key=keyring.primary,
                associated_data=associated_data(day, revision),
                base_name=base_name(day, revision),
                bag_info={"Bagging-Date": day.isoformat(), "External-Identifier": base_name(day, revision)},
                mtime=int(day_bounds(day)[1].timestamp()),
                level=level,
                threads=threads,
                progress=progress,
            )
            _require_as_cut(inputs, created.sha256)
            if before and created.content_digest == before.manifest.content.digest:
                return before  # it was being written to, and is now as it was
            manifest = Manifest(
                day=day,
                revision=revision,
                key_id=keyring.primary.id,
                archive=ArchiveFile(name=archive_name(day, revision), **vars(created.digests)),
                content=Content(digest=created.content_digest, files=created.files, bytes=created.bytes),
                provenance=Provenance(
                    software=software,
                    git_revision=git_revision,
                    run_id=run_id,
                    created_at=created_at,
                    inputs=tuple(InputRange(part.role, *part.byte_range) for part in inputs if part.present),
                ),
                parents=heads(entries) if parents is None else tuple(parents),
            )
            with new_file(staging / MANIFEST_NAME) as file:
                file.write(manifest.to_bytes(keyring.primary))
            _publish(staging, archive_folder / revision_prefix(day, revision))
        refresh_index(archive_folder, keyring, only=day)
        return replace(load_frozen(archive_folder / revision_prefix(day, revision), keyring), created=True)


def _require_as_cut(inputs: Sequence[FrozenInput], frozen: Mapping[str, str]) -> None:
    for part in inputs:
        if part.present and frozen.get(part.name) != part.sha256:
            raise IntegrityError(
                action="freeze",
                subject=part.name,
                cause="the day's part of it is not what was cut any more",
                error_class="input",
                hint="materialize the day again from its telemetry on; if it comes back, test the disk and the memory",
            )


def revisions(archive_folder: Path, day: date, keyring: Keyring) -> tuple[FrozenDay, ...]:
    """The revisions of a day that are on this machine, oldest first.

    Raises:
        IntegrityError, PermanentError: as ``load_frozen``.
    """
    return tuple(load_frozen(folder, keyring) for folder in revision_folders(archive_folder, day).values())


def newest(archive_folder: Path, day: date, keyring: Keyring) -> FrozenDay | None:
    """The newest revision of a day that is on this machine; None if there is none.

    Raises:
        IntegrityError, PermanentError: as ``load_frozen``.
    """
    folders = list(revision_folders(archive_folder, day).values())
    return load_frozen(folders[-1], keyring) if folders else None


def load_frozen(folder: Path, keyring: Keyring) -> FrozenDay:
    """The revision in a folder, its manifest authenticated, its archive there with the right size.

    Raises:
        IntegrityError: if the manifest is not authentic, or the archive not there or of another size.
        PermanentError: if the manifest's key is not in the keyring, or the folder cannot be read.
    """
    with folder_errors(folder):
        manifest = read_manifest(folder, keyring)
        frozen = FrozenDay(folder, manifest, manifest.digest, created=False)
        size = frozen.archive_path.stat().st_size if frozen.archive_path.is_file() else None
    if size != manifest.archive.size:
        state = "not there" if size is None else f"of {size} bytes instead of {manifest.archive.size}"
        raise _damaged(folder, f"its archive is {state}")
    return frozen


@contextmanager
def _staged(archive_folder: Path, day: date, revision: int) -> Iterator[Path]:
    """A folder to fill, removed when the block ends unless it was renamed into place."""
    staging = archive_folder / f"{TEMPORARY_PREFIX}{day.isoformat()}-r{revision}-{os.urandom(6).hex()}"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _revisions_known(entries: Sequence[IndexEntry], day: date) -> list[int]:
    """Revisions that were ever frozen here, also those that are gone by now: a number is used once."""
    return [0, *(entry.revision for entry in entries if entry.day == day)]


def _publish(staging: Path, final: Path) -> None:
    """One rename, which fails if the name is taken by anything but an empty folder."""
    fsync_folder(staging)
    final.parent.mkdir(exist_ok=True)  # of r2, where r1 is gone
    staging.rename(final)
    fsync_folder(final.parent)
    fsync_folder(final.parent.parent)


def _require_whole(archive_folder: Path, day: date) -> None:
    """Refuse to go on beside a revision that lost its manifest."""
    top = archive_folder / day.isoformat()
    for folder in (top, *top.glob("r*/")):
        if any(folder.glob("*.tink")) and not (folder / MANIFEST_NAME).is_file():
            raise _damaged(folder, f"it has no {MANIFEST_NAME}")


def _clean(archive_folder: Path, day: date) -> None:
    """Remove what freezes that were killed left behind.

    Whoever freezes a day holds its lock; a staging folder of a day whose lock is free belongs to nobody.
    """
    for staging in archive_folder.glob(f"{TEMPORARY_PREFIX}????-??-??-r*"):
        owner = staging.name[len(TEMPORARY_PREFIX) :][:_DAY_LENGTH]
        if owner == day.isoformat():
            shutil.rmtree(staging, ignore_errors=True)
            continue
        with locked(archive_folder, owner, wait=False) as free:
            if free:
                shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system says of a folder of ours into ``PermanentError``."""
    try:
        yield
    except LumenError:
        raise
    except OSError as error:
        raise PermanentError(
            action="use",
            subject=str(error.filename or folder),
            cause=error.strerror or type(error).__name__,
            error_class="output",
            hint="give Lumen access to it and room on it",
        ) from error


def _damaged(folder: Path, cause: str) -> IntegrityError:
    return IntegrityError(
        action="use",
        subject=f"the archive in {folder}",
        cause=cause,
        error_class="archive",
        hint=f"nothing was overwritten: move {folder} away and run the day again (`lumen daily --day DAY`); what a "
        "destination has of it is brought back, else it is made anew of the inputs",
    )

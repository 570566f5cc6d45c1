"""Archives and manifests back from a destination, as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from datetime import date
from pathlib import Path

from lumen_assets.archive import MANIFEST_NAME, Keyring, Manifest, archive_name, revision_prefix
from lumen_assets.archive.freeze import folder_errors
from lumen_assets.durable import TEMPORARY_PREFIX, fsync_folder, remove_left_over
from lumen_assets.errors import IntegrityError
from lumen_assets.replication.store import Store


def fetch_object(source: Store, key: str, to: Path, sha256: str | None = None) -> None:
    """Write an object to a new file, on the disk when this returns.

    Args:
        sha256: what it must be, where that is known.

    Raises:
        IntegrityError: if it is something else; ``to`` then holds what arrived.
    """
    digest = hashlib.sha256()
    with source.read(key) as reader, to.open("xb") as file:
        while data := reader.read(1 << 20):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if sha256 is not None and digest.hexdigest() != sha256:
        raise IntegrityError(
            action="fetch",
            subject=f"{key} from {source.name}",
            cause=f"what arrived has SHA-256 {digest.hexdigest()}, its manifest says {sha256}",
            error_class="digest",
        )


def fetch_revision(source: Store, day: date, revision: int, archive_folder: Path, keyring: Keyring) -> None:
    """Bring a frozen revision into the local archive, whole or not at all; one that is there stays as it is.

    Raises:
        IntegrityError: if the manifest is not authentic, or the archive not what it says.
        TransientError, PermanentError: if the destination could not be used, or the local archive not be written.
    """
    with folder_errors(archive_folder):
        _fetch_revision(source, day, revision, archive_folder, keyring)


def _fetch_revision(source: Store, day: date, revision: int, archive_folder: Path, keyring: Keyring) -> None:
    prefix = revision_prefix(day, revision)
    final = archive_folder / prefix
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(archive_folder)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=archive_folder) as temporary:
        staging = Path(temporary) / "revision"
        staging.mkdir()
        fetch_object(source, prefix + MANIFEST_NAME, staging / MANIFEST_NAME)
        place = f"{source.name}/{prefix}{MANIFEST_NAME}"
        manifest = Manifest.parse_at((staging / MANIFEST_NAME).read_bytes(), keyring, place)
        name = archive_name(day, revision)
        fetch_object(source, prefix + name, staging / name, manifest.archive.sha256)
        fsync_folder(staging)
        try:
            staging.rename(final)
        except OSError:
            if not (final / MANIFEST_NAME).is_file():
                raise
            shutil.rmtree(staging)  # another process brought it first
        fsync_folder(final.parent)

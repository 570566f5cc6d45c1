"""A day's files back from a replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lumen_assets.archive import (
    Keyring,
    Manifest,
    archive_name,
    associated_data,
    extract_paths,
    extract_stream,
    revision_prefix,
)
from lumen_assets.replication.store import Store


@dataclass(frozen=True)
class Restored:
    """What a restore brought back: how many files with how many bytes, and from which destination."""

    destination: str
    revision: int
    files: int
    bytes: int


class StoreRange:
    """Random access to one object of a store, for reading a single path out of an archive.

    Args:
        size: bytes of the object, as its manifest says.
    """

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """The bytes from ``offset``, ``length`` of them or as many as there are."""
        with self._store.read(self._key, offset, length) as reader:
            parts = []
            while data := reader.read(1 << 20):
                parts.append(data)
        return b"".join(parts)


def restore_replica(
    store: Store, manifest: Manifest, keyring: Keyring, to: Path, paths: Sequence[str] = ()
) -> Restored:
    """Restore a day from one destination into the folder ``to``, which must not exist or be empty.

    Args:
        manifest: the authentic manifest of the day and revision.
        paths: files or folders of the payload; without any, the whole bag.

    Raises:
        IntegrityError: if the replica is not what the manifest says; ``to`` is then not made.
        TransientError, PermanentError: if the destination or the folder could not be used.
    """
    key = revision_prefix(manifest.day, manifest.revision) + archive_name(manifest.day, manifest.revision)
    archive_key = keyring.find(manifest.key_id)
    bound_to = associated_data(manifest.day, manifest.revision)
    name = f"{key} at {store.name}"
    if paths:
        ranged = StoreRange(store, key, manifest.archive.size)
        found = extract_paths(ranged, paths, to, key=archive_key, associated_data=bound_to, name=name)
        return Restored(store.name, manifest.revision, found.files, found.bytes)
    with store.read(key) as reader:
        contents = extract_stream(
            reader, to, key=archive_key, associated_data=bound_to, content_digest=manifest.content.digest, name=name
        )
    return Restored(store.name, manifest.revision, contents.files, contents.bytes)

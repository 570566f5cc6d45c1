"""One archive and its manifest to one destination."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_assets.archive import FrozenDay, archive_name, digest_file, revision_prefix
from lumen_assets.archive.digests import Digests
from lumen_assets.archive.freeze import MANIFEST_NAME
from lumen_assets.replication.store import Progress, Receipt, Store


@dataclass(frozen=True)
class ReplicaReceipt:
    """What replicating a frozen day returned: a receipt for the archive and one for its manifest."""

    archive: Receipt
    manifest: Receipt

    @property
    def created(self) -> bool:
        """Whether anything had to be sent."""
        return self.archive.created or self.manifest.created


def replicate(frozen: FrozenDay, store: Store, progress: Progress | None = None) -> ReplicaReceipt:
    """Put a frozen day at a destination: the archive first, then the manifest that says it is complete.

    Safe to run again and to run twice at once.

    Raises:
        LumenError: as ``Store.put``.
    """
    manifest = frozen.manifest
    prefix = revision_prefix(manifest.day, manifest.revision)
    expected = manifest.archive
    digests = Digests(
        size=expected.size,
        sha256=expected.sha256,
        md5=expected.md5,
        crc64nvme=expected.crc64nvme,
        dropbox_content_hash=expected.dropbox_content_hash,
    )
    archive = store.put(prefix + archive_name(manifest.day, manifest.revision), frozen.archive_path, digests, progress)
    return ReplicaReceipt(
        archive=archive,
        manifest=store.put(prefix + MANIFEST_NAME, frozen.manifest_path, digest_file(frozen.manifest_path)),
    )

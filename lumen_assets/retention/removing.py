"""One archive removed from one destination: on record first, then gone.

The record is written before the archive is removed, so that a crash leaves either an archive beside a record, which
counts for nothing while the archive is there, or a removal that is on record. It is also what two machines that remove
at once see of each other: each writes its record, then looks whether the copy that it counts on has none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, cast, runtime_checkable

from lumen_assets.archive import REMOVAL_NAME, Key, Keyring, Manifest, Removal, archive_name, digest_file
from lumen_assets.archive import revision_prefix as prefix_of
from lumen_assets.errors import IntegrityError, LumenError, PermanentError
from lumen_assets.replication.retrying import RetryingStore
from lumen_assets.replication.store import Store
from lumen_assets.verification import read_removal

STALE: Final = timedelta(days=1)
"""A record this old beside an archive is left over from a crash. It is used on for half of that time only, so that
nobody withdraws it while somebody relies on it."""


@runtime_checkable
class Remover(Protocol):
    """What a destination's client can besides being a ``Store``, for retention alone."""

    def remove(self, key: str) -> bool:
        """Remove an object; whether it was there. Removing what is gone is no error.

        Raises:
            PermanentError: with ``error_class="locked"`` if the provider keeps it for now.
            LumenError: as the provider failed.
        """
        ...


def remove_archive(
    store: Store,
    manifest: Manifest,
    removal: Removal,
    keyring: Keyring,
    scratch: Path,
    still_good_elsewhere: Callable[[], bool],
) -> None:
    """Put the archive's removal on record, make sure once more that a good copy stays, and remove it.

    Safe to run again after a crash at any point.

    Args:
        store: where it is.
        manifest: of the archive.
        removal: what goes on record.
        keyring: its first key authenticates the record.
        scratch: a folder for the record.
        still_good_elsewhere: whether one of the copies that are to stay is good now.

    Raises:
        IntegrityError: with ``error_class="no-good-copy"`` if none is; the record is withdrawn and the archive stays.
        LumenError: if the destination could not be used.
    """
    _record(store, manifest, removal, keyring, scratch)
    try:
        if not still_good_elsewhere():
            raise IntegrityError(
                action="remove",
                subject=f"{manifest.day} r{manifest.revision} at {store.name}",
                cause=f"no copy that was to stay ({', '.join(removal.stays)}) is good now",
                error_class="no-good-copy",
                hint="`lumen verify` tells what they hold",
            )
        _remove(store, prefix_of(manifest.day, manifest.revision) + archive_name(manifest.day, manifest.revision))
    except LumenError as error:
        if not error.retry_helps:  # else it may be gone: the record has to stay
            withdraw(store, manifest)
        raise


def withdraw(store: Store, manifest: Manifest) -> None:
    """Set the record of a removal aside where the archive is still there and stays.

    Raises:
        LumenError: if the destination could not be used.
    """
    prefix = prefix_of(manifest.day, manifest.revision)
    there = store.stat(prefix + archive_name(manifest.day, manifest.revision))
    if there is not None and store.stat(prefix + REMOVAL_NAME) is not None:
        store.set_aside(prefix + REMOVAL_NAME)


def withdraw_if_stale(store: Store, manifest: Manifest, keyring: Keyring) -> None:
    """The same where the record is so old that whoever wrote it is not about to remove the archive any more.

    Beside an archive that stays it would excuse a later loss. One that is not authentic excuses nothing, and is left.

    Raises:
        TransientError, PermanentError: if the destination could not be used.
    """
    with suppress(IntegrityError):
        removal = read_removal(store, manifest, keyring)
        if removal is not None and datetime.now(UTC) - removal.removed_at > STALE:
            withdraw(store, manifest)


def _record(store: Store, manifest: Manifest, removal: Removal, keyring: Keyring, scratch: Path) -> None:
    key = prefix_of(manifest.day, manifest.revision) + REMOVAL_NAME
    try:
        earlier = read_removal(store, manifest, keyring)
        if earlier is not None and datetime.now(UTC) - earlier.removed_at < STALE / 2:
            return  # of an earlier try
        if earlier is not None:
            store.set_aside(key)
    except IntegrityError:
        store.set_aside(key)
    except PermanentError as error:
        if error.error_class != "unknown-key":
            raise
        store.set_aside(key)
    _put(store, key, removal, keyring.primary, scratch)


def _put(store: Store, key: str, removal: Removal, signing: Key, scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=scratch) as folder:
        path = Path(folder) / REMOVAL_NAME
        path.write_bytes(removal.to_bytes(signing))
        store.put(key, path, digest_file(path))


def _remove(store: Store, key: str) -> None:
    inner = store.once if isinstance(store, RetryingStore) else store
    if not isinstance(inner, Remover):
        raise PermanentError(
            action="remove", subject=f"{key} at {store.name}", cause="nothing can be removed there", error_class="kind"
        )
    remover = cast("Remover", inner)
    if isinstance(store, RetryingStore):
        store.retried(f"remove {key}", lambda: remover.remove(key))
    else:
        remover.remove(key)

"""A destination in a dry run: it is read as ever, and nothing is put, set aside or removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Never

from lumen_assets.archive import Digests
from lumen_assets.errors import PermanentError
from lumen_assets.replication.retrying import RetryingStore
from lumen_assets.replication.store import Progress, Reader, Receipt, Store, StoredObject


class WithholdingStore:
    """A store that refuses whatever would change the destination, and says what it would have done.

    Args:
        store: the store itself.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._store.name

    @property
    def once(self) -> WithholdingStore:
        """The same for a look that tries once."""
        return WithholdingStore(self._store.once) if isinstance(self._store, RetryingStore) else self

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:  # noqa: ARG002
        """Refused."""
        self._withhold("put", key, f"{digests.size:,} bytes would have been sent, unless they are there already")

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        return self._store.stat(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> AbstractContextManager[Reader]:
        """See ``Store.read``."""
        return self._store.read(key, start, length)

    def set_aside(self, key: str) -> str:
        """Refused."""
        self._withhold("set aside", key, "it would have been given another name")

    def remove(self, key: str) -> bool:
        """Refused."""
        self._withhold("remove", key, "it would have been removed")

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        return self._store.list(prefix)

    def _withhold(self, action: str, key: str, what: str) -> Never:
        raise PermanentError(
            action=action,
            subject=f"{key} at {self.name}",
            cause=f"this is a dry run: {what}",
            error_class="dry-run",
            hint="set dry_run to false in lumen.yaml for it to be done",
        )

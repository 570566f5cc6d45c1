"""A store that is asked no more once it could not be reached.

For commands and runs that ask a destination about many days: one that is down then costs one round of tries and its
waits, and not one a day. What was not asked is as unknown as before: the error is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from lumen_assets.archive import Digests
from lumen_assets.errors import TransientError
from lumen_assets.replication.store import Progress, Reader, Receipt, Store, StoredObject

_Answer = TypeVar("_Answer")


class RememberingStore:
    """A store whose error of class ``network`` stands for every later call; it is meant to live as long as a command.

    Args:
        store: the store, with its retries.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._error: TransientError | None = None

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._store.name

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``."""
        return self._asked(lambda: self._store.put(key, source, digests, progress))

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        return self._asked(lambda: self._store.stat(key))

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """See ``Store.read``."""
        with ExitStack() as opened:
            reader = self._asked(lambda: opened.enter_context(self._store.read(key, start, length)))
            yield _RememberingReader(reader, self._asked)

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``."""
        return self._asked(lambda: self._store.set_aside(key))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        return iter(self._asked(lambda: [*self._store.list(prefix)]))

    def _asked(self, call: Callable[[], _Answer]) -> _Answer:
        if self._error is not None:
            raise self._error.with_traceback(None)
        try:
            return call()
        except TransientError as error:
            if error.error_class == "network":
                self._error = error
            raise


class _RememberingReader:
    def __init__(self, reader: Reader, asked: Callable[[Callable[[], bytes]], bytes]) -> None:
        self._reader = reader
        self._asked = asked

    def read(self, size: int, /) -> bytes:
        return self._asked(lambda: self._reader.read(size))

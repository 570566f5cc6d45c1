"""Retries around a store: exponential backoff with full jitter and a cap, Retry-After honoured.

A wrapper, not part of the stores: a put is resumable, so trying it again goes on where it stopped. Permanent and
integrity errors are never retried.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from lumen_assets.archive import Digests
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.replication.store import Progress, Reader, Receipt, Store, StoredObject

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Backoff:
    """How often and how long to wait.

    Attributes:
        attempts: tries in all.
        base: seconds; the wait before retry n is uniform between 0 and ``base * 2**(n-1)`` (full jitter, as in
            Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
        cap: seconds; no drawn wait is longer, and a provider's Retry-After of more ends the tries.
    """

    attempts: int = 6
    base: float = 1.0
    cap: float = 60.0

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after the failed ``attempt`` (from 1): never less than the provider asked for."""
        drawn = random.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))  # noqa: S311 - not a secret
        return max(drawn, retry_after or 0.0)


DEFAULT_BACKOFF: Final = Backoff()


class RetryingStore:
    """A store whose transient errors are tried again.

    Args:
        store: the store itself.
        backoff: how often and how long.
        sleep: seconds to pass; tests give their own.
    """

    def __init__(
        self, store: Store, backoff: Backoff = DEFAULT_BACKOFF, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._store = store
        self._backoff = backoff
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._store.name

    @property
    def once(self) -> Store:
        """The store itself, for a look that tries once and says at once what it saw."""
        return self._store

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``; the receipt counts attempts and bytes over all of them."""
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            sent += size
            if progress:
                progress(size)

        receipt, attempts = self._tried(f"put {key}", lambda: self._store.put(key, source, digests, count))
        return replace(receipt, attempts=attempts, bytes_sent=max(receipt.bytes_sent, sent))

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        return self._tried(f"stat {key}", lambda: self._store.stat(key))[0]

    def read(self, key: str, start: int = 0, length: int | None = None) -> AbstractContextManager[Reader]:
        """See ``Store.read``; a read that breaks off goes on from the byte where it broke."""
        return _ResumingRead(self, key, start, length)

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``; where a lost answer hid that it was done, the name that it got is found."""
        failed = False

        def once() -> str:
            nonlocal failed
            try:
                return self._store.set_aside(key)
            except TransientError:
                failed = True
                raise
            except PermanentError as error:
                done = [stored.key for stored in self._store.list(f"{key}.aside-")] if failed else []
                if error.error_class != "missing" or not done:
                    raise
                return done[-1]

        return self._tried(f"set aside {key}", once)[0]

    def retried(self, what: str, call: Callable[[], _Answer]) -> _Answer:
        """What ``call``, which may be made again, returns, tried as often as the store's own methods are."""
        return self._tried(what, call)[0]

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        return iter(self._tried(f"list {prefix or 'everything'}", lambda: list(self._store.list(prefix)))[0])

    def _tried(self, what: str, call: Callable[[], _Answer]) -> tuple[_Answer, int]:
        attempt = 1
        while True:
            try:
                return call(), attempt
            except TransientError as error:
                self.wait_after(error, attempt, what)
                attempt += 1

    def wait_after(self, error: TransientError, attempt: int, what: str) -> None:
        """Wait before the next attempt, or raise ``error`` where there is none."""
        backoff = self._backoff
        if attempt >= backoff.attempts or (error.retry_after or 0) > backoff.cap:
            raise error
        seconds = backoff.wait(attempt, error.retry_after)
        _log.warning(
            "%s: %s: attempt %d of %d failed (%s: %s), waiting %.1f s",
            self.name,
            what,
            attempt,
            backoff.attempts,
            error.error_class,
            error.cause,
            seconds,
        )
        self._sleep(seconds)

    def open_once(self, key: str, start: int, length: int | None) -> AbstractContextManager[Reader]:
        """One try at reading."""
        return self._store.read(key, start, length)


class _ResumingRead(AbstractContextManager[Reader]):
    """A reader that opens again at the byte where it broke off; progress starts the count of attempts anew."""

    def __init__(self, store: RetryingStore, key: str, start: int, length: int | None) -> None:
        self._store = store
        self._key = key
        self._position = start
        self._left = length
        self._open: AbstractContextManager[Reader] | None = None
        self._reader: Reader | None = None
        self._attempt = 1

    def __enter__(self) -> _ResumingRead:
        self._retrying(lambda: None)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, size: int, /) -> bytes:
        """The next at most ``size`` bytes."""
        data = self._retrying(lambda: self._reader.read(size) if self._reader else b"")
        assert data is not None  # noqa: S101 - for the type checker
        self._position += len(data)
        if self._left is not None:
            self._left -= len(data)
        if data:
            self._attempt = 1
        return data

    def _retrying(self, call: Callable[[], bytes | None]) -> bytes | None:
        while True:
            try:
                if self._reader is None:
                    self._open = self._store.open_once(self._key, self._position, self._left)
                    self._reader = self._open.__enter__()
                return call()
            except TransientError as error:
                self._close()
                self._store.wait_after(error, self._attempt, f"read {self._key} from byte {self._position}")
                self._attempt += 1

    def _close(self) -> None:
        opened, self._open, self._reader = self._open, None, None
        if opened is not None:
            opened.__exit__(None, None, None)

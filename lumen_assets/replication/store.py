"""What every destination can do: the one interface between our code and a provider.

A key is a relative path with ``/``: ``2026-11-21/snapshot.manifest.json``. Objects are write-once: a put of
identical content is a success that sends nothing, a put of different content is a conflict; nothing here
deletes or overwrites; a damaged object is set aside under another name. Errors are those of
``lumen_assets.errors``; retrying is a wrapper's business, not a store's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError

Progress = Callable[[int], None]
"""Called with the number of bytes that were just sent."""


def checked_key(key: str) -> str:
    """``key``, if it is one: relative, and never leading outside.

    Raises:
        ValueError: if it is not.
    """
    pure = PurePosixPath(key)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"{key!r} is not a key")
    return key


@dataclass(frozen=True)
class StoredObject:
    """What a destination says of an object without our reading it.

    Attributes:
        key: its key.
        size: bytes.
        checksums: whole-object checksums that the provider itself computed, lower-case hex, by the names of the
            fields of ``Digests``; empty where it computes none.
        uri: where it is, for people.
        version: the provider's version or revision id, if it has one.
    """

    key: str
    size: int
    uri: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What a put returned.

    Attributes:
        stored: the object as the destination has it now.
        created: False where identical content was there already.
        bytes_sent: bytes that this put sent, those sent again included.
        attempts: tries that it took.
    """

    stored: StoredObject
    created: bool
    bytes_sent: int
    attempts: int = 1


ASIDE: Final = ".aside-"
"""What stands between the key of an object that was set aside and the time of it."""


def aside_key(key: str, now: datetime) -> str:
    """The key that a damaged object gets when it is set aside at ``now``."""
    return f"{key}{ASIDE}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"


LEFT_ALONE: Final = "it was left as it is; `lumen verify` tells what it holds"
"""The hint where something that is not right is in the place of an object."""


def other_content(uri: str) -> IntegrityError:
    """Why a put is refused where something else has the key."""
    return IntegrityError(
        action="store", subject=uri, cause="it exists with other content", error_class="conflict", hint=LEFT_ALONE
    )


class Reader(Protocol):
    """A stream of an object's bytes."""

    def read(self, size: int, /) -> bytes:
        """The next at most ``size`` bytes; empty at the end."""
        ...


class Store(Protocol):
    """The client for a destination."""

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        ...

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """Store the file ``source``, whose digests are known, under ``key``.

        Raises:
            IntegrityError: if ``key`` holds other content (``error_class="conflict"``), or what arrived is not what
                ``digests`` says (``"digest"``).
            TransientError, PermanentError: as the provider failed.
        """
        ...

    def stat(self, key: str) -> StoredObject | None:
        """What the destination says of ``key``; None if there is no such object."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AbstractContextManager[Reader]:
        """The bytes of ``key`` from ``start``, at most ``length`` of them.

        Raises:
            PermanentError: with ``error_class="missing"`` if there is no such object.
        """
        ...

    def set_aside(self, key: str) -> str:
        """Give a damaged object another name, so that its place is free and nothing is lost; returns that name.

        For repair only. The new key is ``key`` with ``.aside-`` and the time, UTC, behind it.

        Raises:
            PermanentError: with ``error_class="missing"`` if there is no such object.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object whose key starts with ``prefix``, sorted by key. Unfinished puts are not objects."""
        ...

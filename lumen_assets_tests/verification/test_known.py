"""What a look around believes of places that answer in part."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from lumen_assets.archive import parse_keyring
from lumen_assets.errors import LumenError, TransientError
from lumen_assets.replication.store import StoredObject
from lumen_assets.verification.known import key_fits, look_around
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY

DAY = date(2026, 3, 9)
KEYRING = parse_keyring(PUBLIC_TEST_KEY)
NETWORK = TransientError(action="read", subject="it", cause="the connection broke", error_class="network")


class Place:
    """Lists one manifest, and fails when it is read."""

    name = "cloud"

    def __init__(self, error: LumenError | None) -> None:
        self.error = error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        key = f"{DAY}/snapshot.manifest.json"
        if key.startswith(prefix):
            yield StoredObject(key=key, size=2, uri=key)

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[io.BytesIO]:
        if self.error:
            raise self.error
        yield io.BytesIO(b"{}")


def test_a_manifest_that_could_not_be_read_is_silence_and_no_forgery() -> None:
    known = look_around([Place(NETWORK)], KEYRING, days=(DAY,))  # type: ignore[list-item]
    assert known.refused == []
    assert "the connection broke" in known.silent["cloud"]


def test_one_that_was_read_and_is_none_is_not_believed() -> None:
    known = look_around([Place(None)], KEYRING, days=(DAY,))  # type: ignore[list-item]
    assert [item.revision for item in known.refused] == [(DAY, 1)]
    assert known.silent == {}


def test_whether_a_key_fits_is_not_answered_by_a_broken_connection() -> None:
    with pytest.raises(TransientError):
        key_fits(Place(NETWORK), KEYRING)  # type: ignore[arg-type]
    assert key_fits(Place(None), KEYRING) is None  # type: ignore[arg-type]

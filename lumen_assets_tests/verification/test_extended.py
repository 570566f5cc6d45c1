"""Bytes behind an archive are told from damage, where that is known: never guessed from the size alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lumen_assets.replication.local import LocalStore
from lumen_assets.verification import Finding, Level, Verdict, Verification, verify_replica
from lumen_assets_tests.installation import LAST_DAY, Installation

READING = [Level.BYTES, Level.MEMBERS]


class Replica:
    """A copy of a day at a destination, to be damaged."""

    def __init__(self, made: Installation, folder: Path) -> None:
        shutil.copytree(made.home / "copies" / "here", folder)
        self._store = LocalStore("here", folder)
        self._keyring = made.workspace.keyring
        (self._path,) = folder.glob(f"{LAST_DAY}/*.tink")
        self._path.chmod(0o600)
        self.data = self._path.read_bytes()

    def found(self, data: bytes, level: Level) -> Verification:
        self._path.write_bytes(data)
        found = verify_replica(self._store, LAST_DAY, 1, level, self._keyring)
        assert found.verdict is Verdict.MISMATCH
        return found


@pytest.fixture
def replica(made: Installation, tmp_path: Path) -> Replica:
    return Replica(made, tmp_path / "here")


@pytest.mark.parametrize("level", READING)
@pytest.mark.parametrize("more", [b"\0", b"LUMENIX1", bytes(3 << 20)], ids=len)
def test_appended_bytes_are_told_with_how_many_there_are(replica: Replica, level: Level, more: bytes) -> None:
    found = replica.found(replica.data + more, level)
    assert found.finding is Finding.EXTENDED
    assert found.detail == f"its {len(replica.data):,} bytes are right, and {len(more):,} were appended"
    assert found.bytes_read == 2 * (len(replica.data) + len(more))


@pytest.mark.parametrize("level", READING)
@pytest.mark.parametrize("place", [0, 500, -1])
def test_where_a_bit_of_it_differs_too_it_is_damaged(replica: Replica, level: Level, place: int) -> None:
    data = bytearray(replica.data)
    data[place] ^= 1
    found = replica.found(bytes(data) + b"more", level)
    assert found.finding is Finding.DAMAGED
    if level is Level.BYTES:
        assert found.detail.endswith(f"instead of {len(data):,}, and the first {len(data):,} differ too")


def test_bytes_before_it_are_no_extension(replica: Replica) -> None:
    assert replica.found(b"\0" + replica.data, Level.BYTES).finding is Finding.DAMAGED


def test_a_size_alone_says_only_that_it_is_too_long(replica: Replica) -> None:
    found = replica.found(replica.data + b"\0", Level.DIGEST)
    assert (found.finding, found.bytes_read) == (Finding.TOO_LONG, 0)

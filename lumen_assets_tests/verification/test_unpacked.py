"""A replica of the very bytes that this process has unpacked is proven by its SHA-256; no other one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_assets.verification import Finding, Level, Unpacked, Verdict, Verification, verify_replica
from lumen_assets_tests.installation import LAST_DAY, Installation


@pytest.fixture
def unpacked() -> Unpacked:
    return {}


def looked_at(made: Installation, name: str, unpacked: Unpacked, level: Level = Level.MEMBERS) -> Verification:
    workspace = made.workspace
    return verify_replica(workspace.stores[name], LAST_DAY, 1, level, workspace.keyring, unpacked=unpacked)


def archive_at(made: Installation, name: str) -> Path:
    (path,) = made.root.glob(f"**/{name}/**/*.tink")
    return path


def test_the_second_of_two_same_replicas_is_read_and_hashed_and_not_unpacked(
    made: Installation, unpacked: Unpacked
) -> None:
    first = looked_at(made, "here", unpacked)
    assert (first.verdict, list(unpacked.values())) == (
        Verdict.MATCH,
        [made.workspace.frozen_day(LAST_DAY).manifest.content.files],
    )
    for manifest in unpacked:
        unpacked[manifest] = 1234  # only what comes from here can say this
    second = looked_at(made, "there", unpacked)
    assert (second.verdict, second.level, second.bytes_read) == (Verdict.MATCH, Level.MEMBERS, first.bytes_read)
    assert "all 1234 files right" in second.detail


def test_what_was_only_hashed_proves_no_members(made: Installation, unpacked: Unpacked) -> None:
    assert looked_at(made, "here", unpacked, Level.BYTES).verdict is Verdict.MATCH
    assert unpacked == {}


@pytest.mark.parametrize("place", [100, -100])
def test_damage_is_found_after_the_other_replica_was_unpacked(
    made: Installation, unpacked: Unpacked, place: int
) -> None:
    whole = looked_at(made, "here", unpacked)
    archive = archive_at(made, "there")
    kept = archive.read_bytes()
    spoiled = bytearray(kept)
    spoiled[place] ^= 1
    archive.chmod(0o600)
    archive.write_bytes(spoiled)
    try:
        found = looked_at(made, "there", unpacked)
    finally:
        archive.write_bytes(kept)
    assert (found.verdict, found.finding) == (Verdict.MISMATCH, Finding.DAMAGED)
    assert "SHA-256 differs" not in found.detail, "the second look unpacks, and says what is wrong"
    assert found.bytes_read == 2 * whole.bytes_read
    assert looked_at(made, "there", unpacked).verdict is Verdict.MATCH

"""Every single change to an archive is refused, and extracting it leaves nothing behind."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, verify_stream
from lumen_assets.errors import IntegrityError
from lumen_assets_tests.archive.conftest import BOUND_TO, make


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, key: Key) -> bytes:
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "file").write_bytes(b"a little content")
    make({"file": folder / "file"}, folder / "a", key)
    return (folder / "a").read_bytes()


def refused(data: bytes, key: Key, bound_to: bytes = BOUND_TO) -> bool:
    try:
        verify_stream(io.BytesIO(data), key=key, associated_data=bound_to)
    except IntegrityError:
        return True
    return False


def test_it_is_accepted_as_it_is(sealed: bytes, key: Key) -> None:
    assert not refused(sealed, key)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_refused(sealed: bytes, key: Key, mask: int) -> None:
    accepted = []
    for position in range(len(sealed)):
        data = bytearray(sealed)
        data[position] ^= mask
        if not refused(bytes(data), key):
            accepted.append(position)
    assert accepted == []


def test_every_truncation_is_refused(sealed: bytes, key: Key) -> None:
    assert [size for size in range(len(sealed)) if not refused(sealed[:size], key)] == []


def test_every_extension_is_refused(sealed: bytes, key: Key) -> None:
    assert all(refused(sealed + more, key) for more in (b"\0", b"x" * 16, sealed, bytes(1 << 20), bytes(3 << 20)))


def test_every_removed_and_every_doubled_byte_is_refused(sealed: bytes, key: Key) -> None:
    for position in range(0, len(sealed), 7):
        assert refused(sealed[:position] + sealed[position + 1 :], key)
        assert refused(sealed[: position + 1] + sealed[position:], key)


@pytest.mark.parametrize("other", [b"lumen-archive/v1|2026-11-21|r2", b"lumen-archive/v1|2026-11-22|r1", b""])
def test_the_archive_of_another_day_or_revision_is_refused(sealed: bytes, key: Key, other: bytes) -> None:
    assert refused(sealed, key, other)


@pytest.mark.parametrize("position", [0, 20, 40, 500, -30, -1])
def test_nothing_is_extracted_from_a_damaged_archive(sealed: bytes, key: Key, position: int, tmp_path: Path) -> None:
    data = bytearray(sealed)
    data[position] ^= 4
    out = tmp_path / "place" / "out"
    with pytest.raises(IntegrityError):
        extract_stream(io.BytesIO(bytes(data)), out, key=key, associated_data=BOUND_TO)
    with pytest.raises(IntegrityError):
        extract_paths(FileRange(io.BytesIO(bytes(data))), ["file"], out, key=key, associated_data=BOUND_TO)
    assert not list((tmp_path / "place").iterdir()) if (tmp_path / "place").exists() else True

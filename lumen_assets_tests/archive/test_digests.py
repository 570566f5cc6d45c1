from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.archive import DigestTaker, digest_file

BLOCK = 4 << 20


def crc64nvme(data: bytes) -> int:
    """CRC-64/NVME bit by bit, from its definition: reflected, polynomial 0xad93d23594c93659."""
    crc = 2**64 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return crc ^ 2**64 - 1


def test_the_check_value_of_crc64nvme() -> None:
    taker = DigestTaker()
    taker.update(b"123456789")
    assert taker.digests().crc64nvme == "ae8b14860a799888"


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    taker = DigestTaker()
    for piece in pieces:
        taker.update(piece)
    data = b"".join(pieces)
    found = taker.digests()
    assert found.size == len(data)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.md5 == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert found.crc64nvme == f"{crc64nvme(data):016x}"


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5])
def test_dropbox_hashes_the_hashes_of_4_mib_blocks(size: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    blocks = [data[start : start + BLOCK] for start in range(0, size, BLOCK)]
    expected = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()
    path = tmp_path / "file"
    path.write_bytes(data)
    assert digest_file(path).dropbox_content_hash == expected


def test_digests_may_be_asked_for_on_the_way() -> None:
    taker = DigestTaker()
    taker.update(b"a")
    first = taker.digests()
    taker.update(b"b")
    assert taker.digests().sha256 == hashlib.sha256(b"ab").hexdigest()
    assert first.sha256 == hashlib.sha256(b"a").hexdigest()

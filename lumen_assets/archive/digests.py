"""The digests that destinations can compare: all of them from one pass over the bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DROPBOX_BLOCK: Final = 4 << 20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Digests:
    """Size and digests of some bytes, in lower-case hex.

    Attributes:
        size: bytes.
        sha256: SHA-256, 64 digits; Google Drive's ``sha256Checksum``.
        md5: MD5, 32 digits; Google Drive's ``md5Checksum``. Finds accidents, proves nothing.
        crc64nvme: CRC-64/NVME, 16 digits; S3's full-object checksum of multipart uploads.
        dropbox_content_hash: SHA-256 over the SHA-256 of every 4 MiB block, 64 digits; Dropbox's ``content_hash``.
    """

    size: int
    sha256: str
    md5: str
    crc64nvme: str
    dropbox_content_hash: str


class DigestTaker:
    """Takes every digest of ``Digests`` from bytes that come in pieces."""

    def __init__(self) -> None:
        from awscrt.checksums import crc64nvme  # loaded where something is written: 50 ms

        self._crc64nvme = crc64nvme
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc64 = 0
        self._blocks = hashlib.sha256()
        self._block = hashlib.sha256()
        self._room = _DROPBOX_BLOCK

    def update(self, data: bytes) -> None:
        """Take the next bytes in."""
        self._size += len(data)
        self._sha256.update(data)
        self._md5.update(data)
        self._crc64 = self._crc64nvme(data, self._crc64)
        view = memoryview(data)
        while view:
            part, view = view[: self._room], view[self._room :]
            self._block.update(part)
            self._room -= len(part)
            if not self._room:
                self._close_block()

    def digests(self) -> Digests:
        """The digests of everything taken in so far."""
        blocks = self._blocks.copy()
        if self._room < _DROPBOX_BLOCK:
            blocks.update(self._block.digest())
        return Digests(
            size=self._size,
            sha256=self._sha256.hexdigest(),
            md5=self._md5.hexdigest(),
            crc64nvme=f"{self._crc64:016x}",
            dropbox_content_hash=blocks.hexdigest(),
        )

    def _close_block(self) -> None:
        self._blocks.update(self._block.digest())
        self._block = hashlib.sha256()
        self._room = _DROPBOX_BLOCK


def digest_file(path: Path) -> Digests:
    """The digests of a file.

    Raises:
        OSError: if it cannot be read.
    """
    taker = DigestTaker()
    with path.open("rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            taker.update(data)
    return taker.digests()

"""Tink's streaming AEAD wire format AES-GCM-HKDF, written and read in sequence.

A header (its length 40 as one byte, a 32-byte salt, a 7-byte nonce prefix) and segments: the stream is cut every
1 MiB, the first segment is shorter by the header, the last one as short as it is. The segments' AES-256 key is
HKDF-SHA256 of the archive key with the salt, and the associated data as info. A segment's nonce is the prefix, its
number (32 bits, big-endian) and 1 for the last one, else 0; so cutting, appending and reordering do not authenticate.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable
from itertools import islice
from typing import Final, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lumen_assets.archive.keys import KEY_SIZE, Key, Keyring, candidates
from lumen_assets.errors import IntegrityError

SEGMENT_SIZE: Final = 1 << 20
PREFIX_SIZE: Final = 7
HEADER_SIZE: Final = 1 + KEY_SIZE + PREFIX_SIZE
TAG_SIZE: Final = 16
FRAME_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""What the plaintext of every archive starts with: it is a Zstandard frame."""
END_MARK: Final = b"LUMENIX1"
"""What the plaintext of every archive ends with: the footer of its index."""
_ENDS_TRIED: Final = 8
"""Marks at most that a segment is tried as ending at: somebody who knows the plaintext can put them where they like."""
_MAX_SEGMENTS: Final = 1 << 32

Progress = Callable[[int], None]
"""Called with the number of bytes that were just done."""


class ReadableStream(Protocol):
    """Bytes in sequence; short reads are fine, an empty one is the end."""

    def read(self, size: int, /) -> bytes:
        """The next at most ``size`` bytes."""
        ...


class WritableStream(Protocol):
    """Somewhere to write bytes in sequence; each write takes all of them."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""
        ...


class SegmentCipher:
    """The segments of one archive under one key.

    Args:
        header: the archive's first 40 bytes.
    """

    def __init__(self, key: Key, associated_data: bytes, header: bytes) -> None:
        self.key_id = key.id
        self._cipher = AESGCM(key.derive_stream_key(header[1 : 1 + KEY_SIZE], associated_data))
        self._prefix = header[1 + KEY_SIZE :]

    def encrypt(self, number: int, plain: bytes | memoryview, *, last: bool) -> bytes:
        """Segment ``number``, with its tag."""
        return self._cipher.encrypt(self._nonce(number, last), plain, None)

    def decrypt(self, number: int, sealed: bytes, *, last: bool) -> bytes | None:
        """What segment ``number`` holds; None if it does not authenticate."""
        try:
            return self._cipher.decrypt(self._nonce(number, last), sealed, None)
        except InvalidTag:
            return None

    def fits(self, start: bytes) -> bool:
        """Whether key and associated data are those of the archive, though a segment does not authenticate.

        Only to tell a wrong key from damage: what would be the plaintext's first bytes is compared with what they must
        be, and used for nothing else.

        Args:
            start: the first bytes of segment 0.
        """
        nothing = bytes(len(FRAME_MAGIC))
        streams = (self.encrypt(0, nothing, last=last) for last in (False, True))
        return any(bytes(map(operator.xor, stream, start[: len(FRAME_MAGIC)])) == FRAME_MAGIC for stream in streams)

    def end_within(self, number: int, block: bytes) -> int | None:
        """How many bytes of ``block`` are segment ``number`` as the last one, which more was appended to.

        Only to tell appended bytes from damage: where what would be the plaintext has the mark that ends every archive,
        or begins with the rest of it, the bytes up to there, with a tag behind, either authenticate as the last segment
        or say nothing; the plaintext is used for nothing else.

        Returns:
            None where no such end authenticates.
        """
        stream = self.encrypt(number, bytes(len(block)), last=True)
        maybe = (int.from_bytes(block) ^ int.from_bytes(stream[: len(block)])).to_bytes(len(block))
        marks = islice(re.finditer(END_MARK, maybe), _ENDS_TRIED)
        ends = (*range(len(END_MARK)), *(mark.end() for mark in marks))
        sizes = (end + TAG_SIZE for end in ends if end + TAG_SIZE < len(block))
        return next((size for size in sizes if self.decrypt(number, block[:size], last=True) is not None), None)

    def _nonce(self, number: int, last: bool) -> bytes:
        return self._prefix + number.to_bytes(4, "big") + bytes([last])


class EncryptingWriter:
    """Encrypts what is written to it into ``sink``. Nothing is complete before ``finish``.

    The salt and the nonce prefix are random, so that no two archives share a key.
    """

    def __init__(self, sink: WritableStream, key: Key, associated_data: bytes) -> None:
        header = bytes([HEADER_SIZE]) + os.urandom(HEADER_SIZE - 1)
        self._sink = sink
        self._cipher = SegmentCipher(key, associated_data, header)
        self._segment = memoryview(bytearray(SEGMENT_SIZE - TAG_SIZE))
        self._filled = 0
        self._room = SEGMENT_SIZE - TAG_SIZE - HEADER_SIZE
        self._number = 0
        sink.write(header)

    def write(self, data: bytes, /) -> None:
        """Encrypt ``data``; a full segment waits until it is known whether it is the last one."""
        view = memoryview(data)
        while view:
            if self._filled == self._room:
                self._seal(last=False)
            part = view[: self._room - self._filled]
            self._segment[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            view = view[len(part) :]

    def finish(self) -> None:
        """Write the last segment; an empty one if nothing was written."""
        self._seal(last=True)

    def _seal(self, *, last: bool) -> None:
        if self._number == _MAX_SEGMENTS:
            raise OverflowError("an archive has at most 2**32 segments of 1 MiB")
        self._sink.write(self._cipher.encrypt(self._number, self._segment[: self._filled], last=last))
        self._filled = 0
        self._room = SEGMENT_SIZE - TAG_SIZE
        self._number += 1


class DecryptingReader:
    """Reads what an ``EncryptingWriter``, or Tink, wrote. Gives no byte of a segment that did not authenticate.

    Args:
        source: the ciphertext.
        key: the key, or a keyring of which one opens the archive.
        associated_data: what the archive was bound to.
        name: what to call the archive in errors.
    """

    def __init__(
        self, source: ReadableStream, key: Key | Keyring, associated_data: bytes, name: str = "the archive"
    ) -> None:
        self._source = source
        self._keys = key
        self._associated_data = associated_data
        self._name = name
        self._cipher: SegmentCipher | None = None
        self._number = 0
        self._ahead: bytes | None = None
        self._plain = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes; fewer only at the authenticated end.

        Raises:
            IntegrityError: naming the segment, and the bytes of the archive, that did not authenticate.
        """
        parts = []
        while size and (part := self.read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def read_some(self, size: int, /) -> memoryview:
        """The next bytes where they lie, at most ``size``; none only at the authenticated end.

        Raises:
            IntegrityError: as ``read``.
        """
        if not self._plain and not self._next_segment():
            return self._plain
        part, self._plain = self._plain[:size], self._plain[size:]
        return part

    @property
    def key_id(self) -> str:
        """The id of the key that opened the archive; empty before anything was read."""
        return self._cipher.key_id if self._cipher else ""

    def _next_segment(self) -> bool:
        if self._ahead is None:  # the very first segment
            block = self._open_first()
        elif self._ahead:
            block = self._ahead
        else:
            return False
        self._ahead = read_fully(self._source, SEGMENT_SIZE) if self._at_full_size(block) else b""
        last = not self._ahead
        self._plain = memoryview(self._decrypt(block, last))
        self._number += 1
        return True

    def _at_full_size(self, block: bytes) -> bool:
        return len(block) == SEGMENT_SIZE - (0 if self._number else HEADER_SIZE)

    def _open_first(self) -> bytes:
        header = read_fully(self._source, HEADER_SIZE)
        check_header(header, self._name)
        self._header = header
        return read_fully(self._source, SEGMENT_SIZE - HEADER_SIZE)

    def _decrypt(self, block: bytes, last: bool) -> bytes:
        if self._cipher is None:
            self._cipher, plain = open_segment(
                self._keys,
                self._associated_data,
                self._header,
                self._number,
                block,
                last=last,
                name=self._name,
                start=lambda: block,
            )
            return plain
        opened = self._cipher.decrypt(self._number, block, last=last)
        if opened is None:
            fail_segment(self._cipher, self._name, self._number, block, last=last)
        return opened


def open_segment(
    keys: Key | Keyring,
    associated_data: bytes,
    header: bytes,
    number: int,
    block: bytes,
    *,
    last: bool,
    name: str,
    start: Callable[[], bytes],
) -> tuple[SegmentCipher, bytes]:
    """The cipher that opens the first segment that is read, and what that one holds.

    Args:
        name: what to call the archive in errors.
        start: gives the first bytes of segment 0; asked only where no key opens the segment.

    Raises:
        IntegrityError: saying whether no key fits the archive, or the segment is not what was written.
    """
    _require_tag(name, number, block)
    ciphers = [SegmentCipher(key, associated_data, header) for key in candidates(keys)]
    for cipher in ciphers:
        plain = cipher.decrypt(number, block, last=last)
        if plain is not None:
            return cipher, plain
    for cipher in ciphers:
        if cipher.decrypt(number, block, last=not last) is not None or cipher.fits(start()):
            fail_segment(cipher, name, number, block, last=last)
    ids = ", ".join(cipher.key_id for cipher in ciphers)
    raise IntegrityError(
        action="read",
        subject=name,
        cause=f"no key here ({ids}) opens it: it was made with another key, or for another label, day or revision, or "
        "its first bytes are damaged",
        error_class="key",
    )


def check_header(header: bytes, name: str) -> None:
    """Refuse what cannot be the start of an archive.

    Raises:
        IntegrityError: if it is too short or starts with another length.
    """
    if len(header) < HEADER_SIZE:
        fail(name, f"it has only {len(header)} bytes: it was cut within its header", "truncated")
    if header[0] != HEADER_SIZE:
        fail(name, "it does not start with the header of an archive (byte 0 must be 40)", "damaged")


def fail_segment(cipher: SegmentCipher, name: str, number: int, block: bytes, *, last: bool) -> NoReturn:
    """Say why a segment did not authenticate under the key of the archive.

    Raises:
        IntegrityError: always.
    """
    _require_tag(name, number, block)
    where = _where(number, len(block))
    if cipher.decrypt(number, block, last=not last) is not None:
        if last:
            fail(name, f"it ends after {where}, which is not its last one: it was cut short", "truncated")
        fail(name, f"bytes were appended after {where}, its last one", "extended")
    end = cipher.end_within(number, block)
    if end is not None:
        fail(name, f"bytes were appended after {_where(number, end)}, its last one", "extended")
    fail(name, f"{where} does not authenticate: it is damaged, cut or out of place", "damaged")


def _require_tag(name: str, number: int, block: bytes) -> None:
    """Whatever the key, what is shorter than a tag was cut."""
    if len(block) < TAG_SIZE:
        fail(name, f"it ends within {_where(number, len(block))}: it was cut short", "truncated")


def _where(number: int, size: int) -> str:
    start = number * SEGMENT_SIZE + (0 if number else HEADER_SIZE)
    return f"segment {number} (bytes {start} to {start + size})"


def fail(name: str, cause: str, error_class: str) -> NoReturn:
    """Raise the error of an archive that cannot be read.

    Raises:
        IntegrityError: always.
    """
    raise IntegrityError(action="read", subject=name, cause=cause, error_class=error_class)


def read_fully(source: ReadableStream, size: int) -> bytes:
    """The next ``size`` bytes, put together from short reads; fewer only at the end."""
    data = source.read(size)
    if len(data) == size or not data:
        return data
    parts = bytearray(data)
    while len(parts) < size and (data := source.read(size - len(parts))):
        parts += data
    return bytes(parts)

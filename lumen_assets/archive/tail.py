"""The index at the end of the compressed stream: which frame and member lies where.

It is one Zstandard skippable frame, so that other tools pass over it: magic number, length, the index as a Zstandard
frame of JSON, and a footer of fixed size that a reader finds from the end of the stream.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from lumen_assets.archive.frames import FRAME_SIZE, Frames, decompress_frame
from lumen_assets.archive.stream import END_MARK, ReadableStream, fail, read_fully
from lumen_assets.errors import PermanentError

SKIPPABLE_MAGIC: Final = (0x184D2A5C).to_bytes(4, "little")
FOOTER: Final = struct.Struct("<QII8s")
"""Offset of the skippable frame in the compressed stream, size of the index compressed and as JSON, a mark."""
_FORMAT: Final = "lumen-index/v1"
_START: Final = f'{{"format":"{_FORMAT}","frames":['.encode()
_HEAD: Final = struct.Struct("<4sI")
_IN_JSON: Final = json.JSONEncoder(ensure_ascii=False).encode
_MAX_INDEX: Final = 1 << 29
_MAX_READ: Final = 1 << 26
"""Bytes of an index, as JSON, that are read to find single files: some 500,000 of them. What is read whole has no limit
but the first, for there it is made from the files and compared."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies in the tar stream.

    Attributes:
        name: its path in the tar stream.
        offset: of its first header block.
        size: of its content.
    """

    name: str
    offset: int
    size: int


class GrowingIndex:
    """An index to which files are added one by one; kept as the text that it will be, half of what places take.

    Args:
        frames: may still grow, too.
    """

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.files = 0
        self._members = bytearray()

    def add(self, name: str, offset: int, size: int) -> None:
        """The next file; the arguments as in ``Place``."""
        comma = "," if self.files else ""
        self._members += f"{comma}[{_IN_JSON(name)},{offset},{size}]".encode()
        self.files += 1

    def to_json(self) -> bytes:
        """The one JSON text of this index."""
        frames = bytearray()
        for number, frame in enumerate(self.frames):
            frames += b"%s[%d,%d]" % (b"," if number else b"", frame.size, frame.tar_size)
        return b"".join((_START, frames, b'],"members":[', self._members, b"]}"))


@dataclass(frozen=True)
class TailIndex:
    """Every frame and every file, in the order of the stream."""

    frames: Frames
    places: tuple[Place, ...]

    @property
    def files(self) -> int:
        """How many files."""
        return len(self.places)

    def to_json(self) -> bytes:
        """The one JSON text of this index."""
        index = GrowingIndex(self.frames)
        for place in self.places:
            index.add(place.name, place.offset, place.size)
        return index.to_json()


def tail_bytes(index: TailIndex | GrowingIndex) -> bytes:
    """The skippable frame that ends the compressed stream."""
    plain = index.to_json()
    if len(plain) > _MAX_INDEX:
        raise PermanentError(
            action="index",
            subject=f"{index.files} files",
            cause=f"the index would have {len(plain)} bytes, and it has at most {_MAX_INDEX}",
            error_class="input",
            hint="make several archives",
        )
    packed = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress(plain)
    footer = FOOTER.pack(index.frames.size, len(packed), len(plain), END_MARK)
    return _HEAD.pack(SKIPPABLE_MAGIC, len(packed) + FOOTER.size) + packed + footer


def check_tail(source: ReadableStream, magic: bytes, expected: TailIndex | GrowingIndex, name: str) -> None:
    """Read the rest of the stream and make sure that it is the index of what was read before it.

    Args:
        magic: the four bytes that were taken from ``source`` already.

    Raises:
        IntegrityError: if it is not, or anything follows it.
    """
    if magic != SKIPPABLE_MAGIC:
        fail(name, "its index is missing", "index")
    plain = expected.to_json()
    limit = len(plain) + (64 << 10)
    length = int.from_bytes(read_fully(source, 4), "little")
    body = read_fully(source, length) if FOOTER.size < length <= limit else b""
    if not body or len(body) != length:
        fail(name, "its index has an impossible size", "index")
    packed, footer = body[: -FOOTER.size], body[-FOOTER.size :]
    right = FOOTER.pack(expected.frames.size, len(packed), len(plain), END_MARK)
    if footer != right or decompress_frame(packed, name, limit=len(plain)) != plain:
        fail(name, "its index does not say what it holds", "index")
    if source.read(1):
        fail(name, "something follows its index", "index")


def footer_of(data: bytes, size: int, name: str) -> tuple[int, int]:
    """Where the skippable frame lies, from the end of a compressed stream of ``size`` bytes.

    Args:
        data: at least the stream's last 24 bytes.

    Returns:
        Its offset in the compressed stream, and the size of the index in it as JSON.
    """
    if len(data) < FOOTER.size:
        fail(name, "it is too short for an index", "index")
    offset, packed, plain, mark = FOOTER.unpack(data[-FOOTER.size :])
    if mark == END_MARK and plain > _MAX_READ:
        fail(name, f"its index has {plain:,} bytes, too many to read single files by: extract all of it", "index")
    if mark != END_MARK or offset + _HEAD.size + packed + FOOTER.size != size:
        fail(name, "its index cannot be found", "index")
    return offset, plain


def parse_index(tail: bytes, plain_size: int, end: int, name: str) -> TailIndex:
    """The index, from the skippable frame that holds it.

    Args:
        plain_size: its size as JSON, from the footer.
        end: where the frames end in the compressed stream.

    Raises:
        IntegrityError: if it is none, or contradicts itself.
    """
    packed = tail[_HEAD.size : -FOOTER.size]
    if tail[: _HEAD.size] != _HEAD.pack(SKIPPABLE_MAGIC, len(packed) + FOOTER.size):
        fail(name, "its index cannot be found", "index")
    try:
        content = json.loads(decompress_frame(packed, name, limit=plain_size).decode())
        if content.pop("format") != _FORMAT:
            fail(name, "its index has an unknown format", "index")
        frames = _frames(content.pop("frames"), end)
        places = tuple(_place(*place) for place in content.pop("members"))
        if content or not frames or frames.size != end:
            raise ValueError("contradiction")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        fail(name, "its index is not one", "index")
    if any(place.offset + place.size > frames.tar_size for place in places):
        fail(name, "its index names files outside of it", "index")
    return TailIndex(frames, places)


def _frames(sizes: Sequence[Any], end: int) -> Frames:
    frames = Frames()
    for size, tar_size in sizes:
        _natural(size, tar_size)
        if not 0 < size <= end - frames.size or not 0 < tar_size <= FRAME_SIZE:
            raise ValueError("no frame")
        frames.append(size, tar_size)
    return frames


def _place(name: object, offset: object, size: object) -> Place:
    _natural(offset, size)
    if not (isinstance(name, str) and isinstance(offset, int) and isinstance(size, int)):
        raise TypeError
    return Place(name, offset, size)


def _natural(*values: object) -> None:
    if any(type(value) is not int or value < 0 for value in values):
        raise ValueError("not a size")

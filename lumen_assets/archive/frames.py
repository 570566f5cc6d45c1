"""The tar stream as Zstandard frames (RFC 8878) of 2 MiB each: cores work side by side, single files stay in reach."""

from __future__ import annotations

import bisect
import os
import threading
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, NoReturn, cast

import zstandard

from lumen_assets.archive.stage import Stage
from lumen_assets.archive.stream import FRAME_MAGIC, DecryptingReader, ReadableStream, WritableStream, fail

FRAME_SIZE: Final = 2 << 20
"""Tar bytes in every frame but the last one."""
_BLOCK_MAX: Final = 128 << 10
_MOST_WORKERS: Final = 8
"""Compressing threads where their number is not set: each takes 8 MiB, and more would wait for one that hashes."""
_DECOMPRESSING: Final = 2
"""Threads; each is about as fast as the one that hashes what they give."""
FRAMES_AHEAD: Final = 4
"""Frames that wait for, or are in, the next step of reading, at most. More are a little faster, but the memory that
they take then depends on luck: whether the queues are ever full."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies. Frames follow one another without gaps in both streams.

    Attributes:
        offset, size: in the compressed stream.
        tar_offset, tar_size: in the tar stream.
    """

    offset: int
    size: int
    tar_offset: int
    tar_size: int


class Frames:
    """The frames of a stream in their order; an object each would take 2 MB for 20 GB."""

    def __init__(self) -> None:
        self._ends = array("Q")
        self._tar_ends = array("Q")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> Frame:
        """The frame of that number, from 0; a negative one is none."""
        offset, tar_offset = (self._ends[number - 1], self._tar_ends[number - 1]) if number else (0, 0)
        return Frame(offset, self._ends[number] - offset, tar_offset, self._tar_ends[number] - tar_offset)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.__getitem__, range(len(self)))

    @property
    def size(self) -> int:
        """Bytes of all of them in the compressed stream."""
        return self._ends[-1] if self._ends else 0

    @property
    def tar_size(self) -> int:
        """Bytes of the tar stream that they hold."""
        return self._tar_ends[-1] if self._tar_ends else 0

    def append(self, size: int, tar_size: int) -> None:
        """Another frame; the arguments as in ``Frame``."""
        self._ends.append(self.size + size)
        self._tar_ends.append(self.tar_size + tar_size)

    def number_at(self, tar_offset: int) -> int:
        """The number of the frame that holds this byte of the tar stream; of one more than there are behind its end."""
        return bisect.bisect_right(self._tar_ends, tar_offset)


FrameStage = Stage[tuple[int, bytes]]
"""Works on whole frames, and gives the size of what it was given, and what it made of it."""


def compressing_threads(threads: int) -> FrameStage:
    """What a ``FrameWriter`` works with.

    Args:
        threads: how many; 0: one a core, at most 8.
    """
    workers = threads or min(os.cpu_count() or 1, _MOST_WORKERS)
    return Stage(workers, limit=workers + 2)


def decompressing_threads() -> FrameStage:
    """What a ``FrameReader`` works with."""
    return Stage(_DECOMPRESSING, limit=FRAMES_AHEAD)


class FrameWriter:
    """Compresses what is written to it into ``sink``.

    Args:
        compressing: of ``compressing_threads``.
        level: Zstandard level.
    """

    def __init__(self, sink: WritableStream, compressing: FrameStage, *, level: int) -> None:
        self._sink = sink
        self._level = level
        self._local = threading.local()  # a compressor serves one thread at a time
        self._stage = compressing
        self._buffer = bytearray()
        self.frames = Frames()
        self.tar_size = 0

    def write(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes of the tar stream."""
        view = memoryview(data)
        self.tar_size += len(view)
        while view:
            missing = FRAME_SIZE - len(self._buffer)
            self._buffer += view[:missing]
            view = view[missing:]
            if len(self._buffer) == FRAME_SIZE:
                self._submit()

    def finish(self) -> None:
        """Compress what is left and wait for all of it."""
        if self._buffer:
            self._submit()
        while self._stage:
            self._collect()

    def _submit(self) -> None:
        if self._stage.is_full:
            self._collect()
        self._stage.submit(self._compress, self._buffer)
        self._buffer = bytearray()

    def _collect(self) -> None:
        tar_size, compressed = self._stage.take()
        self.frames.append(len(compressed), tar_size)
        self._sink.write(compressed)

    def _compress(self, plain: bytearray) -> tuple[int, bytes]:
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(level=self._level, write_checksum=True, write_content_size=True)
            self._local.compressor = compressor
        try:
            return len(plain), compressor.compress(plain)
        except zstandard.ZstdError as error:  # any bytes can be compressed, unless memory is short
            raise MemoryError(str(error)) from error


class FrameReader:
    """The tar stream out of a compressed one; some frames ahead are decompressed meanwhile.

    Args:
        source: the compressed stream.
        decompressing: of ``decompressing_threads``.
        name: what to call the archive in errors.
    """

    def __init__(self, source: DecryptingReader, decompressing: FrameStage, name: str) -> None:
        self._source = source
        self._stage = decompressing
        self._name = name
        self._plain = memoryview(b"")
        self._following = FRAME_MAGIC
        self.frames = Frames()
        self.tar_size = 0

    def take(self, size: int, /) -> bytes:
        """Exactly ``size`` bytes of the tar stream.

        Raises:
            IntegrityError: if it has fewer, or a frame is not one.
        """
        parts = bytes(self.take_some(size))
        while len(parts) < size:
            parts += self.take_some(size - len(parts))
        return parts

    def take_some(self, size: int, /) -> memoryview:
        """At least one and at most ``size`` bytes (0 if 0 are asked for)."""
        if size and not self._plain:
            self._next_frame()
        part, self._plain = self._plain[:size], self._plain[size:]
        return part

    def end(self) -> bytes:
        """What follows the last frame, after making sure that the tar stream is over.

        Returns:
            The first bytes of what follows, already taken from the source: a magic number.
        """
        if self._plain:
            fail(self._name, "something follows the end of the tar stream", "tar")
        self._read_ahead()
        if self._stage:
            fail(self._name, "another frame follows the end of the tar stream", "tar")
        return self._following

    def _read_ahead(self) -> None:
        while self._following == FRAME_MAGIC and not self._stage.is_full:
            self._following = self._source.read(4)
            if self._following == FRAME_MAGIC:
                self._stage.submit(self._decompress, _read_frame(self._source, self._name))

    def _next_frame(self) -> None:
        self._read_ahead()
        if not self._stage:
            fail(self._name, "its tar stream ends too early", "tar")
        size, plain = self._stage.take()
        self._plain = memoryview(plain)
        self.frames.append(size, len(plain))
        self.tar_size += len(self._plain)

    def _decompress(self, compressed: bytes) -> tuple[int, bytes]:
        return len(compressed), decompress_frame(compressed, self._name)


def decompress_frame(compressed: bytes, name: str, *, limit: int = FRAME_SIZE) -> bytes:
    """The content of one whole frame, of at most ``limit`` bytes, its checksum verified.

    Raises:
        IntegrityError: if it is no such frame.
    """
    try:
        if not 0 < _declared_size(compressed) <= limit:
            fail(name, f"a Zstandard frame without checksum or size, or of more than {limit} bytes", "zstd")
        return zstandard.ZstdDecompressor().decompress(compressed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        fail(name, f"a Zstandard frame cannot be read ({error})", "zstd")


class FrameContent:
    """The content of one frame in pieces; no more of the frame is read than they take.

    So its checksum is verified only where all of it is read.

    Args:
        compressed: the frame.
        head: its first bytes, of which ``compressed`` begins with all the same.
        size: the bytes that it has to hold.
        name: what to call the archive in errors.
        read_size: compressed bytes that are read at once.
    """

    def __init__(self, compressed: ReadableStream, head: bytes, size: int, name: str, *, read_size: int) -> None:
        self._name = name
        self._content = zstandard.ZstdDecompressor().stream_reader(
            cast("IO[bytes]", compressed),  # it calls nothing but read
            read_size=read_size,
        )
        try:
            declared = _declared_size(head)
        except zstandard.ZstdError as error:
            self._fail(error)
        if not 0 < declared == size <= FRAME_SIZE:
            fail(name, "its index is wrong about a frame", "index")

    def read(self, size: int) -> bytes:
        """The next at least one and at most ``size`` bytes.

        Raises:
            IntegrityError: if there are none.
        """
        try:
            data = self._content.read(size)
        except zstandard.ZstdError as error:
            self._fail(error)
        if not data:
            fail(self._name, "a Zstandard frame is shorter than it says", "zstd")
        return data

    def _fail(self, error: zstandard.ZstdError) -> NoReturn:
        fail(self._name, f"a Zstandard frame cannot be read ({error})", "zstd")


def _declared_size(compressed: bytes) -> int:
    """The content size in a frame's header; 0 where the frame has no checksum or needs a dictionary."""
    declared = zstandard.get_frame_parameters(compressed)
    return 0 if declared.dict_id or not declared.has_checksum else declared.content_size


def _read_frame(source: DecryptingReader, name: str) -> bytes:
    """One whole frame, found by its block headers alone; its magic number was taken already."""
    parts: list[bytes | memoryview] = [FRAME_MAGIC]

    def take(size: int) -> bytes:
        part = source.read(size)
        if len(part) < size:
            _fail_within(name)
        parts.append(part)
        return part

    descriptor = take(1)[0]
    single_segment = descriptor >> 5 & 1
    content_size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    take((1 - single_segment) + dictionary_bytes + content_size_bytes)
    taken, last = 0, False
    while not last:
        header = int.from_bytes(take(3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3 or size > _BLOCK_MAX or taken > 2 * FRAME_SIZE:
            fail(name, "a Zstandard frame has an impossible block", "zstd")
        left = 1 if kind == 1 else size
        taken += 3 + left
        while left:  # most of all bytes: copied only once, when the frame is put together
            part = source.read_some(left)
            if not part:
                _fail_within(name)
            parts.append(part)
            left -= len(part)
    take(4 * (descriptor >> 2 & 1))
    return b"".join(parts)


def _fail_within(name: str) -> NoReturn:
    fail(name, "it ends within a Zstandard frame", "zstd")

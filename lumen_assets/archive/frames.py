"""The tar stream as Zstandard frames (RFC 8878) of 2 MiB each: cores work side by side, single files stay in reach."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import zstandard

from lumen_assets.archive.stream import FRAME_MAGIC, ReadableStream, WritableStream, fail, read_fully

FRAME_SIZE: Final = 2 << 20
"""Tar bytes in every frame but the last one."""
_BLOCK_MAX: Final = 128 << 10


@dataclass(frozen=True)
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


class FrameWriter:
    """Compresses what is written to it, on worker threads with a bounded queue, into ``sink``.

    Use it as a context manager: on leaving, the threads are gone.

    Args:
        level: Zstandard level.
        threads: compressing threads; 0: one a core.
    """

    def __init__(self, sink: WritableStream, *, level: int, threads: int) -> None:
        workers = threads or os.cpu_count() or 1
        self._sink = sink
        self._level = level
        self._local = threading.local()  # a compressor serves one thread at a time
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="zstd")
        self._queue: deque[tuple[int, Future[bytes]]] = deque()
        self._limit = 2 * workers
        self._buffer = bytearray()
        self.frames: list[Frame] = []
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
        while self._queue:
            self._collect()

    def __enter__(self) -> FrameWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self) -> None:
        plain = bytes(self._buffer)
        self._buffer.clear()
        self._queue.append((len(plain), self._pool.submit(self._compress, plain)))
        if len(self._queue) >= self._limit:
            self._collect()

    def _collect(self) -> None:
        tar_size, future = self._queue.popleft()
        compressed = future.result()
        before = self.frames[-1] if self.frames else Frame(0, 0, 0, 0)
        self.frames.append(
            Frame(before.offset + before.size, len(compressed), before.tar_offset + before.tar_size, tar_size)
        )
        self._sink.write(compressed)

    def _compress(self, plain: bytes) -> bytes:
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(level=self._level, write_checksum=True, write_content_size=True)
            self._local.compressor = compressor
        return compressor.compress(plain)


class FrameReader:
    """The tar stream out of a compressed one, a frame at a time.

    Args:
        source: the compressed stream.
        name: what to call the archive in errors.
    """

    def __init__(self, source: ReadableStream, name: str) -> None:
        self._source = source
        self._name = name
        self._plain = b""
        self._position = 0
        self._magic = b""
        self.frames: list[Frame] = []
        self.tar_size = 0

    def take(self, size: int, /) -> bytes:
        """Exactly ``size`` bytes of the tar stream.

        Raises:
            IntegrityError: if it has fewer, or a frame is not one.
        """
        parts = self.take_some(size)
        while len(parts) < size:
            parts += self.take_some(size - len(parts))
        return parts

    def take_some(self, size: int, /) -> bytes:
        """At least one and at most ``size`` bytes (0 if 0 are asked for)."""
        if size and self._position == len(self._plain):
            self._next_frame()
        part = self._plain[self._position : self._position + size]
        self._position += len(part)
        return part

    def end(self) -> bytes:
        """What follows the last frame, after making sure that the tar stream is over.

        Returns:
            The first bytes of what follows, already taken from the source: a magic number.
        """
        if self._position != len(self._plain):
            fail(self._name, "something follows the end of the tar stream", "tar")
        magic = read_fully(self._source, 4)
        if magic == FRAME_MAGIC:
            fail(self._name, "another frame follows the end of the tar stream", "tar")
        return magic

    def _next_frame(self) -> None:
        magic = read_fully(self._source, 4)
        if magic != FRAME_MAGIC:
            fail(self._name, "its tar stream ends too early", "tar")
        compressed = _read_frame(self._source, self._name)
        self._plain = decompress_frame(compressed, self._name)
        self._position = 0
        before = self.frames[-1] if self.frames else Frame(0, 0, 0, 0)
        self.frames.append(
            Frame(before.offset + before.size, len(compressed), before.tar_offset + before.tar_size, len(self._plain))
        )
        self.tar_size += len(self._plain)


def decompress_frame(compressed: bytes, name: str, *, limit: int = FRAME_SIZE) -> bytes:
    """The content of one whole frame, of at most ``limit`` bytes, its checksum verified.

    Raises:
        IntegrityError: if it is no such frame.
    """
    try:
        declared = zstandard.get_frame_parameters(compressed)
        if not declared.has_checksum or declared.dict_id or not 0 < declared.content_size <= limit:
            fail(name, f"a Zstandard frame without checksum or size, or of more than {limit} bytes", "zstd")
        return zstandard.ZstdDecompressor().decompress(compressed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        fail(name, f"a Zstandard frame cannot be read ({error})", "zstd")


def _read_frame(source: ReadableStream, name: str) -> bytes:
    """One whole frame, found by its block headers alone; its magic number was taken already."""
    frame = bytearray(FRAME_MAGIC)

    def take(size: int) -> bytes:
        part = read_fully(source, size)
        if len(part) < size:
            fail(name, "it ends within a Zstandard frame", "zstd")
        frame.extend(part)
        return part

    descriptor = take(1)[0]
    single_segment = descriptor >> 5 & 1
    content_size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    take((1 - single_segment) + dictionary_bytes + content_size_bytes)
    last = False
    while not last:
        header = int.from_bytes(take(3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3 or size > _BLOCK_MAX or len(frame) > 2 * FRAME_SIZE:
            fail(name, "a Zstandard frame has an impossible block", "zstd")
        take(1 if kind == 1 else size)
    take(4 * (descriptor >> 2 & 1))
    return bytes(frame)

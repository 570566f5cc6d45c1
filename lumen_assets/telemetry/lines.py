"""Lines of a file that may be huge and may grow while it is read, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple, Protocol

MAX_LINE: Final = 1 << 20
"""Bytes; a longer line is dirt: no writer of ours comes near, and memory has to stay bounded."""

BLOCK: Final = 1 << 18
"""Bytes: lines that are judged together, some 3,600 of telemetry."""


_SAMPLES: Final = 4
_SAMPLE: Final = 1024
"""Bytes of a part of a file that are looked at each time, which tell whether it is as it was."""

_LINE: Final = 1 << 12
"""Bytes: more than a line has."""

SETTLED: Final = 2.0
"""Seconds after which a file's times tell whether it was changed since."""


class Line(NamedTuple):
    """One line: where it starts, where the next one does, and its content without the newline.

    ``content`` is None for a line of more than ``MAX_LINE`` bytes.
    """

    offset: int
    end: int
    content: bytes | None


def unchanged_mark(status: os.stat_result) -> tuple[int, ...] | None:
    """What a file is known by as long as nobody writes to it; None of one that was written to just now.

    Two changes within one tick of the file system's clock, to the same size, look alike.
    """
    if time.time() - status.st_mtime < SETTLED:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Ranged(Protocol):
    """What is read by ranges and does not change meanwhile: an open file, an object in a bucket."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def mark(self) -> Hashable | None:
        """What the content is known by as long as it is the same; None where that cannot be told."""

    def fingerprint(self, start: int, end: int) -> str:
        """What a part of it is known by, though more may be appended behind it."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``, which is before the end; fewer only at the end."""


class _File:
    """An open file, as long as it was when it was opened."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.size = status.st_size
        self.mark = unchanged_mark(status)
        self._identity = f"{status.st_dev} {status.st_ino}"

    def fingerprint(self, start: int, end: int) -> str:
        """By the file and by samples: who puts a line right writes another file, or moves what is behind it."""
        digest = hashlib.sha256(f"{self._identity} {start} {end}".encode())
        apart = max(end - start - _SAMPLE, 0) // (_SAMPLES - 1)
        for number in range(_SAMPLES):
            digest.update(self.read(start + apart * number, _SAMPLE))
        return digest.hexdigest()

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)


class Source:
    """The lines of something, as long as it was when it was opened; what is appended later is not seen.

    Args:
        content: an open file descriptor, which the caller closes, or what is read by ranges.
        link: whether it was opened through a symbolic link.
        max_line, chunk: bytes; smaller only in tests.
    """

    def __init__(
        self, content: int | Ranged, *, link: bool = False, max_line: int = MAX_LINE, chunk: int = 1 << 18
    ) -> None:
        self._content: Ranged = _File(content) if isinstance(content, int) else content
        self.size = self._content.size
        self.mark = self._content.mark
        self.link = link
        self.max_line = max_line
        self.chunk = chunk

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer only at the end."""
        length = min(length, self.size - offset)
        return self._content.read(offset, length) if length > 0 else b""

    def lines(self, start: int, end: int | None = None, *, chunk: int | None = None) -> Iterator[Line]:
        """The lines of ``[start, end)``, which must both be line starts or the file's end."""
        end = self.size if end is None else end
        chunk = chunk or self.chunk
        position = offset = start
        carry = b""
        while position < end and (data := self.read(position, min(chunk, end - position))):
            *whole, rest = data.split(b"\n")
            for content in whole:
                position += len(content) + 1
                if carry:
                    content, carry = carry + content, b""  # noqa: PLW2901
                yield Line(offset, position, content if len(content) <= self.max_line else None)
                offset = position
            position += len(rest)
            carry = (carry + rest)[: self.max_line + 1]  # one byte too many is enough to know that it is too long
        if offset < position:
            yield Line(offset, position, carry if len(carry) <= self.max_line else None)

    def fingerprint(self, start: int, end: int) -> str:
        """See ``Ranged.fingerprint``."""
        return self._content.fingerprint(start, end)

    def block(self, start: int, end: int | None = None, size: int = BLOCK) -> bytes:
        """Whole lines from ``start``, which must be a line start, ``size`` bytes at most; empty if not even one."""
        end = self.size if end is None else end
        data = self.read(start, min(size, self.max_line, end - start))
        return data[: data.rfind(b"\n") + 1]

    def blocks(self, start: int, end: int, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
        """The lines of ``[start, end)``, both line starts or the file's end, in blocks, and where each block ends.

        Every line has a newline, the file's last one too. One that is too long for a block is one by itself, and empty
        if it is longer than ``max_line``.
        """
        while start < end:
            block = self.block(start, end, size)
            if block:
                start += len(block)
            else:
                line = next(self.lines(start, end))
                start, block = line.end, (line.content or b"") + b"\n"
            yield start, block

    def line_start(self, at: int, first: int, limit: int) -> int:
        """The first line start at or after ``at``; ``first`` is known to be one; ``limit`` if none is before it."""
        if at <= first:
            return first
        position = at - 1
        while position < limit and (data := self.read(position, min(_LINE, limit - position))):
            found = data.find(b"\n")
            if found >= 0:
                return min(position + found + 1, limit)
            position += len(data)
        return limit

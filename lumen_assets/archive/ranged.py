"""Single files out of an archive, reading little more than them."""

from __future__ import annotations

import bisect
import difflib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from lumen_assets.archive import bag
from lumen_assets.archive.extract import Staging, staged_folder
from lumen_assets.archive.frames import Frame, decompress_frame
from lumen_assets.archive.keys import Key, Keyring
from lumen_assets.archive.names import path_problem
from lumen_assets.archive.stream import (
    HEADER_SIZE,
    SEGMENT_SIZE,
    TAG_SIZE,
    SegmentCipher,
    check_header,
    fail,
    fail_segment,
    open_segment,
)
from lumen_assets.archive.tail import FOOTER, Place, TailIndex, footer_of, parse_index
from lumen_assets.archive.tar import Member, read_member
from lumen_assets.errors import PermanentError


class RangedReader(Protocol):
    """Random access to an archive's bytes."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``."""
        ...


class FileRange:
    """Random access to an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)

    def read_at(self, offset: int, length: int) -> bytes:
        """The bytes from ``offset``, ``length`` of them or as many as there are."""
        self._file.seek(offset)
        return self._file.read(length)


@dataclass(frozen=True)
class ExtractedPaths:
    """What was extracted.

    Attributes:
        files: how many files.
        bytes: how many bytes they have.
        sha256: of each, by its path under ``data/``.
    """

    files: int
    bytes: int
    sha256: dict[str, str]


class DecryptedRange:
    """Random access to what an archive's segments hold; decrypts only those that are asked for.

    That the archive is whole is known once its last segment was read.

    Args:
        source: the ciphertext.
        key: the key, or a keyring of which one opens the archive.
        associated_data: what the archive was bound to.
        name: what to call it in errors.
    """

    def __init__(
        self, source: RangedReader, key: Key | Keyring, associated_data: bytes, name: str = "the archive"
    ) -> None:
        self._source = source
        self._keys = key
        self._associated_data = associated_data
        self._name = name
        self._cipher: SegmentCipher | None = None
        self._cached = (-1, b"")
        self._segments = max(1, -(-source.size // SEGMENT_SIZE))
        self._header = source.read_at(0, HEADER_SIZE)
        check_header(self._header, name)
        self.size = source.size - HEADER_SIZE - self._segments * TAG_SIZE

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``.

        Raises:
            IntegrityError: if they are not all there, or a segment does not authenticate.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            fail(self._name, f"bytes {offset} to {offset + length} of its content are not there", "truncated")
        if not length:
            return b""
        first, skipped = self._locate(offset)
        last, _ = self._locate(offset + length - 1)
        plain = b"".join(self._segments_between(first, last))
        return plain[skipped : skipped + length]

    def _locate(self, offset: int) -> tuple[int, int]:
        """The segment of a plaintext offset, and the offset in it."""
        number, within = divmod(offset + HEADER_SIZE, SEGMENT_SIZE - TAG_SIZE)
        return number, within - (0 if number else HEADER_SIZE)

    def _segments_between(self, first: int, last: int) -> Iterator[bytes]:
        cached, plain = self._cached
        if cached == first:
            yield plain
            first += 1
        if first > last:
            return
        start = first * SEGMENT_SIZE if first else HEADER_SIZE
        end = min((last + 1) * SEGMENT_SIZE, self._source.size)
        data = self._source.read_at(start, end - start)
        for number in range(first, last + 1):
            size = SEGMENT_SIZE - (0 if number else HEADER_SIZE)
            block, data = data[:size], data[size:]
            plain = self._decrypt(number, block)
            self._cached = (number, plain)
            yield plain

    def _decrypt(self, number: int, block: bytes) -> bytes:
        last = number == self._segments - 1
        if self._cipher is None:
            self._cipher, plain = open_segment(
                self._keys,
                self._associated_data,
                self._header,
                number,
                block,
                last=last,
                name=self._name,
                start=lambda: self._source.read_at(HEADER_SIZE, TAG_SIZE),
            )
            return plain
        opened = self._cipher.decrypt(number, block, last=last)
        if opened is None:
            fail_segment(self._cipher, self._name, number, block, last=last)
        return opened


def extract_paths(
    source: RangedReader,
    paths: Sequence[str],
    to: Path,
    *,
    key: Key | Keyring,
    associated_data: bytes,
    name: str = "the archive",
) -> ExtractedPaths:
    """Extract single files or folders of the payload to ``to/PATH``, each compared with ``manifest-sha256.txt``.

    Args:
        source: the archive.
        paths: relative to ``data/``; a folder takes everything below it.
        to: must not exist, or be an empty folder. It is made only when everything is proven.
        key: the key, or a keyring of which one opens it.
        associated_data: what the archive was bound to.
        name: what to call it in errors.

    Raises:
        PermanentError: if a path is not in the archive, naming the nearest ones; if ``to`` cannot be used.
        IntegrityError: if what was read is not as it was written.
    """
    archive = _IndexedArchive(DecryptedRange(source, key, associated_data, name), name)
    payload = archive.payload()
    chosen = {path: payload[path] for wanted in paths for path in _matching(wanted, payload)}
    listed = archive.listed()
    found: dict[str, str] = {}
    with staged_folder(to) as staging:
        unpacking = Staging(staging)
        for path in sorted(chosen, key=lambda path: chosen[path].offset):
            if path_problem(path):
                fail(name, f"it holds {path_problem(path)}: {path!r}", "refused")
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            member, content = archive.open(chosen[path])
            unpacking.file(path, member, _watched(content, digest))
            found[path] = digest.hexdigest()
        bag.compare(found, {path: listed[path] for path in found if path in listed}, bag.MANIFEST, name)
        staging.chmod(0o755)
    return ExtractedPaths(files=len(found), bytes=sum(chosen[path].size for path in found), sha256=found)


class _IndexedArchive:
    """Members of an archive, found by its index."""

    def __init__(self, plain: DecryptedRange, name: str) -> None:
        self._plain = plain
        self._name = name
        self._cached: tuple[Frame | None, bytes] = (None, b"")
        self._index = self._read_index()
        self._places = {place.name: place for place in self._index.places}
        self._base = next(iter(self._places)).split("/")[0] if self._places else ""

    def payload(self) -> dict[str, Place]:
        """Every payload file, by its path under ``data/``."""
        prefix = f"{self._base}/{bag.DATA}/"
        return {place.name.removeprefix(prefix): place for place in self._index.places if place.name.startswith(prefix)}

    def listed(self) -> dict[str, str]:
        """SHA-256 from the bag's manifest, by path under ``data/``."""
        place = self._places.get(f"{self._base}/{bag.MANIFEST}")
        if place is None:
            fail(self._name, f"the bag has no {bag.MANIFEST}", "bag")
        _, content = self.open(place)
        listed = bag.parse_manifest(b"".join(content), bag.MANIFEST, self._name)
        return {path.removeprefix(f"{bag.DATA}/"): digest for path, digest in listed.items()}

    def open(self, place: Place) -> tuple[Member, Iterator[bytes]]:
        """A file's header and content."""
        tar = self._tar_from(place.offset)
        buffer = bytearray()

        def take(size: int) -> bytes:
            while len(buffer) < size:
                buffer.extend(self._following(tar))
            part = bytes(buffer[:size])
            del buffer[:size]
            return part

        found = read_member(take, self._name)
        if found is None or found[0].is_folder or (found[0].name, found[0].size) != (place.name, place.size):
            fail(self._name, f"its index is wrong about {place.name!r}", "index")

        def content() -> Iterator[bytes]:
            left = place.size
            data = bytes(buffer)
            while left:
                data = data or self._following(tar)
                yield data[:left]
                left -= min(left, len(data))
                data = b""

        return found[0], content()

    def _following(self, tar: Iterator[bytes]) -> bytes:
        data = next(tar, b"")
        if not data:
            fail(self._name, "its tar stream ends too early", "tar")
        return data

    def _tar_from(self, offset: int) -> Iterator[bytes]:
        """The tar stream from an offset on, a frame at a time."""
        frames = self._index.frames
        first = bisect.bisect_right(frames, offset, key=lambda frame: frame.tar_offset) - 1
        for number in range(max(0, first), len(frames)):
            yield self._frame(frames[number])[max(0, offset - frames[number].tar_offset) :]

    def _frame(self, frame: Frame) -> bytes:
        if self._cached[0] != frame:
            plain = decompress_frame(self._plain.read_at(frame.offset, frame.size), self._name)
            if len(plain) != frame.tar_size:
                fail(self._name, "its index is wrong about a frame", "index")
            self._cached = (frame, plain)
        return self._cached[1]

    def _read_index(self) -> TailIndex:
        size = self._plain.size
        footer = self._plain.read_at(max(0, size - FOOTER.size), min(size, FOOTER.size))
        offset, plain_size = footer_of(footer, size, self._name)
        return parse_index(self._plain.read_at(offset, size - offset), plain_size, offset, self._name)


def _matching(wanted: str, payload: dict[str, Place]) -> list[str]:
    path = wanted.removeprefix("./").rstrip("/")
    found = [known for known in payload if known == path or known.startswith(f"{path}/")]
    if not found:
        near = difflib.get_close_matches(path, payload, n=3, cutoff=0.4) or sorted(payload)[:3]
        raise PermanentError(
            action="extract",
            subject=repr(wanted),
            cause="the archive holds no such path",
            error_class="input",
            hint=f"near it are: {', '.join(map(repr, near))}" if near else "the archive is empty",
        )
    return found


def _watched(content: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for data in content:
        digest.update(data)
        yield data

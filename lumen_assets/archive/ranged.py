"""Single files out of an archive, reading little more than them."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from lumen_assets.archive import bag
from lumen_assets.archive.extract import Staging, staged_folder
from lumen_assets.archive.frames import Frame, FrameContent, Frames
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
from lumen_assets.archive.tar import BLOCK, Member, read_member
from lumen_assets.errors import PermanentError

_KEPT: Final = 8
"""Segments that are remembered: neighbours share one, and the index lies beside the bag's manifest."""
_PIECE: Final = 64 << 10
_COMPARED: Final = 5_000  # paths with one that is not there: a quarter of a second
"""Compressed bytes that are read at once where it is not known that the whole frame is needed."""


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
        self._kept: dict[int, bytes] = {}
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
        missing = [number for number in range(first, last + 1) if number not in self._kept]
        if missing:
            self._fetch(missing[0], missing[-1])
        plain = b"".join(self._kept[number] for number in range(first, last + 1))
        for number in list(self._kept)[:-_KEPT]:
            del self._kept[number]
        return plain[skipped : skipped + length]

    def _locate(self, offset: int) -> tuple[int, int]:
        """The segment of a plaintext offset, and the offset in it."""
        number, within = divmod(offset + HEADER_SIZE, SEGMENT_SIZE - TAG_SIZE)
        return number, within - (0 if number else HEADER_SIZE)

    def _fetch(self, first: int, last: int) -> None:
        start = first * SEGMENT_SIZE if first else HEADER_SIZE
        end = min((last + 1) * SEGMENT_SIZE, self._source.size)
        data = memoryview(self._source.read_at(start, end - start))
        for number in range(first, last + 1):
            size = SEGMENT_SIZE - (0 if number else HEADER_SIZE)
            self._kept.pop(number, None)
            self._kept[number] = self._decrypt(number, bytes(data[:size]))
            data = data[size:]

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
    listed = archive.listed(chosen)
    found: dict[str, str] = {}
    with staged_folder(to) as staging:
        unpacking = Staging(staging, to)
        for path in sorted(chosen, key=lambda path: chosen[path].offset):
            if path_problem(path):
                fail(name, f"it holds {path_problem(path)}: {path!r}", "refused")
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            member, content = archive.open(chosen[path])
            unpacking.file(path, member, _watched(content, digest))
            found[path] = digest.hexdigest()
        bag.compare(found, listed, bag.MANIFEST, name)
        unpacking.open_up(staging)
    return ExtractedPaths(files=len(found), bytes=sum(chosen[path].size for path in found), sha256=found)


class _IndexedArchive:
    """Members of an archive, found by its index."""

    def __init__(self, plain: DecryptedRange, name: str) -> None:
        self._plain = plain
        self._name = name
        self._index = self._read_index()
        self._tar = _TarRange(plain, self._index.frames, name)
        self._places = {place.name: place for place in self._index.places}
        self._base = next(iter(self._places)).split("/")[0] if self._places else ""

    def payload(self) -> dict[str, Place]:
        """Every payload file, by its path under ``data/``."""
        prefix = f"{self._base}/{bag.DATA}/"
        return {place.name.removeprefix(prefix): place for place in self._index.places if place.name.startswith(prefix)}

    def listed(self, paths: Iterable[str]) -> dict[str, str]:
        """SHA-256 from the bag's manifest, by path under ``data/``, of those of the paths that stand there."""
        place = self._places.get(f"{self._base}/{bag.MANIFEST}")
        if place is None:
            fail(self._name, f"the bag has no {bag.MANIFEST}", "bag")
        _, content = self.open(place)
        listed = bag.parse_manifest(b"".join(content), bag.MANIFEST, self._name)
        of_path = ((path, listed.get(f"{bag.DATA}/{path}")) for path in paths)
        return {path: digest for path, digest in of_path if digest is not None}

    def open(self, place: Place) -> tuple[Member, Iterator[bytes]]:
        """A file's header and content; the content is to be taken before the next file is opened."""
        self._tar.seek(place.offset, wanted=BLOCK + place.size)
        found = read_member(self._tar.take, self._name)
        if found is None or found[0].is_folder or (found[0].name, found[0].size) != (place.name, place.size):
            fail(self._name, f"its index is wrong about {place.name!r}", "index")
        return found[0], self._content(place.size)

    def _content(self, left: int) -> Iterator[bytes]:
        while left:
            data = self._tar.take_some(left)
            left -= len(data)
            yield data

    def _read_index(self) -> TailIndex:
        size = self._plain.size
        footer = self._plain.read_at(max(0, size - FOOTER.size), min(size, FOOTER.size))
        offset, plain_size = footer_of(footer, size, self._name)
        return parse_index(self._plain.read_at(offset, size - offset), plain_size, offset, self._name)


class _TarRange:
    """The tar stream from any offset on, of which no more is read than that takes."""

    def __init__(self, plain: DecryptedRange, frames: Frames, name: str) -> None:
        self._plain = plain
        self._frames = frames
        self._name = name
        self._number = -1
        self._content: FrameContent | None = None
        self._position = 0
        self._wanted = 0

    def seek(self, offset: int, *, wanted: int) -> None:
        """Go to an offset, from which at least ``wanted`` bytes are going to be taken."""
        self._wanted = offset + wanted
        number = self._frames.number_at(offset)
        if self._content is None or number != self._number or offset < self._position:
            self._open(number)
        while self._position < offset:
            self.take_some(offset - self._position)

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        parts = bytearray()
        while len(parts) < size:
            parts += self.take_some(size - len(parts))
        return bytes(parts)

    def take_some(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes."""
        content = self._content
        if content is None or self._position == self._end:
            content = self._open(self._number + 1)
        data = content.read(min(size, self._end - self._position))
        self._position += len(data)
        return data

    @property
    def _end(self) -> int:
        frame = self._frames[self._number]
        return frame.tar_offset + frame.tar_size

    def _open(self, number: int) -> FrameContent:
        if number == len(self._frames):
            fail(self._name, "its tar stream ends too early", "tar")
        self._number = number
        frame = self._frames[number]
        self._position = frame.tar_offset
        read_size = frame.size if self._end <= self._wanted else _PIECE
        head = self._plain.read_at(frame.offset, min(frame.size, read_size))
        part = _Part(self._plain, frame)
        self._content = FrameContent(part, head, frame.tar_size, self._name, read_size=read_size)
        return self._content


class _Part:
    """A frame's bytes in sequence."""

    def __init__(self, plain: DecryptedRange, frame: Frame) -> None:
        self._plain = plain
        self._position = frame.offset
        self._end = frame.offset + frame.size

    def read(self, size: int, /) -> bytes:
        data = self._plain.read_at(self._position, min(size, self._end - self._position))
        self._position += len(data)
        return data


def _matching(wanted: str, payload: dict[str, Place]) -> list[str]:
    path = wanted.removeprefix("./").rstrip("/")
    found = [known for known in payload if known == path or known.startswith(f"{path}/")]
    if not found:
        near = _near(path, payload)
        raise PermanentError(
            action="extract",
            subject=repr(wanted),
            cause="the archive holds no such path",
            error_class="input",
            hint=f"near it are: {', '.join(map(repr, near))}" if near else "the archive is empty",
        )
    return found


def _near(path: str, payload: Iterable[str]) -> list[str]:
    """The paths most like one that is not there: of those of its name or in its folder, else of the first few."""
    folder, _, own = path.rpartition("/")
    known = sorted(payload)
    beside = [each for each in known if each.rpartition("/")[0] == folder or each.rpartition("/")[2] == own]
    matches = (difflib.get_close_matches(path, among[:_COMPARED], n=3, cutoff=0.4) for among in (beside, known))
    return next(filter(None, matches), known[:3])


def _watched(content: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for data in content:
        digest.update(data)
        yield data

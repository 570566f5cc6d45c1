"""An archive read from start to end: authenticated, decompressed, every file compared with the bag's manifest."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from lumen_assets.archive import bag
from lumen_assets.archive.frames import FRAMES_AHEAD, FrameReader, decompressing_threads
from lumen_assets.archive.keys import Key, Keyring
from lumen_assets.archive.names import Collisions, path_problem
from lumen_assets.archive.stage import Stage
from lumen_assets.archive.stream import DecryptingReader, Progress, ReadableStream, fail
from lumen_assets.archive.tail import GrowingIndex, check_tail
from lumen_assets.archive.tar import Member, padding, read_member
from lumen_assets.memory import keep_freed_memory

_HASHED_ASIDE: Final = 1 << 18
"""Bytes: pieces of so many are worth another thread."""
_TAG_FILES: Final = (bag.BAG_INFO, bag.BAGIT, bag.MANIFEST, bag.TAG_MANIFEST)


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive holds, all of it proven.

    Attributes:
        base_name: the one folder at the top of the tar stream.
        files: how many payload files.
        bytes: how many payload bytes.
        content_digest: SHA-256 of the bag's ``manifest-sha256.txt``.
        manifest: the bag's ``manifest-sha256.txt``.
        bag_info: values of ``bag-info.txt`` by label.
        key_id: of the key that opened it.
    """

    base_name: str
    files: int
    bytes: int
    content_digest: str
    manifest: builtins.bytes = field(repr=False)
    bag_info: Mapping[str, str]
    key_id: str

    @cached_property
    def sha256(self) -> Mapping[str, str]:
        """Of every payload file, by its path under ``data/``."""
        return bag.payload_digests(self.manifest, "the archive")


class Unpacking(Protocol):
    """What is done with members as they come by; nothing of it counts before the whole archive was read."""

    def folder(self, path: str, member: Member) -> None:
        """A folder; ``path`` is relative to the bag, empty for the bag itself."""
        ...

    def file(self, path: str, member: Member, content: Iterator[memoryview]) -> None:
        """A file with its content, all of which must be taken."""
        ...


class Discard:
    """Reads everything and keeps nothing."""

    def folder(self, path: str, member: Member) -> None:
        """Nothing to do."""

    def file(self, path: str, member: Member, content: Iterator[memoryview]) -> None:  # noqa: ARG002
        """Take the content, so that it is digested."""
        for _ in content:
            pass


def verify_stream(
    stream: ReadableStream,
    *,
    key: Key | Keyring,
    associated_data: bytes,
    name: str = "the archive",
    progress: Progress | None = None,
) -> ArchiveContents:
    """Read an archive and prove all of it, in memory that grows by some 0.5 kB a file, and not with its size.

    Args:
        stream: the archive's bytes.
        key: the key, or a keyring of which one opens it.
        associated_data: what the archive was bound to.
        name: what to call it in errors.
        progress: told of ciphertext bytes.

    Raises:
        IntegrityError: if anything in it is not as it was written, or not as an archive must be.
    """
    return unpack(stream, Discard(), key=key, associated_data=associated_data, name=name, progress=progress)


def unpack(
    stream: ReadableStream,
    unpacking: Unpacking,
    *,
    key: Key | Keyring,
    associated_data: bytes,
    name: str,
    progress: Progress | None = None,
) -> ArchiveContents:
    """As ``verify_stream``, handing every member to ``unpacking`` on the way."""
    source = _Watched(stream, progress) if progress else stream
    plain = DecryptingReader(source, key, associated_data, name)
    keep_freed_memory()
    with decompressing_threads() as decompressing, Stage[None](1, limit=FRAMES_AHEAD) as hashing:
        frames = FrameReader(plain, decompressing, name)
        reader = _BagReader(frames, unpacking, hashing, name)
        reader.read_members()
        magic = frames.end()
    check_tail(plain, magic, reader.index, name)
    return reader.contents(plain.key_id)


class _BagReader:
    """Members in the order that an archive has them: sorted, so none twice, and each after its folder."""

    def __init__(self, frames: FrameReader, unpacking: Unpacking, hashing: Stage[None], name: str) -> None:
        self.frames = frames
        self.index = GrowingIndex(frames.frames)
        self._unpacking = unpacking
        self._hashing = hashing
        self._name = name
        self._base = ""
        self._folders: set[str] = set()
        self._collisions = Collisions()
        self._previous = b""
        self._tags: dict[str, bytes] = {}
        self._listing = bytearray()
        self._files = 0
        self._bytes = 0
        self._listing_limit = bag.MAX_TAG_FILE
        self._taken = 0

    def read_members(self) -> None:
        """Read the tar stream to its end, handing out members."""
        while (found := read_member(self._take, self._name)) is not None:
            member, header_size = found
            offset = self._taken - header_size
            path = self._placed(member)
            if member.is_folder:
                self._folder(path, member)
            else:
                self.index.add(member.name, offset, member.size)
                self._file(path, member)

    def contents(self, key_id: str) -> ArchiveContents:
        """The bag as a whole against its manifests."""
        missing = [tag for tag in _TAG_FILES if tag not in self._tags]
        if missing or bag.DATA not in self._folders:
            fail(self._name, f"the bag has no {(missing or [bag.DATA])[0]}", "bag")
        if self._tags[bag.BAGIT] != bag.DECLARATION:
            fail(self._name, f"{bag.BAGIT} does not declare BagIt 1.0 in UTF-8", "bag")
        if self._tags[bag.MANIFEST] != self._listing:  # it may have another order
            self._check(bag.parse_manifest(bytes(self._listing), bag.MANIFEST, self._name), bag.MANIFEST)
        tags = {tag: bag.sha256(data) for tag, data in self._tags.items() if tag != bag.TAG_MANIFEST}
        self._check(tags, bag.TAG_MANIFEST)
        info = bag.parse_bag_info(self._tags[bag.BAG_INFO], self._name)
        if info.get(bag.OXUM) != f"{self._bytes}.{self._files}":
            fail(self._name, f"{bag.OXUM} is not what the bag holds", "bag")
        return ArchiveContents(
            base_name=self._base,
            files=self._files,
            bytes=self._bytes,
            content_digest=bag.sha256(self._tags[bag.MANIFEST]),
            manifest=self._tags[bag.MANIFEST],
            bag_info=info,
            key_id=key_id,
        )

    def _check(self, found: Mapping[str, str], file: str) -> None:
        bag.compare(found, bag.parse_manifest(self._tags[file], file, self._name), file, self._name)

    def _placed(self, member: Member) -> str:
        """The member's path in the bag, after making sure that it may be there."""
        problem = path_problem(member.name)
        if problem:
            fail(self._name, f"it holds {problem}: {member.name!r}", "refused")
        encoded = member.name.encode()
        if encoded == self._previous:
            fail(self._name, f"it holds {member.name!r} twice", "refused")
        if encoded < self._previous:
            fail(self._name, f"{member.name!r} is out of order", "refused")
        self._previous = encoded
        earlier = self._collisions.add(member.name)
        if earlier is not None:
            fail(self._name, f"{member.name!r} and {earlier!r} are one name on some file systems", "refused")
        if not self._base:
            if "/" in member.name or not member.is_folder:
                fail(self._name, "it does not start with the folder of the bag", "refused")
            self._base = member.name
            return ""
        path = member.name.removeprefix(f"{self._base}/")
        if path == member.name:
            fail(self._name, f"{member.name!r} is outside of the bag", "refused")
        parent = path.rpartition("/")[0]
        if parent and parent not in self._folders:
            fail(self._name, f"{member.name!r} is in a folder that is not there", "refused")
        return path

    def _folder(self, path: str, member: Member) -> None:
        if path and path != bag.DATA and not path.startswith(f"{bag.DATA}/"):
            fail(self._name, f"the bag holds a folder {path!r}", "refused")
        self._folders.add(path)
        self._unpacking.folder(path, member)

    def _file(self, path: str, member: Member) -> None:
        if path.startswith(f"{bag.DATA}/"):
            self._listing_limit += 3 * len(path.encode()) + 80
            digest = hashlib.sha256()
            self._unpacking.file(path, member, self._hashed(self._content(member), digest))
            self._listing += bag.manifest_line(path, digest.hexdigest())
            self._files += 1
            self._bytes += member.size
        elif path in _TAG_FILES:
            if member.size > (self._listing_limit if path == bag.MANIFEST else bag.MAX_TAG_FILE):
                fail(self._name, f"{path} has {member.size} bytes", "bag")
            kept = b"".join(self._content(member))
            self._unpacking.file(path, member, iter([memoryview(kept)]))
            self._tags[path] = kept
        else:
            fail(self._name, f"the bag holds {path!r} beside its data", "refused")

    def _hashed(self, content: Iterator[memoryview], digest: hashlib._Hash) -> Iterator[memoryview]:
        """The content, of which the digest is taken on another thread: it is complete when all of that was taken."""
        for data in content:
            if len(data) < _HASHED_ASIDE and not self._hashing:
                digest.update(data)
            else:
                if self._hashing.is_full:
                    self._hashing.take()
                self._hashing.submit(digest.update, data)
            yield data
        while self._hashing:
            self._hashing.take()

    def _content(self, member: Member) -> Iterator[memoryview]:
        left = member.size
        while left:
            data = self.frames.take_some(left)
            self._taken += len(data)
            left -= len(data)
            yield data
        if any(self._take(padding(member.size))):
            fail(self._name, f"the padding after {member.name!r} is not zero", "tar")

    def _take(self, size: int) -> bytes:
        self._taken += size
        return self.frames.take(size)


class _Watched:
    """Tells of the bytes that are read through it."""

    def __init__(self, stream: ReadableStream, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._progress(len(data))
        return data

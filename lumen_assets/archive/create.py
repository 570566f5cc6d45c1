"""Files into one encrypted, write-once archive, in one pass over them."""

from __future__ import annotations

import builtins
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from lumen_assets.archive import bag
from lumen_assets.archive.digests import Digests, DigestTaker
from lumen_assets.archive.frames import FrameWriter, compressing_threads
from lumen_assets.archive.keys import Key
from lumen_assets.archive.names import path_problem
from lumen_assets.archive.output import new_output, unusable
from lumen_assets.archive.payload import Source, StrPath, inspect_payload, read_source, refused
from lumen_assets.archive.stage import Stage
from lumen_assets.archive.stream import EncryptingWriter, Progress
from lumen_assets.archive.tail import GrowingIndex, tail_bytes
from lumen_assets.archive.tar import END, Member, header_bytes, padding
from lumen_assets.durable import new_file, remove_abandoned
from lumen_assets.errors import PermanentError


@dataclass(frozen=True)
class CreatedArchive:
    """What was written.

    Attributes:
        digests: of the archive file, the ciphertext.
        content_digest: SHA-256 of the bag's ``manifest-sha256.txt``: equal if and only if the payload is.
        files: how many payload files.
        bytes: how many payload bytes.
        manifest: the bag's ``manifest-sha256.txt``.
    """

    digests: Digests
    content_digest: str
    files: int
    bytes: int
    manifest: builtins.bytes = field(repr=False)

    @cached_property
    def sha256(self) -> Mapping[str, str]:
        """Of every payload file, by its path under ``data/``."""
        return bag.payload_digests(self.manifest, "the archive")


def create_archive(
    members: Mapping[str, StrPath],
    output: Path,
    *,
    key: Key,
    associated_data: bytes,
    base_name: str,
    bag_info: Mapping[str, str],
    mtime: int | None,
    level: int,
    threads: int,
    progress: Progress | None = None,
) -> CreatedArchive:
    """Write the files as a bag in a compressed, encrypted archive.

    The same files, names, ``bag_info`` and ``mtime`` give the same tar bytes. ``output`` appears only when it is
    whole; nothing is left behind otherwise, and what a process left that was killed is removed by the next one.

    Args:
        members: the payload: files by their path under ``data/``.
        output: the archive; must not exist.
        associated_data: what the archive is bound to; reading it takes the same.
        base_name: the one folder at the top of the tar stream.
        bag_info: labels of ``bag-info.txt``; Payload-Oxum is added.
        mtime: seconds since 1970-01-01 UTC for every member; None: each file's own.
        level: Zstandard level.
        threads: compressing threads; 0: one a core, at most 8.
        progress: told of payload bytes.

    Raises:
        PermanentError: if a member is unusable, ``output`` exists or cannot be written.
        TransientError: if a member changed while it was read.
    """
    _check_base(base_name)
    sources = inspect_payload(members, base_name)
    remove_abandoned(output)
    if os.path.lexists(output):
        raise _taken(output)
    with new_output("write", output):
        try:
            with (
                new_file(output) as file,
                compressing_threads(threads) as compressing,
                Stage[None](1, limit=4) as digesting,
            ):
                sink = _Tee(file, digesting)
                cipher = EncryptingWriter(sink, key, associated_data)
                frames = FrameWriter(cipher, compressing, level=level)
                bagging = _BagWriter(frames, members, base_name, mtime, progress)
                manifest = bagging.write(sources, bag_info)
                frames.finish()
                cipher.write(tail_bytes(bagging.index))
                cipher.finish()
                digests = sink.digests()
        except FileExistsError:
            raise _taken(output) from None
    return CreatedArchive(
        digests=digests,
        content_digest=bag.sha256(manifest),
        files=len(sources),
        bytes=sum(source.size for source in sources.values()),
        manifest=manifest,
    )


class _BagWriter:
    """Members of the bag, in order, into a tar stream."""

    def __init__(
        self,
        tar: FrameWriter,
        members: Mapping[str, StrPath],
        base_name: str,
        mtime: int | None,
        progress: Progress | None,
    ) -> None:
        self._tar = tar
        self._members = members
        self._base = base_name
        self._mtime = mtime
        self._progress = progress
        self.index = GrowingIndex(tar.frames)

    def write(self, sources: Mapping[str, Source], bag_info: Mapping[str, str]) -> bytes:
        """Write all of it; returns the payload's manifest."""
        newest = max((source.mtime for source in sources.values()), default=0)
        own = self._mtime if self._mtime is not None else newest
        size = sum(source.size for source in sources.values())
        info = bag.bag_info_bytes(bag_info, size=size, files=len(sources))
        self._folder(self._base, own)
        self._tag_file(bag.BAG_INFO, info, own)
        self._tag_file(bag.BAGIT, bag.DECLARATION, own)
        self._folder(f"{self._base}/{bag.DATA}", own)
        manifest = self._payload(sources)
        self._tag_file(bag.MANIFEST, manifest, own)
        self._tag_file(bag.TAG_MANIFEST, bag.tag_files(info, manifest), own)
        self._tar.write(END)
        return manifest

    def _payload(self, sources: Mapping[str, Source]) -> bytes:
        manifest = bytearray()
        folders = _folder_times(sources)
        for path in sorted([*sources, *folders], key=lambda path: path.encode()):
            name = f"{bag.DATA}/{path}"
            if path in sources:
                digest = self._file(f"{self._base}/{name}", self._members[path], sources[path])
                manifest += bag.manifest_line(name, digest)
            else:
                self._folder(f"{self._base}/{name}", folders[path] if self._mtime is None else self._mtime)
        return bytes(manifest)

    def _file(self, name: str, path: StrPath, source: Source) -> str:
        mtime = source.mtime if self._mtime is None else self._mtime
        self._header(Member(name=name, is_folder=False, size=source.size, mode=source.mode, mtime=mtime))
        digest = hashlib.sha256()
        for data in read_source(path, source, self._progress):
            digest.update(data)
            self._tar.write(data)
        self._tar.write(bytes(padding(source.size)))
        return digest.hexdigest()

    def _tag_file(self, name: str, data: bytes, mtime: int) -> None:
        path = f"{self._base}/{name}"
        self._header(Member(name=path, is_folder=False, size=len(data), mode=0o644, mtime=mtime))
        self._tar.write(data)
        self._tar.write(bytes(padding(len(data))))

    def _folder(self, name: str, mtime: int) -> None:
        self._tar.write(header_bytes(Member(name=name, is_folder=True, size=0, mode=0o755, mtime=mtime)))

    def _header(self, member: Member) -> None:
        self.index.add(member.name, self._tar.tar_size, member.size)
        self._tar.write(header_bytes(member))


class _Tee:
    """Writes to a file and has the digests of what is written taken meanwhile.

    Args:
        digesting: has one thread.
    """

    def __init__(self, file: BinaryIO, digesting: Stage[None]) -> None:
        self._file = file
        self._taker = DigestTaker()
        self._stage = digesting

    def write(self, data: bytes, /) -> None:
        if self._stage.is_full:
            self._stage.take()
        self._stage.submit(self._taker.update, data)
        self._file.write(data)

    def digests(self) -> Digests:
        """The digests of all that was written."""
        while self._stage:
            self._stage.take()
        return self._taker.digests()


def _folder_times(sources: Mapping[str, Source]) -> dict[str, int]:
    """The newest time of a file below it, by folder."""
    times: dict[str, int] = {}
    for path, source in sources.items():
        parts = path.split("/")
        for count in range(1, len(parts)):
            folder = "/".join(parts[:count])
            times[folder] = max(times.get(folder, source.mtime), source.mtime)
    return times


def _check_base(base_name: str) -> None:
    problem = "a path" if "/" in base_name else path_problem(base_name)
    if problem:
        raise refused(base_name, f"the name at the top is {problem}", "choose a plain name")


def _taken(output: Path) -> PermanentError:
    return unusable("write", output, "it exists, and an archive is never overwritten", "choose another name")

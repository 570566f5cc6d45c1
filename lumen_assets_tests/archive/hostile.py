"""Builds archives with the right key that an honest writer would never make."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable

import zstandard

from lumen_assets.archive import Key
from lumen_assets.archive.frames import Frames
from lumen_assets.archive.stream import EncryptingWriter
from lumen_assets.archive.tail import Place, TailIndex, tail_bytes
from lumen_assets_tests.archive.conftest import BOUND_TO

BASE = "bag"
Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> Entry:
    info = tarfile.TarInfo(f"{BASE}/{name}" if name else BASE)
    info.type, info.linkname, info.size = kind, link, len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else mode
    return info, content


def folder(name: str) -> Entry:
    return entry(name, kind=tarfile.DIRTYPE)


def manifest(files: dict[str, bytes]) -> bytes:
    return b"".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n".encode() for path in sorted(files))


def bag(files: dict[str, bytes], *more: Entry, **tags: bytes) -> list[Entry]:
    """A whole bag, with further entries in their place and tag files replaced by name without its suffix."""
    info = tags.get("bag_info", f"Payload-Oxum: {sum(map(len, files.values()))}.{len(files)}\n".encode())
    bagit = tags.get("bagit", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    payload = tags.get("manifest", manifest({f"data/{path}": content for path, content in files.items()}))
    listed = {"bag-info.txt": info, "bagit.txt": bagit, "manifest-sha256.txt": payload}
    entries = [folder(""), folder("data"), *more]
    entries += [entry(f"data/{path}", content) for path, content in files.items()]
    entries += [entry(name, content) for name, content in listed.items()]
    entries.append(entry("tagmanifest-sha256.txt", tags.get("tags", manifest(listed))))
    return sorted(entries, key=lambda one: one[0].name.encode())


def tar_of(entries: list[Entry]) -> tuple[bytes, list[Place]]:
    stream, places = bytearray(), []
    for info, content in entries:
        if info.isreg():
            places.append(Place(info.name, len(stream), info.size))
        stream += info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        stream += content + bytes(-len(content) % 512)
    return bytes(stream) + bytes(1024), places


def compress(plain: bytes, *, checksum: bool = True, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=size).compress(plain)


def seal(compressed: bytes, key: Key) -> bytes:
    sink = io.BytesIO()
    writer = EncryptingWriter(sink, key, BOUND_TO)
    writer.write(compressed)
    writer.finish()
    return sink.getvalue()


def one_frame(frame: bytes, plain: bytes) -> Frames:
    """The frames of a stream that has only this one."""
    frames = Frames()
    frames.append(len(frame), len(plain))
    return frames


def archive_of(
    entries: list[Entry],
    key: Key,
    *,
    tar: Callable[[bytes], bytes] = lambda data: data,
    places: Callable[[list[Place]], list[Place]] = lambda found: found,
    packed: Callable[[bytes], bytes] = compress,
    tail: Callable[[bytes], bytes] = lambda data: data,
) -> bytes:
    """An archive of these members, with each layer open to interference."""
    plain, found = tar_of(entries)
    plain = tar(plain)
    frame = packed(plain)
    index = TailIndex(one_frame(frame, plain), tuple(places(found)))
    return seal(frame + tail(tail_bytes(index)), key)

"""One input of a fuzzer, and what must come of it: an error of ours or the right content, nothing outside of staging.

The first byte says which layer the rest is for. ``lumen_assets_tests/archive/corpus`` holds inputs that reach far.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from lumen_assets.archive import (
    FileRange,
    Key,
    Keyring,
    Manifest,
    Removal,
    extract_paths,
    extract_stream,
    parse_keyring,
    verify_stream,
)
from lumen_assets.archive.bag import parse_bag_info, parse_manifest
from lumen_assets.archive.stream import SEGMENT_SIZE
from lumen_assets.archive.tail import SKIPPABLE_MAGIC, TailIndex, tail_bytes
from lumen_assets.archive.tar import Member, header_bytes, read_member
from lumen_assets.errors import LumenError
from lumen_assets_tests.archive.conftest import BOUND_TO, make
from lumen_assets_tests.archive.hostile import archive_of, bag, compress, folder, one_frame, seal, tar_of
from lumen_assets_tests.archive.watching import watched_writes

CORPUS: Final = Path(__file__).parent / "corpus"
KEY: Final = Key(bytes(range(32)))
FILES: Final = {"a": b"content", "b/c": b"more", "규칙": b"x" * 600}
GOOD: Final = bag(FILES, folder("data/b"))
GOLDEN: Final = Path(__file__).parent / "golden"
SMALL: Final = (GOLDEN / "lumen-2026-11-21-r1.tar.zst.tink").read_bytes()


def _three_segments() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "file"
        path.write_bytes(Random(7).randbytes(2_300_000))  # noqa: S311 - no secret
        make({"file": path}, Path(name) / "a", KEY)
        return (Path(name) / "a").read_bytes()


LARGE: Final = _three_segments()


def read(data: bytes) -> None:
    """Read an archive whole and in part: only errors of ours may come out, then no folder, and never a file outside."""
    with tempfile.TemporaryDirectory() as name, watched_writes() as written:
        root = Path(name)
        try:
            extract_stream(io.BytesIO(data), root / "all", key=KEY, associated_data=BOUND_TO)
        except LumenError:
            assert not list(root.iterdir())
        try:
            extract_paths(FileRange(io.BytesIO(data)), ["a", "b"], root / "one", key=KEY, associated_data=BOUND_TO)
        except LumenError:
            assert not (root / "one").exists()
        else:
            assert (root / "one" / "a").read_bytes() == FILES["a"]
        assert {path.name for path in root.iterdir()} <= {"all", "one"}
        allowed = (str(root / ".tmp-"), str(root / "all"), str(root / "one"))
        assert all(path.startswith(allowed) or path == name for _, path in written), written


def ciphertext(data: bytes) -> None:
    """Anything in place of an archive; none of it but the one was made with the key."""
    if data != SMALL:
        _must_be_refused(data)


def changed(data: bytes) -> None:
    """Changes to an archive of three segments: for each, two bytes say what and how much, three say where."""
    archive = bytearray(LARGE)
    for start in range(0, min(len(data), 40) - 4, 5):
        what, count = data[start], data[start + 1] + 1
        place = int.from_bytes(data[start + 2 : start + 5], "big")
        edge = SEGMENT_SIZE * (place % 4)
        at = (edge + place % 7 - 3 if what & 8 else place) % (len(archive) + 1)
        match what % 8:
            case 0:
                archive[at : at + 1] = bytes(byte ^ count % 256 for byte in archive[at : at + 1])
            case 1:
                del archive[at:]
            case 2:
                del archive[at : at + count]
            case 3:
                del archive[at : at + SEGMENT_SIZE]
            case 4:
                archive[at:at] = archive[edge : edge + SEGMENT_SIZE]
            case 5:
                archive[at : at + SEGMENT_SIZE] = archive[edge : edge + SEGMENT_SIZE]
            case 6:
                archive[at:at] = bytes(count)
            case _:
                archive[at : at + len(SMALL)] = SMALL
    if archive not in (LARGE, SMALL):
        _must_be_refused(bytes(archive))


def _must_be_refused(data: bytes) -> None:
    with watched_writes() as written:
        try:
            verify_stream(io.BytesIO(data), key=KEY, associated_data=BOUND_TO)
        except LumenError:
            assert not written
            return
    raise AssertionError("an archive that nobody made was taken for good")


def plaintext(data: bytes) -> None:
    """Anything under the encryption."""
    read(seal(data, KEY))


def frames(data: bytes) -> None:
    """Anything for the frames, before the right tail."""
    read(archive_of(GOOD, KEY, packed=lambda _: data))


def tar(data: bytes) -> None:
    """Anything for the tar stream, in a right frame."""
    read(archive_of(GOOD, KEY, tar=lambda _: data[: 2 << 20]))


def tail(data: bytes) -> None:
    """Anything for the tail, after the right frames."""
    read(archive_of(GOOD, KEY, tail=lambda _: data))


def index(data: bytes) -> None:
    """Anything for the JSON of the index."""

    def with_index(tail: bytes) -> bytes:
        packed = compress(data)
        footer = tail[-24:-16] + len(packed).to_bytes(4, "little") + len(data).to_bytes(4, "little") + tail[-8:]
        return SKIPPABLE_MAGIC + (len(packed) + 24).to_bytes(4, "little") + packed + footer

    read(archive_of(GOOD, KEY, tail=with_index))


def header(data: bytes) -> None:
    """Anything as the headers of one member of a tar stream."""
    source = io.BytesIO(data)

    def take(size: int) -> bytes:
        part = source.read(size)
        return part + bytes(size - len(part))

    _ends_in_an_error_of_ours(lambda: read_member(take, "x"))


def listing(data: bytes) -> None:
    """Anything as a bag's tag files."""
    _ends_in_an_error_of_ours(lambda: parse_manifest(data, "manifest-sha256.txt", "x"))
    _ends_in_an_error_of_ours(lambda: parse_bag_info(data, "x"))


def manifest(data: bytes) -> None:
    """Anything as a manifest, and the same with a right MAC where it is JSON at all."""
    keyring = Keyring([KEY])
    _ends_in_an_error_of_ours(lambda: Removal.parse(data, keyring))
    try:
        found = Manifest.parse(data, keyring)
    except LumenError:
        return
    assert found.to_bytes(KEY) == data


def keyring(data: bytes) -> None:
    """Anything as the text of a keyring; an error repeats none of it."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parse_keyring(text)
    except LumenError as error:
        said = str(error)
        assert not any(part in said for part in text.split() if len(part) > 20)


_TAR, _PLACES = tar_of(GOOD)
_FRAME = compress(_TAR)
_TAIL = TailIndex(one_frame(_FRAME, _TAR), tuple(_PLACES))
_BAG = {info.name.partition("/")[2]: content for info, content in GOOD}

LAYERS: Final[Mapping[Callable[[bytes], None], Sequence[bytes]]] = {
    ciphertext: [SMALL],
    changed: [bytes(5), b"\x01\0\0\0\1", b"\x0b\0\0\0\2", b"\x05\0\0\0\1\x04\0\0\0\1"],
    plaintext: [_FRAME + tail_bytes(_TAIL)],
    frames: [_FRAME],
    tar: [_TAR],
    tail: [tail_bytes(_TAIL)],
    index: [_TAIL.to_json()],
    header: [header_bytes(Member("기록/" * 30 + "x", is_folder=False, size=1 << 40, mode=0o755, mtime=-1)), _TAR[:512]],
    listing: [_BAG["manifest-sha256.txt"], _BAG["bag-info.txt"]],
    manifest: [(GOLDEN / "snapshot.manifest.json").read_bytes()],
    keyring: [f"{KEY.text()}, {KEY.text()}".encode()],
}
"""The layers, each with inputs that are good."""


def seeds() -> list[bytes]:
    """A good input for each layer, as ``one_input`` takes it."""
    return [bytes([number]) + good for number, goods in enumerate(LAYERS.values()) for good in goods]


def one_input(data: bytes) -> None:
    """Give an input to the layer that its first byte names."""
    if data:
        list(LAYERS)[data[0] % len(LAYERS)](data[1:])


def _ends_in_an_error_of_ours(parse: Callable[[], object]) -> None:
    with suppress(LumenError):
        parse()

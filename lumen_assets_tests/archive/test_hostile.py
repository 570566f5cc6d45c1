"""Archives made with the right key, by somebody who means harm or a writer with a fault."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, verify_stream
from lumen_assets.archive.tail import Place
from lumen_assets.errors import IntegrityError, LumenError, PermanentError
from lumen_assets_tests.archive.conftest import BOUND_TO
from lumen_assets_tests.archive.hostile import Entry, archive_of, bag, compress, entry, folder, manifest, seal, tar_of

FILES = {"a": b"content", "b/c": b"more"}
GOOD = bag(FILES, folder("data/b"))


def assert_refused(data: bytes, key: Key, tmp_path: Path, says: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(IntegrityError, match=says):
        verify_stream(io.BytesIO(data), key=key, associated_data=BOUND_TO)
    with pytest.raises(LumenError, match=says):
        extract_stream(io.BytesIO(data), place / "out", key=key, associated_data=BOUND_TO)
    assert not list(place.iterdir())


def raw(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> Entry:
    info, content = entry("x", content, kind)
    info.name = name
    return info, content


def test_the_builder_makes_a_good_archive(key: Key, tmp_path: Path) -> None:
    data = archive_of(GOOD, key)
    contents = extract_stream(io.BytesIO(data), tmp_path / "out", key=key, associated_data=BOUND_TO)
    assert (contents.files, contents.bytes) == (2, 11)
    found = extract_paths(FileRange(io.BytesIO(data)), ["b"], tmp_path / "one", key=key, associated_data=BOUND_TO)
    assert list(found.sha256) == ["b/c"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (raw("bag/data/../../../outside"), r"a path with '\.\.'"),
        (raw("/etc/lumen-outside"), "absolute|out of order|bag"),
        (raw("bag/data/./x"), "empty part"),
        (raw("bag/data//x"), "empty part"),
        (raw("other/x"), "outside of the bag"),
        (raw("bagx"), "outside of the bag|beside"),
        (raw("bag/extra.txt"), "beside its data"),
        (raw("bag/datax/x"), "not there"),
        (raw("bag/extra", b"", tarfile.DIRTYPE), "holds a folder"),
        (raw("bag/data/nowhere/x"), "in a folder that is not there"),
        (entry("data/x", kind=tarfile.SYMTYPE, link="/etc"), "a symbolic link"),
        (entry("data/x", kind=tarfile.LNKTYPE, link="bag/data/a"), "a hard link"),
        (entry("data/x", kind=tarfile.CHRTYPE), "a character device"),
        (entry("data/x", kind=tarfile.BLKTYPE), "a block device"),
        (entry("data/x", kind=tarfile.FIFOTYPE), "a FIFO"),
        (entry("data/x", kind=tarfile.CONTTYPE), "a contiguous file"),
        (entry("data/x", kind=tarfile.GNUTYPE_SPARSE), "a sparse file"),
        (entry("data/x", b"20 comment=whatever\n", kind=tarfile.XGLTYPE), "a global header"),
        (entry("data/x", mode=0o4755), "the mode 4755"),
        (entry("data/x", mode=0o666), "the mode 666"),
        (entry("data/a"), "twice"),
        (entry("data/A"), "one name on some file systems"),
        (folder("data/B"), "one name on some file systems"),
        (entry("data/a/x"), "not there"),
    ],
)
def test_members_that_no_archive_holds(more: Entry, says: str, key: Key, tmp_path: Path) -> None:
    assert_refused(archive_of(bag(FILES, folder("data/b"), more), key), key, tmp_path, says)


def test_members_out_of_order(key: Key, tmp_path: Path) -> None:
    swapped = [*GOOD[:4], *reversed(GOOD[4:])]
    assert_refused(archive_of(swapped, key), key, tmp_path, "out of order|not there")


def test_a_link_laid_for_a_later_member(key: Key, tmp_path: Path) -> None:
    entries = bag({}, entry("data/b", kind=tarfile.SYMTYPE, link=str(tmp_path)), entry("data/b/c", b"outside"))
    assert_refused(archive_of(entries, key), key, tmp_path, "a symbolic link")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        (
            {"manifest": manifest({"data/a": b"other", "data/b/c": b"more"})},
            "differ from manifest-sha256.txt: 'data/a'",
        ),
        ({"manifest": manifest({"data/a": b"content"})}, "not in manifest-sha256.txt: 'data/b/c'"),
        ({"manifest": manifest({f"data/{n}": c for n, c in [*FILES.items(), ("z", b"")]})}, "only: 'data/z'"),
        ({"manifest": b"nonsense\n"}, "line 1 of manifest-sha256.txt"),
        ({"manifest": b"\xff"}, "not UTF-8"),
        ({"manifest": manifest({f"data/{n}": c for n, c in FILES.items()})[:-1]}, "does not end with a line end"),
        ({"tags": b""}, "not in tagmanifest-sha256.txt"),
        ({"tags": manifest({"bag-info.txt": b"other"})}, "differ from tagmanifest|not in tagmanifest"),
        ({"bagit": b"BagIt-Version: 0.97\n"}, "does not declare BagIt 1.0"),
        ({"bag_info": b"Payload-Oxum: 12.2\n"}, "Payload-Oxum"),
        ({"bag_info": b"nothing\n"}, "not a label and a value"),
    ],
)
def test_bags_that_lie(tags: dict[str, bytes], says: str, key: Key, tmp_path: Path) -> None:
    assert_refused(archive_of(bag(FILES, folder("data/b"), **tags), key), key, tmp_path, says)


@pytest.mark.parametrize("left_out", range(len(GOOD)))
def test_bags_that_lack_something(left_out: int, key: Key, tmp_path: Path) -> None:
    assert_refused(archive_of(GOOD[:left_out] + GOOD[left_out + 1 :], key), key, tmp_path, "could not read")


def lying_size(size: int) -> Callable[[bytes], bytes]:
    info, _ = entry("data/a", FILES["a"])
    honest = info.tobuf(tarfile.PAX_FORMAT)
    info.size = size
    return lambda tar: tar.replace(honest, info.tobuf(tarfile.PAX_FORMAT))


@pytest.mark.parametrize("size", [3, 600, 1 << 30, 1 << 61, 1 << 63])
def test_sizes_that_lie(size: int, key: Key, tmp_path: Path) -> None:
    data = archive_of(GOOD, key, tar=lying_size(size))
    assert_refused(data, key, tmp_path, "could not read|bytes are free|bytes, .* are free")


def test_a_file_that_would_not_fit_is_refused_before_it_is_written(key: Key, tmp_path: Path) -> None:
    data = archive_of(GOOD, key, tar=lying_size(1 << 55))
    with pytest.raises(PermanentError, match="are free") as caught:
        extract_stream(io.BytesIO(data), tmp_path / "out", key=key, associated_data=BOUND_TO)
    assert caught.value.error_class == "output"


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (lambda tar: compress(tar, checksum=False), "without checksum"),
        (lambda tar: compress(tar, size=False), "without checksum or size"),
        (lambda tar: compress(tar + bytes(3 << 20)), "more than 2097152"),
        (lambda tar: compress(tar) + compress(b"more"), "another frame follows"),
        (lambda tar: compress(tar + bytes(512)), "follows the end of the tar stream"),
        (lambda tar: compress(tar[:-512]), "ends too early"),
        (lambda tar: compress(tar[:-1024]), "ends too early"),
        (lambda tar: compress(tar[:-1024] + bytes(512) + b"x" * 512), "lone zero block"),
        (lambda tar: b"\x50\x2a\x4d\x18\0\0\0\0" + compress(tar), "ends too early"),
        (lambda tar: tar, "ends too early"),
        (lambda tar: compress(tar)[:-1], "frame|index"),
        (lambda tar: b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "frame"),
    ],
)
def test_frames_that_are_not_ours(packed: Callable[[bytes], bytes], says: str, key: Key, tmp_path: Path) -> None:
    assert_refused(archive_of(GOOD, key, packed=packed), key, tmp_path, says)


def test_a_frame_that_bursts_costs_no_memory(key: Key, tmp_path: Path) -> None:
    bomb = compress(bytes(256 << 20))
    assert len(bomb) < 100_000
    assert_refused(archive_of(GOOD, key, packed=lambda tar: bomb), key, tmp_path, "more than 2097152")


@pytest.mark.parametrize(
    ("tail", "says"),
    [
        (lambda tail: b"", "index is missing"),
        (lambda tail: tail + b"x", "follows its index"),
        (lambda tail: tail + tail, "follows its index"),
        (lambda tail: tail[:-1], "impossible size"),
        (lambda tail: tail[:-24] + bytes(24), "does not say"),
        (lambda tail: b"\x50" + tail[1:], "index is missing"),
        (lambda tail: tail[:4] + b"\xff\xff\xff\xff" + tail[8:], "impossible size"),
    ],
)
def test_tails_that_are_not_ours(tail: Callable[[bytes], bytes], says: str, key: Key, tmp_path: Path) -> None:
    data = archive_of(GOOD, key, tail=tail)
    assert_refused(data, key, tmp_path, says)
    with pytest.raises(IntegrityError):
        extract_paths(FileRange(io.BytesIO(data)), ["a"], tmp_path / "one", key=key, associated_data=BOUND_TO)


def test_an_index_that_bursts_is_not_read(key: Key, tmp_path: Path) -> None:
    plain = b'{"format":"lumen-index/v1","frames":[' + b"[1,1]," * (12 << 20) + b'[1,1]],"members":[]}'
    packed = compress(plain)
    assert len(packed) < 10_000

    def bursting(tail: bytes) -> bytes:
        sizes = len(packed).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
        return tail[:4] + (len(packed) + 24).to_bytes(4, "little") + packed + tail[-24:-16] + sizes + tail[-8:]

    data = archive_of(GOOD, key, tail=bursting)
    assert_refused(data, key, tmp_path, "impossible size|does not say what it holds")
    with pytest.raises(IntegrityError, match="too many to read single files by"):
        extract_paths(FileRange(io.BytesIO(data)), ["a"], tmp_path / "one", key=key, associated_data=BOUND_TO)


@pytest.mark.parametrize("frames", ["[0,1]", "[1,0]", "[1,2097153]", "[1,true]", "[-1,1]", "[1]", "1", '["1",1]'])
def test_indexes_with_frames_that_cannot_be(frames: str, key: Key, tmp_path: Path) -> None:
    def lying(tail: bytes) -> bytes:
        packed = compress(f'{{"format":"lumen-index/v1","frames":[{frames}],"members":[]}}'.encode())
        sizes = len(packed).to_bytes(4, "little") + (54 + len(frames)).to_bytes(4, "little")
        return tail[:4] + (len(packed) + 24).to_bytes(4, "little") + packed + tail[-24:-16] + sizes + tail[-8:]

    data = archive_of(GOOD, key, tail=lying)
    with pytest.raises(IntegrityError, match="its index is not one"):
        extract_paths(FileRange(io.BytesIO(data)), ["a"], tmp_path / "one", key=key, associated_data=BOUND_TO)


def test_one_name_in_two_unicode_forms(key: Key, tmp_path: Path) -> None:
    for number, (one, other) in enumerate([("é", "e\u0301"), ("가", "\u1100\u1161"), ("Å", "\u212b")]):
        (tmp_path / str(number)).mkdir()
        entries = bag({one: b"1"}, entry(f"data/{other}", b"2"))
        assert_refused(archive_of(entries, key), key, tmp_path / str(number), "one name on some file systems")


@pytest.mark.parametrize(
    "places",
    [
        lambda places: places[:-1],
        lambda places: [replace(places[0], offset=1024), *places[1:]],
        lambda places: [*places, Place("bag/data/zz", 0, 1)],
        lambda places: [replace(place, size=place.size + 1) for place in places],
        lambda places: [replace(place, offset=place.offset + (1 << 40)) for place in places],
        lambda places: [replace(place, name=place.name.replace("/a", "/../../a")) for place in places],
    ],
)
def test_indexes_that_lie(places: Callable[[list[Place]], list[Place]], key: Key, tmp_path: Path) -> None:
    data = archive_of(GOOD, key, places=places)
    assert_refused(data, key, tmp_path, "index does not say what it holds")
    paths = ["zz"] if len(places([Place("x/a", 0, 0)])) == 2 else ["../../a"]
    with pytest.raises(LumenError):
        extract_paths(FileRange(io.BytesIO(data)), paths, tmp_path / "one" / "two", key=key, associated_data=BOUND_TO)
    assert not (tmp_path / "a").exists()


def test_an_index_cannot_swap_two_files(key: Key, tmp_path: Path) -> None:
    files = {"a": b"content", "b": b"CONTENT"}

    def swapped(places: list[Place]) -> list[Place]:
        names = {"bag/data/a": "bag/data/b", "bag/data/b": "bag/data/a"}
        return [replace(place, name=names.get(place.name, place.name)) for place in places]

    data = archive_of(bag(files), key, places=swapped)
    with pytest.raises(IntegrityError, match="index is wrong about"):
        extract_paths(FileRange(io.BytesIO(data)), ["a"], tmp_path / "one", key=key, associated_data=BOUND_TO)


def test_a_single_path_is_compared_with_the_manifest(key: Key, tmp_path: Path) -> None:
    entries = bag(FILES, folder("data/b"), manifest=manifest({"data/a": b"other", "data/b/c": b"more"}))
    data = FileRange(io.BytesIO(archive_of(entries, key)))
    with pytest.raises(IntegrityError, match="differ from manifest"):
        extract_paths(data, ["a"], tmp_path / "one", key=key, associated_data=BOUND_TO)
    assert not (tmp_path / "one").exists()
    extract_paths(data, ["b/c"], tmp_path / "one", key=key, associated_data=BOUND_TO)


def test_other_content_than_the_manifest_names_is_not_put_in_place(key: Key, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="not the one that its manifest names"):
        extract_stream(
            io.BytesIO(archive_of(GOOD, key)),
            tmp_path / "out",
            key=key,
            associated_data=BOUND_TO,
            content_digest="0" * 64,
        )
    assert not (tmp_path / "out").exists()


def test_any_plaintext_is_refused_in_our_words(key: Key, tmp_path: Path) -> None:
    tar, _ = tar_of(GOOD)
    for number, plain in enumerate([b"", b"x", b"\x28\xb5\x2f\xfd", tar, compress(b"no tar"), compress(bytes(10_240))]):
        (tmp_path / str(number)).mkdir()
        assert_refused(seal(plain, key), key, tmp_path / str(number), "could not read")

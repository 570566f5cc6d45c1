"""Every single change to an archive is refused, and extracting it leaves nothing behind."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.archive import FileRange, Key, create_archive, extract_paths, extract_stream, verify_stream
from lumen_assets.archive.stream import SEGMENT_SIZE
from lumen_assets.errors import IntegrityError
from lumen_assets_tests.archive.conftest import BOUND_TO, make
from lumen_assets_tests.archive.tampering import Sealed, assert_refused, changes
from lumen_assets_tests.archive.watching import watched_writes


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, key: Key) -> bytes:
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "file").write_bytes(b"a little content")
    make({"file": folder / "file"}, folder / "a", key)
    return (folder / "a").read_bytes()


def refused(data: bytes, key: Key, bound_to: bytes = BOUND_TO) -> bool:
    try:
        verify_stream(io.BytesIO(data), key=key, associated_data=bound_to)
    except IntegrityError:
        return True
    return False


def test_it_is_accepted_as_it_is(sealed: bytes, key: Key) -> None:
    assert not refused(sealed, key)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_refused(sealed: bytes, key: Key, mask: int) -> None:
    accepted = []
    for position in range(len(sealed)):
        data = bytearray(sealed)
        data[position] ^= mask
        if not refused(bytes(data), key):
            accepted.append(position)
    assert accepted == []


def test_every_truncation_is_refused(sealed: bytes, key: Key) -> None:
    assert [size for size in range(len(sealed)) if not refused(sealed[:size], key)] == []


def test_every_extension_is_refused(sealed: bytes, key: Key) -> None:
    assert all(refused(sealed + more, key) for more in (b"\0", b"x" * 16, sealed, bytes(1 << 20), bytes(3 << 20)))


@pytest.mark.parametrize("more", [b"\0", b"x" * 16, bytes(1 << 20), bytes(3 << 20)], ids=len)
def test_every_extension_is_told_from_damage(large: Sealed, key: Key, more: bytes, tmp_path: Path) -> None:
    for read in (
        lambda data: verify_stream(data, key=key, associated_data=BOUND_TO),
        lambda data: extract_stream(data, tmp_path / "out", key=key, associated_data=BOUND_TO),
    ):
        with pytest.raises(IntegrityError, match="bytes were appended after segment 2") as caught:
            read(io.BytesIO(large.data + more))
        assert caught.value.error_class == "extended"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [b"\0", b"x" * 16])
def test_an_extension_within_the_last_mebibyte_is_told_where_single_files_are_read(
    large: Sealed, key: Key, more: bytes, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match="bytes were appended after segment 2") as caught:
        extract_paths(
            FileRange(io.BytesIO(large.data + more)), ["a"], tmp_path / "out", key=key, associated_data=BOUND_TO
        )
    assert caught.value.error_class == "extended"


def test_every_removed_and_every_doubled_byte_is_refused(sealed: bytes, key: Key) -> None:
    for position in range(0, len(sealed), 7):
        assert refused(sealed[:position] + sealed[position + 1 :], key)
        assert refused(sealed[: position + 1] + sealed[position:], key)


@pytest.mark.parametrize("other", [b"lumen-archive/v1|2026-11-21|r2", b"lumen-archive/v1|2026-11-22|r1", b""])
def test_the_archive_of_another_day_or_revision_is_refused(sealed: bytes, key: Key, other: bytes) -> None:
    assert refused(sealed, key, other)


@pytest.mark.parametrize("position", [0, 20, 40, 500, -30, -1])
def test_nothing_is_extracted_from_a_damaged_archive(sealed: bytes, key: Key, position: int, tmp_path: Path) -> None:
    data = bytearray(sealed)
    data[position] ^= 4
    out = tmp_path / "place" / "out"
    with pytest.raises(IntegrityError):
        extract_stream(io.BytesIO(bytes(data)), out, key=key, associated_data=BOUND_TO)
    with pytest.raises(IntegrityError):
        extract_paths(FileRange(io.BytesIO(bytes(data))), ["file"], out, key=key, associated_data=BOUND_TO)
    assert not list((tmp_path / "place").iterdir()) if (tmp_path / "place").exists() else True


def sealed_with(folder: Path, key: Key, seed: int, bound_to: bytes = BOUND_TO) -> Sealed:
    """Two files that do not compress, over three segments of an archive."""
    payload = {name: Random(seed + size).randbytes(size) for name, size in (("a", 1_300_000), ("b", 900_000))}  # noqa: S311
    for name, content in payload.items():
        (folder / name).write_bytes(content)
    output = folder / f"{seed}.tink"
    members = {name: folder / name for name in payload}
    create_archive(
        members,
        output,
        key=key,
        associated_data=bound_to,
        base_name="bag",
        bag_info={},
        mtime=0,
        level=1,
        threads=1,
    )
    made = Sealed(output.read_bytes(), bound_to, payload)
    assert len(made.segments) == 3
    return made


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Sealed:
    return sealed_with(tmp_path_factory.mktemp("large"), key, 1)


@pytest.fixture(scope="module")
def same_day(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Sealed:
    """Other content, bound to the same day and revision, as two machines with one key could make it."""
    return sealed_with(tmp_path_factory.mktemp("same_day"), key, 2)


@pytest.fixture(scope="module")
def next_revision(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Sealed:
    return sealed_with(tmp_path_factory.mktemp("next_revision"), key, 3, b"lumen-archive/v1|2026-11-21|r2")


@settings(max_examples=80)
@given(data=st.data())
def test_any_change_is_refused_with_nothing_written_outside(
    large: Sealed, same_day: Sealed, key: Key, data: st.DataObject
) -> None:
    assert_refused(data.draw(changes(large, same_day)), BOUND_TO, key, (large.payload, same_day.payload))


@settings(max_examples=40)
@given(data=st.data())
def test_any_mixture_with_another_revision_is_refused(
    large: Sealed, next_revision: Sealed, key: Key, data: st.DataObject
) -> None:
    changed = data.draw(changes(large, next_revision))
    for bound_to in (large.bound_to, next_revision.bound_to):
        assert_refused(changed, bound_to, key, (large.payload, next_revision.payload))


def test_an_archive_in_the_place_of_another_is_refused(large: Sealed, next_revision: Sealed, key: Key) -> None:
    assert_refused(large.data, next_revision.bound_to, key, (next_revision.payload,))
    assert_refused(next_revision.data, large.bound_to, key, (large.payload,))


def test_every_segment_edge_is_told(large: Sealed, key: Key) -> None:
    for edge in range(SEGMENT_SIZE, len(large.data), SEGMENT_SIZE):
        with pytest.raises(IntegrityError) as caught:
            verify_stream(io.BytesIO(large.data[:edge]), key=key, associated_data=BOUND_TO)
        assert caught.value.error_class == "truncated"


def test_the_watch_sees_what_a_good_archive_writes(large: Sealed, key: Key, tmp_path: Path) -> None:
    with watched_writes() as written:
        extract_stream(io.BytesIO(large.data), tmp_path / "out", key=key, associated_data=BOUND_TO)
    assert {event for event, _ in written} == {"os.mkdir", "open", "os.rename"}
    outside = [(event, path) for event, path in written if not path.startswith(str(tmp_path / ".tmp-"))]
    assert outside == [("os.mkdir", str(tmp_path)), ("os.rename", str(tmp_path / "out"))]

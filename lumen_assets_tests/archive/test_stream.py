from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead

from lumen_assets.archive import Key, Keyring, tink_keyset_json
from lumen_assets.archive.ranged import DecryptedRange, FileRange
from lumen_assets.archive.stream import (
    END_MARK,
    FRAME_MAGIC,
    HEADER_SIZE,
    SEGMENT_SIZE,
    TAG_SIZE,
    DecryptingReader,
    EncryptingWriter,
    SegmentCipher,
)
from lumen_assets.errors import IntegrityError

BOUND_TO = b"lumen-archive/v1|test"
FIRST = SEGMENT_SIZE - HEADER_SIZE - TAG_SIZE
NEXT = SEGMENT_SIZE - TAG_SIZE

sizes = st.one_of(
    st.integers(0, 40),
    st.sampled_from([FIRST, FIRST + NEXT]).flatmap(lambda edge: st.integers(edge - 20, edge + 20)),
)


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def encrypt(key: Key, plain: bytes, bound_to: bytes = BOUND_TO, piece: int = 1 << 30) -> bytes:
    sink = io.BytesIO()
    writer = EncryptingWriter(sink, key, bound_to)
    for start in range(0, len(plain), piece):
        writer.write(plain[start : start + piece])
    writer.finish()
    return sink.getvalue()


def decrypt(key: Key | Keyring, sealed: bytes, bound_to: bytes = BOUND_TO) -> bytes:
    return DecryptingReader(io.BytesIO(sealed), key, bound_to).read(1 << 40)


@pytest.fixture(scope="module")
def by_tink(key: Key) -> Any:
    streaming_aead.register()
    handle = tink.json_proto_keyset_format.parse(tink_keyset_json(key), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class _Kept(io.BytesIO):
    """Tink closes what it writes to."""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


@settings(max_examples=40)
@given(size=sizes)
def test_tink_reads_what_we_write(by_tink: Any, key: Key, size: int) -> None:
    sealed = encrypt(key, content(size))
    with by_tink.new_decrypting_stream(io.BytesIO(sealed), BOUND_TO) as stream:
        assert stream.read() == content(size)


@settings(max_examples=40)
@given(size=sizes)
def test_we_read_what_tink_writes(by_tink: Any, key: Key, size: int) -> None:
    sink = _Kept()
    with by_tink.new_encrypting_stream(sink, BOUND_TO) as stream:
        stream.write(content(size))
    assert decrypt(key, sink.kept) == content(size)
    assert len(sink.kept) == len(encrypt(key, content(size)))


@settings(max_examples=25)
@given(size=sizes, piece=st.sampled_from([1 << 30, 4093, SEGMENT_SIZE]), data=st.data())
def test_every_range_is_what_was_written(key: Key, size: int, piece: int, data: st.DataObject) -> None:
    plain = content(size)
    ranged = DecryptedRange(FileRange(io.BytesIO(encrypt(key, plain, piece=piece))), key, BOUND_TO)
    assert ranged.size == size
    for _ in range(5):
        offset = data.draw(st.integers(0, size))
        length = data.draw(st.integers(0, size - offset))
        assert ranged.read_at(offset, length) == plain[offset : offset + length]


def test_a_range_reads_only_its_segments(key: Key) -> None:
    sealed = encrypt(key, content(5 * NEXT))
    asked: list[tuple[int, int]] = []

    class Watched(FileRange):
        def read_at(self, offset: int, length: int) -> bytes:
            asked.append((offset, length))
            return super().read_at(offset, length)

    ranged = DecryptedRange(Watched(io.BytesIO(sealed)), key, BOUND_TO)
    ranged.read_at(2 * NEXT, 10)
    ranged.read_at(2 * NEXT + 10, 10)
    assert asked == [(0, HEADER_SIZE), (2 * SEGMENT_SIZE, SEGMENT_SIZE)]


def test_short_reads_of_the_source_do_not_matter(key: Key) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 70_001))

    plain = content(FIRST + NEXT + 3)
    assert DecryptingReader(Trickle(encrypt(key, plain)), key, BOUND_TO).read(1 << 40) == plain


def test_no_two_archives_are_alike(key: Key) -> None:
    assert encrypt(key, b"same")[:HEADER_SIZE] != encrypt(key, b"same")[:HEADER_SIZE]


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def segments(sealed: bytes) -> list[bytes]:
    return [sealed[start : start + SEGMENT_SIZE] for start in range(0, len(sealed), SEGMENT_SIZE)]


def swap(sealed: bytes) -> bytes:
    first, second, third, *rest = segments(sealed)
    return b"".join([first, third, second, *rest])


@pytest.mark.parametrize(
    ("damage", "error_class", "says"),
    [
        (lambda data: flip(data, SEGMENT_SIZE), "damaged", "segment 1 (bytes 1048576 to 2097152)"),
        (lambda data: flip(data, len(data) - 1), "damaged", f"segment 3 (bytes {3 * SEGMENT_SIZE} to"),
        (lambda data: data[: 2 * SEGMENT_SIZE], "truncated", "ends after segment 1"),
        (lambda data: data[:SEGMENT_SIZE], "truncated", "ends after segment 0"),
        (lambda data: data[: 2 * SEGMENT_SIZE + 1], "truncated", "ends within segment 2"),
        (lambda data: data[: 3 * SEGMENT_SIZE + 15], "truncated", "ends within segment 3"),
        (lambda data: data[: 2 * SEGMENT_SIZE + 16], "damaged", "segment 2"),
        (lambda data: data[:HEADER_SIZE], "truncated", "ends within segment 0"),
        (lambda data: data[: HEADER_SIZE + 15], "truncated", "ends within segment 0"),
        (lambda data: data + b"\0", "damaged", "segment 3"),
        (swap, "damaged", "segment 1"),
        (lambda data: b"".join([*segments(data)[:2], *segments(data)[1:]]), "damaged", "segment 2"),
        (lambda data: b"".join([segments(data)[0], *segments(data)[2:]]), "damaged", "segment 1"),
        (lambda data: data[:20], "truncated", "within its header"),
        (lambda data: b"", "truncated", "within its header"),
        (lambda data: flip(data, 0), "damaged", "byte 0"),
    ],
)
def test_damage_is_found_and_placed(key: Key, damage: Callable[[bytes], bytes], error_class: str, says: str) -> None:
    sealed = damage(encrypt(key, content(3 * NEXT)))
    with pytest.raises(IntegrityError) as caught:
        decrypt(key, sealed)
    assert caught.value.error_class == error_class
    assert says in caught.value.cause


def test_appending_to_a_full_last_segment_is_told_from_damage(key: Key) -> None:
    sealed = encrypt(key, content(FIRST))
    with pytest.raises(IntegrityError, match="appended after segment 0") as caught:
        decrypt(key, sealed + b"more")
    assert caught.value.error_class == "extended"


def sealed_to_the_end(key: Key, size: int) -> bytes:
    """So many plaintext bytes, beginning and ending as those of every archive do."""
    return encrypt(key, FRAME_MAGIC + content(size - len(FRAME_MAGIC + END_MARK)) + END_MARK)


@pytest.mark.parametrize("more", [b"\0", END_MARK * 3, bytes(SEGMENT_SIZE), content(3 * SEGMENT_SIZE)], ids=len)
@pytest.mark.parametrize("last", [1, len(END_MARK) - 1, len(END_MARK), 30, 5000, NEXT - 1, NEXT])
def test_what_was_appended_is_told_from_damage_wherever_the_last_segment_ends(key: Key, last: int, more: bytes) -> None:
    sealed = sealed_to_the_end(key, FIRST + last)
    with pytest.raises(IntegrityError) as caught:
        decrypt(key, sealed + more)
    assert caught.value.error_class == "extended"
    assert f"appended after segment 1 (bytes {SEGMENT_SIZE} to {len(sealed)}), its last one" in caught.value.cause


@pytest.mark.parametrize("size", [60, 5000, FIRST - 1])
def test_so_it_is_in_an_archive_of_one_segment_whatever_keys_are_there(key: Key, size: int) -> None:
    for read in (read_whole, read_the_end):
        for keys in (key, Keyring([Key(bytes(32)), key])):
            with pytest.raises(
                IntegrityError, match=rf"appended after segment 0 \(bytes 40 to {size + 56}\)"
            ) as caught:
                read(sealed_to_the_end(key, size) + b"x", keys)
            assert caught.value.error_class == "extended"


@pytest.mark.parametrize("position", [SEGMENT_SIZE, -1, -2 - TAG_SIZE - len(END_MARK)])
def test_what_was_appended_to_a_damaged_segment_is_not_told_from_damage(key: Key, position: int) -> None:
    sealed = sealed_to_the_end(key, FIRST + 5000)
    with pytest.raises(IntegrityError) as caught:
        decrypt(key, flip(sealed, position % len(sealed)) + b"more")
    assert caught.value.error_class == "damaged"


def test_marks_that_somebody_put_there_cost_little(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    decrypting = SegmentCipher.decrypt

    def counted(self: SegmentCipher, number: int, sealed: bytes, *, last: bool) -> bytes | None:
        tried.append(len(sealed))
        return decrypting(self, number, sealed, last=last)

    monkeypatch.setattr(SegmentCipher, "decrypt", counted)
    sealed = encrypt(key, FRAME_MAGIC + END_MARK * 100_000)
    with pytest.raises(IntegrityError) as caught:
        decrypt(key, flip(sealed, len(sealed) - 1) + b"more")
    assert caught.value.error_class == "damaged"
    assert len([size for size in tried if size > TAG_SIZE + len(END_MARK)]) == 3 + 8  # as a whole, and at marks


def test_a_spliced_segment_of_another_archive_is_refused(key: Key) -> None:
    one, other = (segments(encrypt(key, content(3 * NEXT))) for _ in range(2))
    with pytest.raises(IntegrityError, match="segment 1"):
        decrypt(key, b"".join([one[0], other[1], *one[2:]]))


def test_nothing_of_an_unauthenticated_segment_comes_out(key: Key) -> None:
    reader = DecryptingReader(io.BytesIO(flip(encrypt(key, content(2 * NEXT)), SEGMENT_SIZE + 5)), key, BOUND_TO)
    assert reader.read(FIRST) == content(FIRST)
    with pytest.raises(IntegrityError):
        reader.read(1)


def test_other_associated_data_does_not_open(key: Key) -> None:
    with pytest.raises(IntegrityError, match="another label, day or revision"):
        decrypt(key, encrypt(key, b"x", b"one"), b"two")


def test_a_keyring_opens_with_whichever_key_fits(key: Key) -> None:
    other = Key(bytes(32))
    reader = DecryptingReader(io.BytesIO(encrypt(key, b"x")), Keyring([other, key]), BOUND_TO)
    assert reader.read(1) == b"x"
    assert reader.key_id == key.id


def test_a_keyring_without_the_key_says_so(key: Key) -> None:
    with pytest.raises(IntegrityError, match="no key here") as caught:
        decrypt(Keyring([Key(bytes(32))]), encrypt(key, b"x"))
    assert caught.value.error_class == "key"


def read_whole(sealed: bytes, keys: Key | Keyring) -> None:
    decrypt(keys, sealed)


def read_the_end(sealed: bytes, keys: Key | Keyring) -> None:
    ranged = DecryptedRange(FileRange(io.BytesIO(sealed)), keys, BOUND_TO)
    ranged.read_at(ranged.size - 1, 1)


@pytest.mark.parametrize("read", [read_whole, read_the_end])
@pytest.mark.parametrize("size", [100, FIRST, 2 * NEXT])
class TestWrongKeyOrDamage:
    def cause(self, read: Callable[[bytes, Key | Keyring], None], sealed: bytes, *keys: Key) -> str:
        """The error's class, the same whether one key or several are at hand."""
        found = set()
        for one_or_several in (Keyring(keys), *([keys[0]] if len(keys) == 1 else [])):
            with pytest.raises(IntegrityError) as caught:
                read(sealed, one_or_several)
            found.add(caught.value.error_class)
        (error_class,) = found
        return error_class

    def sealed(self, key: Key, size: int) -> bytes:
        return encrypt(key, FRAME_MAGIC + content(size - len(FRAME_MAGIC)))

    def test_another_key(self, key: Key, read: Callable[[bytes, Key | Keyring], None], size: int) -> None:
        sealed = self.sealed(key, size)
        assert self.cause(read, sealed, Key(bytes(32))) == "key"
        assert self.cause(read, sealed, Key(bytes(32)), Key(b"x" * 32)) == "key"

    @pytest.mark.parametrize("position", [HEADER_SIZE + 4, -1])
    def test_damage(self, key: Key, read: Callable[[bytes, Key | Keyring], None], size: int, position: int) -> None:
        sealed = bytearray(self.sealed(key, size))
        sealed[position] ^= 1
        if read is read_the_end and position > 0:
            sealed[-30] ^= 1  # the end is all that it reads
        assert self.cause(read, bytes(sealed), key) == "damaged"
        assert self.cause(read, bytes(sealed), Key(bytes(32)), key) == "damaged"

    def test_a_cut_within_a_segment(self, key: Key, read: Callable[[bytes, Key | Keyring], None], size: int) -> None:
        assert self.cause(read, self.sealed(key, size)[:-5], Key(bytes(32)), key) == "damaged"

    def test_another_label(self, key: Key, read: Callable[[bytes, Key | Keyring], None], size: int) -> None:
        other = encrypt(key, FRAME_MAGIC + content(size), b"another")
        assert self.cause(read, other, key) == "key"


def test_a_cut_archive_is_not_called_a_wrong_key(key: Key) -> None:
    with pytest.raises(IntegrityError) as caught:
        decrypt(Keyring([Key(bytes(32)), key]), encrypt(key, content(2 * NEXT))[:SEGMENT_SIZE])
    assert caught.value.error_class == "truncated"

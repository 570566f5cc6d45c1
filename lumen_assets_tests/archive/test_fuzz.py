"""Whatever is under the encryption, reading it ends well or in one of our errors, and bounded."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream
from lumen_assets.errors import LumenError
from lumen_assets_tests.archive.conftest import BOUND_TO
from lumen_assets_tests.archive.hostile import archive_of, bag, compress, folder, seal

KEY = Key(bytes(range(32)))
FILES = {"a": b"content", "b/c": b"more", "규칙": b"x" * 600}
GOOD = bag(FILES, folder("data/b"))

Mutation = Callable[[bytes], bytes]


def mutation(position: float, length: int, new: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        start = int(position * len(data))
        return data[:start] + new + data[start + length :]

    return mutate


mutations = st.builds(
    mutation,
    st.floats(0, 1),
    st.sampled_from([0, 1, 2, 4, 12, 100, 512]),
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"\0" * 512, b"7" * 11, b"\xff" * 8, b"../", b"/", b"[", b"-1", b'"', b"1e9", b"null", b"{}"]),
    ),
)


def read(data: bytes) -> None:
    """Read it whole and in part; only errors of ours may come out, and then no folder."""
    with tempfile.TemporaryDirectory() as name:
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


@settings(max_examples=150)
@given(mutations)
def test_the_tar_stream(mutate: Mutation) -> None:
    read(archive_of(GOOD, KEY, tar=mutate))


@settings(max_examples=150)
@given(mutations)
def test_the_frames(mutate: Mutation) -> None:
    read(archive_of(GOOD, KEY, packed=lambda tar: mutate(compress(tar))))


@settings(max_examples=150)
@given(mutations)
def test_the_tail(mutate: Mutation) -> None:
    read(archive_of(GOOD, KEY, tail=mutate))


@settings(max_examples=150)
@given(mutations)
def test_the_index(mutate: Mutation) -> None:
    def with_mutated_index(tail: bytes) -> bytes:
        plain = mutate(zstandard.decompress(tail[8:-24]))
        packed = compress(plain)
        frame = int.from_bytes(tail[-24:-16], "little")
        footer = frame.to_bytes(8, "little") + len(packed).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
        return tail[:4] + (len(packed) + 24).to_bytes(4, "little") + packed + footer + tail[-8:]

    read(archive_of(GOOD, KEY, tail=with_mutated_index))


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_anything(plain: bytes) -> None:
    read(seal(plain, KEY))


def test_an_honest_archive_passes_through_the_same_reading(tmp_path: Path) -> None:
    data = archive_of(GOOD, KEY)
    read(data)
    extract_stream(io.BytesIO(data), tmp_path / "out", key=KEY, associated_data=BOUND_TO)
    assert {path: (tmp_path / "out" / "data" / path).read_bytes() for path in FILES} == FILES

"""Ways to change archives without their key, and what must come of it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from lumen_assets.archive import FileRange, Key, extract_paths, extract_stream, verify_stream
from lumen_assets.archive.stream import SEGMENT_SIZE
from lumen_assets.errors import LumenError
from lumen_assets_tests.archive.watching import watched_writes


@dataclass(frozen=True)
class Sealed:
    """An archive: its bytes, what it is bound to, and the payload in it."""

    data: bytes
    bound_to: bytes
    payload: Mapping[str, bytes]

    @property
    def segments(self) -> list[bytes]:
        """Its segments; the header with the first."""
        return [self.data[start : start + SEGMENT_SIZE] for start in range(0, len(self.data), SEGMENT_SIZE)]


def near_edges(data: bytes) -> st.SearchStrategy[int]:
    """A position in an archive, or one past its end: anywhere, or close to where something begins."""
    edges = [0, 1, 33, 40, *range(SEGMENT_SIZE, len(data) + 1, SEGMENT_SIZE), len(data) - 16, len(data)]
    near = st.tuples(st.sampled_from(edges), st.integers(-2, 2)).map(sum)
    return st.one_of(near, st.integers(0, len(data))).map(lambda at: max(0, min(at, len(data))))


def changes(one: Sealed, other: Sealed) -> st.SearchStrategy[bytes]:
    """What somebody without the key can make of two archives."""
    data, at = one.data, near_edges(one.data)
    some = st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from([bytes(SEGMENT_SIZE), other.data, data]))
    flipped = st.builds(
        lambda position, mask: data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :],
        at.filter(lambda position: position < len(data)),
        st.integers(1, 255),
    )
    cut = at.map(lambda size: data[:size])
    beheaded = at.map(lambda start: data[start:])
    put_in = st.builds(lambda position, more: data[:position] + more + data[position:], at, some)
    taken_out = st.builds(lambda ends: data[: min(ends)] + data[max(ends) :], st.tuples(at, at))
    written_over = st.builds(
        lambda position, more: data[:position] + more + data[position + len(more) :], at, st.binary(min_size=1)
    )
    spliced = st.builds(lambda end, start: data[:end] + other.data[start:], at, near_edges(other.data))
    parts = [*one.segments, *other.segments]
    in_another_order = st.lists(st.sampled_from(range(len(parts))), min_size=1, max_size=len(parts)).map(
        lambda numbers: b"".join(parts[number] for number in numbers)
    )
    permuted = st.permutations(one.segments).map(b"".join)
    every = st.one_of(
        flipped, cut, beheaded, put_in, taken_out, written_over, spliced, in_another_order, permuted, st.binary()
    )
    return every.filter(lambda changed: changed not in (one.data, other.data))


def assert_refused(data: bytes, bound_to: bytes, key: Key, payloads: Sequence[Mapping[str, bytes]]) -> None:
    """Verifying and extracting it must fail, and nothing be written outside of the staging folder.

    Single files may still be read where the change is elsewhere: but nothing else than what they were.

    Args:
        payloads: of the archives that it was made from; the same paths in each.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        staging = str(root / ".tmp-")
        with watched_writes() as written:
            assert not _ends_well(lambda: verify_stream(io.BytesIO(data), key=key, associated_data=bound_to))
            assert not written
            assert not _ends_well(
                lambda: extract_stream(io.BytesIO(data), root / "out", key=key, associated_data=bound_to)
            )
            assert all(path.startswith(staging) or path == name for _, path in written), written
            assert not any(event == "os.rename" for event, _ in written)
        assert not list(root.iterdir())
        for number, path in enumerate(payloads[0]):
            out = root / str(number)
            if _ends_well(
                lambda path=path, out=out: extract_paths(  # type: ignore[misc]
                    FileRange(io.BytesIO(data)), [path], out, key=key, associated_data=bound_to
                )
            ):
                assert (out / path).read_bytes() in [payload[path] for payload in payloads]
            else:
                assert not out.exists()


def _ends_well(read: Callable[[], object]) -> bool:
    try:
        read()
    except LumenError:
        return False
    return True

"""The index is the same text, whether its files are added one by one or written at once by a JSON library."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.archive.frames import Frame
from lumen_assets.archive.tail import GrowingIndex, Place, TailIndex

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
sizes = st.integers(0, 1 << 62)


@given(frames=st.lists(st.tuples(sizes, sizes)), places=st.lists(st.tuples(names, sizes, sizes)))
def test_an_index_is_compact_json_in_utf8(frames: list[tuple[int, int]], places: list[tuple[str, int, int]]) -> None:
    content = {"format": "lumen-index/v1", "frames": frames, "members": places}
    expected = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    listed = [Frame(0, size, 0, tar_size) for size, tar_size in frames]
    growing = GrowingIndex(listed)
    for place in places:
        growing.add(*place)
    assert growing.to_json() == expected
    assert growing.files == len(places)
    assert TailIndex(tuple(listed), tuple(Place(*place) for place in places)).to_json() == expected

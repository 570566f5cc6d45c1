"""The index is the same text, whether its files are added one by one or written at once by a JSON library."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.archive.frames import Frame, Frames
from lumen_assets.archive.tail import GrowingIndex, Place, TailIndex

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
sizes = st.integers(0, 1 << 62)
frame_sizes = st.integers(0, 1 << 40)


@given(frames=st.lists(st.tuples(frame_sizes, frame_sizes)), places=st.lists(st.tuples(names, sizes, sizes)))
def test_an_index_is_compact_json_in_utf8(frames: list[tuple[int, int]], places: list[tuple[str, int, int]]) -> None:
    content = {"format": "lumen-index/v1", "frames": frames, "members": places}
    expected = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    listed = Frames()
    for sizes_of_one in frames:
        listed.append(*sizes_of_one)
    growing = GrowingIndex(listed)
    for place in places:
        growing.add(*place)
    assert growing.to_json() == expected
    assert growing.files == len(places)
    assert TailIndex(listed, tuple(Place(*place) for place in places)).to_json() == expected


@given(frames=st.lists(st.tuples(frame_sizes.filter(bool), frame_sizes.filter(bool)), min_size=1), data=st.data())
def test_frames_lie_behind_one_another(frames: list[tuple[int, int]], data: st.DataObject) -> None:
    found = Frames()
    offset = tar_offset = 0
    for number, (size, tar_size) in enumerate(frames):
        found.append(size, tar_size)
        assert found[number] == Frame(offset, size, tar_offset, tar_size)
        offset, tar_offset = offset + size, tar_offset + tar_size
    assert (len(found), found.size, found.tar_size) == (len(frames), offset, tar_offset)
    assert [(frame.size, frame.tar_size) for frame in found] == frames
    asked = data.draw(st.integers(0, tar_offset - 1))
    frame = found[found.number_at(asked)]
    assert frame.tar_offset <= asked < frame.tar_offset + frame.tar_size
    assert found.number_at(tar_offset) == len(frames)

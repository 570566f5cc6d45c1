"""Whole archives, of sizes around the edges of segments, as others read and write them.

What the encryption does at each very edge is in ``test_stream.py``.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import bagit
import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead

from lumen_assets.archive import Key, extract_stream, tink_keyset_json
from lumen_assets.archive.stream import SEGMENT_SIZE
from lumen_assets_tests.archive.conftest import BOUND_TO, make

TEXT = Random(7).randbytes(3 << 20).hex().encode()  # noqa: S311 - no secret
"""Two bytes of it compress to one, so that an archive's size follows that of the text closely."""
BASE = "lumen-2026-11-21-r1"

sizes = st.one_of(
    st.integers(0, 10_000),
    st.sampled_from([SEGMENT_SIZE, 2 * SEGMENT_SIZE]).flatmap(
        lambda edge: st.integers(2 * edge - 8_000, 2 * edge + 2_000)
    ),
)


@pytest.fixture(scope="module")
def by_tink(key: Key) -> Any:
    streaming_aead.register()
    handle = tink.json_proto_keyset_format.parse(tink_keyset_json(key), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


@settings(max_examples=10)
@given(size=sizes)
def test_tink_zstd_tar_and_bagit_read_it_and_we_read_what_tink_makes_of_it(by_tink: Any, key: Key, size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text").write_bytes(TEXT[:size])
        make({"text": folder / "text"}, folder / "a", key)

        with by_tink.new_decrypting_stream(io.BytesIO((folder / "a").read_bytes()), BOUND_TO) as stream:
            compressed = stream.read()
        unpack = "zstd -dc > a.tar; tar xf a.tar; tar tf a.tar"
        listed = subprocess.run(
            ["bash", "-o", "pipefail", "-c", unpack], cwd=folder, input=compressed, capture_output=True, check=True
        )
        assert f"{BASE}/data/text" in listed.stdout.decode().splitlines()
        bagit.Bag(str(folder / BASE)).validate()
        assert (folder / BASE / "data" / "text").read_bytes() == TEXT[:size]

        with (folder / "by-tink").open("wb") as file, by_tink.new_encrypting_stream(file, BOUND_TO) as stream:
            stream.write(compressed)
        with (folder / "by-tink").open("rb") as file:
            extract_stream(file, folder / "out", key=key, associated_data=BOUND_TO)
        assert (folder / "out" / "data" / "text").read_bytes() == TEXT[:size]

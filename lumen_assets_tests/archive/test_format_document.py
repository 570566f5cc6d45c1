"""``docs/format.md`` says what is so: its reader reads, its worked example is that of the golden archive."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lumen_assets.archive import Key, digest_file
from lumen_assets.archive.stream import DecryptingReader
from lumen_assets_tests.archive import test_golden
from lumen_assets_tests.archive.test_golden import ARCHIVE, FILES, GOLDEN

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
BOUND_TO = b"lumen-archive/v1|2026-11-21|r1"


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def test_the_reader_in_the_document_reads(text: str) -> None:
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], names)  # noqa: S102 - our own document
    files = names["read_archive"](ARCHIVE.read_bytes(), bytes(range(32)), BOUND_TO)
    assert {name.removeprefix("lumen-2026-11-21-r1/data/") for name in files} >= set(FILES)
    assert len(files) == len(FILES) + 4


def test_the_reader_in_the_document_reads_archives_of_several_segments(text: str) -> None:
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], names)  # noqa: S102 - our own document
    golden = test_golden.TestLabelled
    files = names["read_archive"](golden.ARCHIVE.read_bytes(), bytes(range(32, 64)), golden.BOUND_TO)
    assert {name: files[f"src/data/{name}"] for name in golden.FILES} == {
        name: content for name, (content, _) in golden.FILES.items()
    }


def test_the_worked_example_is_the_golden_archive(text: str, key: Key) -> None:
    data = ARCHIVE.read_bytes()
    with ARCHIVE.open("rb") as file:
        plain = DecryptingReader(file, key, BOUND_TO).read(1 << 30)
    offset, packed, size, mark = struct.unpack("<QII8s", plain[-24:])
    index = zstandard.decompress(plain[offset + 8 : offset + 8 + packed]).decode()
    salt = data[1:33]
    for value in (
        key.id,
        key.derive("lumen-manifest/v1", 32).hex(),
        f"{len(data):,} bytes",
        salt.hex(),
        data[33:40].hex(),
        key.derive_stream_key(salt, BOUND_TO).hex(),
        data[-16:].hex(),
        plain[:8].hex(),
        " ".join(f"`{plain[-24:][a:b].hex()}`" for a, b in ((0, 8), (8, 12), (12, 16), (16, 24))),
        f"index frame at {offset:,}; {packed} bytes packed; {size} bytes of JSON; `{mark.decode()}`",
        f"`{plain[offset : offset + 4].hex()}` `{plain[offset + 4 : offset + 8].hex()}`",
        re.findall(r'"frames":(.*),"members"', index)[0],
        re.findall(r'"members":\[(\[.*?\])', index)[0],
        index[index.rindex("[") : -2],
        digest_file(GOLDEN / "snapshot.manifest.json").sha256,
        json.loads((GOLDEN / "snapshot.manifest.json").read_bytes())["mac"],
    ):
        assert value in text, value


def test_the_worked_tar_is_the_golden_one(text: str, key: Key) -> None:
    with ARCHIVE.open("rb") as file:
        plain = DecryptingReader(file, key, BOUND_TO).read(1 << 30)
    compressed = plain[: int.from_bytes(plain[-24:-16], "little")]
    tar = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True).read()
    folder, *numbers, rest = [part for part in tar[:257].split(b"\0") if part]
    assert (folder, rest) == (b"lumen-2026-11-21-r1/", b" 5")
    assert numbers == [b"0000755", b"0000000", b"0000000", b"00000000000", b"15300330760", b"011727"]
    assert (
        f"| tar at 0 | `{folder.decode()}` and 80 zeros; `0000755` 0; `0000000` 0 twice; `00000000000` 0; `153" in text
    )
    assert "`15300330760` 0 (the end of the day, 1,795,273,200); `011727` 0 and a space; `5`" in text
    for line in tar[1024 : 1024 + 90].decode().splitlines():
        assert f"`{line}`" in text
    record = tar[5632 : 5632 + 62].decode()
    assert f"`{record[:-1]}` and a line feed" in text
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        assert {member.mtime for member in members} == {1_795_273_200}

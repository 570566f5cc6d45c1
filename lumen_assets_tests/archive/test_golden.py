"""Archives made once, which every version of this software, and software that is not ours, must read for ever.

One is that of a day, its key the 32 bytes 0 to 31. The other one was made by ``lumen archive create``, of two segments,
with names and times at their limits; its key is the 32 bytes 32 to 63. Both keys are public test vectors. The files
under ``golden/`` are never made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import unicodedata
from datetime import date
from pathlib import Path
from typing import ClassVar

import pytest
import tink
from tink import secret_key_access, streaming_aead

from lumen_assets.archive import (
    FileRange,
    Key,
    Keyring,
    Manifest,
    associated_data,
    digest_file,
    extract_paths,
    extract_stream,
    tink_keyset_json,
)

GOLDEN = Path(__file__).parent / "golden"
ARCHIVE = GOLDEN / "lumen-2026-11-21-r1.tar.zst.tink"
DAY = date(2026, 11, 21)
MANIFEST_DIGEST = "3cceaa583dc1f9edd1a0557085dc5bf931f804dcee4efc7f2135c969c011a125"
EMPTY = hashlib.sha256(b"").hexdigest()
FILES = {
    "controls/reports/report_2026-11-21.md": "fc586ea032e1fa7c1c55b2c192cdd5bc4fbbd1a517417a32c265833319f99c87",
    "controls/규칙_이력.jsonl": "0eff247248a2a03903773fc7afdc48adf23d8fe802278013ebcd381c9b542ee8",
    "empty": EMPTY,
    "logs/metrics.csv": "9eeac556dd99d7760d6e5a53fa03c9c9c383ffa9ad24cdc6d2dcf884955e6669",
    f"long/{'긴' * 60}/{'n' * 120}.txt": "bbdbb75b415ee9a40f0b3796a8b41a0b7723afe5726b870474ad220a4886d06d",
    "zeros.bin": "c036cbb7553a909f8b8877d4461924307f27ecb66cff928eeeafd569c3887e29",
}


@pytest.fixture
def manifest(key: Key) -> Manifest:
    return Manifest.parse((GOLDEN / "snapshot.manifest.json").read_bytes(), Keyring([key]))


def test_the_key_id_is_the_one_that_it_was(key: Key) -> None:
    assert key.id == "f0de448cf85bf09a"


def test_the_manifest(manifest: Manifest, key: Key) -> None:
    assert manifest.digest == MANIFEST_DIGEST
    assert (manifest.day, manifest.revision, manifest.key_id) == (DAY, 1, key.id)
    assert {**vars(digest_file(ARCHIVE)), "name": ARCHIVE.name} == vars(manifest.archive)


def test_all_of_it(manifest: Manifest, key: Key, tmp_path: Path) -> None:
    with ARCHIVE.open("rb") as file:
        contents = extract_stream(file, tmp_path / "out", key=key, associated_data=associated_data(DAY, 1))
    assert contents.sha256 == FILES
    assert contents.content_digest == manifest.content.digest
    for path, digest in FILES.items():
        assert hashlib.sha256((tmp_path / "out" / "data" / path).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", FILES)
def test_every_file_by_itself(path: str, key: Key, tmp_path: Path) -> None:
    with ARCHIVE.open("rb") as file:
        found = extract_paths(
            FileRange(file), [path], tmp_path / "out", key=key, associated_data=associated_data(DAY, 1)
        )
    assert found.sha256 == {path: FILES[path]}


def decrypted_by_tink(key: Key, archive: Path, bound_to: bytes) -> bytes:
    streaming_aead.register()
    handle = tink.json_proto_keyset_format.parse(tink_keyset_json(key), secret_key_access.TOKEN)
    opener = handle.primitive(streaming_aead.StreamingAead)
    with opener.new_decrypting_stream(io.BytesIO(archive.read_bytes()), bound_to) as stream:
        plain: bytes = stream.read()
    return plain


def test_without_our_software(key: Key, manifest: Manifest) -> None:
    compressed = decrypted_by_tink(key, ARCHIVE, b"lumen-archive/v1|2026-11-21|r1")
    tar = subprocess.run(["zstd", "-dc"], input=compressed, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        files = {
            member.name: hashlib.sha256(opened.extractfile(member).read()).hexdigest()  # type: ignore[union-attr]
            for member in opened
            if member.isreg()
        }
    base = "lumen-2026-11-21-r1"
    assert {path: files[f"{base}/data/{path}"] for path in FILES} == FILES
    assert files[f"{base}/manifest-sha256.txt"] == manifest.content.digest


def test_the_exported_keyset_is_the_one_that_it_was(key: Key) -> None:
    keyset = json.loads(tink_keyset_json(key))
    assert keyset["key"][0]["keyData"]["value"] == "EggIgIBAECAYAxogAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class TestLabelled:
    ARCHIVE = GOLDEN / "labelled.tar.zst.tink"
    KEY = Key(bytes(range(32, 64)))
    BOUND_TO = "lumen-archive/v1|golden|가".encode()
    FILES: ClassVar = {
        "50%0D.csv": (b"percent\n", 0),
        "empty": (b"", 2),
        "far future.txt": (b"later\n", 9_000_000_000),
        "line\nfeed.txt": (b"feed\n", 1),
        "noise.bin": (b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(33_000)), 1_795_273_201),
        "run.sh": (b"#!/bin/sh\n", -5),
        f"{unicodedata.normalize('NFD', '기록')}/{'가' * 85}": (b"long\n", 3),
    }

    def test_it_is_what_it_was(self) -> None:
        found = digest_file(self.ARCHIVE)
        assert found.size == 1_058_819
        assert found.sha256 == "32666687660908c43742517946474f2fee9da497d45ed75354203a169c7ab330"
        assert self.KEY.id == "0d85ce48d876a2ce"

    def test_all_of_it(self, key: Key, tmp_path: Path) -> None:
        with self.ARCHIVE.open("rb") as file:
            found = extract_stream(file, tmp_path / "out", key=Keyring([key, self.KEY]), associated_data=self.BOUND_TO)
        assert found.content_digest == "75b33dfd6a30aa42ddff501f38b8e7000f8fdbdc68a16f4b9dd307824bc3e849"
        assert set(found.sha256) == set(self.FILES)
        for name, (content, mtime) in self.FILES.items():
            path = tmp_path / "out" / "data" / name
            assert path.read_bytes() == content
            assert path.stat().st_mtime == mtime
            assert path.stat().st_mode & 0o777 == (0o755 if name == "run.sh" else 0o644)

    @pytest.mark.parametrize("name", FILES)
    def test_every_file_by_itself(self, name: str, tmp_path: Path) -> None:
        with self.ARCHIVE.open("rb") as file:
            extract_paths(FileRange(file), [name], tmp_path / "out", key=self.KEY, associated_data=self.BOUND_TO)
        assert (tmp_path / "out" / name).read_bytes() == self.FILES[name][0]

    def test_without_our_software(self) -> None:
        compressed = decrypted_by_tink(self.KEY, self.ARCHIVE, self.BOUND_TO)
        tar = subprocess.run(["zstd", "-dc"], input=compressed, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            files = {
                member.name.removeprefix("src/data/"): (opened.extractfile(member).read(), member.mtime)  # type: ignore[union-attr]
                for member in opened
                if member.isreg() and member.name.startswith("src/data/")
            }
        assert files == self.FILES

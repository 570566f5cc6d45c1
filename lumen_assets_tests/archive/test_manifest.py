from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lumen_assets.archive import Key, Keyring, Manifest, associated_data
from lumen_assets.archive.manifest import ArchiveFile, Content, InputRange, Provenance
from lumen_assets.errors import IntegrityError, PermanentError

SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"


@pytest.fixture
def manifest(key: Key) -> Manifest:
    return Manifest(
        day=date(2026, 11, 21),
        revision=2,
        key_id=key.id,
        archive=ArchiveFile("lumen-2026-11-21-r2.tar.zst.tink", 123, "a" * 64, "b" * 32, "c" * 16, "d" * 64),
        content=Content("e" * 64, 3, 456),
        provenance=Provenance(
            software="lumen-assets 1.0.0",
            git_revision=None,
            run_id="run",
            created_at=datetime(2026, 11, 22, 9, 5, 1, tzinfo=timezone(timedelta(hours=9))),
            inputs=(InputRange("telemetry", 10, 20), InputRange("리포트", 0, 5)),
        ),
        parents=("0" * 64, "f" * 64),
    )


def test_what_is_written_is_read(manifest: Manifest, key: Key) -> None:
    data = manifest.to_bytes(key)
    parsed = Manifest.parse(data, Keyring([Key(bytes(32)), key]))
    assert parsed == manifest
    assert parsed.digest == hashlib.sha256(data).hexdigest()
    assert parsed.to_bytes(key) == data


def test_the_file_is_the_documented_one(manifest: Manifest, key: Key) -> None:
    content = json.loads(manifest.to_bytes(key))
    assert content.pop("mac")
    assert content == {
        "format": "lumen-archive/v1",
        "day": "2026-11-21",
        "revision": 2,
        "key_id": key.id,
        "archive": {
            "name": "lumen-2026-11-21-r2.tar.zst.tink",
            "size": 123,
            "sha256": "a" * 64,
            "md5": "b" * 32,
            "crc64nvme": "c" * 16,
            "dropbox_content_hash": "d" * 64,
        },
        "content": {"digest": "e" * 64, "files": 3, "bytes": 456},
        "provenance": {
            "software": "lumen-assets 1.0.0",
            "git_revision": None,
            "run_id": "run",
            "created_at": "2026-11-22T00:05:01Z",
            "inputs": [{"role": "telemetry", "from": 10, "to": 20}, {"role": "리포트", "from": 0, "to": 5}],
        },
        "parents": ["0" * 64, "f" * 64],
    }


def test_the_mac_is_over_the_file_without_it(manifest: Manifest, key: Key) -> None:
    content = json.loads(manifest.to_bytes(key))
    mac = content.pop("mac")
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, indent=2) + "\n"
    assert mac == hmac.new(key.derive("lumen-manifest/v1", 32), text.encode(), hashlib.sha256).hexdigest()


def test_every_flipped_byte_is_refused(manifest: Manifest, key: Key) -> None:
    data = manifest.to_bytes(key)
    for position in range(len(data)):
        for mask in (1, 0x20):
            changed = bytearray(data)
            changed[position] ^= mask
            with pytest.raises((IntegrityError, PermanentError)) as caught:
                Manifest.parse(bytes(changed), Keyring([key]))
            if isinstance(caught.value, PermanentError):  # another key id
                assert key.id not in changed.decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"  ", b" "),
        lambda data: data.replace(b'"revision": 2', b'"revision": 2, "revision": 2'),
        lambda data: data.replace(b": 2", b": 2.0"),
        lambda data: data.replace(b"telemetry", b"\\u0074elemetry"),
        lambda data: b"[" * 100_000,
        lambda data: b"null",
        lambda data: b"\xff\xfe",
    ],
)
def test_other_ways_to_write_the_same_are_refused(
    change: Callable[[bytes], bytes], manifest: Manifest, key: Key
) -> None:
    data = change(manifest.to_bytes(key))
    assert data != manifest.to_bytes(key)
    with pytest.raises(IntegrityError) as caught:
        Manifest.parse(data, Keyring([key]))
    assert caught.value.error_class == "manifest"


def set_to(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *sections, last = path.split(".")

    def change(content: dict[str, Any]) -> None:
        for section in sections:
            content = content[section]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return change


WRONG_FIELDS = [
    (set_to("format", "lumen-archive/v2"), "format is not lumen-archive/v1"),
    (set_to("format", ...), "format is not"),
    (set_to("extra", 1), "unknown field extra"),
    (set_to("archive.extra", 1), "unknown field archive.extra"),
    (set_to("provenance.extra", 1), "unknown field provenance.extra"),
    (set_to("mac", ...), "no field mac"),
    (set_to("content", ...), "no field content"),
    (set_to("content.files", ...), "no field content.files"),
    (set_to("content", []), "content is not an object"),
    (set_to("revision", 0), "revision is not a whole number"),
    (set_to("revision", True), "revision is not a whole number"),
    (set_to("revision", "1"), "revision is not a whole number"),
    (set_to("archive.size", -1), "archive.size is not"),
    (set_to("archive.size", 1.5), "archive.size is not"),
    (set_to("archive.sha256", "A" * 64), "archive.sha256 is not 64 hex digits"),
    (set_to("archive.md5", "a" * 31), "archive.md5 is not 32"),
    (set_to("day", "20261121"), "day is not a day"),
    (set_to("day", None), "day is not text"),
    (set_to("provenance.created_at", "2026-11-22T00:05:01+09:00"), "created_at is not a time in UTC"),
    (set_to("provenance.git_revision", 1), "git_revision is not text or null"),
    (set_to("provenance.inputs", {}), "inputs is not a list"),
    (set_to("provenance.inputs", [{"role": "x", "from": 1}]), "no field provenance.inputs.to"),
    (set_to("parents", ["x"]), "parents.digest is not 64"),
    (set_to("parents", "x"), "parents is not a list"),
]


@pytest.mark.parametrize(("change", "says"), WRONG_FIELDS)
def test_wrong_fields_are_named_even_with_a_right_mac(
    change: Callable[[dict[str, Any]], None], says: str, manifest: Manifest, key: Key
) -> None:
    content = json.loads(manifest.to_bytes(key))
    change(content)
    had_mac = content.pop("mac", None)
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, indent=2) + "\n"
    if had_mac:
        content["mac"] = hmac.new(key.derive("lumen-manifest/v1", 32), text.encode(), hashlib.sha256).hexdigest()
    data = json.dumps(content, sort_keys=True, ensure_ascii=False, indent=2).encode() + b"\n"
    with pytest.raises(IntegrityError, match=says):
        Manifest.parse(data, Keyring([key]))


def test_half_a_surrogate_pair_is_no_text(manifest: Manifest, key: Key) -> None:
    data = manifest.to_bytes(key)
    for old, says in ((b"lumen-assets 1.0.0", "software is not text"), (b"run", "run_id is not text or null")):
        with pytest.raises(IntegrityError, match=says):
            Manifest.parse(data.replace(b'"' + old + b'"', b'"\\ud800"'), Keyring([key]))


def test_a_manifest_of_another_key_is_no_forgery_but_a_missing_key(manifest: Manifest, key: Key) -> None:
    with pytest.raises(PermanentError, match=key.id):
        Manifest.parse(manifest.to_bytes(key), Keyring([Key(bytes(32))]))


def test_a_forgery_with_the_right_key_id_is_refused(manifest: Manifest, key: Key) -> None:
    forged = replace(manifest, revision=3).to_bytes(Key(bytes(32)))
    with pytest.raises(IntegrityError, match="MAC is wrong"):
        Manifest.parse(forged, Keyring([key]))


def test_what_an_archive_is_bound_to() -> None:
    assert associated_data(date(2026, 1, 2), 10) == b"lumen-archive/v1|2026-01-02|r10"


def test_times_are_kept_in_utc(manifest: Manifest, key: Key) -> None:
    parsed = Manifest.parse(manifest.to_bytes(key), Keyring([key]))
    assert parsed.provenance.created_at.utcoffset() == timedelta(0)
    assert parsed.provenance.created_at == datetime(2026, 11, 22, 0, 5, 1, tzinfo=UTC)


class TestSchema:
    """The JSON Schema says what the reader holds to, as far as a schema can."""

    @pytest.fixture
    def schema(self) -> Any:
        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())

    def test_manifests_of_every_release_are_valid(self, schema: Any) -> None:
        kept = [*Path(__file__).parents[1].rglob("golden/**/snapshot.manifest.json")]
        assert len(kept) > 3
        for path in kept:
            schema.validate(json.loads(path.read_text(encoding="utf-8")))

    def test_what_is_written_now_is_valid(self, schema: Any, manifest: Manifest, key: Key) -> None:
        schema.validate(json.loads(manifest.to_bytes(key)))

    @pytest.mark.parametrize(("change", "_"), WRONG_FIELDS)
    def test_what_the_reader_refuses_is_invalid(
        self, schema: Any, manifest: Manifest, key: Key, change: Callable[[dict[str, Any]], None], _: str
    ) -> None:
        content = json.loads(manifest.to_bytes(key))
        change(content)
        assert not schema.is_valid(content)

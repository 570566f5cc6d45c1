"""``snapshot.manifest.json``: what an archive is, authenticated, and which manifests came before it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, NoReturn

from lumen_assets.archive.keys import Key, Keyring
from lumen_assets.archive.layout import MANIFEST_NAME, revision_prefix
from lumen_assets.days import parse_day
from lumen_assets.errors import IntegrityError

FORMAT: Final = "lumen-archive/v1"
_MAC_PURPOSE: Final = "lumen-manifest/v1"
_HEX: Final = {"sha256": 64, "md5": 32, "crc64nvme": 16, "dropbox_content_hash": 64}


def associated_data(day: date, revision: int) -> bytes:
    """What the archive of a day's revision is bound to."""
    return f"{FORMAT}|{day.isoformat()}|r{revision}".encode()


@dataclass(frozen=True)
class ArchiveFile:
    """The archive file: its name, and the fields of ``Digests`` over the ciphertext."""

    name: str
    size: int
    sha256: str
    md5: str
    crc64nvme: str
    dropbox_content_hash: str


@dataclass(frozen=True)
class Content:
    """The payload: SHA-256 of the bag's ``manifest-sha256.txt``, how many files and bytes."""

    digest: str
    files: int
    bytes: int


@dataclass(frozen=True)
class InputRange:
    """The part of one input that belongs to the day: its role and half-open range of bytes."""

    role: str
    start: int
    end: int


@dataclass(frozen=True)
class Provenance:
    """What made the archive, and when (UTC, whole seconds)."""

    software: str
    git_revision: str | None
    run_id: str | None
    created_at: datetime
    inputs: tuple[InputRange, ...]


@dataclass(frozen=True)
class Manifest:
    """A manifest. It names no file of the payload and no secret.

    Attributes:
        day: the KST day.
        revision: 1, 2, …
        key_id: of the key that the archive and this manifest were made with.
        archive: the archive file.
        content: the payload.
        provenance: what made it.
        parents: digests of the manifests that nothing came after when this one was made, sorted.
        digest: SHA-256 of the manifest file; empty if it was not read from one. Not compared.
    """

    day: date
    revision: int
    key_id: str
    archive: ArchiveFile
    content: Content
    provenance: Provenance
    parents: tuple[str, ...]
    digest: str = field(default="", compare=False)

    def to_bytes(self, key: Key) -> bytes:
        """The manifest file: canonical JSON, authenticated with HMAC-SHA256 under ``key``.

        Canonical is: UTF-8, keys sorted, two spaces of indent, one line end at the end. The MAC is over the file
        without its ``mac``.
        """
        content = self._content()
        mac = hmac.new(key.derive(_MAC_PURPOSE), _canonical(content), hashlib.sha256).hexdigest()
        return _canonical({**content, "mac": mac})

    @classmethod
    def parse(cls, data: bytes, keyring: Keyring, name: str = "the manifest") -> Manifest:
        """A manifest file, authenticated.

        Args:
            data: the file.
            keyring: has the key that the manifest names.
            name: what to call it in errors.

        Raises:
            IntegrityError: if it is not a manifest exactly as ``to_bytes`` writes it.
            PermanentError: if the key that it names is not in the keyring.
        """
        try:
            manifest = _parse(data)
            if not hmac.compare_digest(manifest.to_bytes(keyring.find(manifest.key_id)), data):
                _fail("its MAC is wrong, or it is not in canonical form: it was changed after it was made")
        except _NotAManifestError as error:
            raise IntegrityError(action="use", subject=name, cause=str(error), error_class="manifest") from None
        return manifest

    @classmethod
    def parse_at(cls, data: bytes, keyring: Keyring, place: str) -> Manifest:
        """The same for a manifest found at ``place``, a key or a path: it must be of that day and revision.

        Raises:
            IntegrityError: as ``parse``, or if it is an authentic manifest of another one.
            PermanentError: as ``parse``.
        """
        manifest = cls.parse(data, keyring, place)
        if not f"/{place}".endswith(f"/{revision_prefix(manifest.day, manifest.revision)}{MANIFEST_NAME}"):
            raise IntegrityError(
                action="use",
                subject=place,
                cause=f"it is the manifest of {manifest.day} r{manifest.revision}, which does not belong there",
                error_class="manifest",
            )
        return manifest

    def _content(self) -> dict[str, Any]:
        made = self.provenance
        return {
            "format": FORMAT,
            "day": self.day.isoformat(),
            "revision": self.revision,
            "key_id": self.key_id,
            "archive": vars(self.archive),
            "content": vars(self.content),
            "provenance": {
                "software": made.software,
                "git_revision": made.git_revision,
                "run_id": made.run_id,
                "created_at": _time_text(made.created_at),
                "inputs": [{"role": part.role, "from": part.start, "to": part.end} for part in made.inputs],
            },
            "parents": list(self.parents),
        }


def _canonical(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2)
    return text.encode() + b"\n"


def _time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(data: bytes) -> Manifest:
    try:
        content = json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        _fail("it is not JSON in UTF-8, or names a field twice")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        _fail(f"its format is not {FORMAT}")
    top = _Fields(content, "")
    top.text("format")
    top.hexadecimal("mac", 64)
    manifest = Manifest(
        day=top.day("day"),
        revision=top.natural("revision", least=1),
        key_id=top.hexadecimal("key_id", 16),
        archive=_archive(top.section("archive")),
        content=_payload(top.section("content")),
        provenance=_provenance(top.section("provenance")),
        parents=top.parents("parents"),
        digest=hashlib.sha256(data).hexdigest(),
    )
    top.done()
    return manifest


def _archive(fields: _Fields) -> ArchiveFile:
    archive = ArchiveFile(
        name=fields.text("name"),
        size=fields.natural("size"),
        **{algorithm: fields.hexadecimal(algorithm, digits) for algorithm, digits in _HEX.items()},
    )
    fields.done()
    return archive


def _payload(fields: _Fields) -> Content:
    content = Content(fields.hexadecimal("digest", 64), fields.natural("files"), fields.natural("bytes"))
    fields.done()
    return content


def _provenance(fields: _Fields) -> Provenance:
    provenance = Provenance(
        software=fields.text("software"),
        git_revision=fields.text_or_none("git_revision"),
        run_id=fields.text_or_none("run_id"),
        created_at=fields.time("created_at"),
        inputs=tuple(_input(part) for part in fields.sections("inputs")),
    )
    fields.done()
    return provenance


def _input(fields: _Fields) -> InputRange:
    part = InputRange(fields.text("role"), fields.natural("from"), fields.natural("to"))
    fields.done()
    return part


class _Fields:
    """The fields of one JSON object, each taken once with its type."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            _fail(f"{where.rstrip('.') or 'it'} is not an object")
        self._values = dict(values)
        self._where = where

    def done(self) -> None:
        """Refuse what was not taken."""
        if self._values:
            _fail(f"it has an unknown field {self._where}{min(self._values)}")

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str) or not _is_unicode(value):
            self._wrong(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        value = self._take(name)
        if not (value is None or (isinstance(value, str) and _is_unicode(value))):
            self._wrong(name, "text or null")
        return value

    def natural(self, name: str, least: int = 0) -> int:
        value = self._take(name)
        if type(value) is not int or value < least:
            self._wrong(name, f"a whole number from {least} on")
        return value

    def hexadecimal(self, name: str, digits: int) -> str:
        value = self.text(name)
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            self._wrong(name, f"{digits} hex digits in lower case")
        return value

    def day(self, name: str) -> date:
        try:
            return parse_day(self.text(name))
        except ValueError:
            self._wrong(name, "a day")

    def time(self, name: str) -> datetime:
        try:
            return datetime.strptime(self.text(name), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            self._wrong(name, "a time in UTC")

    def parents(self, name: str) -> tuple[str, ...]:
        values = self._take(name)
        if not isinstance(values, list):
            self._wrong(name, "a list")
        return tuple(_Fields({"digest": value}, f"{name}.").hexadecimal("digest", 64) for value in values)

    def section(self, name: str) -> _Fields:
        return _Fields(self._take(name), f"{self._where}{name}.")

    def sections(self, name: str) -> list[_Fields]:
        values = self._take(name)
        if not isinstance(values, list):
            self._wrong(name, "a list")
        return [_Fields(value, f"{self._where}{name}.") for value in values]

    def _take(self, name: str) -> object:
        if name not in self._values:
            _fail(f"it has no field {self._where}{name}")
        return self._values.pop(name)

    def _wrong(self, name: str, what: str) -> NoReturn:
        _fail(f"its field {self._where}{name} is not {what}")


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can say it: a JSON escape can name half a surrogate pair."""
    return not re.search("[\ud800-\udfff]", text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field twice")
    return values


class _NotAManifestError(Exception):
    """Why some bytes are no manifest."""


def _fail(cause: str) -> NoReturn:
    raise _NotAManifestError(cause)

"""A bucket on Amazon S3 or any S3-compatible service as a destination.

What arrives is proven three times: the service checks each request's signed SHA-256 and CRC-64/NVME, it checks the
whole object's CRC-64/NVME when a multipart upload is completed, and we check the source's SHA-256 before that.
``If-None-Match: *`` makes the create write-once even against another machine. The signature is why the
client is told to sign payloads over TLS too, which it would leave out.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.replication.s3_errors import code_of, s3_error
from lumen_assets.replication.s3_upload import (
    MultipartUpload,
    ObjectExists,
    Target,
    UploadGone,
    note_signed_digest,
    put_small,
)
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.replication.store import (
    LEFT_ALONE,
    Progress,
    Reader,
    Receipt,
    StoredObject,
    aside_key,
    checked_key,
    other_content,
)
from lumen_assets.settings import S3Connection, S3Destination

_log = logging.getLogger(__name__)

_ROUNDS: Final = 3
"""How often a put starts over because its upload was aborted or its object appeared in the meantime."""

_UNKNOWN_CHECKSUM: Final = {"InvalidRequest", "InvalidArgument", "NotImplemented"}


class S3Store:
    """Replicas in a bucket, under the destination's prefix.

    Args:
        name: the destination's name.
        destination: its settings.
        sessions: where unfinished uploads are remembered.
        client: a ready-made boto3 S3 client (dagster-aws's ``S3Resource.get_client()``); default: one from the
            standard credential chain, made when first used.
    """

    def __init__(self, name: str, destination: S3Destination, sessions: UploadSessions, client: Any = None) -> None:
        self._name = name
        self._destination = destination
        self._sessions = sessions
        self._ready_client = None if client is None else _prepared(client)
        prefix = destination.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket_seen = False
        self._checksums = True

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._name

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``. Larger than a part, it goes up in parts and on where an earlier process stopped."""
        checked_key(key)
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            sent += size
            if progress:
                progress(size)

        with self._sessions.hold(key, digests):
            for _ in range(_ROUNDS):
                existing = self.stat(key)
                if existing:
                    self._require_identical(existing, digests)
                    self._clean_up(key, digests)
                    return Receipt(existing, created=False, bytes_sent=sent)
                try:
                    self._send(key, source, digests, count)
                except ObjectExists:
                    continue
                except UploadGone:
                    self._sessions.forget(key, digests)
                    continue
                self._clean_up(key, digests)
                return Receipt(self._arrived(key, digests), created=True, bytes_sent=sent)
        raise TransientError(
            action="upload to", subject=self._uri(key), cause="somebody else keeps aborting it", error_class="conflict"
        )

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``. Only checksums over the whole object count, so composite ones are left out."""
        checked_key(key)
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError, OSError) as error:
            if code_of(error) in ("404", "NoSuchKey", "NotFound"):
                self._require_bucket(key)
                return None
            raise self._explained(error, key) from None
        self._bucket_seen = True
        return self._stored(key, answer["ContentLength"], _whole_object_checksums(answer), answer.get("VersionId"))

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """See ``Store.read``."""
        checked_key(key)
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + key}
        if start or length is not None:
            # A range of no bytes cannot be asked for, so one byte is, and not read.
            end = "" if length is None else start + max(length, 1) - 1
            asked["Range"] = f"bytes={start}-{end}"
        try:
            body = self._client.get_object(**asked)["Body"]
        except (ClientError, BotoCoreError, OSError) as error:
            if code_of(error) == "InvalidRange":  # there is nothing from there on
                yield _NoBytes()
                return
            if code_of(error) == "NoSuchKey":
                raise PermanentError(
                    action="read", subject=self._uri(key), cause="there is no such object", error_class="missing"
                ) from None
            raise s3_error(error, "read", self._uri(key)) from None
        try:
            yield _BodyReader(body, self._uri(key)) if length != 0 else _NoBytes()
        finally:
            body.close()

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``. S3 cannot rename: it copies, and once the copy is there the original gives way.

        In a bucket with versions the original stays a version too.
        """
        existing = self.stat(key)
        if existing is None:
            raise PermanentError(
                action="set aside", subject=self._uri(key), cause="there is no such object", error_class="missing"
            )
        aside = aside_key(key, datetime.now(UTC))
        names = {"Bucket": self._bucket, "Key": self._prefix + key}
        try:
            etag = self._client.head_object(**names)["ETag"]
            self._client.copy(
                names, self._bucket, self._prefix + aside, {**self._storage_options(), "CopySourceIfMatch": etag}
            )
            if not self._is_copy(existing, aside):
                raise TransientError(
                    action="set aside",
                    subject=self._uri(key),
                    cause="its copy is not the same; the original was left as it is",
                    error_class="provider",
                )
            self._client.delete_object(**names, IfMatch=etag)  # and not what somebody has put there meanwhile
        except (ClientError, BotoCoreError, OSError) as error:
            raise s3_error(error, "set aside", self._uri(key)) from None
        return aside

    def _is_copy(self, existing: StoredObject, aside: str) -> bool:
        copied = self.stat(aside)
        return copied is not None and copied.size == existing.size and self._sha256(aside) == self._sha256(existing.key)

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with self.read(key) as reader:
            while data := reader.read(1 << 20):
                digest.update(data)
        return digest.hexdigest()

    def remove(self, key: str) -> bool:
        """See ``retention.removing.Remover``. In a bucket with versions the object stays a version that is not current.

        What is under Object Lock is left alone: deleting it would hide it and free nothing.
        """
        checked_key(key)
        names = {"Bucket": self._bucket, "Key": self._prefix + key}
        try:
            found = self._client.head_object(**names)
            _require_unlocked(found, self._uri(key))
            self._client.delete_object(**names, IfMatch=found["ETag"])  # and not what somebody has put there meanwhile
        except (ClientError, BotoCoreError, OSError) as error:
            if code_of(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise s3_error(error, "remove", self._uri(key)) from None
        return True

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``. Sorted here: not every service lists in the order of the keys' bytes."""
        found = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self._prefix)
                    if key and not key.endswith("/"):  # what consoles make to show a folder
                        found.append(self._stored(key, entry["Size"], {}, None))
        except (ClientError, BotoCoreError, OSError) as error:
            raise s3_error(error, "list", self._uri(prefix)) from None
        yield from sorted(found, key=lambda stored: stored.key)

    @property
    def _client(self) -> Any:
        if self._ready_client is None:
            try:
                self._ready_client = new_client(self._destination)
            except (BotoCoreError, ValueError) as error:
                raise PermanentError(
                    action="use",
                    subject=f"destination {self._name}",
                    cause=f"boto3 does not accept its settings ({type(error).__name__})",
                    error_class="configuration",
                    hint="check its region and endpoint_url, and the AWS profile",
                ) from None
        return self._ready_client

    @property
    def _bucket(self) -> str:
        return self._destination.bucket

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def _stored(self, key: str, size: int, checksums: dict[str, str], version: str | None) -> StoredObject:
        version = None if version == "null" else version  # what unversioned buckets say
        return StoredObject(key=key, size=size, uri=self._uri(key), checksums=checksums, version=version)

    def _send(self, key: str, source: Path, digests: Digests, progress: Progress) -> None:
        target = Target(
            client=self._client,
            bucket=self._bucket,
            key=self._prefix + key,
            options=self._object_options(digests),
            checksums=self._checksums,
        )
        part_size = self._destination.part_size_mib << 20
        try:
            if digests.size <= part_size:
                put_small(target, source, digests, progress)
            else:
                upload = MultipartUpload(target, source, digests, part_size=part_size, sessions=self._sessions, key=key)
                upload.run(progress)
        except (ClientError, BotoCoreError, OSError) as error:
            message = str(error.response["Error"].get("Message", "")) if isinstance(error, ClientError) else ""
            if self._checksums and code_of(error) in _UNKNOWN_CHECKSUM and "checksum" in message.lower():
                _log.warning("%s: the service does not know CRC-64/NVME: going on without", self._name)
                self._checksums = False
                self._send(key, source, digests, progress)
                return
            raise s3_error(error, "upload to", self._uri(key)) from None

    def _object_options(self, digests: Digests) -> dict[str, Any]:
        return {
            "ContentType": "application/octet-stream",
            "Metadata": {"sha256": digests.sha256},
            **self._storage_options(),
        }

    def _storage_options(self) -> dict[str, Any]:
        """How every object of ours is kept, one that is set aside too."""
        destination = self._destination
        options: dict[str, Any] = {}
        if destination.storage_class:
            options["StorageClass"] = destination.storage_class
        if destination.sse:
            options["ServerSideEncryption"] = destination.sse.mode
            if destination.sse.key_id:
                options["SSEKMSKeyId"] = destination.sse.key_id
        if destination.lock:
            options["ObjectLockMode"] = destination.lock.mode
            options["ObjectLockRetainUntilDate"] = datetime.now(UTC) + timedelta(days=destination.lock.days)
        return options

    def _arrived(self, key: str, digests: Digests) -> StoredObject:
        stored = self.stat(key)
        if stored is None:
            raise TransientError(
                action="find", subject=self._uri(key), cause="it was stored, but is not there", error_class="provider"
            )
        known = vars(digests)
        wrong = [name for name, value in stored.checksums.items() if known[name] != value]
        if stored.size != digests.size or wrong:
            raise IntegrityError(
                action="upload to",
                subject=self._uri(key),
                cause=f"the service has another {wrong[0] if wrong else 'size'} than was sent",
                error_class="digest",
                hint=LEFT_ALONE,
            )
        return stored

    def _require_identical(self, existing: StoredObject, digests: Digests) -> None:
        known = vars(digests)
        same = existing.size == digests.size
        if same and existing.checksums:
            same = all(known[name] == value for name, value in existing.checksums.items())
        elif same:
            same = self._sha256(existing.key) == digests.sha256
        if not same:
            raise other_content(existing.uri)

    def _clean_up(self, key: str, digests: Digests) -> None:
        """Abort what a crash left of uploads to ``key``, which is written now.

        No upload to this key can be completed any more, whoever began it, so none is worth keeping; before that, one
        might be another machine's that still runs. It costs storage only, so failing to is no failure of the put.
        """
        remembered = self._sessions.load(key, digests) is not None
        self._sessions.forget(key, digests)
        if not remembered and digests.size <= self._destination.part_size_mib << 20:
            return
        full_key = self._prefix + key
        try:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=full_key)
            orphans = [
                entry["UploadId"] for page in pages for entry in page.get("Uploads", ()) if entry["Key"] == full_key
            ]
            for upload_id in orphans:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=full_key, UploadId=upload_id)
                _log.info("%s: aborted an unfinished upload to %s", self._name, key)
        except (ClientError, BotoCoreError, OSError) as error:
            _log.warning("%s", s3_error(error, "abort unfinished uploads to", self._uri(key)))

    def _require_bucket(self, key: str) -> None:
        """A missing object in a missing bucket is a wrong setting: HEAD alone does not tell them apart."""
        if not self._bucket_seen:
            self._list_one(key)
            self._bucket_seen = True

    def _explained(self, error: Exception, key: str) -> LumenError:
        """HEAD answers have no body, so no reason: where one is refused, a request that gets one is made."""
        if code_of(error) in ("400", "401", "403"):
            try:
                self._list_one(key)
            except LumenError as explained:
                return explained
        return s3_error(error, "look at", self._uri(key))

    def _list_one(self, key: str) -> None:
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + key, MaxKeys=1)
        except (ClientError, BotoCoreError, OSError) as error:
            raise s3_error(error, "look at", self._uri(key)) from None


class _BodyReader:
    """The body of an answer, with our errors."""

    def __init__(self, body: Any, uri: str) -> None:
        self._body = body
        self._uri = uri

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._body.read(size)
        except (BotoCoreError, OSError) as error:
            raise s3_error(error, "read", self._uri) from None
        return data


class _NoBytes:
    def read(self, _: int, /) -> bytes:
        return b""


def new_client(connection: S3Connection, *, attempts: int = 1) -> Any:
    """A boto3 client.

    Args:
        attempts: of its own at each request: one where others make them and log them, as ``RetryingStore`` does.
    """
    import boto3  # slow to import
    from botocore.config import Config

    client = boto3.session.Session().client(
        "s3",
        region_name=connection.region,
        endpoint_url=connection.endpoint_url,
        config=Config(
            connect_timeout=10,
            read_timeout=60,
            tcp_keepalive=True,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",  # ours are given, and they are of whole objects
            response_checksum_validation="when_required",  # who reads compares with the manifest
            s3={
                "addressing_style": "path" if connection.path_style else "auto",
                "payload_signing_enabled": True,
            },
        ),
    )
    return _prepared(client)


def _prepared(client: Any) -> Any:
    client.meta.events.register("before-send.s3.UploadPart", note_signed_digest, unique_id="lumen-signed-digest")
    for name in ("botocore.auth", "botocore.endpoint"):
        logging.getLogger(name).addFilter(_without_requests)
    return client


def _without_requests(record: logging.LogRecord) -> bool:
    """A filter for loggers whose debug lines show whole requests, a session token in their headers."""
    return record.levelno > logging.DEBUG


def _require_unlocked(answer: dict[str, Any], uri: str) -> None:
    until = answer.get("ObjectLockRetainUntilDate")
    held = answer.get("ObjectLockLegalHoldStatus") == "ON"
    if held or (until is not None and until > datetime.now(UTC)):
        raise PermanentError(
            action="remove",
            subject=uri,
            cause="it is under a legal hold of S3" if held else f"it is under Object Lock until {until:%Y-%m-%d}",
            error_class="locked",
        )


def _whole_object_checksums(answer: dict[str, Any]) -> dict[str, str]:
    """The checksums of an answer that are over the whole object, by the names of the fields of ``Digests``.

    The metadata ``sha256`` is none: it is what we said, not what the service computed. CRC-64/NVME is always over the
    whole object on Amazon, with or without a type; ``…-N`` is how services write a composite.
    """
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    names = {"ChecksumCRC64NVME": "crc64nvme", "ChecksumSHA256": "sha256"}
    return {
        name: base64.b64decode(answer[field]).hex()
        for field, name in names.items()
        if answer.get(field) and "-" not in answer[field]
    }

"""One object to S3: in one request, or in parts that survive a restart of the process.

boto3's ``upload_file`` can neither create conditionally nor go on with an upload, so the requests are made here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

from awscrt import checksums
from botocore.exceptions import BotoCoreError, ClientError

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, TransientError
from lumen_assets.replication.s3_errors import code_of
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.replication.store import Progress

WORKERS: Final = 4
"""Parts under way at once. A part that a crash interrupts is sent again, so more of them cost more then."""

_MOST_PARTS: Final = 10_000
_READ: Final = 1 << 20


class ObjectExists(Exception):  # noqa: N818 - an answer, not a failure
    """The key was taken when the object should have been made."""


class UploadGone(Exception):  # noqa: N818 - an answer, not a failure
    """The service does not know the multipart upload, or not as we do: it has to start again."""


@dataclass(frozen=True)
class Target:
    """Where an object goes.

    Attributes:
        client: a boto3 S3 client.
        options: metadata, storage class, encryption and retention, as parameters of ``put_object``.
        checksums: whether the service takes CRC-64/NVME.
    """

    client: Any
    bucket: str
    key: str
    options: dict[str, Any]
    checksums: bool

    @property
    def uri(self) -> str:
        """For people."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def address(self) -> dict[str, str]:
        """Bucket and key as parameters."""
        return {"Bucket": self.bucket, "Key": self.key}

    def crc(self, value: int) -> dict[str, str]:
        """A CRC-64/NVME as a parameter; none for a service that does not take it."""
        return {"ChecksumCRC64NVME": base64.b64encode(value.to_bytes(8, "big")).decode()} if self.checksums else {}


class FileRange:
    """A part of an open file as the body of a request, so that parts under way take no memory.

    Reads are positioned, so several threads can share the descriptor.

    Attributes:
        signed_sha256: the SHA-256 that the request was signed with, which the service holds the body against; None
            before that, or where bodies are not signed.
    """

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self.signed_sha256: str | None = None
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        left = self._size - self._position
        data = os.pread(self._descriptor, left if size < 0 else min(left, size), self._start + self._position)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files do."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """As files do."""
        return self._position

    def sha256(self) -> str:
        """The SHA-256 of these bytes; signing has computed it already, as a rule, and a second time costs a fifth."""
        return self.signed_sha256 or self._digested(hashlib.sha256())

    def md5(self) -> str:
        """The MD5 of these bytes."""
        return self._digested(hashlib.md5(usedforsecurity=False))

    def _digested(self, digest: hashlib._Hash) -> str:
        self.seek(0)
        while data := self.read(_READ):
            digest.update(data)
        return digest.hexdigest()


def note_signed_digest(request: Any, **_: object) -> None:
    """A handler of botocore's event ``before-send``: tells a ``FileRange`` what its request was signed with."""
    if isinstance(request.body, FileRange):
        value = request.headers.get("X-Amz-Content-SHA256", b"")
        text = value.decode("ascii") if isinstance(value, bytes) else str(value)
        if re.fullmatch("[0-9a-f]{64}", text):
            request.body.signed_sha256 = text


@dataclass(frozen=True)
class Part:
    """A part of the source."""

    number: int
    start: int
    size: int
    crc: int


class SourceReader:
    """Reads the source once, part by part, and knows in the end whether it was what its digests say."""

    def __init__(self, source: Path, descriptor: int, digests: Digests, target: Target) -> None:
        self._source = source
        self._descriptor = descriptor
        self._digests = digests
        self._target = target
        self._sha256 = hashlib.sha256()
        self._crc = 0
        if os.fstat(descriptor).st_size != digests.size:
            self._refuse("size", str(os.fstat(descriptor).st_size), str(digests.size))

    def parts(self, part_size: int) -> Iterator[Part]:
        """The parts, in order; at least one."""
        for number, start in enumerate(range(0, max(self._digests.size, 1), part_size), 1):
            size = min(part_size, self._digests.size - start)
            crc, position = 0, start
            while position < start + size and (
                data := os.pread(self._descriptor, min(_READ, start + size - position), position)
            ):
                self._sha256.update(data)
                crc = checksums.crc64nvme(data, crc)
                self._crc = checksums.crc64nvme(data, self._crc)
                position += len(data)
            yield Part(number, start, size, crc)

    def require_intact(self) -> None:
        """Raise unless everything read was what the digests say."""
        if self._sha256.hexdigest() != self._digests.sha256:
            self._refuse("SHA-256", self._sha256.hexdigest(), self._digests.sha256)
        if f"{self._crc:016x}" != self._digests.crc64nvme:
            self._refuse("CRC-64/NVME", f"{self._crc:016x}", self._digests.crc64nvme)

    def _refuse(self, what: str, found: str, expected: str) -> None:
        raise IntegrityError(
            action="upload",
            subject=f"{self._source.name} to {self._target.uri}",
            cause=f"the source's {what} is {found}, its manifest says {expected}",
            error_class="digest",
            hint="the source is damaged; nothing was stored",
        )


def put_small(target: Target, source: Path, digests: Digests, progress: Progress) -> None:
    """Store an object with one request.

    Raises:
        ObjectExists: if the key is taken.
        IntegrityError: if the source is not what its digests say; nothing is stored then.
    """
    with source.open("rb") as file:
        reader = SourceReader(source, file.fileno(), digests, target)
        (part,) = reader.parts(max(digests.size, 1))
        reader.require_intact()
        try:
            target.client.put_object(
                **target.address,
                **target.options,
                **target.crc(part.crc),
                IfNoneMatch="*",
                Body=FileRange(file.fileno(), 0, digests.size),
            )
        except ClientError as error:
            if code_of(error) == "PreconditionFailed":
                raise ObjectExists from None
            raise
    progress(digests.size)


@dataclass(frozen=True)
class _Listed:
    """A part as the service lists it; its CRC-64/NVME where it says that."""

    number: int
    etag: str
    size: int
    crc: str | None


class _Sent(TypedDict):
    """What is remembered of a part that the service took."""

    etag: str
    sha256: str


class MultipartUpload:
    """A multipart upload that goes on where the session says that it stopped.

    The session holds the upload's id and, of every part that the service took, its ETag and the SHA-256 of what was
    sent. A part is kept if the service lists it with that ETag and size and the source's part has that SHA-256. A part
    whose answer was lost is kept if the service gives its CRC-64/NVME, or an ETag that is its MD5: without that, a
    gigabyte killed twenty times sent 1.23 times its size, because a part mostly waits for its answer.
    """

    def __init__(
        self,
        target: Target,
        source: Path,
        digests: Digests,
        *,
        part_size: int,
        sessions: UploadSessions,
        key: str,
    ) -> None:
        self._target = target
        self._source = source
        self._digests = digests
        mib = 1 << 20
        self._part_size = max(part_size, -(-digests.size // (_MOST_PARTS * mib)) * mib)
        self._sessions = sessions
        self._key = key
        self._record: dict[str, Any] = {}

    def run(self, progress: Progress) -> None:
        """Send what is missing and complete the object.

        Raises:
            ObjectExists: if the key is taken.
            UploadGone: if the service lost or refuses the upload.
            IntegrityError: if the source or what arrived is not what the digests say; nothing is stored then.
        """
        listed = self._resumed()
        if listed is None:
            listed = self._begun()
        try:
            with self._source.open("rb") as file:
                reader = SourceReader(self._source, file.fileno(), self._digests, self._target)
                parts = self._sent(reader, file.fileno(), listed, progress)
                reader.require_intact()
            self._complete(parts)
        except IntegrityError:
            self._abandon()
            raise
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                raise UploadGone from None
            raise

    def _resumed(self) -> list[_Listed] | None:
        """The parts that the service has of the remembered upload; None if there is no such upload."""
        record = self._sessions.load(self._key, self._digests)
        if (
            not record
            or record.get("part_size") != self._part_size
            or record.get("checksums") != self._target.checksums
        ):
            return None
        self._record = record
        try:
            pages = self._target.client.get_paginator("list_parts").paginate(
                **self._target.address, UploadId=record["upload_id"]
            )
            return [
                _Listed(part["PartNumber"], part["ETag"], part["Size"], part.get("ChecksumCRC64NVME"))
                for page in pages
                for part in page.get("Parts", ())
            ]
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return None
            raise

    def _begun(self) -> list[_Listed]:
        kind = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if self._target.checksums else {}
        answer = self._target.client.create_multipart_upload(**self._target.address, **self._target.options, **kind)
        self._record = {
            "upload_id": answer["UploadId"],
            "part_size": self._part_size,
            "checksums": self._target.checksums,
            "parts": {},
        }
        self._save()
        return []

    def _sent(self, reader: SourceReader, descriptor: int, listed: list[_Listed], progress: Progress) -> list[Part]:
        parts: list[Part] = []
        under_way: dict[Future[_Sent], Part] = {}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="s3-part") as pool:
            try:
                for part in reader.parts(self._part_size):
                    parts.append(part)
                    if self._is_there(descriptor, part, listed):
                        continue
                    while len(under_way) >= WORKERS:
                        self._take_finished(under_way, progress)
                    under_way[pool.submit(self._send_part, descriptor, part)] = part
                while under_way:
                    self._take_finished(under_way, progress)
            except BaseException:
                self._remember_finished(under_way)
                raise
        return parts

    def _is_there(self, descriptor: int, part: Part, listed: list[_Listed]) -> bool:
        candidates = [other for other in listed if (other.number, other.size) == (part.number, part.size)]
        if not candidates:
            return False
        body, sent = FileRange(descriptor, part.start, part.size), self._record["parts"].get(str(part.number))
        if sent and sent["sha256"] == body.sha256() and sent["etag"] in [other.etag for other in candidates]:
            return True
        crc, md5 = self._target.crc(part.crc).get("ChecksumCRC64NVME"), f'"{body.md5()}"'
        for other in candidates:  # it arrived, but the answer did not
            if (crc and other.crc == crc) or other.etag == md5:
                self._record["parts"][str(part.number)] = {"etag": other.etag, "sha256": body.sha256()}
                return True
        return False

    def _send_part(self, descriptor: int, part: Part) -> _Sent:
        body, crc = FileRange(descriptor, part.start, part.size), self._target.crc(part.crc)
        answer = self._target.client.upload_part(
            **self._target.address,
            **crc,
            UploadId=self._record["upload_id"],
            PartNumber=part.number,
            Body=body,
        )
        if crc and answer.get("ChecksumCRC64NVME", crc["ChecksumCRC64NVME"]) != crc["ChecksumCRC64NVME"]:
            raise TransientError(
                action="upload to",
                subject=self._target.uri,
                cause=f"the service has another CRC-64/NVME of part {part.number} than was sent",
                error_class="network",
            )
        return {"etag": str(answer["ETag"]), "sha256": body.sha256()}

    def _take_finished(self, under_way: dict[Future[_Sent], Part], progress: Progress) -> None:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            sent, part = future.result(), under_way.pop(future)
            self._record["parts"][str(part.number)] = sent
            self._save()
            progress(part.size)

    def _remember_finished(self, under_way: dict[Future[_Sent], Part]) -> None:
        """After a failure: what is still under way is awaited and remembered, so that it need not be sent again."""
        for future in wait(under_way).done:
            if future.exception() is None:
                self._record["parts"][str(under_way[future].number)] = future.result()
        self._save()

    def _save(self) -> None:
        self._sessions.save(self._key, self._digests, self._record)

    def _complete(self, parts: list[Part]) -> None:
        target, remembered = self._target, self._record["parts"]
        manifest = [
            {"PartNumber": part.number, "ETag": remembered[str(part.number)]["etag"], **target.crc(part.crc)}
            for part in parts
        ]
        whole = target.crc(int(self._digests.crc64nvme, 16))
        try:
            target.client.complete_multipart_upload(
                **target.address,
                **whole,
                **({"ChecksumType": "FULL_OBJECT"} if whole else {}),
                UploadId=self._record["upload_id"],
                MultipartUpload={"Parts": manifest},
                MpuObjectSize=self._digests.size,
                IfNoneMatch="*",
            )
        except ClientError as error:
            match code_of(error):
                case "PreconditionFailed":
                    raise ObjectExists from None
                case "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall":  # the service has other parts than we know
                    self._abandon()
                    raise UploadGone from None
                case "ConditionalRequestConflict":  # Amazon: begin a new upload
                    self._abandon()
                    raise
                case "BadDigest":
                    raise IntegrityError(
                        action="upload to",
                        subject=target.uri,
                        cause="every part arrived, but the service's CRC-64/NVME of the whole is another",
                        error_class="digest",
                        hint="nothing was stored; does the service compute it over the whole object?",
                    ) from None
            raise

    def _abandon(self) -> None:
        """Nothing of this upload is worth going on with."""
        self._sessions.forget(self._key, self._digests)
        try:
            self._target.client.abort_multipart_upload(**self._target.address, UploadId=self._record["upload_id"])
        except (ClientError, BotoCoreError, OSError):
            return  # an orphan then: the put that succeeds finds and aborts it

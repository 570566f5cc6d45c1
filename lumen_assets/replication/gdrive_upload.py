"""One file into Drive through a resumable session that goes on after a restart of the process.

https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable: chunks are multiples of 256 KiB, 308
with ``Range`` tells what is stored (none: nothing), ``bytes */N`` asks for it, and a session that is gone (404, 410) is
started anew.

Why nothing is doubled: the file's id is made first and kept in the record, and a second file with it is refused with
409. So a try whose answer was lost, wherever it was lost, is found again by the id, and a fresh id is taken only when
Drive says that no file has the old one.

Why nothing is mixed: the record names the SHA-256 of every chunk before it is sent. If the source's is another now,
what the session holds came from other bytes, and it is given up. Before the last chunk is sent, the whole source's
SHA-256 must be the manifest's: only the last chunk makes a file of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, TransientError
from lumen_assets.replication.gdrive_api import FILE_FIELDS, DriveApi, DriveFile
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.replication.store import Progress

CHUNK: Final = 4 << 20
"""Bytes a request: what an interruption costs at most."""

GRAIN: Final = 256 << 10
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d+)")
_GONE: Final = (404, 410)
_KEPT: Final = (401, 403, 408, 429)  # refusals after which the session lives on


class SessionLostError(Exception):
    """The session leads nowhere and no file came of it."""


class FolderLostError(Exception):
    """The folder to put the file in is not there."""


@dataclass(frozen=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        key: its key, for the session's record.
        source: the file.
        digests: of the file.
        folder: the id of the folder that it goes to.
        name: its name there.
        subject: for messages.
        progress: called with the bytes that Drive stored.
    """

    key: str
    source: Path
    digests: Digests
    folder: str
    name: str
    subject: str
    progress: Progress | None = None


@dataclass
class _Record:
    """What is remembered of an unfinished upload.

    Attributes:
        file_id: the id that the file will have.
        chunk: bytes in every chunk but the last.
        session: the session's URI, worth a password for the week that it lives; empty before it is started.
        sent: SHA-256 of every chunk that was ever begun.
    """

    file_id: str
    chunk: int
    session: str = ""
    sent: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, saved: dict[str, Any] | None) -> _Record | None:
        try:
            record = cls(**(saved or {}))
        except TypeError:
            return None
        texts = [record.file_id, record.session, *record.sent] if isinstance(record.sent, list) else [None]
        good = isinstance(record.chunk, int) and record.chunk > 0 and record.chunk % GRAIN == 0
        return record if good and record.file_id and all(isinstance(text, str) for text in texts) else None


@dataclass(frozen=True)
class _Chunk:
    index: int
    start: int
    data: bytes
    last: bool

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class ResumableUpload:
    """Uploads one file; ``run`` may be called again after a failure, in another process too.

    Memory: one chunk, twice while the rest of one is sent.

    Args:
        api: where to.
        sessions: where the record is kept.
        upload: what.
        chunk: bytes a request, a multiple of ``GRAIN``.
    """

    def __init__(self, api: DriveApi, sessions: UploadSessions, upload: Upload, chunk: int = CHUNK) -> None:
        self._api = api
        self._sessions = sessions
        self._upload = upload
        self._chunk = chunk
        self._record = _Record("", chunk)
        self.bytes_sent = 0

    def run(self) -> DriveFile:
        """What Drive says of the finished file; its checksums are for the caller to compare.

        The record stays until the caller is done with the file and forgets it.

        Raises:
            SessionLostError: the remembered session leads nowhere and is forgotten; start again.
            FolderLostError: the folder is not there any more.
            IntegrityError: if the source is not what its digests say; nothing was stored.
            TransientError, PermanentError: as Drive failed; the session is kept.
        """
        saved = self._sessions.load(self._upload.key, self._upload.digests)
        self._record = _Record.parse(saved) or _Record(self._api.new_id(), self._chunk)
        self._save()
        state = self._ask() if self._record.session else self._start()
        if isinstance(state, DriveFile):
            return state
        return self._send_from(state)

    def _start(self) -> DriveFile | int:
        """Begin a session, unless an earlier try with the same id became a file already."""
        upload = self._upload
        metadata = {
            "id": self._record.file_id,
            "name": upload.name,
            "parents": [upload.folder],
            "mimeType": "application/octet-stream",
            "appProperties": {"lumen_sha256": upload.digests.sha256},  # key and value: 124 bytes at most
        }
        answer = self._api.call(
            "POST",
            "/upload/drive/v3/files",
            "upload",
            upload.subject,
            params={"uploadType": "resumable", "fields": FILE_FIELDS},
            headers={
                "X-Upload-Content-Type": "application/octet-stream",
                "X-Upload-Content-Length": str(upload.digests.size),
            },
            body=json.dumps(metadata),
        )
        if answer.status_code == 409:
            return self._earlier()
        if answer.status_code == 404:
            raise FolderLostError
        session = answer.headers.get("Location", "")
        if answer.status_code != 200 or not self._is_drives(session, answer.url):
            raise self._refused(answer)
        self._record.session = session
        self._save()
        return 0

    def _ask(self) -> DriveFile | int:
        """What Drive has of the session: the finished file, or the number of bytes."""
        if not self._upload.digests.size:  # there is nothing to have
            return 0
        return self._put(b"", f"bytes */{self._upload.digests.size}")

    def _send_from(self, offset: int) -> DriveFile:
        if offset % GRAIN and offset != self._upload.digests.size:
            raise self._lost()
        for chunk in self._chunks():
            if not self._announce(chunk, offset):
                raise self._lost()
            while offset < chunk.end or chunk.last:
                state = self._send(chunk, offset)
                if isinstance(state, DriveFile):
                    self._progressed(chunk.end - offset)
                    return state
                if not offset < state <= chunk.end or state == self._upload.digests.size:
                    raise self._failed("Drive stored nothing of a chunk, or did not finish")
                self._progressed(state - offset)
                offset = state
        raise self._failed("Drive did not finish the upload")

    def _chunks(self) -> Iterator[_Chunk]:
        """The source in chunks; the last one comes only if all of it is what its digests say.

        Raises:
            IntegrityError: with ``error_class="digest"``; the session is forgotten and never becomes a file.
        """
        size, length = self._upload.digests.size, self._record.chunk
        digest = hashlib.sha256()
        with self._upload.source.open("rb") as file:
            for index, start in enumerate(range(0, max(size, 1), length)):
                data = file.read(min(length, size - start))
                digest.update(data)
                last = start + length >= size
                while last and (beyond := file.read(GRAIN)):
                    digest.update(beyond)
                if last or len(data) < length:
                    self._require(digest.hexdigest())
                yield _Chunk(index, start, data, last)

    def _require(self, sha256: str) -> None:
        if sha256 != self._upload.digests.sha256:
            self._forget()
            raise IntegrityError(
                action="upload",
                subject=self._upload.subject,
                cause=f"the source's SHA-256 is {sha256}, its manifest says {self._upload.digests.sha256}",
                error_class="digest",
                hint="the source is damaged; nothing was stored",
            )

    def _announce(self, chunk: _Chunk, offset: int) -> bool:
        """Note what is about to be sent; returns whether what was sent of this chunk before was the same."""
        digest = hashlib.sha256(chunk.data).hexdigest()
        if chunk.index < len(self._record.sent):
            return self._record.sent[chunk.index] == digest
        if offset > chunk.start:
            return False
        self._record.sent.append(digest)
        self._save()
        return True

    def _send(self, chunk: _Chunk, offset: int) -> DriveFile | int:
        size = self._upload.digests.size
        data = chunk.data[offset - chunk.start :] if offset > chunk.start else chunk.data
        self.bytes_sent += len(data)
        if not data:
            # An empty file is sent without a range: with one it is HTTP 400
            # (https://github.com/googleapis/google-api-python-client/issues/638).
            return self._put(b"", None if not size else f"bytes */{size}")
        return self._put(data, f"bytes {offset}-{offset + len(data) - 1}/{size}")

    def _put(self, data: bytes, content_range: str | None) -> DriveFile | int:
        headers = {"Content-Type": "application/octet-stream"}
        if content_range:
            headers["Content-Range"] = content_range
        upload = self._upload
        answer = self._api.call("PUT", self._record.session, "upload", upload.subject, headers=headers, body=data)
        status = answer.status_code
        if status in (200, 201):
            return self._api.file_of(answer, "upload", upload.subject)
        if status == 308:
            stored = _RANGE.fullmatch(answer.headers.get("Range", ""))
            return int(stored[1]) + 1 if stored else 0
        if status == 409 or status in _GONE:
            return self._earlier()
        if 400 <= status < 500 and status not in _KEPT:
            self._forget()  # whatever is wrong with it stays wrong
            raise self._failed(f"Drive refused to go on with the session (HTTP {status})")
        raise self._refused(answer)

    def _earlier(self) -> DriveFile:
        """The file that an earlier try made with our id.

        Raises:
            SessionLostError: if there is none, or it lies in the trash; the record is forgotten.
        """
        file = self._api.get(self._record.file_id)
        if file is None or file.trashed:
            raise self._lost()
        return file

    def _is_drives(self, uri: str, asked: str) -> bool:
        """Whether a session is where the API is: our token goes there too."""
        there, here = urlsplit(uri), urlsplit(asked)
        return there.scheme == here.scheme and (
            there.netloc == here.netloc or (there.hostname or "").endswith(".googleapis.com")
        )

    def _progressed(self, size: int) -> None:
        if self._upload.progress:
            self._upload.progress(size)

    def _refused(self, answer: requests.Response) -> Exception:
        return self._api.refused(answer, "upload", self._upload.subject)

    def _failed(self, cause: str) -> TransientError:
        return TransientError(action="upload", subject=self._upload.subject, cause=cause, error_class="provider")

    def _lost(self) -> SessionLostError:
        self._forget()
        return SessionLostError()

    def _save(self) -> None:
        self._sessions.save(self._upload.key, self._upload.digests, asdict(self._record))

    def _forget(self) -> None:
        self._sessions.forget(self._upload.key, self._upload.digests)

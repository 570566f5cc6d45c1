"""A folder in Google Drive as a destination."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import requests
from pydantic import SecretStr

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, PermanentError, TransientError
from lumen_assets.replication.gdrive_api import BASE_URL, DriveApi, DriveFile
from lumen_assets.replication.gdrive_credentials import Credentials, open_session, parse_credentials
from lumen_assets.replication.gdrive_errors import FAILURES, Translator
from lumen_assets.replication.gdrive_folders import Folders
from lumen_assets.replication.gdrive_upload import CHUNK, FolderLostError, ResumableUpload, SessionLostError, Upload
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
from lumen_assets.settings import GoogleDriveDestination

_LISTERS: Final = 4
_READ: Final = 1 << 20


class GoogleDriveStore:
    """Replicas in a Drive folder, under their keys: the folders of a key are folders, its last part a file's name.

    Drive states the SHA-256 and the MD5 of a whole file, computed from what it stores. It lets names occur twice: the
    oldest file of a name is the object, and a put finds fault with any other content of that name. Every request is
    tried once; retrying is a wrapper's business.

    Args:
        name: the destination's name.
        destination: its settings.
        token: ``GDRIVE_TOKEN``; looked at when first needed, so that one destination's bad credentials stop no other.
        sessions: where unfinished uploads are remembered.
        base_url: where the API is; tests give their own.
        chunk: bytes an upload request, a multiple of 256 KiB; so many are in memory and lost to an interruption.
    """

    def __init__(
        self,
        name: str,
        destination: GoogleDriveDestination,
        token: SecretStr | None,
        sessions: UploadSessions,
        *,
        base_url: str = BASE_URL,
        chunk: int = CHUNK,
    ) -> None:
        self._name = name
        self._path = tuple(part for part in destination.folder.split("/") if part)
        self._drive_id = destination.drive_id
        self._token = token
        self._sessions = sessions
        self._base_url = base_url
        self._chunk = chunk
        self._opened: tuple[DriveApi, Folders] | None = None

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._name

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``. The file appears under its name only when all of it is in Drive.

        Of several machines that put the same at once each may make a file; on one machine the second waits for the
        first.
        """
        checked_key(key)
        with self._sessions.hold(key, digests):
            if found := self._files(key):
                return self._identical(key, found, digests)
            file, sent = self._upload(key, source, digests, progress)
            self._require_stored(key, file, digests)
            self._sessions.forget(key, digests)
            # Again, because looking and making are two steps, and another machine may have stepped between.
            return self._identical(key, [file, *self._files(key)], digests, sent)

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        found = self._files(key)
        return self._stored(key, found[0]) if found else None

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """See ``Store.read``."""
        found = self._files(key)
        if not found:
            raise PermanentError(
                action="read", subject=self._subject(key), cause="there is no such file", error_class="missing"
            )
        with self._open(found[0], key, start, length) as reader:
            yield reader

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``. Every file that has the name gets the new one."""
        found = self._files(key)
        if not found:
            raise PermanentError(
                action="set aside", subject=self._subject(key), cause="there is no such file", error_class="missing"
            )
        aside = aside_key(key, datetime.now(UTC))
        for file in found:
            self._api.rename(file, aside.rpartition("/")[2], self._subject(key))
        return aside

    def remove(self, key: str) -> bool:
        """See ``retention.removing.Remover``. Every file that has the name goes to the trash, which Drive empties
        after 30 days (https://support.google.com/drive/answer/2375102).
        """
        found = self._files(key)
        for file in found:
            self._api.trash(file, self._subject(key))
        return bool(found)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        parent = prefix.rpartition("/")[0]
        level = [(parent, folder) for folder in self._folders.find(self._folder_path(parent))]
        found: dict[str, DriveFile] = {}
        while level:
            with ThreadPoolExecutor(_LISTERS, thread_name_prefix="gdrive") as threads:
                contents = [*threads.map(lambda at: self._api.files_in(at[1]), level)]
            below = []
            for (path, _), files in zip(level, contents, strict=True):
                for file in files:
                    key = f"{path}/{file.name}" if path else file.name
                    if "/" in file.name or not key.startswith(prefix):
                        continue
                    if file.is_folder:
                        below.append((key, file.id))
                    elif file.holds_bytes and (key not in found or file.age < found[key].age):
                        found[key] = file
            level = below
        yield from (self._stored(key, found[key]) for key in sorted(found))

    # --- putting

    def _upload(self, key: str, source: Path, digests: Digests, progress: Progress | None) -> tuple[DriveFile, int]:
        """The file as Drive made it, and how many bytes that took."""
        parent, _, name = key.rpartition("/")
        sent = 0
        for _ in range(2):
            folder = self._folders.make(self._folder_path(parent))
            upload = Upload(key, source, digests, folder, name, f"{source.name} to {self._subject(key)}", progress)
            session = ResumableUpload(self._api, self._sessions, upload, self._chunk)
            try:
                file = session.run()
                return file, sent + session.bytes_sent
            except FolderLostError:
                self._folders.forget()
            except SessionLostError:
                sent += session.bytes_sent
        raise TransientError(
            action="upload",
            subject=self._subject(key),
            cause="Drive lost a fresh session or folder",
            error_class="provider",
        )

    def _require_stored(self, key: str, file: DriveFile, digests: Digests) -> None:
        """Compare what Drive made with what was to be stored."""
        if file.trashed:
            self._folders.forget()
            self._sessions.forget(key, digests)
            raise TransientError(
                action="upload",
                subject=self._subject(key),
                cause="its folder was moved to the trash meanwhile",
                error_class="provider",
            )
        if not self._is_same(key, file, digests):
            self._sessions.forget(key, digests)
            raise IntegrityError(
                action="upload",
                subject=self._subject(key),
                cause=f"Drive has {file.size} bytes with {_told(file)}, the manifest says {digests.size} with SHA-256 "
                f"{digests.sha256}",
                error_class="digest",
                hint=LEFT_ALONE,
            )

    def _identical(self, key: str, files: Sequence[DriveFile], digests: Digests, sent: int | None = None) -> Receipt:
        """The receipt where these files, one at least, have the key; ``sent`` if one of them was just made."""
        for file in {file.id: file for file in files}.values():
            if not self._is_same(key, file, digests):
                raise other_content(f"{self._subject(key)} ({_link(file)})")
        self._sessions.forget(key, digests)
        stored = self._stored(key, min(files, key=lambda file: file.age))
        return Receipt(stored, created=sent is not None, bytes_sent=sent or 0)

    def _is_same(self, key: str, file: DriveFile, digests: Digests) -> bool:
        """Whether a file has this content, by Drive's checksums, or by reading it where Drive has no SHA-256."""
        stated = {name: value == getattr(digests, name) for name, value in file.checksums.items()}
        if file.size != digests.size or not all(stated.values()):
            return False
        if "sha256" in stated:
            return True
        digest = hashlib.sha256()
        with self._open(file, key, 0, None) as reader:
            while data := reader.read(_READ):
                digest.update(data)
        return digest.hexdigest() == digests.sha256

    # --- looking and reading

    def _files(self, key: str) -> Sequence[DriveFile]:
        """The files that have this key, the oldest first."""
        parent, _, name = checked_key(key).rpartition("/")
        found: dict[str, DriveFile] = {}
        for folder in self._folders.find(self._folder_path(parent)):
            found |= {file.id: file for file in self._api.files_in(folder) if file.name == name and file.holds_bytes}
        return sorted(found.values(), key=lambda file: file.age)

    @contextmanager
    def _open(self, file: DriveFile, key: str, start: int, length: int | None) -> Iterator[Reader]:
        there = max((file.size or 0) - start, 0)
        wanted = there if length is None else min(length, there)
        if not wanted:  # there is no empty range, and of an empty file none at all
            yield _ResponseReader(None, 0, self._api, self._subject(key))
            return
        subject = self._subject(key)
        whole = wanted == file.size
        headers = {"Accept-Encoding": "identity"}
        if not whole:
            headers["Range"] = f"bytes={start}-{start + wanted - 1}"
        with closing(self._api.download(file.id, subject, headers)) as response:
            if response.status_code not in (200, 206):
                raise self._api.refused(response, "read", subject)
            if response.status_code != (200 if whole else 206) or response.headers.get("Content-Encoding"):
                raise TransientError(
                    action="read", subject=subject, cause="Drive ignored the range", error_class="provider"
                )
            yield _ResponseReader(response, wanted, self._api, subject)

    # --- the client

    @property
    def _api(self) -> DriveApi:
        return self._connected()[0]

    @property
    def _folders(self) -> Folders:
        return self._connected()[1]

    def _connected(self) -> tuple[DriveApi, Folders]:
        if self._opened is None:
            held: Credentials = parse_credentials(self._token)
            translate = Translator(f"Google Drive ({self._name})", held.secrets, held.service_account)
            api = DriveApi(open_session(held), translate, self._base_url, self._drive_id)
            self._opened = api, Folders(api)
        return self._opened

    def _folder_path(self, parent: str) -> tuple[str, ...]:
        return (*self._path, *(part for part in parent.split("/") if part))

    def _subject(self, key: str) -> str:
        return "/".join((*self._path, key))

    def _stored(self, key: str, file: DriveFile) -> StoredObject:
        return StoredObject(
            key=key, size=file.size or 0, uri=_link(file), checksums=dict(file.checksums), version=file.revision
        )


class _ResponseReader:
    """Bounded reads of a download, with our errors; an end before the promised one is an error too."""

    def __init__(self, response: requests.Response | None, length: int, api: DriveApi, subject: str) -> None:
        self._response = response
        self._left = length
        self._api = api
        self._subject = subject

    def read(self, size: int, /) -> bytes:
        response, size = self._response, min(size, self._left)
        if response is None or size <= 0:
            return b""
        failure = None
        try:
            data: bytes = response.raw.read(size)
        except FAILURES as error:
            failure = self._api.broken(error, "read", self._subject)
        if failure:
            raise failure
        if not data:
            raise TransientError(
                action="read",
                subject=self._subject,
                cause=f"the connection ended {self._left} bytes early",
                error_class="network",
            )
        self._left -= len(data)
        return data


def _link(file: DriveFile) -> str:
    return f"https://drive.google.com/file/d/{file.id}/view"


def _told(file: DriveFile) -> str:
    return " and ".join(f"{name} {value}" for name, value in file.checksums.items()) or "no checksum"

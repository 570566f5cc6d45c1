"""A folder in Dropbox as a destination."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
from dropbox import Dropbox
from dropbox.exceptions import ApiError, HttpError
from dropbox.files import CommitInfo, DeletedMetadata, FileMetadata, WriteMode
from pydantic import SecretStr

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, PermanentError, TransientError
from lumen_assets.replication.dropbox_client import Credentials, open_client, parse_credentials
from lumen_assets.replication.dropbox_errors import attempt, tags
from lumen_assets.replication.dropbox_upload import BLOCK, NameTakenError, SessionLostError, SessionUpload, Upload
from lumen_assets.replication.local import folder_error
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
from lumen_assets.settings import DropboxDestination

SINGLE: Final = 2 * BLOCK
"""Up to this size a file goes in one request; the SDK wants its bytes in memory."""

_PAGE: Final = 2000  # the most that list_folder takes
_LISTINGS: Final = 3
_Answer = TypeVar("_Answer")


class DropboxStore:
    """Replicas in a Dropbox folder, under their keys; missing folders are made by Dropbox.

    Dropbox states a content hash of the whole file, computed from what it stores. Its paths ignore case, so keys that
    differ by case are one object. Every request is tried once; retrying is a wrapper's business.

    Args:
        name: the destination's name.
        destination: its settings.
        token: ``DROPBOX_TOKEN``; looked at when first needed, so that one destination's bad credentials stop no other.
        sessions: where unfinished uploads are remembered.
        client: the SDK's, ready; by default one made from ``token``.
    """

    def __init__(
        self,
        name: str,
        destination: DropboxDestination,
        token: SecretStr | None,
        sessions: UploadSessions,
        *,
        client: Dropbox | None = None,
    ) -> None:
        self._name = name
        self._folder = destination.folder
        self._token = token
        self._sessions = sessions
        self._made_client = client
        self._credentials: Credentials | None = None

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._name

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``. The file appears under its name only when all of it is in Dropbox."""
        path = self._path(key)
        self._require_credentials()
        # Identical content is no conflict, so of several machines that put the same at once each is told that it stored
        # it; on one machine the second waits for the first.
        commit = CommitInfo(path, mode=WriteMode.add, autorename=False, mute=True, strict_conflict=False)
        upload = Upload(key, source, digests, commit, self._secrets, progress)
        try:
            with self._sessions.hold(key, digests):
                if found := self.stat(key):
                    return self._identical(found, digests, 0)
                if digests.size <= SINGLE:
                    return self._put_whole(upload)
                return self._put_in_pieces(upload)
        except OSError as error:  # of the source's disk, or of the sessions'
            raise folder_error(error, "upload", upload.subject) from error

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        path = self._path(key)

        def look() -> Any:
            try:
                return self._client.files_get_metadata(path)
            except ApiError as error:
                if "not_found" in tags(error):
                    return None
                raise

        metadata = self._attempt(look, "look at", path)
        return self._stored(key, metadata) if isinstance(metadata, FileMetadata) else None

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """See ``Store.read``."""
        path = self._path(key)
        headers = {"Accept-Encoding": "identity"}
        if start or length is not None:
            # one byte where none is wanted: there is no empty range, and whether the file is there must still be known
            headers["Range"] = f"bytes={start}-{'' if length is None else start + max(length, 1) - 1}"
        opened = self._attempt(lambda: self._download(path, headers), "read", path)
        if opened is None:
            yield _ResponseReader(None, 0, path, self._secrets)
            return
        metadata, response = opened
        with closing(response):
            if "Range" in headers and response.status_code != 206 and (start or metadata.size > (length or 0)):
                raise TransientError(
                    action="read", subject=path, cause="Dropbox ignored the range", error_class="provider"
                )
            there = max(metadata.size - start, 0)
            yield _ResponseReader(response, there if length is None else min(length, there), path, self._secrets)

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``."""
        path, aside = self._path(key), aside_key(key, datetime.now(UTC))

        def move() -> bool:
            try:
                self._client.files_move_v2(path, self._path(aside), autorename=False)
            except ApiError as error:
                if "from_lookup" in tags(error) and "not_found" in tags(error):
                    return False
                raise
            return True

        if not self._attempt(move, "set aside", path):
            raise PermanentError(
                action="set aside",
                subject=f"{path} in Dropbox ({self._name})",
                cause="there is no such file",
                error_class="missing",
            )
        return aside

    def remove(self, key: str) -> bool:
        """See ``retention.removing.Remover``. Dropbox keeps what was deleted for 30 days or longer, by plan."""
        path = self._path(key)

        def delete() -> bool:
            try:
                self._client.files_delete_v2(path)
            except ApiError as error:
                if "not_found" in tags(error):
                    return False
                raise
            return True

        return self._attempt(delete, "remove", path)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        parent = prefix.rpartition("/")[0]
        folder = f"{self._folder}/{parent}" if parent else self._folder
        for _ in range(_LISTINGS):
            entries = self._attempt(lambda: self._entries(folder), "list", folder)
            if entries is not None:
                break
        else:
            raise TransientError(
                action="list", subject=folder, cause="the listing was reset again and again", error_class="provider"
            )
        depth = self._folder.count("/") + 1
        found = {}
        for metadata in entries:
            key = "/".join((metadata.path_display or metadata.path_lower).split("/")[depth:])
            if key.startswith(prefix):
                found[key] = self._stored(key, metadata)
        yield from (found[key] for key in sorted(found))

    # --- putting

    def _put_whole(self, upload: Upload) -> Receipt:
        with upload.source.open("rb") as file:
            data = file.read(SINGLE + 1)
        upload.require(hashlib.sha256(data).hexdigest())
        commit = upload.commit

        def send() -> FileMetadata | None:
            try:
                return self._client.files_upload(
                    data,
                    commit.path,
                    mode=commit.mode,
                    autorename=commit.autorename,
                    mute=commit.mute,
                    strict_conflict=commit.strict_conflict,
                    content_hash=upload.digests.dropbox_content_hash,
                )
            except ApiError as error:
                if "conflict" in tags(error):
                    return None
                raise

        metadata = self._attempt(send, "upload", upload.subject)
        if upload.progress:
            upload.progress(len(data))
        if metadata is None:
            return self._what_is_there(upload, len(data))
        return self._created(upload, metadata, len(data))

    def _put_in_pieces(self, upload: Upload) -> Receipt:
        sent = 0
        for _ in range(2):
            session = SessionUpload(self._client, self._sessions, upload)
            try:
                return self._created(upload, session.run(), sent + session.bytes_sent)
            except NameTakenError:
                sent += session.bytes_sent
                self._sessions.forget(upload.key, upload.digests)
                return self._what_is_there(upload, sent)
            except SessionLostError:  # finished by a try whose answer was lost, or expired: what is there tells
                sent += session.bytes_sent
                if found := self.stat(upload.key):
                    return self._identical(found, upload.digests, sent)
        raise TransientError(
            action="upload",
            subject=upload.subject,
            cause="Dropbox lost a fresh upload session",
            error_class="provider",
        )

    def _what_is_there(self, upload: Upload, sent: int) -> Receipt:
        """The receipt where Dropbox said that the name is taken."""
        found = self.stat(upload.key)
        if found is None:
            raise IntegrityError(
                action="upload",
                subject=upload.subject,
                cause="a folder is in the way, or a file where a folder must be",
                error_class="conflict",
                hint="it was left as it is; look at that path in Dropbox",
            )
        return self._identical(found, upload.digests, sent)

    def _identical(self, found: StoredObject, digests: Digests, sent: int) -> Receipt:
        if found.checksums.get("dropbox_content_hash") != digests.dropbox_content_hash:
            raise other_content(found.uri)
        self._sessions.forget(found.key, digests)
        return Receipt(found, created=False, bytes_sent=sent)

    def _created(self, upload: Upload, metadata: FileMetadata, sent: int) -> Receipt:
        stored = self._stored(upload.key, metadata)
        answered = stored.checksums.get("dropbox_content_hash")
        if answered != upload.digests.dropbox_content_hash or stored.size != upload.digests.size:
            raise IntegrityError(
                action="upload",
                subject=upload.subject,
                cause=f"Dropbox's content hash is {answered}, the manifest says {upload.digests.dropbox_content_hash}",
                error_class="digest",
                hint=LEFT_ALONE,
            )
        return Receipt(stored, created=True, bytes_sent=sent)

    # --- reading and listing

    def _download(self, path: str, headers: dict[str, str]) -> tuple[FileMetadata, requests.Response] | None:
        """None where the range begins at or beyond the end."""
        try:
            opened: tuple[FileMetadata, requests.Response] = self._client.files_download(path, extra_headers=headers)
        except HttpError as error:
            if error.status_code == 416:
                return None
            raise
        return opened

    def _entries(self, folder: str) -> Sequence[FileMetadata] | None:
        """The files in ``folder`` and below it; None if Dropbox gave the listing up in between."""
        found: dict[str, FileMetadata] = {}
        try:
            page = self._client.files_list_folder(
                folder, recursive=True, limit=_PAGE, include_non_downloadable_files=False
            )
            while True:
                for entry in page.entries:
                    _follow(found, entry)
                if not page.has_more:
                    return list(found.values())
                page = self._client.files_list_folder_continue(page.cursor)
        except ApiError as error:
            if "not_found" in tags(error):
                return []
            if "reset" in tags(error):
                return None
            raise

    # --- the client

    @property
    def _client(self) -> Dropbox:
        if self._made_client is None:
            self._made_client = open_client(self._require_credentials())
        return self._made_client

    def _require_credentials(self) -> Credentials:
        if self._credentials is None:
            if self._made_client is not None and self._token is None:
                return Credentials()
            self._credentials = parse_credentials(self._token)
        return self._credentials

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._credentials.secrets if self._credentials else ()

    def _attempt(self, call: Callable[[], _Answer], action: str, subject: str) -> _Answer:
        self._require_credentials()
        return attempt(call, action, f"{subject} in Dropbox ({self._name})", self._secrets)

    def _path(self, key: str) -> str:
        return f"{self._folder}/{checked_key(key)}"

    def _stored(self, key: str, metadata: FileMetadata) -> StoredObject:
        return StoredObject(
            key=key,
            size=metadata.size,
            uri=f"dropbox:{metadata.path_display or self._path(key)}",
            checksums={"dropbox_content_hash": metadata.content_hash} if metadata.content_hash else {},
            version=metadata.rev,
        )


class _ResponseReader:
    """Bounded reads of a download, with our errors; an end before the promised one is an error too."""

    def __init__(self, response: requests.Response | None, length: int, path: str, secrets: tuple[str, ...]) -> None:
        self._response = response
        self._left = length
        self._path = path
        self._secrets = secrets

    def read(self, size: int, /) -> bytes:
        response, size = self._response, min(size, self._left)
        if response is None or size <= 0:
            return b""
        data: bytes = attempt(lambda: response.raw.read(size), "read", self._path, self._secrets)
        if not data:
            raise TransientError(
                action="read",
                subject=self._path,
                cause=f"the connection ended {self._left} bytes early",
                error_class="network",
            )
        self._left -= len(data)
        return data


def _follow(found: dict[str, FileMetadata], entry: Any) -> None:
    """Take one entry in as ``list_folder`` is documented: later ones replace or delete earlier ones."""
    path = entry.path_lower
    if isinstance(entry, FileMetadata | DeletedMetadata):
        for below in [name for name in found if name == path or name.startswith(f"{path}/")]:
            del found[below]
    if isinstance(entry, FileMetadata):
        found[path] = entry

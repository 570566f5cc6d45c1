"""The calls of Drive API v3 that we make; each is tried once and fails with one of our errors.

``supportsAllDrives`` is in all of them: without it Drive says of files in a shared drive that there are none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
from google.auth.transport.requests import AuthorizedSession

from lumen_assets.errors import LumenError, TransientError
from lumen_assets.replication.gdrive_errors import FAILURES, Refusal, Translator

BASE_URL: Final = "https://www.googleapis.com"
FOLDER_TYPE: Final = "application/vnd.google-apps.folder"

TIMEOUT: Final = (120.0, 100.0)
"""Seconds to connect and send one request's body, and to wait for its answer.

The first bounds the sending too: urllib3 gives the socket the connect time-out until the body is out, and
``socket.sendall`` takes a time-out for all of it. A chunk of 8 MiB in 120 s is 70 kB/s.
"""

FILE_FIELDS: Final = "id,name,mimeType,size,sha256Checksum,md5Checksum,createdTime,headRevisionId,trashed"
_GOOGLE_TYPES: Final = "application/vnd.google-apps."
_PAGE: Final = 1000  # the most that files.list takes
_IDS: Final = 10


@dataclass(frozen=True)
class DriveFile:
    """A file or a folder as Drive describes it.

    Attributes:
        id: Drive's; the only thing that names a file for sure.
        name: not unique in its folder.
        kind: its MIME type.
        size: bytes; None of a folder or a Google document.
        checksums: those that Drive computed, by the names of the fields of ``Digests``. Some files, mostly old ones,
            lack SHA-256 (https://github.com/rclone/rclone/issues/8996).
        created: RFC 3339, UTC.
        revision: of its content.
        trashed: whether it, or a folder above it, is in the trash.
    """

    id: str
    name: str
    kind: str
    size: int | None
    checksums: Mapping[str, str]
    created: str
    revision: str | None
    trashed: bool

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> DriveFile:
        """From Drive's JSON; raises ``LookupError``, ``TypeError`` or ``ValueError`` if it is not that."""
        checksums = {"sha256": fields.get("sha256Checksum"), "md5": fields.get("md5Checksum")}
        return cls(
            id=fields["id"],
            name=fields["name"],
            kind=fields.get("mimeType", ""),
            size=int(fields["size"]) if "size" in fields else None,
            checksums={name: value.lower() for name, value in checksums.items() if value},
            created=fields.get("createdTime", ""),
            revision=fields.get("headRevisionId"),
            trashed=bool(fields.get("trashed", False)),
        )

    @property
    def age(self) -> tuple[str, str]:
        """What files of one name are ordered by, the oldest first, the same on every machine."""
        return self.created, self.id

    @property
    def is_folder(self) -> bool:
        """Whether it can hold others."""
        return self.kind == FOLDER_TYPE

    @property
    def holds_bytes(self) -> bool:
        """Whether it is a file: no folder, no Google document, no shortcut."""
        return self.size is not None and not self.kind.startswith(_GOOGLE_TYPES)


class DriveApi:
    """Drive through one set of credentials.

    Args:
        session: connections that carry them.
        translate: makes errors of ours.
        base_url: where Drive is; tests give their own.
        drive_id: the shared drive that everything happens in; None for the account's own.
    """

    def __init__(
        self, session: AuthorizedSession, translate: Translator, base_url: str = BASE_URL, drive_id: str | None = None
    ) -> None:
        self._session = session
        self._translate = translate
        self._base_url = base_url.rstrip("/")
        self._drive_id = drive_id
        self._ids: list[str] = []
        self._planned: dict[tuple[str, str], str] = {}

    @property
    def root(self) -> str:
        """The folder above everything."""
        return self._drive_id or "root"

    def files_in(self, folder: str) -> list[DriveFile]:
        """Everything in a folder, the oldest first.

        One folder a call: with several parents in one query Drive leaves some out and says that nothing is missing
        (https://github.com/rclone/rclone/issues/3114, …/9810).
        """
        return self._list(f"{_quoted(folder)} in parents and trashed = false", f"folder {folder}")

    def folders_named(self, folder: str, name: str) -> list[DriveFile]:
        """The folders of this name in a folder, the oldest first.

        The index of names lags by seconds to minutes, that of parents does not
        (https://github.com/kopia/kopia/issues/90), so where the first knows nothing the second is asked.
        """
        query = f"{_quoted(folder)} in parents and mimeType = {_quoted(FOLDER_TYPE)} and trashed = false"
        subject = f"folder {name}"
        named = self._list(f"{query} and name = {_quoted(name)}", subject)  # it may ignore case
        found = [item for item in named if item.name == name]
        return found or [item for item in self._list(query, subject) if item.name == name]

    def get(self, file_id: str) -> DriveFile | None:
        """The file with this id, which Drive answers without lag; None if there is none."""
        answer = self.call("GET", f"/drive/v3/files/{file_id}", "look at", file_id, params={"fields": FILE_FIELDS})
        if answer.status_code == 404:
            return None
        return self.file_of(answer, "look at", file_id)

    def new_id(self) -> str:
        """An id that no file has, for one that is to be made: making it twice then fails with 409.

        https://developers.google.com/workspace/drive/api/guides/create-file
        """
        if not self._ids:
            params = {"count": str(_IDS), "space": "drive", "fields": "ids"}
            answer = self.call("GET", "/drive/v3/files/generateIds", "ask for", "file ids", params=params)
            ids = self._fields(answer, "ask for", "file ids").get("ids")
            if not isinstance(ids, list) or not ids:
                raise self._translate.not_drives("ask for", "file ids")
            self._ids = [str(file_id) for file_id in ids]
        return self._ids.pop()

    def create_folder(self, parent: str, name: str) -> str:
        """Make a folder; said again after a lost answer it makes no second one. Returns its id."""
        if (parent, name) not in self._planned:
            self._planned[parent, name] = self.new_id()
        file_id = self._planned[parent, name]
        metadata = {"id": file_id, "name": name, "mimeType": FOLDER_TYPE, "parents": [parent]}
        answer = self.call(
            "POST", "/drive/v3/files", "make", f"folder {name}", params={"fields": "id"}, body=json.dumps(metadata)
        )
        if answer.status_code not in (200, 409):
            raise self.refused(answer, "make", f"folder {name}")
        del self._planned[parent, name]
        return file_id

    def rename(self, file: DriveFile, name: str, subject: str) -> DriveFile:
        """Give a file another name; its content and id stay."""
        return self._update(file, {"name": name}, "rename", subject)

    def trash(self, file: DriveFile, subject: str) -> DriveFile:
        """Move a file to the trash, from where it can be had back until it is emptied."""
        return self._update(file, {"trashed": True}, "move to the trash", subject)

    def _update(self, file: DriveFile, fields: Mapping[str, object], action: str, subject: str) -> DriveFile:
        answer = self.call(
            "PATCH",
            f"/drive/v3/files/{file.id}",
            action,
            subject,
            params={"fields": FILE_FIELDS},
            body=json.dumps(fields),
        )
        return self.file_of(answer, action, subject)

    def download(self, file_id: str, subject: str, headers: Mapping[str, str]) -> requests.Response:
        """A file's bytes, not yet read; the caller closes it and looks at the status."""
        path = f"/drive/v3/files/{file_id}"
        return self.call("GET", path, "read", subject, params={"alt": "media"}, headers=headers, stream=True)

    def call(
        self,
        method: str,
        path: str,
        action: str,
        subject: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Drive's answer to a request; ``path`` is one of the API or an upload's whole URI.

        Raises:
            TransientError, PermanentError: if there was none.
        """
        own = path.startswith("/")
        every = {"Content-Type": "application/json; charset=UTF-8"} if isinstance(body, str) else {}
        try:
            answer: requests.Response = self._session.request(
                method,
                f"{self._base_url}{path}" if own else path,
                params={"supportsAllDrives": "true", **(params or {})} if own else None,
                data=body.encode() if isinstance(body, str) else body,
                headers={**every, **(headers or {})},
                timeout=TIMEOUT,
                stream=stream,
                allow_redirects=stream,
            )
            return answer
        except FAILURES as error:
            failure = self._translate.failed(error, action, subject)
        raise failure  # outside of the handler: the library's exceptions hold requests with their Authorization header

    def refused(self, answer: requests.Response, action: str, subject: str) -> LumenError:
        """The error in an answer."""
        try:
            return self._translate.refused(Refusal.of(answer), action, subject)
        except FAILURES as error:
            failure = self._translate.failed(error, action, subject)
        return failure

    def broken(self, error: Exception, action: str, subject: str) -> LumenError:
        """The error of a connection that broke while an answer was read."""
        return self._translate.failed(error, action, subject)

    def file_of(self, answer: requests.Response, action: str, subject: str) -> DriveFile:
        """The file that an answer describes; an answer that is an error is raised."""
        fields = self._fields(answer, action, subject)
        try:
            return DriveFile.parse(fields)
        except (LookupError, TypeError, ValueError):
            pass
        raise self._translate.not_drives(action, subject)

    def _list(self, query: str, subject: str) -> list[DriveFile]:
        params = {
            "q": query,
            "pageSize": str(_PAGE),
            "spaces": "drive",
            "fields": f"nextPageToken,incompleteSearch,files({FILE_FIELDS})",
            "includeItemsFromAllDrives": "true",
            **({"corpora": "drive", "driveId": self._drive_id} if self._drive_id else {"corpora": "user"}),
        }
        found: dict[str, DriveFile] = {}
        while True:
            answer = self.call("GET", "/drive/v3/files", "list", subject, params=params)
            page = self._fields(answer, "list", subject)
            if page.get("incompleteSearch"):
                raise TransientError(
                    action="list", subject=subject, cause="Drive searched incompletely", error_class="provider"
                )
            try:
                files = [DriveFile.parse(fields) for fields in page["files"]]
            except (LookupError, TypeError, ValueError, AttributeError):
                files = None
            if files is None:
                raise self._translate.not_drives("list", subject)
            found |= {file.id: file for file in files}
            if not page.get("nextPageToken"):
                return sorted(found.values(), key=lambda file: file.age)
            params["pageToken"] = page["nextPageToken"]

    def _fields(self, answer: requests.Response, action: str, subject: str) -> dict[str, Any]:
        if answer.status_code not in (200, 201):
            raise self.refused(answer, action, subject)
        try:
            fields = answer.json()
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise self._translate.not_drives(action, subject)
        return fields


def _quoted(text: str) -> str:
    r"""A text in a query; ``'`` and ``\`` are escaped (https://developers.google.com/workspace/drive/api/guides/ref-search-terms)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

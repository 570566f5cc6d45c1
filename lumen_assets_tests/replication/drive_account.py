"""The files, shared drives and upload sessions of an emulated Google Drive; see ``drive_emulator.py``."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from lumen_assets_tests.replication.drive_query import QueryError, parse_query

FOLDER = "application/vnd.google-apps.folder"
DRIVE, DRIVE_FILE = "https://www.googleapis.com/auth/drive", "https://www.googleapis.com/auth/drive.file"
GRAIN = 256 << 10
ROLES = ("reader", "writer", "fileOrganizer", "organizer")
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class RefusedError(Exception):
    """An answer with an error: status, reason, message."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.headers = headers or {}
        self.body = {
            "error": {
                "code": status,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
            }
        }


def bad_range() -> RefusedError:
    return RefusedError(400, "badRequest", "Failed to parse Content-Range header.")


def not_found(what: str) -> RefusedError:
    return RefusedError(404, "notFound", f"File not found: {what}.")


@dataclass(frozen=True)
class Principal:
    """Who asks: an account through an app, with a scope."""

    address: str
    scopes: frozenset[str] = frozenset({DRIVE})
    app: str = "lumen"

    @property
    def is_service_account(self) -> bool:
        return self.address.endswith(".gserviceaccount.com")


@dataclass
class Item:
    """A file or folder."""

    id: str
    name: str
    kind: str
    parent: str
    owner: str
    app: str
    created: float
    drive: str | None = None
    path: Path | None = None
    size: int = 0
    sha256: str | None = None
    md5: str | None = None
    trashed: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    made: float = field(default_factory=time.monotonic)
    modified: float | None = None
    revision: str = field(default_factory=lambda: f"0B{secrets.token_urlsafe(15)}")

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "kind": "drive#file",
            "id": self.id,
            "name": self.name,
            "mimeType": self.kind,
            "parents": [self.parent],
            "trashed": self.trashed,
            "createdTime": _moment(self.created),
            "modifiedTime": _moment(self.created if self.modified is None else self.modified),
            "appProperties": self.properties,
        }
        if self.drive:
            found |= {"driveId": self.drive}
        if self.path:
            found |= {"size": str(self.size), "headRevisionId": self.revision}
            found |= {"sha256Checksum": self.sha256} if self.sha256 else {}
            found |= {"md5Checksum": self.md5} if self.md5 else {}
        return found


def _moment(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03}Z"


def _seconds(moment: str) -> float:
    """RFC 3339, of which Drive keeps the milliseconds."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise RefusedError(400, "invalid", f"Invalid value for: Invalid format: {moment!r}") from None
    if found.tzinfo is None:
        raise RefusedError(400, "invalid", f"Invalid value for: Invalid format: {moment!r} is too short")
    return int(found.timestamp() * 1000) / 1000


@dataclass
class Session:
    """A resumable session; its bytes so far lie in a file. ``replaces`` a file's content, or makes a new one."""

    item: Item
    principal: Principal
    total: int | None
    fields: str | None
    file: BinaryIO
    replaces: bool = False
    received: int = 0
    done: bool = False
    gone: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    sha256: Any = field(default_factory=hashlib.sha256)
    md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def agree_on(self, total: int | None, at_least: int) -> None:
        """Every request that tells the file's size tells the same."""
        if total is not None and (self.total not in (None, total) or total < at_least):
            raise bad_range()
        self.total = self.total if total is None else total

    def take(self, data: bytes) -> None:
        self.file.write(data)
        self.sha256.update(data)
        self.md5.update(data)
        self.received += len(data)


class Account:
    """The state; one call at a time, under ``lock``.

    Attributes:
        page: the most entries in a page of a listing, whatever was asked for.
        quota: bytes that fit in a person's own drive.
        name_lag: seconds until a search by name finds a new item (https://github.com/kopia/kopia/issues/90).
        list_lag: seconds until any listing does.
        gone_status: what a session that is not there any more answers.
        finished: what a finished session says when it is asked again: ``answer`` as is documented, or ``gone``.
        keeps_partial: whether a chunk that broke off is kept up to a multiple of 256 KiB.
        checksums: whether files have any; old ones lack them (https://github.com/rclone/rclone/issues/8996).
        wrong_checksum: of the next file that is finished.
        incomplete: whether listings are said to be so.
        shared: id of a shared drive → address → role.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = threading.RLock()
        self.page = 1000
        self.quota = 1 << 50
        self.name_lag = 0.0
        self.list_lag = 0.0
        self.gone_status = 404
        self.finished = "answer"
        self.keeps_partial = True
        self.checksums: tuple[str, ...] = ("sha256", "md5")
        self.wrong_checksum = False
        self.incomplete = False
        self.shared: dict[str, dict[str, str]] = {}
        self.items: dict[str, Item] = {}
        self.sessions: dict[str, Session] = {}
        self.generated: set[str] = set()
        self._pages: dict[str, list[Item]] = {}

    # --- for tests

    def clear(self) -> None:
        with self.lock:
            self.items.clear()
            self.forget_sessions()

    def forget_sessions(self) -> None:
        """As when their week is over."""
        for session in self.sessions.values():
            session.file.close()
        self.sessions.clear()

    def live(self) -> list[Item]:
        """Every file that can be seen, and every one that cannot."""
        return [item for item in self.items.values() if item.path and not item.trashed]

    def path_of(self, item: Item) -> str:
        parent = self.items.get(item.parent)
        return f"{self.path_of(parent)}/{item.name}" if parent else item.name

    def paths(self) -> list[str]:
        """The path of every file, sorted, those that occur twice twice."""
        return sorted(self.path_of(item) for item in self.live())

    def folders(self) -> list[str]:
        return sorted(self.path_of(item) for item in self.items.values() if item.kind == FOLDER and not item.trashed)

    def place(self, path: str, data: bytes | None, *, owner: str = "person@example.com", root: str = "") -> Item:
        """A file, or a folder without ``data``, as another client would have made it: a new one whatever is there."""
        with self.lock:
            *above, name = path.split("/")
            parent = root or f"root-of-{owner}"
            for part in above:
                found = next(
                    (i.id for i in self.items.values() if (i.parent, i.name, i.kind) == (parent, part, FOLDER)), ""
                )
                parent = found or self._made(part, FOLDER, parent, owner, root).id
            item = self._made(name, FOLDER if data is None else "application/octet-stream", parent, owner, root)
            if data is not None:
                item.path = self.folder / item.id
                item.path.write_bytes(data)
                item.size, item.sha256 = len(data), hashlib.sha256(data).hexdigest()
                item.md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            return item

    def trash(self, path: str) -> None:
        """Move what has this path, and everything below, to the trash."""
        for item in self.items.values():
            there = self.path_of(item)
            item.trashed |= there == path or there.startswith(f"{path}/")

    def _made(self, name: str, kind: str, parent: str, owner: str, root: str) -> Item:
        item = Item(self.new_id(), name, kind, parent, owner, "lumen", time.time(), root or None)
        self.items[item.id] = item
        return item

    def new_id(self) -> str:
        return "1" + secrets.token_urlsafe(24)

    # --- who may what

    def root_of(self, principal: Principal) -> str:
        return f"root-of-{principal.address}"

    def role(self, principal: Principal, item: Item) -> str | None:
        """The role on a shared drive's file, ``owner`` on one's own; None if it is not to be seen."""
        if DRIVE not in principal.scopes and item.app != principal.app:
            return None  # drive.file: what other apps made does not exist
        if item.drive:
            return self.shared.get(item.drive, {}).get(principal.address)
        return "owner" if item.owner == principal.address else None

    def seen(self, principal: Principal, file_id: str, query: dict[str, str]) -> Item:
        """``root`` names the root of My Drive, which no app made: to ``drive.file`` it does not exist."""
        root = self.root_of(principal)
        if file_id in ("root", root) and DRIVE in principal.scopes:
            return Item(root, "My Drive", FOLDER, "", principal.address, "", 0.0)
        item = self.items.get(file_id)
        if item is None or self.role(principal, item) is None:
            raise not_found(file_id)
        if item.drive and query.get("supportsAllDrives") != "true":
            raise not_found(file_id)
        return item

    # --- calls

    def generate_ids(self, query: dict[str, str]) -> dict[str, Any]:
        count = int(query.get("count", 10))
        if not 1 <= count <= 1000:
            raise RefusedError(400, "invalidParameter", "Invalid value for count")
        ids = [self.new_id() for _ in range(count)]
        self.generated.update(ids)
        return {"kind": "drive#generatedIds", "space": "drive", "ids": ids}

    def list_files(self, principal: Principal, query: dict[str, str]) -> dict[str, Any]:
        drive = query.get("driveId")
        everywhere = query.get("includeItemsFromAllDrives") == "true" and query.get("supportsAllDrives") == "true"
        if query.get("corpora") == "drive":
            if not drive or not everywhere:
                raise RefusedError(400, "invalid", "corpora=drive needs driveId and both flags for all drives")
            if principal.address not in self.shared.get(drive, {}):
                raise RefusedError(404, "notFound", f"Shared drive not found: {drive}")
        elif drive:
            raise RefusedError(400, "invalid", "driveId needs corpora=drive")
        if token := query.get("pageToken"):
            found = self._pages.pop(token, None)
            if found is None:
                raise RefusedError(400, "invalid", "Invalid Value")
        else:
            found = self._matching(principal, query, drive, everywhere)
        size = min(int(query.get("pageSize", 100)), self.page)
        answer: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": self.incomplete}
        if found[size:]:
            answer["nextPageToken"] = secrets.token_urlsafe(16)
            self._pages[answer["nextPageToken"]] = found[size:]
        return answer | {"files": [item.described() for item in found[:size]]}

    def _matching(self, principal: Principal, query: dict[str, str], drive: str | None, everywhere: bool) -> list[Item]:
        try:
            matches, by_name = parse_query(query.get("q", ""), {"root": self.root_of(principal)})
        except QueryError as error:
            raise RefusedError(400, "invalid", f"Invalid Value: {error}") from error
        lag = max(self.list_lag, self.name_lag if by_name else 0)
        now = time.monotonic()
        return [
            item
            for item in self.items.values()
            if matches(item)
            and self.role(principal, item)
            and (item.drive == drive if drive else everywhere or not item.drive)
            and now - item.made >= lag
        ][::-1]  # in no order that anybody may rely on

    def plan(self, principal: Principal, metadata: dict[str, Any], query: dict[str, str]) -> Item:
        """An item as ``files.create`` would make it, not yet there."""
        parents = metadata.get("parents", ["root"])
        if len(parents) != 1:
            raise RefusedError(400, "invalid", "A file cannot have more than one parent")
        for name, value in metadata.get("appProperties", {}).items():
            if len(name.encode()) + len(value.encode()) > 124:
                raise RefusedError(400, "propertyTooLong", "The property is too long")
        parent, drive = parents[0], None
        if parent in self.shared:
            role = self.shared[parent].get(principal.address)
            if role is None or query.get("supportsAllDrives") != "true":
                raise not_found(parent)
            drive = parent
        elif parent in ("root", self.root_of(principal)):
            parent, role = self.root_of(principal), "owner"
        else:
            above = self.seen(principal, parent, query)
            role, drive = self.role(principal, above), above.drive
        if role == "reader":
            raise RefusedError(
                403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file."
            )
        file_id = metadata.get("id") or self.new_id()
        if file_id in self.items:
            raise RefusedError(409, "fileIdInUse", "A file already exists with the provided ID.")
        if "id" in metadata and file_id not in self.generated:
            raise RefusedError(400, "invalid", "The provided file ID is not usable.")
        kind = metadata.get("mimeType", "application/octet-stream")
        return Item(
            file_id,
            metadata.get("name", "Untitled"),
            kind,
            parent,
            principal.address,
            principal.app,
            time.time(),
            drive,
            properties=metadata.get("appProperties", {}),
            modified=_seconds(metadata["modifiedTime"]) if "modifiedTime" in metadata else None,
        )

    def update(self, principal: Principal, file_id: str, metadata: dict[str, Any], query: dict[str, str]) -> Item:
        """``files.update`` without content."""
        item, changed = self.seen(principal, file_id, query), self._updated(principal, file_id, metadata, query)
        vars(item).update(vars(changed))
        return item

    def _updated(self, principal: Principal, file_id: str, metadata: dict[str, Any], query: dict[str, str]) -> Item:
        item = self.seen(principal, file_id, query)
        if self.role(principal, item) == "reader" or item.id not in self.items:  # the root is no file of anybody's
            raise RefusedError(403, "insufficientFilePermissions", "The user does not have sufficient permissions")
        if unknown := metadata.keys() - {"name", "mimeType", "modifiedTime", "trashed"}:
            raise RefusedError(403, "fieldNotWritable", f"Fields which are not directly writable: {sorted(unknown)}")
        return replace(
            item,
            name=metadata.get("name", item.name),
            kind=metadata.get("mimeType", item.kind),
            trashed=metadata.get("trashed", item.trashed),
            modified=_seconds(metadata["modifiedTime"]) if "modifiedTime" in metadata else item.modified,
        )

    def about(self, principal: Principal, query: dict[str, str]) -> dict[str, Any]:
        """``about.get``, the one call that has to say which fields it wants."""
        if "fields" not in query:
            raise RefusedError(400, "required", "The 'fields' parameter is required for this method.")
        used = str(sum(item.size for item in self.items.values() if item.owner == principal.address and not item.drive))
        quota = {"limit": str(self.quota), "usage": used, "usageInDrive": used, "usageInDriveTrash": "0"}
        user = {"kind": "drive#user", "emailAddress": principal.address, "me": True}
        return {"kind": "drive#about", "user": user, "storageQuota": quota, "exportFormats": {}, "importFormats": {}}

    def create(self, principal: Principal, metadata: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        item = self.plan(principal, metadata, query)
        if item.kind != FOLDER:
            item.path = self.folder / item.id
            item.path.write_bytes(b"")
        self._add(item)
        return item.described()

    def start(self, principal: Principal, file_id: str, body: bytes, query: dict[str, str], total: str | None) -> str:
        """A session for a new file, or for new content of the file that has ``file_id``."""
        metadata = json.loads(body or b"{}")
        if file_id:
            changes = {"modifiedTime": _moment(time.time())} | metadata
            item = self._updated(principal, file_id, changes, query)
        else:
            item = self.plan(principal, metadata, query)
        self._require_space(principal, item, int(total or 0))
        upload_id = secrets.token_urlsafe(64)
        file = (self.folder / f"session-{secrets.token_hex(8)}").open("wb", buffering=0)
        size = int(total) if total else None
        self.sessions[upload_id] = Session(item, principal, size, query.get("fields"), file, replaces=bool(file_id))
        return upload_id

    def _require_space(self, principal: Principal, item: Item, size: int) -> None:
        if item.drive:
            return
        if principal.is_service_account:  # the text is that of many an issue, as n8n-io/n8n#26050
            guide = "https://developers.google.com/workspace/drive/api/guides/about-shareddrives"
            raise RefusedError(
                403,
                "storageQuotaExceeded",
                f"Service Accounts do not have storage quota. Leverage shared drives ({guide}), or use OAuth "
                "delegation (http://support.google.com/a/answer/7281227) instead.",
            )
        if sum(other.size for other in self.items.values() if other.owner == principal.address) + size > self.quota:
            raise RefusedError(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")

    def session(self, upload_id: str) -> Session:
        session = self.sessions.get(upload_id)
        if session is None or session.gone or (session.done and self.finished == "gone"):
            raise RefusedError(self.gone_status, "notFound", "The upload session is gone")
        return session

    def accept(self, session: Session, content_range: str | None, length: int) -> int:
        """Check what a PUT says of its body; returns how many bytes of it are there already, -1 if it only asks.

        An empty file has no range; with one it is refused (google-api-python-client#638).
        """
        if content_range is None:
            session.agree_on(length, length)
            return min(session.received, length)
        found = _RANGE.fullmatch(content_range)
        if not found:
            raise bad_range()
        first, last, total = found.groups()
        session.agree_on(None if total == "*" else int(total), 0)
        if first is None:
            if length:
                raise bad_range()
            return -1
        begin, end = int(first), int(last) + 1
        if end - begin != length or length == 0 or end > (session.total or end):
            raise bad_range()
        if end != session.total and length % GRAIN:
            raise RefusedError(400, "badRequest", "Chunks are multiples of 262144 bytes")
        if begin > session.received:
            raise RefusedError(400, "badRequest", "Bytes are missing before this chunk")
        return session.received - begin

    def finish(self, session: Session) -> None:
        """The session becomes a file."""
        if session.done or session.total is None or session.received != session.total:
            return
        item = session.item
        if item.id in self.items and not session.replaces:
            session.gone = True
            raise RefusedError(409, "fileIdInUse", "A file already exists with the provided ID.")
        self._require_space(session.principal, item, session.received)
        session.file.close()
        above = self.items.get(item.parent)
        item.trashed = bool(above and above.trashed)
        item.revision = f"0B{secrets.token_urlsafe(15)}"
        item.path, item.size = Path(session.file.name), session.received
        digests = {"sha256": session.sha256.hexdigest(), "md5": session.md5.hexdigest()}
        item.sha256 = digests["sha256"] if "sha256" in self.checksums else None
        item.md5 = digests["md5"] if "md5" in self.checksums else None
        if self.wrong_checksum:
            self.wrong_checksum, item.sha256 = False, "0" * 64
        item.created = item.created if session.replaces else time.time()
        session.done = True
        if session.replaces:
            self.items[item.id] = item
        else:
            self._add(item)

    def _add(self, item: Item) -> None:
        item.made = time.monotonic()
        self.items[item.id] = item

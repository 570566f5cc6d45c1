"""The files and upload sessions of an emulated Dropbox account; see ``dropbox_emulator.py``."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

BLOCK = 4 << 20
NAMESPACE = "1234567890"
_PATH = re.compile(r"(/[^/]+)+")
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
EMPTY_HASH = hashlib.sha256().hexdigest()


class ApiFaultError(Exception):
    """HTTP 409: the tags from the outside in; the last argument may be a dict of the innermost one's fields."""


def as_error(fault: ApiFaultError) -> dict[str, Any]:
    """The JSON of an error. A struct's fields stand beside its tag, a union is nested under it."""
    fields = fault.args[-1] if isinstance(fault.args[-1], dict) else {}
    names = [name for name in fault.args if isinstance(name, str)]
    error: dict[str, Any] = {".tag": names[-1], **fields}
    for name in reversed(names[:-1]):
        error = {".tag": name, name: error}
    return {"error_summary": "/".join(names) + "/..", "error": error}


class Body:
    """What was uploaded in one call."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def hash(self) -> str:
        blocks = [hashlib.sha256(self.data[at : at + BLOCK]).digest() for at in range(0, len(self.data), BLOCK)]
        return hashlib.sha256(b"".join(blocks)).hexdigest()

    def require(self, content_hash: str | None) -> None:
        """``content_hash`` is "of the file content uploaded in this call", whatever the call."""
        if content_hash is not None and content_hash != self.hash:
            raise ApiFaultError("content_hash_mismatch")


def file_hash(path: Path) -> str:
    overall = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            overall.update(hashlib.sha256(block).digest())
    return overall.hexdigest()


@dataclass
class Entry:
    """A file or a folder, by its path as it was first written."""

    display: str
    path: Path | None
    size: int = 0
    hash: str = ""
    id: str = field(default_factory=lambda: f"id:{secrets.token_urlsafe(16)}")
    rev: str = field(default_factory=lambda: secrets.token_hex(10))
    modified: str = "2026-11-22T00:05:00Z"

    def metadata(self, tag: bool = True) -> dict[str, Any]:
        found: dict[str, Any] = {".tag": "file" if self.path else "folder"} if tag else {}
        found |= {
            "name": self.display.rpartition("/")[2],
            "path_lower": self.display.lower(),
            "path_display": self.display,
            "id": self.id,
        }
        if self.path:
            found |= {
                "client_modified": self.modified,
                "server_modified": "2026-11-22T00:05:00Z",
                "rev": self.rev,
                "size": self.size,
                "is_downloadable": True,
                "content_hash": self.hash,
            }
        return found


@dataclass
class Session:
    """An upload session. ``pieces`` are those of a concurrent one: offset → (size, hash)."""

    path: Path
    concurrent: bool
    size: int = 0
    closed: bool = False
    committed: bool = False
    pieces: dict[int, tuple[int, str]] = field(default_factory=dict)


class Account:
    """The state; one call at a time, under ``lock``.

    Attributes:
        page: entries in one answer of ``list_folder``.
        quota: bytes that fit.
        same_again: what a concurrent session says to identical data at an offset that has it: ``accepted``, as
            Dropbox's own example relies on, or ``refused`` as for different data, which nothing in the
            specification excludes.
        finished_again: what ``finish`` says of a session that was committed: ``closed``, ``not_found``, or
            ``committed`` as if it were the first time. The specification does not tell.
        overwrites: whether the mode ``overwrite`` is taken. Our store never asks for it, and is refused if it does;
            other clients do.
        resets: how many listings are given up at their second page.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = threading.Lock()
        self.folder = folder
        self.entries: dict[str, Entry] = {}
        self.sessions: dict[str, Session] = {}
        self.cursors: dict[str, list[dict[str, Any]]] = {}
        self.page = 2000
        self.quota = 1 << 50
        self.same_again = "accepted"
        self.finished_again = "closed"
        self.overwrites = False
        self.resets = 0
        folder.mkdir(parents=True, exist_ok=True)

    # --- for tests

    def clear(self) -> None:
        with self.lock:
            self.entries.clear()
            self.sessions.clear()

    def files(self) -> dict[str, Entry]:
        return {entry.display: entry for entry in self.entries.values() if entry.path}

    def place(self, path: str, data: bytes) -> None:
        """A file as another client would have put it, over anything that is there."""
        with self.lock:
            self.entries.pop(path.lower(), None)
            self._commit({"path": path}, self._keep(data))

    # --- files

    def get_metadata(self, argument: dict[str, Any]) -> dict[str, Any]:
        return self._entry(argument["path"]).metadata()

    def download(self, argument: dict[str, Any]) -> tuple[dict[str, Any], Path]:
        entry = self._entry(argument["path"])
        if entry.path is None:
            raise ApiFaultError("path", "not_file")
        return entry.metadata(tag=False), entry.path

    def create_folder(self, argument: dict[str, Any]) -> dict[str, Any]:
        path = argument["path"]
        if not _PATH.fullmatch(path):
            raise ApiFaultError("path", "malformed_path")
        if there := self.entries.get(path.lower()):
            raise ApiFaultError("path", "conflict", "file" if there.path else "folder")
        self._make_folders(path.split("/")[1:])
        return {"metadata": self.entries[path.lower()].metadata(tag=False)}

    def delete(self, argument: dict[str, Any]) -> dict[str, Any]:
        """With everything below, as ``delete:2`` says."""
        try:
            entry = self._entry(argument["path"])
        except ApiFaultError as fault:
            raise ApiFaultError("path_lookup", *fault.args[1:]) from None
        where = entry.display.lower()
        self.entries = {
            name: other for name, other in self.entries.items() if name != where and not name.startswith(f"{where}/")
        }
        return {"metadata": entry.metadata()}

    def move(self, argument: dict[str, Any]) -> dict[str, Any]:
        """``RelocationError`` of files.stone: from_lookup is a LookupError, to a WriteError."""
        source, target = argument["from_path"], argument["to_path"]
        try:
            entry = self._entry(source)
        except ApiFaultError as fault:
            raise ApiFaultError("from_lookup", *fault.args[1:]) from None
        if target.lower() in self.entries:
            raise ApiFaultError("to", "conflict", "file")
        del self.entries[source.lower()]
        entry.display = target
        self.entries[target.lower()] = entry
        return {"metadata": entry.metadata()}

    def list_folder(self, argument: dict[str, Any]) -> dict[str, Any]:
        path = argument["path"].lower()
        if path and self._entry(argument["path"]).path:
            raise ApiFaultError("path", "not_folder")
        below = [entry for name, entry in self.entries.items() if name == path or name.startswith(f"{path}/")]
        if not argument.get("recursive"):
            below = [entry for entry in below if entry.display.count("/") == path.count("/") + 1]
        # no order is promised
        found = sorted((entry.metadata() for entry in below), key=lambda metadata: metadata["id"])
        return self._page(found, min(argument.get("limit") or 2000, self.page))

    def list_folder_continue(self, argument: dict[str, Any]) -> dict[str, Any]:
        if self.resets:
            self.resets -= 1
            raise ApiFaultError("reset")
        return self._page(self.cursors[argument["cursor"]], self.page)

    def upload(self, argument: dict[str, Any], body: Body) -> dict[str, Any]:
        body.require(argument.pop("content_hash", None))
        try:
            return self._commit(argument, self._keep(body.data)).metadata(tag=False)
        except ApiFaultError as fault:  # UploadWriteFailed
            raise ApiFaultError(*fault.args[:1], _write_failed(fault)) from None

    # --- upload sessions

    def session_start(self, argument: dict[str, Any], body: Body) -> dict[str, Any]:
        body.require(argument.get("content_hash"))
        concurrent = (argument.get("session_type") or {".tag": "sequential"})[".tag"] == "concurrent"
        if concurrent and body.data:
            raise ApiFaultError("concurrent_session_data_not_allowed")
        if concurrent and argument.get("close"):
            raise ApiFaultError("concurrent_session_close_not_allowed")
        name = f"pid_upload_session:{secrets.token_urlsafe(36)}"
        self.sessions[name] = Session(self._keep(body.data), concurrent, len(body.data), bool(argument.get("close")))
        return {"session_id": name}

    def session_append(self, argument: dict[str, Any], body: Body) -> None:
        offset, close = argument["cursor"]["offset"], argument.get("close", False)
        session = self._session(argument["cursor"], offset)
        if session.closed:
            raise ApiFaultError("closed")
        if session.concurrent:
            if offset % BLOCK:
                raise ApiFaultError("concurrent_session_invalid_offset")
            if len(body.data) % BLOCK and not close:
                raise ApiFaultError("concurrent_session_invalid_data_size")
        body.require(argument.get("content_hash"))
        piece = (len(body.data), body.hash)
        there = session.pieces.get(offset)
        if there and (there != piece or self.same_again == "refused"):
            # the text is from the history of dropbox-sdk-rust's examples/large-file-upload.rs, 02a1f91 and a971628
            raise ValueError(f"Different data already uploaded at offset {offset}")
        with session.path.open("r+b") as file:
            os.pwrite(file.fileno(), body.data, offset)
        if session.concurrent:
            session.pieces[offset] = piece
        session.size = max(session.size, offset + len(body.data))
        session.closed = session.closed or close

    def session_finish_batch(self, argument: dict[str, Any]) -> dict[str, Any]:
        """Each entry at its position succeeds or fails for itself; ``UploadSessionFinishBatchResultEntry``."""
        if not 1 <= len(argument["entries"]) <= 1000:
            raise ValueError("entries: expected 1 to 1000")
        found: list[dict[str, Any]] = []
        for entry in argument["entries"]:
            try:
                found.append({".tag": "success", **self.session_finish(entry, Body(b""), must_be_closed=True)})
            except ApiFaultError as fault:
                found.append({".tag": "failure", "failure": as_error(fault)["error"]})
        return {"entries": found}

    def session_finish(self, argument: dict[str, Any], body: Body, must_be_closed: bool = False) -> dict[str, Any]:
        try:
            session = self._session(argument["cursor"], argument["cursor"]["offset"])
        except ApiFaultError as fault:
            raise ApiFaultError("lookup_failed", *fault.args) from None
        if must_be_closed and not session.closed:
            raise ApiFaultError("lookup_failed", "not_closed")
        if session.committed and self.finished_again != "committed":
            raise ApiFaultError("lookup_failed", self.finished_again)
        body.require(argument.get("content_hash"))
        if session.concurrent:
            if body.data:
                raise ApiFaultError("concurrent_session_data_not_allowed")
            if not session.closed:
                raise ApiFaultError("concurrent_session_not_closed")
            if sum(size for size, _ in session.pieces.values()) != argument["cursor"]["offset"]:
                raise ApiFaultError("concurrent_session_missing_data")
        elif body.data:
            with session.path.open("ab") as file:
                file.write(body.data)
        entry = self._commit(argument["commit"], session.path)
        session.committed = session.closed = True
        return entry.metadata(tag=False)

    def _session(self, cursor: dict[str, Any], offset: int) -> Session:
        session = self.sessions.get(cursor["session_id"])
        if session is None:
            raise ApiFaultError("not_found")
        if not session.concurrent and offset != session.size:
            raise ApiFaultError("incorrect_offset", {"correct_offset": session.size})
        return session

    # --- the account; ``users.stone``

    def get_current_account(self, _: dict[str, Any]) -> dict[str, Any]:
        root = {".tag": "user", "root_namespace_id": NAMESPACE, "home_namespace_id": NAMESPACE}
        names = ("given_name", "surname", "familiar_name", "display_name", "abbreviated_name")
        return {
            "account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
            "name": dict.fromkeys(names, "Person"),
            "email": "person@example.com",
            "email_verified": True,
            "disabled": False,
            "locale": "ko",
            "referral_link": "https://db.tt/x",
            "is_paired": False,
            "account_type": {".tag": "basic"},
            "root_info": root,
        }

    def get_space_usage(self, _: dict[str, Any]) -> dict[str, Any]:
        used = sum(entry.size for entry in self.entries.values())
        return {"used": used, "allocation": {".tag": "individual", "allocated": self.quota}}

    # --- under both

    def _keep(self, data: bytes) -> Path:
        path = self.folder / secrets.token_hex(8)
        path.write_bytes(data)
        return path

    def _entry(self, path: str) -> Entry:
        """By path, or by ``id:`` or ``rev:``, as ``ReadPath`` has it."""
        kind, _, value = path.partition(":")
        if kind in ("id", "rev"):
            known = path if kind == "id" else value
            entry = next((entry for entry in self.entries.values() if getattr(entry, kind) == known), None)
        elif not _PATH.fullmatch(path):
            raise ApiFaultError("path", "malformed_path")
        else:
            entry = self.entries.get(path.lower())
        if entry is None:
            raise ApiFaultError("path", "not_found")
        return entry

    def _commit(self, commit: dict[str, Any], path: Path) -> Entry:
        """``WriteMode`` and the rules of conflict in its documentation."""
        where = commit["path"]
        if not _PATH.fullmatch(where):
            raise ApiFaultError("path", "malformed_path")
        mode = commit.get("mode") or "add"
        mode = mode[".tag"] if isinstance(mode, dict) else mode
        if mode not in (("add", "overwrite") if self.overwrites else ("add",)) or commit.get("autorename"):
            raise ValueError(f"this account does not take mode {mode}, or autorename")
        modified = time.strftime(_MOMENT, time.gmtime())
        if commit.get("client_modified"):
            modified = time.strftime(_MOMENT, time.strptime(commit["client_modified"], _MOMENT))
        there = self.entries.get(where.lower())
        new_hash = file_hash(path)
        if there:
            if there.path and there.hash == new_hash and not commit.get("strict_conflict"):
                return there
            if mode == "add" or there.path is None:
                raise ApiFaultError("path", "conflict", "file" if there.path else "folder")
        if sum(entry.size for entry in self.entries.values()) + path.stat().st_size > self.quota:
            raise ApiFaultError("path", "insufficient_space")
        self._make_folders(where.split("/")[1:-1])
        entry = Entry(where, path, path.stat().st_size, new_hash, modified=modified)
        if there:
            entry.id, entry.display = there.id, there.display
        self.entries[where.lower()] = entry
        return entry

    def _make_folders(self, parts: list[str]) -> None:
        for end in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:end])
            if self.entries.setdefault(above.lower(), Entry(above, None)).path:
                raise ApiFaultError("path", "conflict", "file_ancestor")

    def _page(self, entries: list[dict[str, Any]], size: int) -> dict[str, Any]:
        cursor = secrets.token_urlsafe(32)
        self.cursors[cursor] = entries[size:]
        return {"entries": entries[:size], "cursor": cursor, "has_more": len(entries) > size}


def _write_failed(fault: ApiFaultError) -> dict[str, Any]:
    reason = as_error(ApiFaultError(*fault.args[1:]))["error"]
    return {"reason": reason, "upload_session_id": f"pid_upload_session:{secrets.token_urlsafe(36)}"}

"""Google Drive on loopback: an HTTP server that takes what the real one takes and refuses what it refuses.

The rules are those of the Drive API v3 (https://developers.google.com/workspace/drive/api/reference/rest/v3) and of its
guides to uploads and errors. Where they are silent, the source is named beside the rule, and where there is none it can
be switched. The files and sessions themselves are in ``drive_account.py``. What networks do wrong is the business of
``fault_proxy.py``.

    with drive_emulator(folder) as emulator:
        store = store_at(emulator.url, emulator.new_token(), uploads)
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import SecretStr

from lumen_assets.replication.gdrive import GoogleDriveStore
from lumen_assets.replication.gdrive_upload import CHUNK
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import GoogleDriveDestination
from lumen_assets_tests.replication.drive_account import (
    DRIVE,
    DRIVE_FILE,
    GRAIN,
    Account,
    Principal,
    RefusedError,
    Session,
    not_found,
)
from lumen_assets_tests.replication.http_body import body_pieces, is_chunked

FOLDER = "FDO-AGI/Archive"
PERSON = "person@example.com"
ANSWER_CHUNK = 256 << 10
_KNOWN_FIELDS = re.compile(r"[A-Za-z0-9*,()/]*")


def store_at(
    url: str,
    token: str | Mapping[str, str],
    uploads: Path,
    *,
    folder: str = FOLDER,
    drive_id: str | None = None,
    chunk: int = CHUNK,
) -> GoogleDriveStore:
    """The store under test, with the API at ``url``."""
    text = token if isinstance(token, str) else json.dumps(token)
    destination = GoogleDriveDestination(type="gdrive", folder=folder, drive_id=drive_id)
    return GoogleDriveStore("drive", destination, SecretStr(text), UploadSessions(uploads), base_url=url, chunk=chunk)


@cache
def service_account_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class DriveEmulator:
    """Accounts, their Drive and Google's token endpoint; every attribute may be changed while it runs.

    Attributes:
        account: the files and the upload sessions.
        token_seconds: how long new access tokens live.
        slow: seconds that every request takes.
        calls: the methods and paths that were asked for, in order.
        bytes_up: bytes of upload bodies, those that broke off included.
        refreshes: access tokens that the token endpoint gave.
        revoked: whether the token endpoint knows nobody any more.
    """

    def __init__(self, folder: Path) -> None:
        self.account = Account(folder)
        self.token_seconds = 3600.0
        self.slow = 0.0
        self.calls: list[str] = []
        self.bytes_up = 0
        self.refreshes = 0
        self.revoked = False
        self._tokens: dict[str, tuple[Principal, float]] = {}
        self._refresh_tokens: dict[str, tuple[dict[str, str], Principal]] = {}
        self._lock = threading.Lock()
        self._servers: list[_Server] = []
        self.serve(socket.create_server(("127.0.0.1", 0), backlog=64))

    def serve(self, listener: socket.socket) -> None:
        """Answer at one more listening socket, which may be one that speaks TLS."""
        self._servers.append(_Server(listener, _handler(self)))

    @property
    def port(self) -> int:
        return int(self._servers[0].server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        for server in self._servers:
            server.stop()
        self.account.forget_sessions()

    def new_token(self, address: str = PERSON, scope: str = DRIVE, app: str = "lumen") -> str:
        return self._issue(Principal(address, frozenset(scope.split()), app))

    def new_refresh_token(self, scope: str = DRIVE_FILE, url: str | None = None) -> dict[str, str]:
        """The authorized-user form of GDRIVE_TOKEN."""
        form = {
            "type": "authorized_user",
            "refresh_token": f"1//0{secrets.token_urlsafe(48)}",
            "client_id": f"{secrets.token_hex(8)}.apps.googleusercontent.com",
            "client_secret": f"GOCSPX-{secrets.token_urlsafe(21)}",
            "token_uri": f"{url or self.url}/token",
        }
        self._refresh_tokens[form["refresh_token"]] = (form, Principal(PERSON, frozenset(scope.split())))
        return form

    def new_service_account(self, url: str | None = None) -> dict[str, str]:
        """The service-account form of GDRIVE_TOKEN."""
        pem = service_account_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "lumen",
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": "lumen@lumen.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{url or self.url}/token",
        }

    def share(self, drive_id: str, address: str = "lumen@lumen.iam.gserviceaccount.com", role: str = "writer") -> None:
        """Make an account a member of a shared drive."""
        self.account.shared.setdefault(drive_id, {})[address] = role

    def expire_tokens(self) -> None:
        self._tokens = {token: (principal, 0.0) for token, (principal, _) in self._tokens.items()}

    # --- what the handler asks

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint, https://developers.google.com/identity/protocols/oauth2."""
        kind = form.get("grant_type")
        if kind == "refresh_token":
            principal = self._refreshed(form)
        elif kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            principal = _asserted(form.get("assertion", ""))
        else:
            raise _TokenError("unsupported_grant_type", f"Invalid grant_type: {kind}")
        self.refreshes += 1
        return {"access_token": self._issue(principal), "token_type": "Bearer", "expires_in": int(self.token_seconds)}

    def _refreshed(self, form: Mapping[str, str]) -> Principal:
        known, principal = self._refresh_tokens.get(form.get("refresh_token", ""), ({}, None))
        if principal is None or self.revoked:
            raise _TokenError("invalid_grant", "Token has been expired or revoked.")
        if any(form.get(name) != known[name] for name in ("client_id", "client_secret")):
            raise _TokenError("invalid_client", "The OAuth client was not found.", 401)
        return principal

    def _issue(self, principal: Principal) -> str:
        token = f"ya29.{secrets.token_urlsafe(96)}"
        self._tokens[token] = (principal, time.monotonic() + self.token_seconds)
        return token

    def principal(self, header: str) -> Principal:
        kind, _, token = header.partition(" ")
        principal, until = self._tokens.get(token, (None, 0.0))
        if kind != "Bearer" or principal is None or until < time.monotonic():
            raise RefusedError(401, "authError", "Request had invalid authentication credentials.")
        if not principal.scopes & {DRIVE, DRIVE_FILE}:
            raise RefusedError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        return principal

    def count(self, size: int) -> None:
        with self._lock:
            self.bytes_up += size


class _TokenError(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "error_description": description}


def _asserted(assertion: str) -> Principal:
    """Who signed a JWT, https://developers.google.com/identity/protocols/oauth2/service-account#httprest."""
    head, claims, signature = (_decoded(part) for part in [*assertion.split("."), "", ""][:3])
    try:
        service_account_key().public_key().verify(
            signature, assertion.rpartition(".")[0].encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        raise _TokenError("invalid_grant", "Invalid JWT Signature.") from None
    said = json.loads(claims)
    if json.loads(head)["alg"] != "RS256" or said["aud"] != "https://oauth2.googleapis.com/token":
        raise _TokenError("invalid_grant", "Invalid JWT: Failed audience check.")
    if not said["iat"] - 60 < time.time() < said["exp"] <= said["iat"] + 3600:
        raise _TokenError("invalid_grant", "Invalid JWT: Token must be a short-lived token.")
    return Principal(said["iss"], frozenset(said["scope"].split()))


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def selected(value: Any, fields: str | None) -> Any:
    """What ``fields`` leaves of an answer: ``a,b(c,d)``; without it Drive gives little."""
    if fields is None or fields == "*" or not isinstance(value, dict):
        return value
    if not _KNOWN_FIELDS.fullmatch(fields):
        raise RefusedError(400, "invalidParameter", f"Invalid field selection {fields}")
    found = {}
    for name, inner in re.findall(r"(\w+)(?:\(([^)]*)\))?", fields):
        if name in value:
            part = value[name]
            found[name] = [selected(item, inner) for item in part] if inner and isinstance(part, list) else part
    return found


def _related(body: bytes, kind: str) -> tuple[bytes, bytes]:
    """The two parts of ``multipart/related``, RFC 2387: metadata as JSON, then the content."""
    found = re.match(r'multipart/related;.*?boundary="?([^";]+)', kind)
    parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode()) if found else []
    if len(parts) != 4 or not parts[3].startswith(b"--"):
        raise RefusedError(400, "badContent", "Malformed multipart body.")
    (head, _, metadata), (_, _, content) = (part.partition(b"\r\n\r\n") for part in parts[1:3])
    if b"application/json" not in head:
        raise RefusedError(400, "badContent", "Unsupported content type")
    return metadata, content


FEW = "kind,id,name,mimeType"
FEW_LISTED = f"kind,incompleteSearch,nextPageToken,files({FEW})"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed go away in the middle; that is what this is for."""


def _handler(emulator: DriveEmulator) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_emulator = emulator

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_emulator: DriveEmulator

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def _handle(self) -> None:
        emulator = self.server_emulator
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        emulator.calls.append(f"{self.command} {parts.path}")
        time.sleep(emulator.slow)
        self.length = int(self.headers.get("Content-Length") or 0)
        self.body = body_pieces(self.rfile, self.headers)
        try:
            self._route(parts.path, query)
        except RefusedError as error:
            self._drain()
            self._send(error.status, json.dumps(error.body).encode(), error.headers)
        except _TokenError as error:
            self._send(error.status, json.dumps(error.body).encode())

    def _route(self, path: str, query: dict[str, str]) -> None:
        emulator = self.server_emulator
        if (self.command, path) == ("POST", "/token"):
            form = {name: values[0] for name, values in parse_qs(self._drain().decode()).items()}
            self._json(emulator.grant(form))
            return
        principal = emulator.principal(self.headers.get("Authorization", ""))
        if path.startswith("/upload/drive/v3/files") and "upload_id" in query:
            self._upload(query)  # by PUT, as is documented, or by POST, as rclone does
            return
        self._call(principal, path, query, self._drain())

    def _call(self, principal: Principal, path: str, query: dict[str, str], body: bytes) -> None:
        account = self.server_emulator.account
        with account.lock:
            match self.command, path:
                case ("POST", "/upload/drive/v3/files") | ("PATCH", _) if path.startswith("/upload/drive/v3/files"):
                    self._start(principal, path.removeprefix("/upload/drive/v3/files").strip("/"), body, query)
                case "GET", "/drive/v3/about":
                    self._json(selected(account.about(principal, query), query["fields"]))
                case "GET", "/drive/v3/files/generateIds":
                    self._json(selected(account.generate_ids(query), query.get("fields")))
                case "GET", "/drive/v3/files":
                    self._json(selected(account.list_files(principal, query), query.get("fields", FEW_LISTED)))
                case "POST", "/drive/v3/files":
                    made = account.create(principal, json.loads(body or b"{}"), query)
                    self._json(selected(made, query.get("fields", FEW)))
                case "PATCH", _ if path.startswith("/drive/v3/files/"):
                    item = account.update(principal, path.rpartition("/")[2], json.loads(body), query)
                    self._json(selected(item.described(), query.get("fields", FEW)))
                case "GET", _ if path.startswith("/drive/v3/files/"):
                    item = account.seen(principal, path.rpartition("/")[2], query)
                    if query.get("alt") == "media":
                        self._download(item.path)
                    else:
                        self._json(selected(item.described(), query.get("fields", FEW)))
                case _:
                    raise not_found(path)

    # --- uploads

    def _start(self, principal: Principal, file_id: str, body: bytes, query: dict[str, str]) -> None:
        """``files.create``, or ``files.update`` of a file that is there, with content in this request or to come."""
        account = self.server_emulator.account
        if query.get("uploadType") == "multipart":
            metadata, content = _related(body, self.headers.get("Content-Type", ""))
            self.server_emulator.count(len(content))
            session = account.sessions.pop(account.start(principal, file_id, metadata, query, str(len(content))))
            session.take(content)
            account.finish(session)
            self._finished(session)
            return
        if query.get("uploadType") != "resumable":
            raise RefusedError(400, "badRequest", "only resumable and multipart uploads are emulated")
        if body and not self.headers.get("Content-Type", "").startswith("application/json"):
            raise RefusedError(400, "badContent", "Unsupported content type")
        total = self.headers.get("X-Upload-Content-Length")
        upload_id = account.start(principal, file_id, body, query, total)
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        here = f"{scheme}://{self.headers['Host']}{urlsplit(self.path).path}"
        location = f"{here}?uploadType=resumable&upload_id={upload_id}"
        self._send(200, b"", {"Location": location, "X-GUploader-UploadID": upload_id})

    def _upload(self, query: dict[str, str]) -> None:
        account = self.server_emulator.account
        with account.lock:
            session = account.session(query.get("upload_id", ""))
        with session.lock:  # what a client that was killed still had on its way comes first
            self._continue(account, session)

    def _continue(self, account: Account, session: Session) -> None:
        if session.done:
            self._drain()
            self._finished(session)
            return
        if is_chunked(self.headers):
            raise RefusedError(411, "required", "chunks of unknown length are not emulated here")
        there = account.accept(session, self.headers.get("Content-Range"), self.length)
        if there >= 0:
            self._take(session, there)
        with account.lock:
            account.finish(session)
        if session.done:
            self._finished(session)
        else:
            self._send(308, b"", {"Range": f"bytes=0-{session.received - 1}"} if session.received else {})

    def _take(self, session: Session, there: int) -> None:
        """The body into the session, in multiples of 256 KiB where it breaks off."""
        keeps, kept = self.server_emulator.account.keeps_partial, b""
        for data in self.body:
            self.server_emulator.count(len(data))
            skipped = min(there, len(data))
            there -= skipped
            kept += data[skipped:]
            if keeps and len(kept) >= GRAIN:
                whole = len(kept) - len(kept) % GRAIN
                session.take(kept[:whole])
                kept = kept[whole:]
        session.take(kept)

    def _finished(self, session: Session) -> None:
        self._json(selected(session.item.described(), session.fields or FEW))

    # --- bytes

    def _drain(self) -> bytes:
        return b"".join(self.body)

    def _download(self, path: Path | None) -> None:
        if path is None:
            raise RefusedError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        size = path.stat().st_size
        start, end, status = 0, size, 200
        headers = {"Content-Type": "application/octet-stream"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
            if start >= size:  # an empty file has no range: google-api-python-client#241
                raise RefusedError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._head(status, {**headers, "Content-Length": str(end - start)})
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                data = file.read(min(ANSWER_CHUNK, end - start))
                self.wfile.write(data)
                start += len(data)

    def _json(self, answer: object) -> None:
        self._send(200, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json; charset=UTF-8"}
        self._head(status, {**kind, **(headers or {}), "Content-Length": str(len(body))}, body)

    def _head(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        lines = [f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def drive_emulator(folder: Path) -> Iterator[DriveEmulator]:
    """An emulator that keeps its files under ``folder``."""
    emulator = DriveEmulator(folder)
    try:
        yield emulator
    finally:
        emulator.close()

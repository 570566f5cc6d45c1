"""Dropbox on loopback: an HTTP server that takes what the real one takes and refuses what it refuses.

The rules are those of https://github.com/dropbox/dropbox-api-spec (``files.stone``, ``auth.stone``). Where the
specification is silent, the source is named beside the rule, and where there is none it can be switched. The files and
sessions themselves are in ``dropbox_account.py``. What networks do wrong is the business of ``fault_proxy.py``.

    with dropbox_emulator(folder) as emulator:
        store = store_at(emulator.port, emulator.new_token(), uploads)
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from lumen_assets.replication.dropbox import DropboxStore
from lumen_assets.replication.dropbox_client import open_client, parse_credentials
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import DropboxDestination
from lumen_assets_tests.replication.dropbox_account import NAMESPACE, Account, ApiFaultError, Body, as_error
from lumen_assets_tests.replication.http_body import body_pieces

SCOPES = frozenset({"files.content.write", "files.content.read", "files.metadata.read", "account_info.read"})
FOLDER = "/FDO-AGI/Archive"
TOKEN_PATHS = ("/oauth2/token", "/1/oauth2/token")  # the second is what Dropbox's Go SDK asked up to 6.0.4
ANSWER_CHUNK = 256 << 10


class BadRequestError(Exception):
    """HTTP 400 with a text, as for a request that is no call of the API."""


class UnauthorizedError(Exception):
    """HTTP 401; its argument is the ``AuthError``."""


class PathRootRefusedError(Exception):
    """HTTP 422; its argument is the ``PathRootError``."""


class Redirected(HTTPAdapter):
    """Sends what is meant for Dropbox's hosts to a port of 127.0.0.1, in the clear."""

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__(pool_maxsize=8)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.headers["Host"] = str(parts.hostname)
        request.url = f"http://127.0.0.1:{self._port}{parts.path}"
        kwargs["proxies"] = {}
        return super().send(request, *args, **kwargs)


def redirected_session(port: int) -> requests.Session:
    """Connections for the SDK that end at ``port`` whatever host they are meant for."""
    session = requests.Session()
    session.mount("https://", Redirected(port))
    return session


def store_at(port: int, token: str, uploads: Path, folder: str = FOLDER) -> DropboxStore:
    """The store under test, with the connections of its client ending at ``port``."""
    secret = SecretStr(token)
    client = open_client(parse_credentials(secret), redirected_session(port))
    destination = DropboxDestination(type="dropbox", folder=folder)
    return DropboxStore("box", destination, secret, UploadSessions(uploads), client=client)


class DropboxEmulator:
    """A Dropbox account and its API; every attribute may be changed while it runs.

    Attributes:
        account: the files and the upload sessions.
        refresh_tokens: refresh token → (app key, app secret).
        token_seconds: how long new access tokens live.
        scopes: what tokens may do.
        app_scopes: what the app may ask for; a scope that it lacks is HTTP 400 and not 401.
        slow: seconds that every request takes.
        calls: the routes that were called, in order.
        bytes_up: bytes of upload bodies, those that broke off included.
    """

    def __init__(self, folder: Path) -> None:
        self.account = Account(folder)
        self.refresh_tokens: dict[str, tuple[str, str]] = {}
        self.token_seconds = 14_400.0
        self.scopes = set(SCOPES)
        self.app_scopes = set(SCOPES)
        self.slow = 0.0
        self.calls: list[str] = []
        self.bytes_up = 0
        self.refreshes = 0
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self._servers: list[_Server] = []
        self.serve(socket.create_server(("127.0.0.1", 0), backlog=64))

    def serve(self, listener: socket.socket) -> None:
        """Answer at one more listening socket, which may be one that speaks TLS."""
        self._servers.append(_Server(listener, _handler(self)))

    @property
    def port(self) -> int:
        return int(self._servers[0].server_address[1])

    def close(self) -> None:
        for server in self._servers:
            server.stop()

    def new_token(self) -> str:
        token = f"sl.u.{secrets.token_urlsafe(48)}"
        self._tokens[token] = time.monotonic() + self.token_seconds
        return token

    def new_refresh_token(self) -> dict[str, str]:
        """The JSON form of DROPBOX_TOKEN."""
        form = {
            "refresh_token": secrets.token_urlsafe(48),
            "app_key": secrets.token_hex(8),
            "app_secret": secrets.token_hex(8),
        }
        self.refresh_tokens[form["refresh_token"]] = (form["app_key"], form["app_secret"])
        return form

    def expire_tokens(self) -> None:
        self._tokens = dict.fromkeys(self._tokens, 0.0)

    # --- what the handler asks

    def refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        """``/oauth2/token``, https://www.dropbox.com/developers/documentation/http/documentation#oauth2-token."""
        if form.get("grant_type") != "refresh_token":
            raise BadRequestError(json.dumps({"error": "unsupported_grant_type"}))
        app = self.refresh_tokens.get(form.get("refresh_token", ""))
        if app is None:
            raise BadRequestError(
                json.dumps({"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"})
            )
        if app != (form.get("client_id"), form.get("client_secret")):
            raise BadRequestError(json.dumps({"error": "invalid_client: Invalid client_id or client_secret"}))
        self.refreshes += 1
        return {"access_token": self.new_token(), "token_type": "bearer", "expires_in": int(self.token_seconds)}

    def authorize(self, header: str, route: str) -> None:
        kind, _, token = header.partition(" ")
        if kind != "Bearer" or not re.fullmatch(r"[\w.\-]{10,}", token):
            raise BadRequestError(
                f'Error in call to API function "{route}": Invalid authorization value in HTTP header '
                f'"Authorization": "{header}". Expecting "Bearer ...".'
            )
        if token not in self._tokens:
            raise UnauthorizedError({".tag": "invalid_access_token"})
        if self._tokens[token] < time.monotonic():
            raise UnauthorizedError({".tag": "expired_access_token"})
        needed = ROUTES[route].scope
        if needed not in self.app_scopes:
            raise BadRequestError(
                f'Error in call to API function "{route}": Your app (ID: 1234567) is not permitted to access this '
                f"endpoint because it does not have the required scope '{needed}'. The owner of the app can enable "
                "the scope for the app using the Permissions tab on the App Console."
            )
        if needed not in self.scopes:
            raise UnauthorizedError({".tag": "missing_scope", "required_scope": needed})

    def count(self, size: int) -> None:
        with self._lock:
            self.bytes_up += size


class Route:
    """One route of the API: its host, its style, the scope that it needs and what it does."""

    def __init__(self, style: str, scope: str, call: Callable[..., Any]) -> None:
        self.style = style
        self.scope = scope
        self.call = call
        self.takes_nothing = call.__name__ in ("get_current_account", "get_space_usage")
        self.host = "api.dropboxapi.com" if style == "rpc" else "content.dropboxapi.com"


ROUTES = {
    "files/get_metadata": Route("rpc", "files.metadata.read", Account.get_metadata),
    "files/list_folder": Route("rpc", "files.metadata.read", Account.list_folder),
    "files/list_folder/continue": Route("rpc", "files.metadata.read", Account.list_folder_continue),
    "files/download": Route("download", "files.content.read", Account.download),
    "files/create_folder_v2": Route("rpc", "files.content.write", Account.create_folder),
    "files/delete_v2": Route("rpc", "files.content.write", Account.delete),
    "files/move_v2": Route("rpc", "files.content.write", Account.move),
    "files/upload": Route("upload", "files.content.write", Account.upload),
    "files/upload_session/start": Route("upload", "files.content.write", Account.session_start),
    "files/upload_session/append_v2": Route("upload", "files.content.write", Account.session_append),
    "files/upload_session/finish": Route("upload", "files.content.write", Account.session_finish),
    "files/upload_session/finish_batch_v2": Route("rpc", "files.content.write", Account.session_finish_batch),
    "users/get_current_account": Route("rpc", "account_info.read", Account.get_current_account),
    "users/get_space_usage": Route("rpc", "account_info.read", Account.get_space_usage),
}


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


def _handler(emulator: DropboxEmulator) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_emulator = emulator

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_emulator: DropboxEmulator

    def do_POST(self) -> None:
        emulator = self.server_emulator
        body = self._read_body()
        time.sleep(emulator.slow)
        try:
            if self.path in TOKEN_PATHS:
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                self._answer(200, emulator.refresh(form | self._client()))
                return
            self._call(self.path.removeprefix("/2/"), body)
        except UnauthorizedError as error:
            self._answer(401, {"error_summary": f"{error.args[0]['.tag']}/..", "error": error.args[0]})
        except PathRootRefusedError as error:
            self._answer(422, {"error_summary": f"{error.args[0]['.tag']}/..", "error": error.args[0]})
        except ApiFaultError as error:
            self._answer(409, as_error(error))
        except BadRequestError as error:
            kind = "application/json" if str(error).startswith("{") else "text/plain; charset=utf-8"
            self._send(400, str(error).encode(), {"Content-Type": kind})

    def _call(self, name: str, body: bytes) -> None:
        emulator = self.server_emulator
        route = ROUTES.get(name)
        if route is None or not self.path.startswith("/2/") or self.headers.get("Host") != route.host:
            raise BadRequestError(f"Unknown API function: {self.headers.get('Host')} {self.path}")
        emulator.calls.append(name)
        emulator.authorize(self.headers.get("Authorization", ""), name)
        self._require_root()
        argument = self._argument(name, route, body)
        with emulator.account.lock:
            try:
                result = route.call(emulator.account, argument, *([Body(body)] if route.style == "upload" else []))
            except (KeyError, TypeError, ValueError) as error:
                raise BadRequestError(f'Error in call to API function "{name}": request body: {error!r}') from error
        if route.style == "download":
            self._download(*result)
        else:
            self._answer(200, result)

    def _client(self) -> dict[str, str]:
        """The app by HTTP basic authentication, which the token endpoint takes as well as parameters."""
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        key, _, secret = base64.b64decode(encoded).decode().partition(":") if kind == "Basic" else ("", "", "")
        return {"client_id": key, "client_secret": secret} if key else {}

    def _require_root(self) -> None:
        """``Dropbox-API-Path-Root``, ``PathRoot`` and ``PathRootError`` of common.stone; an account has one root."""
        try:
            asked = json.loads(self.headers.get("Dropbox-API-Path-Root", '{".tag": "home"}'))
            kind = asked[".tag"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequestError('Invalid HTTP header "Dropbox-API-Path-Root"') from error
        if kind == "home" or asked.get(kind) == NAMESPACE:
            return
        if kind == "root":
            root = {".tag": "user", "root_namespace_id": NAMESPACE, "home_namespace_id": NAMESPACE}
            raise PathRootRefusedError({".tag": "invalid_root", "invalid_root": root})
        raise PathRootRefusedError({".tag": "no_permission"})

    def _argument(self, name: str, route: Route, body: bytes) -> dict[str, Any]:
        kind = self.headers.get("Content-Type")
        text: str | bytes
        if route.style == "rpc":
            text, expected = body, "application/json"
        else:
            text, expected = self.headers.get("Dropbox-API-Arg", ""), "application/octet-stream"
        if route.takes_nothing:
            if text not in (b"", b"null"):
                raise BadRequestError(f'Error in call to API function "{name}": request body: expected null')
            return {}
        if route.style != "download" and kind != expected:
            raise BadRequestError(f'Error in call to API function "{name}": Bad HTTP "Content-Type" header: "{kind}".')
        if route.style == "upload" and len(body) > 150 << 20:
            raise ApiFaultError("payload_too_large")
        try:
            argument = json.loads(text)
        except ValueError as error:
            raise BadRequestError(f'Error in call to API function "{name}": could not decode input as JSON') from error
        if not isinstance(argument, dict):
            raise BadRequestError(f'Error in call to API function "{name}": expected object')
        return argument

    def _read_body(self) -> bytes:
        data = bytearray()
        counted = self.path.startswith(("/2/files/upload",))
        for part in body_pieces(self.rfile, self.headers):
            data += part
            if counted:
                self.server_emulator.count(len(part))
        return bytes(data)

    def _download(self, metadata: dict[str, Any], path: Path) -> None:
        """Ranges as in RFC 9110; the SDK's own parallel downloader relies on them (``dropbox/file_transfer.py``)."""
        size = metadata["size"]
        start, end, status = 0, size, 200
        headers = {"Content-Type": "application/octet-stream", "Dropbox-API-Result": json.dumps(metadata)}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
            if start >= size:
                self._send(416, b"range/not_satisfiable", {"Content-Type": "text/plain"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(end - start)}.items():
            self.send_header(name, value)
        self.end_headers()
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                data = file.read(min(ANSWER_CHUNK, end - start))
                self.wfile.write(data)
                start += len(data)

    def _answer(self, status: int, result: object) -> None:
        self._send(status, json.dumps(result).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", f"X-Dropbox-Request-Id: {secrets.token_hex(16)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode() + body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def dropbox_emulator(folder: Path) -> Iterator[DropboxEmulator]:
    """An emulator that keeps its files under ``folder``."""
    emulator = DropboxEmulator(folder)
    try:
        yield emulator
    finally:
        emulator.close()

"""One HTTP request that is bounded in every way: no redirect, no proxy, so many seconds, so many bytes."""

from __future__ import annotations

import base64
import http.client
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from socket import SHUT_RDWR, socket
from threading import Event, Timer
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from lumen_assets.errors import PermanentError, TransientError

MAX_BODY: Final = 4 << 20
"""Bytes; a page of metrics has some thousands."""


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: the HTTP status.
        content_type: in lower case, without parameters; empty if there was none.
        date: the server's clock, where it said it.
        body: all of it.
    """

    status: int
    content_type: str
    date: datetime | None
    body: bytes


def shown(url: str) -> str:
    """An address as it may be shown: without user, password and query, which may be secrets."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def ask(url: str, *, method: str = "GET", within: float = 5.0, limit: int = MAX_BODY) -> Answer:
    """One request, to the server itself.

    Args:
        url: ``http://`` or ``https://``; a user and password in it are sent as basic authentication.
        within: seconds for all of it: a server that sends a byte a second does not hold us longer.
        limit: bytes of the body that are taken; more is an error.

    Raises:
        PermanentError: if ``url`` is not such an address, or the body is too long.
        TransientError: if there was no whole answer in time.
    """
    parts = _parts(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    end = time.monotonic() + within
    late = Event()
    with closing(connect(parts.hostname or "", parts.port, timeout=within)) as connection:
        try:
            connection.connect()
            timer = Timer(end - time.monotonic(), _cut, (connection.sock, late))
            timer.daemon = True
            timer.start()
            try:
                connection.request(method, _path(parts), headers=_headers(parts))
                with connection.getresponse() as response:
                    body = response.read(limit + 1)
                    left = response.length
            finally:
                timer.cancel()
        except (OSError, http.client.HTTPException) as error:
            raise _network(url, _cause(error, late, within)) from None
    # http.client notices neither an end where no Content-Length was said, nor, asked for so many bytes, one before it.
    if late.is_set():
        raise _network(url, _slow(within))
    if len(body) > limit:
        raise PermanentError(
            action="get", subject=shown(url), cause=f"it answers with more than {limit:,} bytes", error_class="input"
        )
    if left:
        raise _network(url, "the answer broke off")
    content_type = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(response.status, content_type, _date(response.getheader("Date")), body)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
        host = (parts.hostname or "").encode("idna")
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), b""
    if parts.scheme not in ("http", "https") or not host:
        raise PermanentError(
            action="get",
            subject=shown(url),
            cause="it is not an address of the form http://HOST:PORT/PATH",
            error_class="configuration",
        )
    return parts


def _headers(parts: SplitResult) -> dict[str, str]:
    headers = {"User-Agent": "lumen", "Accept": "text/plain;version=0.0.4, */*;q=0.1", "Connection": "close"}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    return headers


def _path(parts: SplitResult) -> str:
    path, query = (quote(text, safe="/%:@!$&'()*+,;=~") for text in (parts.path or "/", parts.query))
    return f"{path}?{query}" if query else path


def _cut(opened: socket, late: Event) -> None:
    """End a connection under its reader, which then sees the end of it; closing would free a descriptor in use."""
    late.set()
    with suppress(OSError):
        socket.shutdown(opened, SHUT_RDWR)  # of the plain socket: TLS's own forgets its state under the reader


def _network(url: str, cause: str) -> TransientError:
    return TransientError(action="get", subject=shown(url), cause=cause, error_class="network")


def _slow(within: float) -> str:
    return f"no whole answer within {within:g} s"


def _cause(error: Exception, late: Event, within: float) -> str:
    """Why, without the text of what was sent or received."""
    if late.is_set() or isinstance(error, TimeoutError):
        return _slow(within)
    if isinstance(error, http.client.HTTPException):
        return f"what answers does not speak HTTP ({type(error).__name__})"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or type(error).__name__


def _date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None

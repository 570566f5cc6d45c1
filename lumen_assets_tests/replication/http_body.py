"""The body of a request, by ``Content-Length`` or in chunks, which is how Go sends what it reads from a stream."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Any

PIECE = 64 << 10


def is_chunked(headers: Message) -> bool:
    return str(headers.get("Transfer-Encoding", "")).lower() == "chunked"


def body_pieces(rfile: Any, headers: Message) -> Iterator[bytes]:
    """As it arrives.

    Raises:
        ConnectionResetError: it broke off.
    """
    if not is_chunked(headers):
        yield from _exactly(rfile, int(headers.get("Content-Length") or 0))
        return
    while size := int(_line(rfile).partition(b";")[0], 16):  # RFC 9112, 7.1
        yield from _exactly(rfile, size)
        _line(rfile)
    while _line(rfile).strip():
        pass  # trailers


def _exactly(rfile: Any, left: int) -> Iterator[bytes]:
    while left:
        part = rfile.read1(min(left, PIECE))
        if not part:
            raise ConnectionResetError
        left -= len(part)
        yield part


def _line(rfile: Any) -> bytes:
    line: bytes = rfile.readline(1000)
    if not line.endswith(b"\n"):
        raise ConnectionResetError
    return line

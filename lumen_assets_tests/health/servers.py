"""Servers that answer as told: bytes at once, or a byte at a time."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from threading import Event, Thread

PAGE = (
    "# TYPE lumen_phase_diff gauge\nlumen_phase_diff 0.04\nlumen_entropy_rate 0.2\nlumen_creative_band 0.3\n"
    "lumen_risk_band 0.1\nlumen_gateway_status 3\n"
)


def answer(
    body: str | bytes = PAGE,
    *,
    status: str = "200 OK",
    content_type: str = "text/plain; version=0.0.4",
    date: datetime | None = None,
    headers: Sequence[str] = (),
) -> bytes:
    """A whole HTTP answer."""
    content = body.encode() if isinstance(body, str) else body
    moment = format_datetime(date or datetime.now(UTC), usegmt=True)
    lines = [f"HTTP/1.1 {status}", f"Date: {moment}", f"Content-Type: {content_type}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "Connection: close", "", ""]).encode() + content


@dataclass
class Asked:
    """A server that runs, and what it was asked."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metrics"


@contextmanager
def serving(reply: bytes | Callable[[], bytes], *, drip: float | None = None) -> Iterator[Asked]:
    """Give ``reply`` to every request; with ``drip``, a byte each so many seconds, and never an end."""
    over = Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            request = b""
            while b"\r\n\r\n" not in request and (data := self.request.recv(4096)):
                request += data
            asked.requests.append(request)
            content = reply() if callable(reply) else reply
            with suppress(OSError):  # whoever asked may have had enough
                if drip is None:
                    self.request.sendall(content)
                    return
                for byte in content:
                    self.request.sendall(bytes([byte]))
                    if over.wait(drip):
                        return
                while not over.wait(drip):
                    self.request.sendall(b"x")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = False  # joined at the end, so that no thread outlives its test
        block_on_close = True

    with Server(("127.0.0.1", 0), Handler) as server:
        asked = Asked(server.server_address[1])
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield asked
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def dead_port() -> Iterator[int]:
    """A port that is taken and on which nobody listens: a connection to it is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]

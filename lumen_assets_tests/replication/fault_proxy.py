"""A proxy on loopback that stands in front of an HTTP server and does what networks and providers do wrong.

It forwards every request as it is, counts bytes, and remembers what was asked. A fault is given with the requests that
it is for and how often::

    with fault_proxy(server.port) as proxy:
        proxy.inject(Answer(503, {"Retry-After": "1"}), when=method("PUT"), times=2)
        proxy.inject(LoseAnswer(), when=method("POST", "uploadId="))
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

CHUNK = 64 << 10
_HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Request:
    """What a client asked: enough to choose faults by and to assert on."""

    method: str
    target: str
    headers: Mapping[str, str]
    size: int


When = Callable[[Request], bool]


def anything(_: Request) -> bool:
    return True


def method(name: str, part_of_target: str = "") -> When:
    """Requests with this method and this in their path or query."""
    return lambda request: request.method == name and part_of_target in request.target


class Fault(Protocol):
    """What happens to a request instead of, before or after forwarding it."""

    def play(self, exchange: Exchange) -> None: ...


@dataclass(frozen=True)
class Answer:
    """The server is not asked: this is the answer. The request is read first, as most servers do."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def play(self, exchange: Exchange) -> None:
        exchange.read_request()
        exchange.answer(self.status, self.headers, self.body)


@dataclass(frozen=True)
class Reset:
    """The connection breaks when this much of the request was read; nothing reaches the server."""

    after: int = 0

    def play(self, exchange: Exchange) -> None:
        exchange.read_request(self.after)
        exchange.reset()


@dataclass(frozen=True)
class LoseAnswer:
    """The server does it, and the connection breaks before the answer arrives."""

    def play(self, exchange: Exchange) -> None:
        exchange.forward()
        exchange.reset()


@dataclass(frozen=True)
class Twice:
    """The request arrives twice, as after a retry of something in between; the client sees the second answer."""

    def play(self, exchange: Exchange) -> None:
        body = exchange.read_request()
        exchange.forward(body)
        exchange.answer(*exchange.forward(body))


@dataclass(frozen=True)
class BreakAnswer:
    """The connection ends when this much of the answer's body was sent; what was sent arrives."""

    after: int

    def play(self, exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        exchange.answer(status, {**headers, "Content-Length": str(len(body))}, body[: self.after])
        exchange.end()


@dataclass(frozen=True)
class First:
    """Something happens at the server, then the request goes on."""

    happens: Callable[[], object]

    def play(self, exchange: Exchange) -> None:
        self.happens()
        exchange.answer(*exchange.forward())


@dataclass(frozen=True)
class Stall:
    """Nothing happens for this long, then all goes on."""

    seconds: float

    def play(self, exchange: Exchange) -> None:
        time.sleep(self.seconds)
        exchange.answer(*exchange.forward())


@dataclass(frozen=True)
class CorruptRequest:
    """One bit of the request's body is flipped on its way."""

    at: int = 0

    def play(self, exchange: Exchange) -> None:
        exchange.answer(*exchange.forward(_flipped(exchange.read_request(), self.at)))


@dataclass(frozen=True)
class ChangeAnswer:
    """The server does it, and something else is answered."""

    change: Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]

    def play(self, exchange: Exchange) -> None:
        exchange.answer(*self.change(*exchange.forward()))


def _flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@dataclass
class _Injected:
    fault: Fault
    when: When
    times: int


class FaultProxy:
    """The proxy; see the module's docstring.

    Attributes:
        requests: what was asked, in order of arrival.
        bytes_up: bytes of request bodies that clients sent.
        bytes_down: bytes of answers' bodies that clients were sent.
    """

    def __init__(self, upstream_port: int) -> None:
        self.requests: list[Request] = []
        self.bytes_up = 0
        self.bytes_down = 0
        self._upstream_port = upstream_port
        self._injected: list[_Injected] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def inject(self, fault: Fault, when: When = anything, times: int = 1) -> None:
        """Play ``fault`` for the next ``times`` requests that ``when`` is true of; -1 is for ever."""
        with self._lock:
            self._injected.append(_Injected(fault, when, times))

    def clear(self) -> None:
        """No faults any more, nothing remembered, counts at zero."""
        with self._lock:
            self._injected.clear()
            self.requests.clear()
            self.bytes_up = self.bytes_down = 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, when: When) -> int:
        """How many requests ``when`` is true of."""
        with self._lock:
            return sum(map(when, self.requests))

    def fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for injected in self._injected:
                if injected.times and injected.when(request):
                    injected.times -= 1
                    return injected.fault
        return None

    def add_up(self, size: int) -> None:
        with self._lock:
            self.bytes_up += size

    def add_down(self, size: int) -> None:
        with self._lock:
            self.bytes_down += size

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._upstream_port, timeout=60)


class Exchange:
    """One request and its answer, as a fault sees it."""

    def __init__(self, proxy: FaultProxy, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.request = request
        self._proxy = proxy
        self._handler = handler
        self._left = request.size

    def read_request(self, size: int | None = None) -> bytes:
        """The next bytes of the body; all that is left without ``size``."""
        return b"".join(self.chunks(self._left if size is None else min(size, self._left)))

    def chunks(self, size: int) -> Iterator[bytes]:
        while size > 0:
            data = self._handler.rfile.read1(min(size, CHUNK))  # type: ignore[attr-defined]
            if not data:
                raise ConnectionResetError
            size -= len(data)
            self._left -= len(data)
            self._proxy.add_up(len(data))
            yield data

    def send_upstream(self, connection: http.client.HTTPConnection, body: bytes | None) -> http.client.HTTPResponse:
        connection.putrequest(self.request.method, self.request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.request.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                connection.putheader(name, value)
        connection.endheaders()
        for data in [body] if body is not None else self.chunks(self._left):
            connection.send(data)
        return connection.getresponse()

    def forward(self, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Have the server do it; without ``body``, with what the client sends. Returns the whole answer."""
        connection = self._proxy.connect()
        try:
            answer = self.send_upstream(connection, body)
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def stream(self) -> None:
        """Forward with bounded memory, both ways."""
        connection = self._proxy.connect()
        try:
            answer = self.send_upstream(connection, None)
            headers = dict(answer.getheaders())
            if answer.length is None:  # no length given: read it whole to give one
                self.answer(answer.status, headers, answer.read())
                return
            self._head(answer.status, headers)
            while data := answer.read(CHUNK):
                self._write(data)
        finally:
            connection.close()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        with_length = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        given = next((value for name, value in headers.items() if name.lower() == "content-length"), str(len(body)))
        if status not in (204, 304):
            with_length["Content-Length"] = given
        self._head(status, with_length)
        if self.request.method != "HEAD":
            self._write(body)

    def reset(self) -> None:
        """Break the connection the hard way: RST, not FIN."""
        self._handler.wfile.flush()
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.connection.close()
        raise ConnectionResetError

    def end(self) -> None:
        """End the connection after what was sent: FIN, not RST."""
        self._handler.wfile.flush()
        self._handler.close_connection = True

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self._handler.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self._handler.send_header(name, value)
        self._handler.end_headers()

    def _write(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._proxy.add_down(len(data))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away, and connections that we broke, are what this is for."""


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer's head and body are two writes: 40 ms each request otherwise

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            request = Request(
                self.command, self.path, dict(self.headers.items()), int(self.headers.get("Content-Length") or 0)
            )
            exchange = Exchange(proxy, self, request)
            fault = proxy.fault_for(request)
            if fault:
                fault.play(exchange)
            else:
                exchange.stream()
            self.wfile.flush()

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):  # the connection is gone
                self.rfile.close()

    return Handler


@contextmanager
def fault_proxy(upstream_port: int) -> Iterator[FaultProxy]:
    """A proxy in front of the server at this port of 127.0.0.1."""
    proxy = FaultProxy(upstream_port)
    try:
        yield proxy
    finally:
        proxy.close()

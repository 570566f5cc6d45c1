"""An HTTP server on loopback that remembers what it was sent and answers as it is told; and messages to send."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.messages import Message

NOW = datetime(2026, 3, 10, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Say:
    """An answer; ``play`` instead, where it is not one that HTTP knows."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    play: Callable[[Any], None] | None = None


class Server:
    """What it was sent is in ``received``; ``say`` is what it answers, or a function of the request."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.say: Say | Callable[[Received], Say] = Say()
        self.flooded = 0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.command, self.path, headers, body)
                outer.received.append(request)
                answer = outer.say(request) if callable(outer.say) else outer.say
                with contextlib.suppress(OSError):
                    if answer.play:
                        self.close_connection = True
                        answer.play(self)
                        return
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = _any  # noqa: N815

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # a client that does not trust us, or has gone
                    super().handle()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:  # the handshake is the handler's, so that one that fails ends no server
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def drip(self, head: bytes) -> Say:
        """A receiver that sends ``head``, and then a byte now and then, for ever."""

        def play(handler: Any) -> None:
            handler.wfile.write(head)
            while not self.closing.wait(0.05):
                handler.wfile.write(b"x")
                handler.wfile.flush()

        return Say(play=play)

    def flood(self, head: bytes) -> Say:
        """A receiver that sends ``head``, and then as much as is taken."""

        def play(handler: Any) -> None:
            handler.wfile.write(head)
            while not self.closing.is_set():
                handler.wfile.write(b"x" * 65536)
                self.flooded += 65536

        return Say(play=play)


@contextlib.contextmanager
def server(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    running = Server(tls)
    try:
        yield running
    finally:
        running.close()


def event(number: int = 1, **changes: Any) -> Event:
    return Event(
        **{
            "id": event_id("test", number),
            "kind": Kind.MATERIALIZATION_FAILED,
            "severity": Severity.CRITICAL,
            "state": State.FIRING,
            "source": "replica/cloud",
            "at": NOW,
            "title": f"복제본을 만들 수 없음 ({number})",
            "subject": "2026-03-09",
            "error_class": "credentials",
            "cause": "ExpiredToken: the token has expired (HTTP 400)",
            "retry_helps": False,
            "hint": "renew the session",
            "run_id": "0b9cf1b6-0d5f-4d3b-9b40-3f6b1c4d9d10",
            "run_url": "http://127.0.0.1:3000/runs/0b9cf1b6-0d5f-4d3b-9b40-3f6b1c4d9d10",
            "command": "lumen daily --day 2026-03-09",
            **changes,
        }
    )


def message(number: int = 1, **changes: Any) -> Message:
    events = changes.pop("events", (event(),))
    return Message(
        **{
            "id": event_id("message", number),
            "incident": "materialization_failed|replica/cloud|credentials",
            "number": number,
            "kind": Kind.MATERIALIZATION_FAILED,
            "source": "replica/cloud",
            "error_class": "credentials",
            "severity": Severity.CRITICAL,
            "state": State.FIRING,
            "title": "replica/cloud: 자격 증명이 만료됨",
            "since": NOW,
            "at": NOW,
            "count": len(events),
            "subjects": ("2026-03-09",),
            "subjects_total": 1,
            "events": events,
            "events_total": len(events),
            **changes,
        }
    )

"""A receiver on loopback that remembers ids, and the channel that posts to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from lumen_assets.alerting.messages import Message
from lumen_assets.errors import TransientError


class Receiver:
    """What came in, in order; while it is down every request is answered with 503."""

    def __init__(self) -> None:
        self.down = False
        self.requests: list[str] = []
        """The ids of all requests, in order, those that were refused or came twice included."""
        self.accepted: list[str] = []
        """Those of them that it took."""
        self.told: dict[str, dict[str, Any]] = {}
        """By id, in order of the first arrival."""
        self.url = ""
        self._lock = threading.Lock()

    def take(self, identity: str, payload: dict[str, Any]) -> int:
        with self._lock:
            self.requests.append(identity)
            if self.down:
                return 503
            self.accepted.append(identity)
            self.told.setdefault(identity, payload)
            return 204

    @property
    def messages(self) -> list[Message]:
        with self._lock:
            return [Message.from_payload(payload) for payload in self.told.values()]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            payload = content.get("payload", content)  # the webhook's, or a message alone
            self.send_response(receiver.take(self.headers["webhook-id"], payload))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Poster:
    """A channel that posts the payload with its id."""

    name = "hook"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: Message, now: datetime) -> str:
        try:
            answer = requests.post(self._url, json=message.payload(), headers={"webhook-id": message.id}, timeout=20)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise TransientError(
                action="post to", subject="the receiver", cause=type(error).__name__, error_class="network"
            ) from error
        return str(answer.status_code)


def require_order(messages: list[Message]) -> None:
    """Of every incident the numbers rise; where they begin at 1 again, the one before was over."""
    last: dict[str, Message] = {}
    for message in messages:
        before = last.get(message.incident)
        if before is None or message.number == 1:
            assert message.number == 1, message
            assert before is None or before.state.value == "resolved", (before, message)
        else:
            assert message.number == before.number + 1, (before, message)
        last[message.incident] = message

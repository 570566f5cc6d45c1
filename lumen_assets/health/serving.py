"""A page of metrics over HTTP: ``GET /metrics`` and nothing else."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, ClassVar, Final

from lumen_assets.errors import LumenError

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
KEPT_SECONDS: Final = 10.0
"""How long a page is good for: several scrapers, or one that is curious, cost no more than one."""

_log = logging.getLogger(__name__)


class MetricsServer(ThreadingHTTPServer):
    """Serves what ``page`` returns, computed when it is asked for and kept for a while.

    It has no authentication: bind loopback, or a network that may read the numbers.

    Args:
        host, port: where to listen; port 0 takes a free one, see ``url``.
        page: makes the page; a ``LumenError`` becomes a 500 without its text.
        kept_seconds: how long a page is given again.

    Raises:
        OSError: if it cannot listen there.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, page: Callable[[], bytes], *, kept_seconds: float = KEPT_SECONDS) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._host = host
        self._page = page
        self._kept_seconds = kept_seconds
        self._lock = Lock()
        self._kept: tuple[float, bytes] | None = None
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.server_address[1]}/metrics"

    def page(self) -> bytes:
        """The page, at most ``kept_seconds`` old.

        Raises:
            LumenError: as ``page`` does.
        """
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > self._kept_seconds:
                self._kept = (time.monotonic(), self._page())
            return self._kept[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of socketserver
        """A scraper that hung up is not worth a traceback."""
        _log.debug("%s hung up", client_address, exc_info=True)

    def server_bind(self) -> None:
        """Without asking the name service for our own name, as ``HTTPServer`` does."""
        super(ThreadingHTTPServer, self).server_bind()


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout: ClassVar[float] = 10.0
    server_version = "lumen"
    sys_version = ""

    def do_GET(self) -> None:
        """The page, or why there is none."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"only /metrics is here\n", "text/plain; charset=utf-8")
            return
        try:
            page = self.server.page()
        except (LumenError, OSError) as error:
            _log.warning("no metrics: %s", error)
            self._answer(500, b"the metrics could not be made; the log says why\n", "text/plain; charset=utf-8")
        else:
            self._answer(200, page, CONTENT_TYPE)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
        """Scrapes are not worth a line each."""

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

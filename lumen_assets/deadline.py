"""A bound on all that is done over a connection, which time-outs for single reads do not give."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Deadline:
    """Ends connections when the time is over, also in the middle of a read, a handshake or a send.

    A time-out of a socket begins anew with each byte that arrives: a receiver that sends one every ten seconds keeps a
    client for hours. Looking up a name is not bounded by it; resolvers have time-outs of their own.

    Args:
        seconds: from entering the context.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._over = False
        self._closed = False

    @property
    def over(self) -> bool:
        """Whether the time was over before the context was left."""
        return self._over

    def watch(self, connection: socket.socket) -> None:
        """End this connection too when the time is over; at once if it is."""
        # A descriptor of our own: TLS takes the one of a socket away from it when it wraps it.
        own = connection.dup()
        with self._lock:
            if not self._closed:
                self._watched.append(own)
                if self._over:
                    _shut(own)
                return
        own.close()

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._closed = True
            for connection in self._watched:
                connection.close()

    def _end(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._over = True
            for connection in self._watched:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)

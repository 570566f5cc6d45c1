"""Ports of loopback for the servers that tests start."""

from __future__ import annotations

import random
import socket
from contextlib import closing


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now.

    They are below those that the kernel gives to connections and to whoever binds port 0 (from 32768 on): such
    a one was taken by somebody else before the server that it was meant for listened on it.
    """
    ports: list[int] = []
    chosen = random.SystemRandom()
    while len(ports) < count:
        port = chosen.randrange(10_000, 32_768)
        if port not in ports and _is_free(port):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

"""The arguments of this process and of every one that it starts: everybody on the machine can read them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

INTERVAL = 0.01


@contextmanager
def watched_arguments() -> Iterator[set[bytes]]:
    """Collects, while it is open, the ``/proc/PID/cmdline`` of this process and all below it, a hundred times a second.

    Their environment is not looked at: it is where secrets are given, and only their owner can read it.
    """
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while True:
            for pid in _with_descendants(os.getpid()):
                with suppress(OSError):  # it has ended
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
            if ended.wait(INTERVAL):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _with_descendants(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _with_descendants(int(child))

"""A real Redis on loopback, of the Debian package ``redis-server``."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from lumen_assets_tests.replication.seaweedfs import free_ports


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Its address, with a password, until it is stopped; what it keeps is in ``folder``."""
    [port], password = free_ports(1), secrets.token_hex(12)
    folder.mkdir(parents=True)
    (folder / "redis.conf").write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\nappendonly yes\nsave ''\n"
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["redis-server", str(folder / "redis.conf")], stdout=log, stderr=log)
    try:
        _wait_until_ready(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    with redis.Redis.from_url(url) as client:
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "redis-server did not answer"
            try:
                client.ping()
            except redis.exceptions.ConnectionError:
                time.sleep(0.05)
            else:
                return

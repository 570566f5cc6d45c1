"""A store on the emulated Dropbox behind a proxy, and what faults are aimed at."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lumen_assets.archive import Digests, digest_file
from lumen_assets.replication.dropbox import DropboxStore
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets.replication.store import Receipt
from lumen_assets_tests.replication.dropbox_account import Body
from lumen_assets_tests.replication.dropbox_emulator import FOLDER, DropboxEmulator, dropbox_emulator, store_at
from lumen_assets_tests.replication.fault_proxy import Answer, FaultProxy, Request, fault_proxy, method

KEY = "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink"
PATH = f"{FOLDER}/{KEY}"
MIB = 1 << 20
SMALL, BIG = 2 * MIB, 9 * MIB + 5
JSON = {"Content-Type": "application/json"}

whole = method("POST", "/2/files/upload")
start = method("POST", "/upload_session/start")
append = method("POST", "/upload_session/append_v2")
finish = method("POST", "/upload_session/finish")
stat = method("POST", "/2/files/get_metadata")
download = method("POST", "/2/files/download")


def closing(request: Request) -> bool:
    return append(request) and json.loads(request.headers["Dropbox-API-Arg"]).get("close") is True


@cache
def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - the same every time


@dataclass
class Bench:
    """A store with retries, the proxy before the emulator behind it, and what was waited for."""

    emulator: DropboxEmulator
    proxy: FaultProxy
    folder: Path
    waits: list[float] = field(default_factory=list)

    def raw(self, token: str | None = None) -> DropboxStore:
        return store_at(self.proxy.port, token or self.emulator.new_token(), self.folder / "uploads")

    def store(self, token: str | None = None) -> RetryingStore:
        return RetryingStore(self.raw(token), Backoff(attempts=4, base=0.5, cap=60), self.waits.append)

    def source(self, size: int) -> tuple[Path, Digests]:
        path = self.folder / "archive"
        path.write_bytes(content_of(size))
        return path, digest_file(path)

    def put(self, size: int, token: str | None = None) -> Receipt:
        return self.store(token).put(KEY, *self.source(size))

    def require_stored(self, size: int) -> None:
        """Exactly one file, and it is this one."""
        files = self.emulator.account.files()
        assert list(files) == [PATH]
        assert files[PATH].hash == Body(content_of(size)).hash
        assert not list((self.folder / "uploads").glob("*.json"))


@contextmanager
def dropbox_bench(folder: Path) -> Iterator[Bench]:
    """A bench with an account of its own."""
    with dropbox_emulator(folder / "account") as emulator, fault_proxy(emulator.port) as proxy:
        yield Bench(emulator, proxy, folder)


def rate_limited(seconds: int) -> Answer:
    error = {"error_summary": "too_many_requests/..", "error": {"reason": {".tag": "too_many_requests"}}}
    return Answer(429, {**JSON, "Retry-After": str(seconds)}, json.dumps(error).encode())


def api_error(error: dict[str, object], summary: str, status: int = 409) -> Answer:
    return Answer(status, JSON, json.dumps({"error_summary": f"{summary}/..", "error": error}).encode())

"""A store on the emulated Google Drive behind a proxy, and what faults are aimed at."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lumen_assets.archive import Digests, digest_file
from lumen_assets.replication.gdrive import GoogleDriveStore
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets.replication.store import Receipt
from lumen_assets_tests.replication.drive_emulator import FOLDER, DriveEmulator, drive_emulator, store_at
from lumen_assets_tests.replication.fault_proxy import Answer, FaultProxy, Request, fault_proxy, method

KEY = "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink"
PATH = f"{FOLDER}/{KEY}"
MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
CHUNK = MIB
SMALL, BIG = MIB - 5, 2 * MIB + 5

start = method("POST", "/upload/drive/v3/files")
listing = method("GET", "/drive/v3/files?")
generate = method("GET", "/generateIds")
folder = method("POST", "/drive/v3/files?")
download = method("GET", "alt=media")
token = method("POST", "/token")


def chunk(request: Request) -> bool:
    return request.method == "PUT" and request.size > 0


def closing(request: Request) -> bool:
    """The last chunk."""
    found = re.fullmatch(r"bytes \d+-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
    return bool(found) and int(found[1]) + 1 == int(found[2])


def asking(request: Request) -> bool:
    return request.method == "PUT" and request.headers.get("Content-Range", "").startswith("bytes */")


@dataclass
class Bench:
    """A store with retries, the proxy before the emulator behind it, and what was waited for."""

    emulator: DriveEmulator
    proxy: FaultProxy
    folder: Path
    waits: list[float] = field(default_factory=list)

    def raw(self, token: str | Mapping[str, str] | None = None, drive_id: str | None = None) -> GoogleDriveStore:
        return store_at(
            self.proxy.url, token or self.emulator.new_token(), self.folder / "uploads", drive_id=drive_id, chunk=CHUNK
        )

    def store(self, token: str | Mapping[str, str] | None = None, drive_id: str | None = None) -> RetryingStore:
        return RetryingStore(self.raw(token, drive_id), Backoff(attempts=4, base=0.5, cap=60), self.waits.append)

    def source(self, size: int, name: str = "archive") -> tuple[Path, Digests]:
        path = self.folder / name
        path.write_bytes(random.Random(size).randbytes(size))  # noqa: S311 - the same every time
        return path, digest_file(path)

    def put(self, size: int, token: str | Mapping[str, str] | None = None) -> Receipt:
        return self.store(token).put(KEY, *self.source(size))

    def require_stored(self, size: int) -> None:
        """Exactly one file, and it is this one; no folder twice."""
        [item] = self.emulator.account.live()
        _, digests = self.source(size, "again")
        assert self.emulator.account.path_of(item) == PATH
        assert item.path
        assert hashlib.sha256(item.path.read_bytes()).hexdigest() == digests.sha256
        folders = self.emulator.account.folders()
        assert len(folders) == len(set(folders))
        assert not list((self.folder / "uploads").glob("*"))


@contextmanager
def drive_bench(folder: Path) -> Iterator[Bench]:
    """A bench with an account of its own."""
    with drive_emulator(folder / "account") as emulator, fault_proxy(emulator.port) as proxy:
        yield Bench(emulator, proxy, folder)


def refusal(status: int, reason: str, message: str = "said so", headers: dict[str, str] | None = None) -> Answer:
    error = {"code": status, "message": message, "errors": [{"domain": "usageLimits", "reason": reason}]}
    return Answer(status, {**JSON, **(headers or {})}, json.dumps({"error": error}).encode())


RATE = refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded", {"Retry-After": "7"})

"""The three providers as the fault table sees them, and the clock that their clients look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from unittest import mock

import botocore.auth
from google.auth import _helpers

from lumen_assets.archive import Digests, digest_file
from lumen_assets.replication import dropbox_upload, s3_upload
from lumen_assets.replication.store import Store
from lumen_assets_tests.replication import drive_bench, dropbox_bench, s3_bench
from lumen_assets_tests.replication.fault_proxy import FaultProxy, Request, When, fault_proxy
from lumen_assets_tests.replication.seaweedfs import S3Server

EVERYWHERE: Final = ("begin", "piece", "finish", "whole")
"""The places of an upload: three of one in pieces, and the one request of a small one."""


class Subject(Protocol):
    """A provider under test: a store without anything around it, and what is behind it."""

    key: str
    proxy: FaultProxy

    def store(self, token: Any) -> Store: ...

    def source(self, size: int) -> tuple[Path, Digests]: ...

    def held(self) -> list[str]:
        """The SHA-256 of every object that there is, under whatever name."""
        ...

    def left_over(self) -> list[str]:
        """Unfinished uploads, remembered here or kept there."""
        ...

    def renewed(self) -> bool:
        """Whether another access token was asked for than the first."""
        ...

    def mend(self) -> None:
        """Nothing is wrong any more."""
        ...


def _sha256(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


@dataclass
class S3:
    bench: s3_bench.Bench
    folder: Path
    key: str = s3_bench.KEY

    @property
    def proxy(self) -> FaultProxy:
        return self.bench.proxy

    def store(self, token: Any) -> Store:
        return self.bench.store

    def source(self, size: int) -> tuple[Path, Digests]:
        return source_of(self.folder, size)

    def held(self) -> list[str]:
        client = self.bench.server.client()
        bodies = [client.get_object(Bucket=self.bench.bucket, Key=name)["Body"].read() for name in self.bench.objects()]
        return [hashlib.sha256(body).hexdigest() for body in bodies]

    def left_over(self) -> list[str]:
        return [*self.bench.unfinished(), *_records(self.folder)]

    def renewed(self) -> bool:
        return False

    def mend(self) -> None:
        self.proxy.clear()


@dataclass
class Drive:
    bench: drive_bench.Bench
    key: str = drive_bench.KEY

    @property
    def proxy(self) -> FaultProxy:
        return self.bench.proxy

    def store(self, token: Any) -> Store:
        service_account = isinstance(token, dict) and token["type"] == "service_account"
        if service_account:
            self.bench.emulator.share("0ADrive")
        return self.bench.raw(token, "0ADrive" if service_account else None)

    def source(self, size: int) -> tuple[Path, Digests]:
        return source_of(self.bench.folder, size)

    def held(self) -> list[str]:
        return [_sha256(item.path) for item in self.bench.emulator.account.live()]

    def left_over(self) -> list[str]:
        return _records(self.bench.folder)

    def renewed(self) -> bool:
        return self.bench.emulator.refreshes > 1

    def mend(self) -> None:
        self.proxy.clear()
        self.bench.emulator.account.quota = 1 << 40

    def fill(self) -> None:
        self.bench.emulator.account.quota = 1


@dataclass
class Dropbox:
    bench: dropbox_bench.Bench
    key: str = dropbox_bench.KEY

    @property
    def proxy(self) -> FaultProxy:
        return self.bench.proxy

    def store(self, token: Any) -> Store:
        return self.bench.raw(token)

    def source(self, size: int) -> tuple[Path, Digests]:
        return source_of(self.bench.folder, size)

    def held(self) -> list[str]:
        return [_sha256(entry.path) for entry in self.bench.emulator.account.files().values()]

    def left_over(self) -> list[str]:
        return _records(self.bench.folder)

    def renewed(self) -> bool:
        return self.bench.emulator.refreshes > 1

    def mend(self) -> None:
        self.proxy.clear()
        self.bench.emulator.account.quota = 1 << 40

    def fill(self) -> None:
        self.bench.emulator.account.quota = 1


def source_of(folder: Path, size: int) -> tuple[Path, Digests]:
    """The file to be put, with its digests."""
    path = folder / "archive"
    path.write_bytes(dropbox_bench.content_of(size))
    return path, digest_file(path)


def _records(folder: Path) -> list[str]:
    return [path.name for path in (folder / "uploads").glob("*.json")]


@dataclass(frozen=True)
class Place:
    """A request of an upload that a fault strikes, the size of an upload that has it, and how much is on its way."""

    name: str
    when: When
    size: int
    on_its_way: int


@dataclass(frozen=True)
class Provider:
    name: str
    places: Mapping[str, Place]


def _second_chunk(request: Request) -> bool:
    return request.headers.get("Content-Range", "").startswith(f"bytes {drive_bench.CHUNK}-")


def _provider(name: str, strikes: Sequence[When], big: int, small: int, on_its_way: int) -> Provider:
    places = [
        Place(at, when, size, min(size, on_its_way))
        for at, when, size in zip(EVERYWHERE, strikes, (big, big, big, small), strict=True)
    ]
    return Provider(name, {place.name: place for place in places})


PROVIDERS: Final = {
    provider.name: provider
    for provider in (
        _provider(
            "S3",
            (s3_bench.BEGIN, s3_bench.PUT_PART, s3_bench.FINISH, s3_bench.PUT),
            s3_bench.SIZE,
            s3_bench.MIB,
            s3_upload.WORKERS * 5 * s3_bench.MIB,
        ),
        _provider(
            "Google Drive",
            (drive_bench.start, _second_chunk, drive_bench.closing, drive_bench.closing),
            drive_bench.BIG,
            drive_bench.SMALL,
            drive_bench.CHUNK,
        ),
        _provider(
            "Dropbox",
            (dropbox_bench.start, dropbox_bench.closing, dropbox_bench.finish, dropbox_bench.whole),
            dropbox_bench.BIG,
            dropbox_bench.SMALL,
            dropbox_upload.WORKERS * dropbox_upload.BLOCK,
        ),
    )
}


@contextmanager
def opened(provider: str, server: S3Server, folder: Path) -> Iterator[Any]:
    """The provider with an empty bucket or account, behind a proxy."""
    folder.mkdir(parents=True, exist_ok=True)
    match provider:
        case "S3":
            with fault_proxy(server.port) as proxy:
                yield S3(s3_bench.s3_bench(server, proxy, folder), folder)
        case "Google Drive":
            with drive_bench.drive_bench(folder) as drive:
                yield Drive(drive)
        case _:
            with dropbox_bench.dropbox_bench(folder) as box:
                yield Dropbox(box)


@dataclass
class Clock:
    """A clock of this machine that can be set wrong; ours is what the three clients look at."""

    off: timedelta = timedelta(0)

    def set(self, hours: float) -> None:
        self.off = timedelta(hours=hours)


@contextmanager
def clock_of_clients(clock: Clock) -> Iterator[None]:
    """While this is open, the clients' clocks are ``clock``."""
    s3_now, google_now = botocore.auth.get_current_datetime, _helpers.utcnow

    def for_s3(*arguments: bool) -> datetime:
        return s3_now(*arguments) + clock.off

    def for_google() -> datetime:
        return google_now() + clock.off

    class Shifted(datetime):
        @classmethod
        def utcnow(cls) -> datetime:  # the Dropbox SDK's
            return datetime.utcnow() + clock.off  # noqa: DTZ003

    with (
        mock.patch.object(botocore.auth, "get_current_datetime", for_s3),
        mock.patch.object(_helpers, "utcnow", for_google),
        mock.patch("dropbox.dropbox_client.datetime", Shifted),
    ):
        yield

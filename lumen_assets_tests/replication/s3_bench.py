"""A store on SeaweedFS behind a proxy, and what faults are aimed at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lumen_assets.replication.retrying import RetryingStore
from lumen_assets.replication.s3 import S3Store
from lumen_assets_tests.replication.fault_proxy import ChangeAnswer, FaultProxy, method
from lumen_assets_tests.replication.s3_stores import PREFIX, s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server

KEY = "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink"
MIB = 1 << 20
PARTS = 3
SIZE = (PARTS - 1) * 5 * MIB + 77

PUT_PART = method("PUT", "partNumber=2")
BEGIN = method("POST", "uploads")
FINISH = method("POST", "uploadId=")
PUT = method("PUT")


def xml(code: str, message: str = "said the server") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def changed(old: bytes, new: bytes) -> ChangeAnswer:
    """The answer with some bytes replaced, in headers and body."""

    def change(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        swapped = {name: value.replace(old.decode(), new.decode()) for name, value in headers.items()}
        swapped.pop("Content-Length", None)
        return status, swapped, body.replace(old, new)

    return ChangeAnswer(change)


@dataclass
class Bench:
    """A store behind the proxy, with its retries, and the waits that they made."""

    store: S3Store
    proxy: FaultProxy
    waits: list[float]
    bucket: str
    server: S3Server

    @property
    def retrying(self) -> RetryingStore:
        return RetryingStore(self.store, sleep=self.waits.append)

    def content(self) -> bytes:
        answer = self.server.client().get_object(Bucket=self.bucket, Key=f"{PREFIX}/{KEY}")
        return bytes(answer["Body"].read())

    def objects(self) -> list[str]:
        answer = self.server.client().list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in answer.get("Contents", ())]

    def unfinished(self) -> list[str]:
        answer = self.server.client().list_multipart_uploads(Bucket=self.bucket)
        return [entry["UploadId"] for entry in answer.get("Uploads", ())]


def s3_bench(server: S3Server, proxy: FaultProxy, folder: Path) -> Bench:
    """A bench with a bucket of its own."""
    bucket = server.new_bucket()
    store = s3_store(server, folder / "uploads", bucket, endpoint_url=proxy.url)
    return Bench(store, proxy, [], bucket, server)

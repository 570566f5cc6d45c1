"""Stores on the S3 server of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import S3Destination
from lumen_assets_tests.replication.seaweedfs import S3Server

PREFIX = "snapshots"


def s3_destination(server: S3Server, bucket: str | None = None, **settings: Any) -> S3Destination:
    """Settings for a bucket of the server (a fresh one unless named), with the smallest parts there can be."""
    defaults = {"prefix": PREFIX, "endpoint_url": server.endpoint_url, "path_style": True, "part_size_mib": 5}
    return S3Destination(type="s3", bucket=bucket or server.new_bucket(), **{**defaults, **settings})


def s3_store(
    server: S3Server, sessions: Path, bucket: str | None = None, read_timeout: float = 60, **settings: Any
) -> S3Store:
    """A store as the settings give it, with the server's credentials."""
    destination = s3_destination(server, bucket, **settings)
    client = server.client(
        destination.endpoint_url, read_timeout=read_timeout, request_checksum_calculation="when_required"
    )
    return S3Store("cloud", destination, UploadSessions(sessions), client)

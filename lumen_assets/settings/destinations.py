"""``destinations``: where replicas live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from lumen_assets.settings.retention import KeepAt
from lumen_assets.settings.section import Section


class LocalDestination(Section):
    """A folder: another disk, a network mount."""

    type: Literal["local"]
    path: Path = Field(description="folder; relative paths are under LUMEN_HOME")
    retention: KeepAt | None = Field(None, description="what it keeps, where that is not what all others keep")


class S3Encryption(Section):
    """How S3 encrypts at rest, besides our own encryption."""

    mode: Literal["AES256", "aws:kms", "aws:kms:dsse"] = Field(description="x-amz-server-side-encryption")
    key_id: str | None = Field(None, description="KMS key; default: the bucket's")


class S3Lock(Section):
    """Object Lock retention of every object that is put."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(description="retention mode")
    days: int = Field(ge=1, description="days that nobody can delete or replace the object")


class S3Connection(Section):
    """How Amazon S3 or an S3-compatible service is reached. Credentials: the standard chain."""

    region: str | None = Field(None, description="region; default: the standard chain's")
    endpoint_url: str | None = Field(None, description="endpoint of an S3-compatible service")

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
                raise ValueError("must be http://HOST or https://HOST, without a user or password in it")
        return url

    path_style: bool = Field(False, description="bucket in the path instead of the host name")


class S3Destination(S3Connection):
    """A bucket on Amazon S3 or any S3-compatible service. Credentials: the standard chain."""

    type: Literal["s3"]
    bucket: str = Field(min_length=3, description="bucket")
    prefix: str = Field("", description="put before every key, with a / between")
    storage_class: str | None = Field(None, description="storage class, as S3 names it")
    sse: S3Encryption | None = Field(None, description="encryption at rest")
    lock: S3Lock | None = Field(None, description="Object Lock retention")
    part_size_mib: int = Field(8, ge=5, le=512, description="size of the parts of a multipart upload")
    retention: KeepAt | None = Field(None, description="what it keeps, where that is not what all others keep")


class GoogleDriveDestination(Section):
    """A folder in Google Drive. Credentials: GDRIVE_TOKEN."""

    type: Literal["gdrive"]
    folder: str = Field(min_length=1, description="path of the folder, with /; made where missing")
    drive_id: str | None = Field(None, description="shared drive; a service account needs one")
    retention: KeepAt | None = Field(None, description="what it keeps, where that is not what all others keep")


class DropboxDestination(Section):
    """A folder in Dropbox. Credentials: DROPBOX_TOKEN."""

    type: Literal["dropbox"]
    folder: str = Field(pattern=r"^(/[^/]+)+$", description="path of the folder, from /")
    retention: KeepAt | None = Field(None, description="what it keeps, where that is not what all others keep")


Destination = Annotated[
    LocalDestination | S3Destination | GoogleDriveDestination | DropboxDestination, Field(discriminator="type")
]


def default_destinations() -> dict[str, Destination]:
    """Two folders under ``LUMEN_HOME``, so that the main job runs end to end on a fresh machine."""
    return {
        "here": LocalDestination(type="local", path=Path("copies/here")),
        "there": LocalDestination(type="local", path=Path("copies/there")),
    }

"""The policies under ``configs/iam``: enough for every request of the store, and nothing that no request needs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.errors import TransientError
from lumen_assets.replication.s3 import S3Store
from lumen_assets_tests.replication.s3_bench import KEY, MIB
from lumen_assets_tests.replication.s3_stores import PREFIX, s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server

IAM: Final = Path(__file__).parents[2] / "configs" / "iam"
BUCKET: Final = "arn:aws:s3:::lumen-archive"
LARGE: Final = f"{KEY}.large"

NEEDS: Final[dict[str, list[str]]] = {
    "PutObject": ["s3:PutObject"],
    "CreateMultipartUpload": ["s3:PutObject"],
    "UploadPart": ["s3:PutObject"],
    "UploadPartCopy": ["s3:PutObject", "s3:GetObject"],
    "CompleteMultipartUpload": ["s3:PutObject"],
    "CopyObject": ["s3:PutObject", "s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging"],
    "GetObjectTagging": ["s3:GetObjectTagging"],
    "HeadObject": ["s3:GetObject"],
    "GetObject": ["s3:GetObject"],
    "DeleteObject": ["s3:DeleteObject"],
    "ListObjectsV2": ["s3:ListBucket"],
    "ListParts": ["s3:ListMultipartUploadParts"],
    "ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "AbortMultipartUpload": ["s3:AbortMultipartUpload"],
}
"""What Amazon asks for an operation: "Required permissions for Amazon S3 API operations" in its user guide."""

NEEDED_BY_PARAMETER: Final = {"ObjectLockMode": "s3:PutObjectRetention", "Tagging": "s3:PutObjectTagging"}


def recorded(store: S3Store) -> list[tuple[str, str]]:
    """Where the permissions that the store's requests need are kept, each with the resource, from now on."""
    needed: list[tuple[str, str]] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        resource = f"{BUCKET}/{params['Key']}" if "Key" in params else BUCKET
        actions = [*NEEDS[model.name], *(action for name, action in NEEDED_BY_PARAMETER.items() if name in params)]
        needed.extend((action, resource) for action in actions)

    store._client.meta.events.register("provide-client-params.s3", note)
    return needed


def allows(policy: Any, action: str, resource: str) -> bool:
    return any(
        fnmatchcase(action, pattern) and fnmatchcase(resource, statement["Resource"])
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for pattern in statement["Action"]
    )


def write(folder: Path, size: int) -> Path:
    path = folder / str(size)
    path.write_bytes(bytes(size))
    return path


def put(store: S3Store, key: str, source: Path) -> None:
    store.put(key, source, digest_file(source))


def daily(store: S3Store, folder: Path) -> None:
    """A small object and one of three parts, where the line breaks once: a put that goes on."""
    failures = [OSError("the line broke")]

    def break_off(params: dict[str, Any], **_: object) -> None:
        if params["PartNumber"] == 2 and failures:
            raise failures.pop()

    put(store, KEY, write(folder, 100))
    client, large = store._client, write(folder, 11 * MIB)
    client.create_multipart_upload(Bucket=store._bucket, Key=f"{PREFIX}/{LARGE}")  # what a lost machine left
    client.meta.events.register("before-parameter-build.s3.UploadPart", break_off)
    with pytest.raises(TransientError):
        put(store, LARGE, large)
    put(store, LARGE, large)
    verify(store, folder)


def verify(store: S3Store, folder: Path) -> None:
    assert store.stat(KEY)
    assert store.stat("2026-11-22/missing") is None
    with store.read(KEY) as reader:
        assert reader.read(10)
    assert list(store.list("2026-11-21/"))


def repair(store: S3Store, folder: Path) -> None:
    daily(store, folder)
    store.set_aside(KEY)
    store.set_aside(LARGE)
    put(store, KEY, write(folder, 100))
    assert store.remove(KEY)


@pytest.mark.parametrize(("name", "work"), [("s3-daily", daily), ("s3-repair", repair), ("s3-verify", verify)])
def test_a_policy_allows_what_is_asked_and_nothing_else(
    seaweedfs: S3Server, tmp_path: Path, name: str, work: Callable[[S3Store, Path], None]
) -> None:
    bucket = f"lumen-{secrets.token_hex(6)}"
    seaweedfs.client().create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    lock = {"lock": {"mode": "GOVERNANCE", "days": 1}} if name != "s3-repair" else {}
    store = s3_store(seaweedfs, tmp_path / "uploads", bucket, **lock)
    if name == "s3-verify":
        put(store, KEY, write(tmp_path, 100))
    needed = recorded(store)
    work(store, tmp_path)
    policy = json.loads((IAM / f"{name}.json").read_text())
    assert [item for item in needed if not allows(policy, *item)] == []
    given = {action for statement in policy["Statement"] for action in statement["Action"]}
    unused = {action for action in given if action.startswith("s3:")} - {action for action, _ in needed}
    assert unused <= ({"s3:PutObjectRetention"} if name == "s3-repair" else set()), "what nothing needs is not given"
    outside = [BUCKET.replace("lumen", "other") + f"/{PREFIX}/x", f"{BUCKET}/elsewhere/x"]
    assert not any(allows(policy, action, resource) for action in given for resource in outside)


def test_what_encrypts_with_a_key_of_ones_own() -> None:
    """``sse: {mode: "aws:kms"}``: SeaweedFS has no keys; Amazon asks for both, ``Decrypt`` for parts."""
    for name, actions in {
        "s3-daily": {"kms:GenerateDataKey", "kms:Decrypt"},
        "s3-repair": {"kms:GenerateDataKey", "kms:Decrypt"},
        "s3-verify": {"kms:Decrypt"},
    }.items():
        [statement] = [one for one in policy_of(name)["Statement"] if one["Sid"] == "Key"]
        assert set(statement["Action"]) == actions
        assert list(statement["Condition"]["StringEquals"]) == ["kms:ViaService"]


def policy_of(name: str) -> Any:
    return json.loads((IAM / f"{name}.json").read_text())

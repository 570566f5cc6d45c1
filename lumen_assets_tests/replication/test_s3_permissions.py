"""The policies under ``configs/iam``: enough for every request of the store, and nothing that no request needs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.errors import PermanentError, TransientError
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

SHOWN_WITH: Final = {
    "s3:GetObjectRetention": ("ObjectLockMode", "ObjectLockRetainUntilDate"),
    "s3:GetObjectLegalHold": ("ObjectLockLegalHoldStatus",),
}
"""What Amazon leaves out of an answer to HEAD without the permission: "HeadObject" in its API reference."""

CREATES: Final = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
"""Those of ``s3:PutObject`` for which ``s3:ObjectCreationOperation`` is true: "How to enforce conditional writes on
Amazon S3 buckets" in its user guide."""


@dataclass(frozen=True)
class Request:
    """What the store asks of S3."""

    operation: str
    parameters: Mapping[str, Any]

    @property
    def needs(self) -> list[tuple[str, str]]:
        """Permissions, each with the resource."""
        resource = f"{BUCKET}/{self.parameters['Key']}" if "Key" in self.parameters else BUCKET
        by_parameter = [action for name, action in NEEDED_BY_PARAMETER.items() if name in self.parameters]
        return [(action, resource) for action in [*NEEDS[self.operation], *by_parameter]]


def recorded(store: S3Store) -> list[Request]:
    """Where the store's requests are kept, from now on."""
    requests: list[Request] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        requests.append(Request(model.name, dict(params)))

    store._client.meta.events.register("provide-client-params.s3", note)
    return requests


def needed_by(requests: list[Request]) -> list[tuple[str, str]]:
    return [item for request in requests for item in request.needs]


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
    requests = recorded(store)
    work(store, tmp_path)
    policy, needed = policy_of(name), needed_by(requests)
    assert [item for item in needed if not allows(policy, *item)] == []
    given = {action for statement in policy["Statement"] for action in statement["Action"]}
    unused = {action for action in given if action.startswith("s3:")} - {action for action, _ in needed}
    with_a_lock = {"s3:PutObjectRetention", *SHOWN_WITH} if name == "s3-repair" else set()
    assert unused <= with_a_lock, "what nothing needs is not given"
    outside = [BUCKET.replace("lumen", "other") + f"/{PREFIX}/x", f"{BUCKET}/elsewhere/x"]
    assert not any(allows(policy, action, resource) for action in given for resource in outside)


def test_who_repairs_is_shown_what_is_locked(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket = f"lumen-{secrets.token_hex(6)}"
    seaweedfs.client().create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    store = s3_store(seaweedfs, tmp_path / "uploads", bucket, lock={"mode": "GOVERNANCE", "days": 1})
    put(store, KEY, write(tmp_path, 100))
    policy = policy_of("s3-repair")

    def leave_out(parsed: dict[str, Any], **_: object) -> None:
        for action, names in SHOWN_WITH.items():
            if not allows(policy, action, f"{BUCKET}/{PREFIX}/{KEY}"):
                for name in names:
                    parsed.pop(name, None)

    store._client.meta.events.register("after-call.s3.HeadObject", leave_out)
    with pytest.raises(PermanentError, match="Object Lock until"):
        store.remove(KEY)
    assert allows(policy, "s3:GetObjectLegalHold", f"{BUCKET}/{PREFIX}/{KEY}")


def denied(request: Request, role: str = "lumen-daily", *, tls: bool = True) -> set[str]:
    """The statements of the bucket's policy that deny a request."""
    known = {
        "aws:PrincipalArn": f"arn:aws:iam::111122223333:role/{role}",
        "aws:SecureTransport": str(tls).lower(),
        "s3:ObjectCreationOperation": str(request.operation in CREATES).lower(),
    }
    if "IfNoneMatch" in request.parameters:
        known["s3:if-none-match"] = request.parameters["IfNoneMatch"]
    meets: dict[str, Callable[[str, str], bool]] = {
        "Null": lambda key, value: (key not in known) == (value == "true"),
        "Bool": lambda key, value: known[key] == value,
        "ArnNotEquals": lambda key, value: known[key] != value,
    }
    found = set()
    for statement in policy_of("s3-bucket")["Statement"]:
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        conditions = [(kind, *item) for kind, items in statement["Condition"].items() for item in items.items()]
        if matches(statement, request.needs) and all(meets[kind](key, value) for kind, key, value in conditions):
            found.add(statement["Sid"])
    return found


def matches(statement: Any, needs: list[tuple[str, str]]) -> bool:
    resources = statement["Resource"]
    patterns = [resources] if isinstance(resources, str) else resources
    return any(
        fnmatchcase(action, statement["Action"]) and fnmatchcase(resource, pattern)
        for action, resource in needs
        for pattern in patterns
    )


def test_the_policy_of_the_bucket_denies_what_could_overwrite_and_nothing_of_a_day(
    seaweedfs: S3Server, tmp_path: Path
) -> None:
    store = s3_store(seaweedfs, tmp_path / "uploads", seaweedfs.new_bucket())
    requests = recorded(store)
    daily(store, tmp_path)
    assert {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject"} <= {
        request.operation for request in requests
    }
    assert [request for request in requests if denied(request)] == []
    assert {frozenset(denied(request, tls=False)) for request in requests} == {frozenset({"TlsOnly"})}
    for operation in CREATES:
        assert denied(Request(operation, {"Key": f"{PREFIX}/{KEY}"})) == {"WriteOnce"}, operation


def test_the_policy_of_the_bucket_lets_the_role_that_repairs_set_aside(seaweedfs: S3Server, tmp_path: Path) -> None:
    store = s3_store(seaweedfs, tmp_path / "uploads", seaweedfs.new_bucket())
    requests = recorded(store)
    repair(store, tmp_path)
    assert {request.operation for request in requests if denied(request)} == {"CopyObject", "CompleteMultipartUpload"}
    assert [request for request in requests if denied(request, "lumen-repair")] == []


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

"""What only S3 has: parameters, checksums, resuming after kill -9, unfinished uploads of others."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from lumen_assets.archive import digest_file
from lumen_assets.errors import IntegrityError, PermanentError
from lumen_assets.replication import s3_upload
from lumen_assets.replication.s3 import S3Store, _whole_object_checksums
from lumen_assets.replication.s3_errors import _retry_after
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import S3Destination
from lumen_assets_tests.replication.fault_proxy import FaultProxy, fault_proxy, method
from lumen_assets_tests.replication.s3_stores import PREFIX, s3_destination, s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server

KEY = "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink"
FULL_KEY = f"{PREFIX}/{KEY}"
MIB = 1 << 20
PART = method("PUT", "partNumber=")


def random_file(path: Path, size: int, seed: int = 1) -> Path:
    generator = random.Random(seed)  # noqa: S311 - test data
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(generator.randbytes(min(MIB, size - start)))
    return path


@pytest.fixture
def proxy(seaweedfs: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(seaweedfs.port) as running:
        yield running


def unfinished(server: S3Server, bucket: str) -> list[str]:
    return [entry["Key"] for entry in server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


# --- checksums ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 5 * MIB, 5 * MIB + 1, 11 * MIB])
def test_the_service_proves_the_whole_object_however_it_was_sent(
    seaweedfs: S3Server, tmp_path: Path, size: int
) -> None:
    source = random_file(tmp_path / "source", size)
    digests = digest_file(source)
    receipt = s3_store(seaweedfs, tmp_path / "uploads").put(KEY, source, digests)
    assert receipt.stored.checksums == {"crc64nvme": digests.crc64nvme}
    assert receipt.stored.uri.endswith(f"/{PREFIX}/{KEY}")


CRC = base64.b64encode(bytes(range(8))).decode()
SHA = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ChecksumCRC64NVME": CRC, "ChecksumType": "FULL_OBJECT"}, {"crc64nvme": "0001020304050607"}),
        ({"ChecksumCRC64NVME": CRC}, {"crc64nvme": "0001020304050607"}),
        ({"ChecksumCRC64NVME": f"{CRC}-4"}, {}),
        ({"ChecksumSHA256": SHA, "ChecksumType": "FULL_OBJECT"}, {"sha256": "00" * 32}),
        ({"ChecksumSHA256": SHA, "ChecksumType": "COMPOSITE"}, {}),
        ({"ChecksumSHA256": f"{SHA}-2", "ChecksumType": "COMPOSITE"}, {}),
        ({"ChecksumCRC32": "AAAAAA==", "ChecksumType": "FULL_OBJECT"}, {}),
        ({"Metadata": {"sha256": "00" * 32}, "ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}, {}),
    ],
)
def test_only_whole_object_checksums_of_the_service_count(answer: dict[str, Any], expected: dict[str, str]) -> None:
    assert _whole_object_checksums(answer) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("7", 7.0), ("", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after_in_both_forms(value: str, expected: float | None) -> None:
    assert _retry_after({"retry-after": value}) == expected


# --- parameters ---------------------------------------------------------------------------------------------


def stubbed(tmp_path: Path, **settings: Any) -> tuple[S3Store, Stubber]:
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106 - never sent
    destination = S3Destination(type="s3", bucket="lumen", prefix="/p/", **settings)
    return S3Store("cloud", destination, UploadSessions(tmp_path / "uploads"), client), Stubber(client)


def options_of(sha256: str) -> dict[str, Any]:
    return {
        "ContentType": "application/octet-stream",
        "Metadata": {"sha256": sha256},
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/lumen",
        "ObjectLockMode": "COMPLIANCE",
        "ObjectLockRetainUntilDate": ANY,
    }


SETTINGS: dict[str, Any] = {
    "storage_class": "STANDARD_IA",
    "sse": {"mode": "aws:kms", "key_id": "alias/lumen"},
    "lock": {"mode": "COMPLIANCE", "days": 3650},
}


def test_settings_become_parameters_of_a_small_put(tmp_path: Path) -> None:
    source = random_file(tmp_path / "source", 10)
    digests = digest_file(source)
    crc = base64.b64encode(bytes.fromhex(digests.crc64nvme)).decode()
    store, stub = stubbed(tmp_path, **SETTINGS)
    stub.add_client_error("head_object", "404", http_status_code=404)
    stub.add_response("list_objects_v2", {}, {"Bucket": "lumen", "Prefix": "p/a", "MaxKeys": 1})
    expected = {"Bucket": "lumen", "Key": "p/a", "IfNoneMatch": "*", "ChecksumCRC64NVME": crc, "Body": ANY}
    stub.add_response("put_object", {}, {**expected, **options_of(digests.sha256)})
    head = {"ContentLength": 10, "ChecksumCRC64NVME": crc, "ChecksumType": "FULL_OBJECT", "VersionId": "v1"}
    stub.add_response("head_object", head, {"Bucket": "lumen", "Key": "p/a", "ChecksumMode": "ENABLED"})
    with stub:
        receipt = store.put("a", source, digests)
    stub.assert_no_pending_responses()
    assert receipt.stored.version == "v1"
    assert receipt.stored.uri == "s3://lumen/p/a"


def test_settings_become_parameters_of_a_multipart_upload(tmp_path: Path) -> None:
    source = random_file(tmp_path / "source", 5 * MIB + 1)
    digests = digest_file(source)
    crc = base64.b64encode(bytes.fromhex(digests.crc64nvme)).decode()
    store, stub = stubbed(tmp_path, part_size_mib=5, **SETTINGS)
    at = {"Bucket": "lumen", "Key": "p/a"}
    upload = {**at, "UploadId": "u"}
    stub.add_client_error("head_object", "404", http_status_code=404)
    stub.add_response("list_objects_v2", {})
    kind = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, {**at, **kind, **options_of(digests.sha256)})
    part_crcs = []
    for number, (start, size) in enumerate(((0, 5 * MIB), (5 * MIB, 1)), 1):
        part = tmp_path / "part"
        part.write_bytes(source.read_bytes()[start : start + size])
        part_crcs.append(base64.b64encode(bytes.fromhex(digest_file(part).crc64nvme)).decode())
        expected = {**upload, "PartNumber": number, "ChecksumCRC64NVME": part_crcs[-1], "Body": ANY}
        stub.add_response("upload_part", {"ETag": f"e{number}"}, expected)
    parts = [{"PartNumber": n, "ETag": f"e{n}", "ChecksumCRC64NVME": part_crcs[n - 1]} for n in (1, 2)]
    expected = {
        **upload,
        "MultipartUpload": {"Parts": parts},
        "ChecksumCRC64NVME": crc,
        "ChecksumType": "FULL_OBJECT",
        "MpuObjectSize": 5 * MIB + 1,
        "IfNoneMatch": "*",
    }
    stub.add_response("complete_multipart_upload", {}, expected)
    stub.add_response("list_multipart_uploads", {"Uploads": [{"Key": "p/a2", "UploadId": "not ours"}]})
    stub.add_response("head_object", {"ContentLength": 5 * MIB + 1, "ChecksumCRC64NVME": crc})
    s3_upload_workers, s3_upload.WORKERS = s3_upload.WORKERS, 1  # a stub answers in one order  # type: ignore[misc]
    try:
        with stub:
            assert store.put("a", source, digests).created
    finally:
        s3_upload.WORKERS = s3_upload_workers  # type: ignore[misc]
    stub.assert_no_pending_responses()


def test_object_lock_on_a_real_server(seaweedfs: S3Server, tmp_path: Path) -> None:
    client = seaweedfs.client()
    bucket = f"{seaweedfs.new_bucket()}-lock"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    store = s3_store(seaweedfs, tmp_path / "uploads", bucket, lock={"mode": "GOVERNANCE", "days": 2})
    for key, size in (("small", 10), ("large", 6 * MIB)):
        source = random_file(tmp_path / key, size)
        stored = store.put(key, source, digest_file(source)).stored
        head = client.head_object(Bucket=bucket, Key=f"{PREFIX}/{key}")
        assert head["ObjectLockMode"] == "GOVERNANCE"
        assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=1)
        assert head["Metadata"] == {"sha256": digest_file(source).sha256}
        assert stored.version == head["VersionId"]
        assert not store.put(key, source, digest_file(source)).created


def test_credentials_of_the_standard_chain(
    seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in seaweedfs.environment().items():
        monkeypatch.setenv(name, value)
    source = random_file(tmp_path / "source", 6 * MIB)
    store = S3Store("cloud", s3_destination(seaweedfs), UploadSessions(tmp_path / "uploads"))
    digests = digest_file(source)
    assert store.put(KEY, source, digests).stored.checksums == {"crc64nvme": digests.crc64nvme}


def test_no_credentials_at_all(seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store("cloud", s3_destination(seaweedfs), UploadSessions(tmp_path))
    with pytest.raises(PermanentError, match="AWS_ACCESS_KEY_ID") as caught:
        store.stat(KEY)
    assert caught.value.error_class == "credentials"


def test_a_client_of_dagsters_resource(seaweedfs: S3Server, tmp_path: Path) -> None:
    from dagster_aws.s3 import S3Resource

    resource = S3Resource(
        endpoint_url=seaweedfs.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key=seaweedfs.secret_key,
    )
    source = random_file(tmp_path / "source", 6 * MIB)
    digests = digest_file(source)
    sessions = UploadSessions(tmp_path / "uploads")
    store = S3Store("cloud", s3_destination(seaweedfs), sessions, resource.get_client())
    assert store.put(KEY, source, digests).stored.checksums == {"crc64nvme": digests.crc64nvme}


def test_a_bucket_that_is_not_there_is_a_wrong_setting_and_not_a_missing_replica(
    seaweedfs: S3Server, tmp_path: Path
) -> None:
    store = s3_store(seaweedfs, tmp_path / "uploads", bucket="no-such-bucket")
    source = random_file(tmp_path / "source", 1)
    for call in (
        lambda: store.stat(KEY),
        lambda: list(store.list()),
        lambda: store.put(KEY, source, digest_file(source)),
    ):
        with pytest.raises(PermanentError, match="bucket") as caught:
            call()
        assert caught.value.error_class == "configuration"


def test_wrong_credentials_are_said_although_a_head_request_cannot(seaweedfs: S3Server, tmp_path: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=seaweedfs.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key="wrong",  # noqa: S106 - it is
        config=Config(retries={"total_max_attempts": 1}),
    )
    store = S3Store("cloud", s3_destination(seaweedfs), UploadSessions(tmp_path), client)
    with pytest.raises(PermanentError, match="SignatureDoesNotMatch") as caught:
        store.stat(KEY)
    assert caught.value.error_class == "credentials"


def test_more_parts_than_there_can_be_become_larger_ones(tmp_path: Path, seaweedfs: S3Server) -> None:
    source = random_file(tmp_path / "source", 12 * MIB)
    bucket = seaweedfs.new_bucket()
    before = s3_upload._MOST_PARTS
    s3_upload._MOST_PARTS = 2  # type: ignore[misc]
    try:
        s3_store(seaweedfs, tmp_path / "uploads", bucket).put(KEY, source, digest_file(source))
    finally:
        s3_upload._MOST_PARTS = before  # type: ignore[misc]
    etag = seaweedfs.client().head_object(Bucket=bucket, Key=f"{PREFIX}/{KEY}")["ETag"]
    assert etag.strip('"').endswith("-2")  # of 5 MiB there would be three


def test_folders_that_consoles_make_are_not_listed(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket = seaweedfs.new_bucket()
    client = seaweedfs.client()
    client.put_object(Bucket=bucket, Key=f"{PREFIX}/", Body=b"")
    client.put_object(Bucket=bucket, Key=f"{PREFIX}/2026-11-21/", Body=b"")
    for key in ("x/1", "x-1", "x", "x y", "é"):
        client.put_object(Bucket=bucket, Key=f"{PREFIX}/{key}", Body=b"1")
    store = s3_store(seaweedfs, tmp_path, bucket)
    assert [found.key for found in store.list()] == sorted(["x/1", "x-1", "x", "x y", "é"])


# --- going on after a crash ---------------------------------------------------------------------------------

PROGRAM = """
import json, sys
from pathlib import Path
from lumen_assets.archive import Digests
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import S3Destination
asked = json.loads(sys.stdin.read())
store = S3Store("cloud", S3Destination(**asked["destination"]), UploadSessions(Path(asked["sessions"])))
receipt = store.put(asked["key"], Path(asked["source"]), Digests(**asked["digests"]))
print(receipt.created)
"""


class Uploader:
    """Puts in a process of its own, through the proxy, and kills it."""

    def __init__(self, server: S3Server, proxy: FaultProxy, source: Path, **settings: Any) -> None:
        self.proxy = proxy
        self.server = server
        self.source = source
        self.digests = digest_file(source)
        self.sessions = source.parent / "uploads"
        self.bucket = server.new_bucket()
        self.destination = s3_destination(server, self.bucket, endpoint_url=proxy.url, **settings)

    def start(self) -> subprocess.Popen[bytes]:
        asked = {
            "destination": self.destination.model_dump(mode="json"),
            "sessions": str(self.sessions),
            "key": KEY,
            "source": str(self.source),
            "digests": vars(self.digests),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**self.server.environment(), "HOME": str(self.source.parent), "PATH": "/usr/bin:/bin"},
        )
        assert process.stdin
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        process.stdin = None  # so that communicate() leaves it alone
        return process

    def killed_at(self, size: int) -> None:
        """Start it, and kill -9 when this many bytes in all went up."""
        process = self.start()
        while self.proxy.bytes_up < size and process.poll() is None:
            time.sleep(0.001)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def finish(self) -> bool:
        process = self.start()
        out, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        return out.strip() == b"True"

    def require_right(self) -> None:
        store = s3_store(self.server, self.sessions, self.bucket)
        assert [found.key for found in store.list()] == [KEY]
        stored = store.stat(KEY)
        assert stored
        assert stored.checksums == {"crc64nvme": self.digests.crc64nvme}
        with store.read(KEY) as reader, self.source.open("rb") as file:
            while data := reader.read(MIB):
                assert data == file.read(len(data))
            assert not file.read(1)
        assert unfinished(self.server, self.bucket) == []
        assert list(self.sessions.glob("*.json")) == []


def campaign(uploader: Uploader, kills: int) -> float:
    """Kill it at random moments, then let it finish; how often the whole size went up."""
    size = uploader.digests.size
    generator = random.Random()  # noqa: S311 - moments, not secrets
    for moment in sorted(generator.uniform(0, 0.98) for _ in range(kills)):
        uploader.killed_at(int(moment * size))
    uploader.finish()
    uploader.require_right()
    return uploader.proxy.bytes_up / size


def test_killed_again_and_again_it_goes_on_where_it_stopped(
    seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path
) -> None:
    uploader = Uploader(seaweedfs, proxy, random_file(tmp_path / "source", 100 * MIB))
    kills = 3
    in_flight = s3_upload.WORKERS * 5 * MIB
    assert campaign(uploader, kills) <= 1 + kills * in_flight / uploader.digests.size


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_gigabyte_killed_twenty_times_sends_at_most_a_fifth_more(
    seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path
) -> None:
    uploader = Uploader(seaweedfs, proxy, random_file(tmp_path / "source", 1024 * MIB))
    assert campaign(uploader, 20) <= 1.2


def test_killed_right_after_the_finish_the_next_put_sends_nothing(
    seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path
) -> None:
    uploader = Uploader(seaweedfs, proxy, random_file(tmp_path / "source", 11 * MIB))
    process = uploader.start()
    while not list(s3_store(seaweedfs, tmp_path, uploader.bucket).list()) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    sent = uploader.proxy.bytes_up
    assert not uploader.finish()
    assert uploader.proxy.bytes_up - sent < 1000
    uploader.require_right()


def test_uploads_that_nobody_remembers_are_aborted_and_others_left_alone(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket = seaweedfs.new_bucket()
    client = seaweedfs.client()
    others = [f"{FULL_KEY}x", f"other/{KEY}", KEY]
    for key in [FULL_KEY, FULL_KEY, *others]:
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)
        client.upload_part(Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    source = random_file(tmp_path / "source", 6 * MIB)
    s3_store(seaweedfs, tmp_path / "uploads", bucket).put(KEY, source, digest_file(source))
    assert sorted(unfinished(seaweedfs, bucket)) == sorted(others)


def interrupted(server: S3Server, source: Path, bucket: str, sessions: Path) -> S3Store:
    """A store whose put of ``source`` stopped when the first part had arrived."""
    store = s3_store(server, sessions, bucket)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(KEY, source, digest_file(source), stop)
    return store


def test_parts_that_are_not_what_we_sent_do_not_get_in(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket, sessions = seaweedfs.new_bucket(), tmp_path / "uploads"
    source = random_file(tmp_path / "source", 11 * MIB)
    store = interrupted(seaweedfs, source, bucket, sessions)
    client = seaweedfs.client()
    (upload,) = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    client.upload_part(
        Bucket=bucket, Key=FULL_KEY, UploadId=upload["UploadId"], PartNumber=1, Body=bytes(5 * MIB),
        ChecksumAlgorithm="CRC64NVME",
    )  # fmt: skip
    receipt = store.put(KEY, source, digest_file(source))
    assert receipt.created
    assert receipt.stored.checksums == {"crc64nvme": digest_file(source).crc64nvme}


@pytest.mark.parametrize("damage", ["other part size", "no JSON", "upload unknown"])
def test_a_session_that_is_wrong_is_no_harm(seaweedfs: S3Server, tmp_path: Path, damage: str) -> None:
    bucket, sessions = seaweedfs.new_bucket(), tmp_path / "uploads"
    source = random_file(tmp_path / "source", 11 * MIB)
    store = interrupted(seaweedfs, source, bucket, sessions)
    (path,) = sessions.glob("*.json")
    record = json.loads(path.read_text())
    match damage:
        case "other part size":
            record["part_size"] = 6 * MIB
        case "upload unknown":
            record["upload_id"] = "unknown"
    path.write_text("{" if damage == "no JSON" else json.dumps(record))
    sent: list[int] = []
    assert store.put(KEY, source, digest_file(source), sent.append).created
    assert sum(sent) == 11 * MIB
    assert unfinished(seaweedfs, bucket) == []


@pytest.mark.parametrize("field", ["sha256", "etag", None])
def test_parts_that_nobody_remembers_rightly_are_kept_where_the_service_proves_them(
    seaweedfs: S3Server, tmp_path: Path, field: str | None
) -> None:
    bucket, sessions = seaweedfs.new_bucket(), tmp_path / "uploads"
    source = random_file(tmp_path / "source", 11 * MIB)
    store = interrupted(seaweedfs, source, bucket, sessions)
    (path,) = sessions.glob("*.json")
    record = json.loads(path.read_text())
    for part in record["parts"].values():
        part[field] = "0"
    path.write_text(json.dumps(record if field else {**record, "parts": {}}))
    sent: list[int] = []
    assert store.put(KEY, source, digest_file(source), sent.append).created
    assert sum(sent) == 0


def test_a_source_that_changed_since_is_not_mixed_with_what_was_sent(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket, sessions = seaweedfs.new_bucket(), tmp_path / "uploads"
    source = random_file(tmp_path / "source", 11 * MIB)
    digests = digest_file(source)
    store = interrupted(seaweedfs, source, bucket, sessions)
    random_file(source, 11 * MIB, seed=2)
    with pytest.raises(IntegrityError) as caught:
        store.put(KEY, source, digests)
    assert caught.value.error_class == "digest"
    assert list(store.list()) == []
    assert unfinished(seaweedfs, bucket) == []


def test_what_is_remembered_is_the_digest_of_the_part(seaweedfs: S3Server, tmp_path: Path) -> None:
    bucket, sessions = seaweedfs.new_bucket(), tmp_path / "uploads"
    source = random_file(tmp_path / "source", 11 * MIB)
    interrupted(seaweedfs, source, bucket, sessions)
    (path,) = sessions.glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    content = source.read_bytes()
    for number, part in json.loads(path.read_text())["parts"].items():
        piece = tmp_path / "piece"
        piece.write_bytes(content[(int(number) - 1) * 5 * MIB : int(number) * 5 * MIB])
        assert part["sha256"] == digest_file(piece).sha256


def test_signing_computes_the_digest_that_is_remembered(
    seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[bool] = []
    inner = s3_upload.FileRange.sha256

    def watched(self: s3_upload.FileRange) -> str:
        known.append(self.signed_sha256 is not None)
        return inner(self)

    monkeypatch.setattr(s3_upload.FileRange, "sha256", watched)
    source = random_file(tmp_path / "source", 6 * MIB)
    s3_store(seaweedfs, tmp_path / "uploads").put(KEY, source, digest_file(source))
    assert known == [True, True]


MEMORY = (
    PROGRAM
    + """
status = Path("/proc/self/status").read_text()  # getrusage would count what pytest held when it forked
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
)


def peak_memory(uploader: Uploader, monkeypatch: pytest.MonkeyPatch) -> int:
    """MiB that the uploading process held at most."""
    monkeypatch.setattr(sys.modules[__name__], "PROGRAM", MEMORY)
    process = uploader.start()
    out, _ = process.communicate(timeout=1200)
    created, memory = out.split()
    assert created == b"True"
    return int(memory)


def test_memory_does_not_grow_with_the_size(
    seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader = Uploader(seaweedfs, proxy, random_file(tmp_path / "source", 160 * MIB), part_size_mib=32)
    assert peak_memory(uploader, monkeypatch) <= 150


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_memory_at_five_gigabytes(
    seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(5120 * MIB)
    uploader = Uploader(seaweedfs, proxy, source)
    assert peak_memory(uploader, monkeypatch) <= 150

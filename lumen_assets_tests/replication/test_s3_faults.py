"""What networks and providers do wrong, in front of a real S3 server: nothing lost, nothing doubled, nothing told."""

from __future__ import annotations

import base64
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets_tests.replication.fault_proxy import (
    Answer,
    BreakAnswer,
    ChangeAnswer,
    CorruptRequest,
    Fault,
    FaultProxy,
    LoseAnswer,
    Reset,
    Twice,
    When,
    fault_proxy,
    method,
)
from lumen_assets_tests.replication.s3_bench import (
    BEGIN,
    FINISH,
    KEY,
    MIB,
    PARTS,
    PUT,
    PUT_PART,
    SIZE,
    Bench,
    changed,
    s3_bench,
    xml,
)
from lumen_assets_tests.replication.s3_stores import PREFIX, s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server


@pytest.fixture
def proxy(seaweedfs: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(seaweedfs.port) as running:
        yield running


@pytest.fixture
def bench(seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path) -> Bench:
    return s3_bench(seaweedfs, proxy, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256))
    return path


TRANSIENT: list[tuple[str, Fault, When, int, str]] = [
    ("reset at once", Reset(), PUT_PART, 1, "network"),
    ("reset in mid-part", Reset(2 * MIB), PUT_PART, 1, "network"),
    ("reset three times", Reset(MIB), PUT_PART, 3, "network"),
    ("500", Answer(500, body=xml("InternalError")), PUT_PART, 1, "provider"),
    ("500 without a body", Answer(500), BEGIN, 1, "provider"),
    ("503 SlowDown", Answer(503, body=xml("SlowDown")), PUT_PART, 2, "throttle"),
    ("503 ServiceUnavailable", Answer(503, body=xml("ServiceUnavailable")), FINISH, 1, "provider"),
    ("429", Answer(429, {"Retry-After": "7"}), PUT_PART, 1, "throttle"),
    ("409", Answer(409, body=xml("OperationAborted")), FINISH, 1, "conflict"),
    ("an error in a 200 answer", Answer(200, body=xml("InternalError")), FINISH, 1, "provider"),
    ("not read in time", Answer(400, body=xml("RequestTimeout")), PUT_PART, 1, "network"),
    ("one bit flipped on the way", CorruptRequest(MIB), PUT_PART, 1, "network"),
    ("lost answer to a part", LoseAnswer(), PUT_PART, 1, "network"),
    ("lost answer to the begin", LoseAnswer(), BEGIN, 1, "network"),
    ("lost answer to the finish", LoseAnswer(), FINISH, 1, "network"),
]


@pytest.mark.parametrize(
    ("fault", "when", "times", "error_class"), [row[1:] for row in TRANSIENT], ids=[row[0] for row in TRANSIENT]
)
def test_what_passes_is_tried_again_and_ends_well(
    bench: Bench,
    source: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    fault: Fault,
    when: When,
    times: int,
    error_class: str,
) -> None:
    bench.proxy.inject(fault, when, times)
    with caplog.at_level(logging.WARNING):
        receipt = bench.retrying.put(KEY, source, digest_file(source))
    assert receipt.attempts == times + 1
    assert len(bench.waits) == times
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == times
    assert all(f"({error_class}: " in line and "waiting" in line for line in logged)
    assert bench.content() == source.read_bytes()
    assert bench.objects() == [f"{PREFIX}/{KEY}"]
    assert bench.unfinished() == []
    assert receipt.bytes_sent <= SIZE + 5 * MIB * times


def test_the_wait_is_at_least_what_the_provider_asked_for(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Answer(503, {"Retry-After": "42"}, xml("SlowDown")), PUT_PART)
    bench.retrying.put(KEY, source, digest_file(source))
    assert len(bench.waits) == 1
    assert bench.waits[0] >= 42


def test_a_retry_sends_only_what_is_missing(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Answer(503, body=xml("SlowDown")), FINISH, 4)
    bench.retrying.put(KEY, source, digest_file(source))
    assert bench.proxy.count(method("PUT", "partNumber=")) == PARTS
    assert bench.proxy.count(FINISH) == 5


def test_a_finish_that_arrives_twice_is_one_object(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Twice(), FINISH)
    bench.retrying.put(KEY, source, digest_file(source))
    assert bench.waits == []
    assert bench.content() == source.read_bytes()
    assert bench.unfinished() == []


def test_a_small_put_that_arrives_twice_or_whose_answer_is_lost_is_one_object(bench: Bench, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"manifest")
    for number, fault in enumerate((Twice(), LoseAnswer())):
        bench.proxy.inject(fault, PUT)
        receipt = bench.retrying.put(f"{number}", small, digest_file(small))
        assert receipt.stored.size == 8
    assert bench.objects() == [f"{PREFIX}/0", f"{PREFIX}/1"]


def test_an_upload_that_the_service_forgot_starts_again(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Answer(404, body=xml("NoSuchUpload")), FINISH)
    bench.retrying.put(KEY, source, digest_file(source))
    assert bench.content() == source.read_bytes()
    assert bench.waits == []
    assert bench.unfinished() == []


def test_the_tries_end(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Answer(503, body=xml("SlowDown")), BEGIN, -1)
    with pytest.raises(TransientError) as caught:
        bench.retrying.put(KEY, source, digest_file(source))
    assert caught.value.error_class == "throttle"
    assert len(bench.waits) == 5


PERMANENT: list[tuple[int, str, str, str]] = [
    (403, "AccessDenied", "permission", "s3:PutObject"),
    (403, "InvalidAccessKeyId", "credentials", "AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "credentials", "AWS_SECRET_ACCESS_KEY"),
    (400, "ExpiredToken", "credentials", "renew"),
    (403, "RequestTimeTooSkewed", "clock", "clock"),
    (403, "QuotaExceeded", "quota", "quota"),
    (507, "InsufficientStorage", "quota", "quota"),
    (404, "NoSuchBucket", "configuration", "bucket"),
    (301, "PermanentRedirect", "configuration", "region"),
    (400, "InvalidStorageClass", "configuration", "storage_class"),
    (400, "KMS.NotFoundException", "configuration", "sse.key_id"),
    (501, "NotImplemented", "configuration", "docs/destinations/s3.md"),
    (400, "SomethingNew", "configuration", "settings"),
]


@pytest.mark.parametrize(("status", "code", "error_class", "hint"), PERMANENT, ids=[row[1] for row in PERMANENT])
@pytest.mark.parametrize("when", [BEGIN, FINISH], ids=["begin", "finish"])
def test_what_does_not_pass_stops_at_once_and_says_what_to_do(
    bench: Bench, source: Path, *, when: When, status: int, code: str, error_class: str, hint: str
) -> None:
    bench.proxy.inject(Answer(status, body=xml(code)), when, -1)
    with pytest.raises(PermanentError) as caught:
        bench.retrying.put(KEY, source, digest_file(source))
    assert caught.value.error_class == error_class
    assert hint in caught.value.hint
    assert bench.proxy.count(when) == 1
    assert bench.waits == []
    assert bench.objects() == []


@pytest.mark.parametrize(
    ("status", "code", "error_class"),
    [(403, "RequestTimeTooSkewed", "clock"), (400, "ExpiredToken", "credentials"), (403, "AccessDenied", "permission")],
)
def test_what_a_head_request_cannot_say_is_asked_for(bench: Bench, status: int, code: str, error_class: str) -> None:
    bench.proxy.inject(Answer(status, body=xml(code)), times=-1)
    with pytest.raises(PermanentError) as caught:
        bench.store.stat(KEY)
    assert caught.value.error_class == error_class


def test_a_denied_head_names_both_permissions(bench: Bench) -> None:
    bench.proxy.inject(Answer(403), method("HEAD"))
    with pytest.raises(PermanentError, match=r"s3:GetObject.*s3:ListBucket"):
        bench.store.stat(KEY)


def test_a_wrong_checksum_in_the_answer_to_a_part_is_not_believed(bench: Bench, source: Path) -> None:
    wrong = base64.b64encode(bytes(8)).decode()

    def lie(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        return status, {**headers, "x-amz-checksum-crc64nvme": wrong, "X-Amz-Checksum-Crc64nvme": wrong}, body

    bench.proxy.inject(ChangeAnswer(lie), PUT_PART)
    receipt = bench.retrying.put(KEY, source, digest_file(source))
    assert receipt.attempts == 2
    assert bench.content() == source.read_bytes()


def test_a_wrong_checksum_of_the_whole_object_is_an_integrity_error_and_left_alone(bench: Bench, source: Path) -> None:
    right = base64.b64encode(bytes.fromhex(digest_file(source).crc64nvme))
    bench.proxy.inject(changed(right, base64.b64encode(bytes(8))), method("HEAD"), -1)
    with pytest.raises(IntegrityError, match="crc64nvme") as caught:
        bench.retrying.put(KEY, source, digest_file(source))
    assert caught.value.error_class == "digest"
    assert bench.objects() == [f"{PREFIX}/{KEY}"]


def test_a_whole_that_the_service_finds_damaged_is_not_stored(bench: Bench, source: Path) -> None:
    bench.proxy.inject(Answer(400, body=xml("BadDigest")), FINISH, -1)
    with pytest.raises(IntegrityError) as caught:
        bench.retrying.put(KEY, source, digest_file(source))
    assert caught.value.error_class == "digest"
    assert bench.objects() == []
    assert bench.unfinished() == []


def test_a_source_that_is_damaged_in_its_last_part_leaves_nothing(bench: Bench, source: Path) -> None:
    digests = digest_file(source)
    with source.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    with pytest.raises(IntegrityError) as caught:
        bench.retrying.put(KEY, source, digests)
    assert caught.value.error_class == "digest"
    assert bench.objects() == []
    assert bench.unfinished() == []


def test_a_download_that_breaks_off_goes_on_where_it_broke(bench: Bench, source: Path) -> None:
    bench.retrying.put(KEY, source, digest_file(source))
    bench.proxy.clear()
    bench.proxy.inject(BreakAnswer(3 * MIB), method("GET"))
    bench.proxy.inject(BreakAnswer(2 * MIB), method("GET"))
    parts = []
    with bench.retrying.read(KEY) as reader:
        while data := reader.read(MIB):
            parts.append(data)
    assert b"".join(parts) == source.read_bytes()
    assert bench.proxy.count(method("GET")) == 3
    assert bench.proxy.bytes_down < SIZE + 3 * MIB


def test_nobody_listening_is_a_network_error(seaweedfs: S3Server, tmp_path: Path) -> None:
    store = s3_store(seaweedfs, tmp_path, endpoint_url="http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"no connection to 127\.0\.0\.1") as caught:
        store.stat(KEY)
    assert caught.value.error_class == "network"


def without_checksums(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    kept = {name: value for name, value in headers.items() if "checksum" not in name.lower()}
    return status, kept, body


def test_a_service_that_keeps_no_checksums_proves_nothing_and_is_read_back(bench: Bench, source: Path) -> None:
    bench.proxy.inject(ChangeAnswer(without_checksums), method("HEAD"), -1)
    digests = digest_file(source)
    assert bench.retrying.put(KEY, source, digests).stored.checksums == {}
    bench.proxy.clear()
    bench.proxy.inject(ChangeAnswer(without_checksums), method("HEAD"), -1)
    assert not bench.retrying.put(KEY, source, digests).created
    assert bench.proxy.count(method("GET", KEY)) == 1
    other = source.with_name("other")
    other.write_bytes(source.read_bytes()[:-1] + b"!")
    with pytest.raises(IntegrityError) as caught:
        bench.retrying.put(KEY, other, digest_file(other))
    assert caught.value.error_class == "conflict"


def test_a_service_that_refuses_the_checksum_is_used_without(
    bench: Bench, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def with_checksum(request):  # type: ignore[no-untyped-def]
        return any("checksum" in name.lower() and "mode" not in name.lower() for name in request.headers)

    bench.proxy.inject(Answer(400, body=xml("InvalidArgument", "unknown checksum algorithm")), with_checksum, -1)
    stored = bench.retrying.put(KEY, source, digest_file(source)).stored
    assert stored.checksums == {}
    assert bench.content() == source.read_bytes()
    assert [record.getMessage() for record in caplog.records] == [
        "cloud: the service does not know CRC-64/NVME: going on without"
    ]


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


ECHOING: list[Callable[[S3Server], bytes]] = [
    lambda server: xml("AccessDenied", f"key {server.access_key} with {server.secret_key}"),
    lambda server: xml("InternalError", f"/b/k?X-Amz-Signature={'ab' * 32}&X-Amz-Credential={server.access_key}/2026"),
    lambda server: xml(server.secret_key, "a code that is none"),
]


@pytest.mark.parametrize("echo", ECHOING)
def test_no_credential_is_repeated_even_if_the_service_says_it(
    bench: Bench, source: Path, caplog: pytest.LogCaptureFixture, echo: Callable[[S3Server], bytes]
) -> None:
    for status in (403, 500):
        bench.proxy.inject(Answer(status, body=echo(bench.server)), times=-1)
        with caplog.at_level(logging.INFO), pytest.raises(LumenError) as caught:
            bench.retrying.put(KEY, source, digest_file(source))
        said = shown(caught.value) + caplog.text
        for canary in (bench.server.access_key, bench.server.secret_key, "ab" * 32):
            assert canary not in said
        bench.proxy.clear()


def test_cancelling_keeps_what_arrived(bench: Bench, source: Path) -> None:
    class Cancelled(Exception):  # noqa: N818
        pass

    def cancel(_: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        bench.store.put(KEY, source, digest_file(source), cancel)
    assert bench.objects() == []
    started = bench.proxy.count(method("PUT", "partNumber="))
    bench.store.put(KEY, source, digest_file(source))
    assert bench.proxy.count(method("PUT", "partNumber=")) == max(started, PARTS)
    assert bench.content() == source.read_bytes()


def test_a_server_that_says_nothing_is_given_up(seaweedfs: S3Server, proxy: FaultProxy, tmp_path: Path) -> None:
    store = s3_store(seaweedfs, tmp_path, endpoint_url=proxy.url, read_timeout=0.3)

    @dataclass(frozen=True)
    class Silence:
        def play(self, exchange) -> None:  # type: ignore[no-untyped-def]
            time.sleep(1)
            exchange.reset()

    proxy.inject(Silence())
    with pytest.raises(TransientError, match="no answer in time"):
        store.stat(KEY)


@pytest.mark.parametrize(
    ("fault", "when"),
    [
        (LoseAnswer(), method("DELETE")),
        (Reset(), method("DELETE")),
        (Answer(503, xml("SlowDown")), method("DELETE")),
        (LoseAnswer(), method("PUT")),
        (Reset(), method("GET")),
    ],
)
def test_setting_aside_through_faults_loses_nothing(bench: Bench, tmp_path: Path, fault: Fault, when: When) -> None:
    source = tmp_path / "damaged"
    source.write_bytes(b"damaged" * 1000)
    bench.store.put(KEY, source, digest_file(source))
    bench.proxy.inject(fault, when)
    aside = bench.retrying.set_aside(KEY)
    assert bench.store.stat(KEY) is None
    kept = [name for name in bench.objects() if ".aside-" in name]
    assert f"{PREFIX}/{aside}" in kept
    for name in kept:
        body = bench.server.client().get_object(Bucket=bench.bucket, Key=name)["Body"].read()
        assert body == source.read_bytes()

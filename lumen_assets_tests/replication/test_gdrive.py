"""What goes wrong between us and Google Drive, what then happens, and that nothing is lost or doubled by it."""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import urllib3
from google.auth import _helpers

from lumen_assets.archive import digest_file
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.replication import gdrive_api
from lumen_assets.replication.gdrive_errors import Refusal, Translator
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets_tests.replication.drive_account import DRIVE_FILE, GRAIN
from lumen_assets_tests.replication.drive_bench import (
    BIG,
    CHUNK,
    JSON,
    KEY,
    MIB,
    PATH,
    RATE,
    SMALL,
    Bench,
    asking,
    chunk,
    closing,
    download,
    drive_bench,
    folder,
    generate,
    listing,
    refusal,
    start,
    token,
)
from lumen_assets_tests.replication.drive_emulator import FOLDER, store_at
from lumen_assets_tests.replication.fault_proxy import (
    Answer,
    BreakAnswer,
    ChangeAnswer,
    CorruptRequest,
    Exchange,
    Fault,
    First,
    LoseAnswer,
    Reset,
    Stall,
    Twice,
    When,
    method,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with drive_bench(tmp_path) as running:
        yield running


PASSING = {
    "connection reset": (Reset(100_000), "network"),
    "HTTP 500": (Answer(500, {}, b"oops"), "provider"),
    "HTTP 503 with Retry-After": (Answer(503, {"Retry-After": "7"}), "provider"),
    "HTTP 429 with Retry-After": (refusal(429, "rateLimitExceeded", headers={"Retry-After": "7"}), "throttle"),
    "HTTP 429 with a date": (Answer(429, {"Retry-After": "Mon, 23 Nov 2020 00:00:00 GMT"}), "throttle"),
    "HTTP 403 rate limit": (RATE, "throttle"),
    "answer lost": (LoseAnswer(), "network"),
    "a page that is not Drive's": (Answer(200, {"Content-Type": "text/html"}, b"<html>portal</html>"), "provider"),
}


@pytest.mark.parametrize(("fault", "error_class"), PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("at", [(chunk, SMALL), (chunk, BIG), (closing, BIG)], ids=["only", "first", "last"])
def test_what_passes_is_tried_again_and_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture, fault: Fault, error_class: str, at: tuple[When, int]
) -> None:
    when, size = at
    bench.proxy.inject(fault, when)
    receipt = bench.put(size)
    bench.require_stored(size)
    assert receipt.attempts == 2
    assert bench.emulator.bytes_up <= size + CHUNK
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("lumen")]
    assert re.search(rf"drive: put {KEY}: attempt 1 of 4 failed \({error_class}: .+\), waiting \d", line)
    if getattr(fault, "headers", {}).get("Retry-After") == "7":
        assert bench.waits == [7.0]


@pytest.mark.parametrize("fault", [Reset(), Answer(500), RATE, LoseAnswer()], ids=["reset", "500", "rate", "lost"])
@pytest.mark.parametrize(
    "when", [start, listing, generate, folder], ids=["start", "listing", "generateIds", "making a folder"]
)
def test_calls_without_content_are_tried_again_and_nothing_is_doubled(bench: Bench, fault: Fault, when: When) -> None:
    bench.proxy.inject(fault, when)
    assert bench.put(BIG).attempts == 2
    bench.require_stored(BIG)
    assert bench.emulator.bytes_up == BIG


def test_a_folder_whose_answer_is_lost_is_not_made_again_although_no_listing_knows_it(bench: Bench) -> None:
    bench.emulator.account.list_lag = 60
    bench.proxy.inject(LoseAnswer(), folder)
    assert bench.put(SMALL).attempts == 2
    bench.require_stored(SMALL)


@pytest.mark.parametrize("finished", ["answer", "gone"])
@pytest.mark.parametrize("fault", [LoseAnswer(), Twice()], ids=["lost final answer", "duplicate finish"])
@pytest.mark.parametrize("size", [0, SMALL, BIG])
def test_a_finish_whose_answer_is_lost_or_that_arrives_twice_makes_one_file(
    bench: Bench, fault: Fault, finished: str, size: int
) -> None:
    bench.emulator.account.finished = finished
    bench.proxy.inject(fault, closing if size else method("PUT"))
    bench.put(size)
    bench.require_stored(size)
    assert bench.emulator.bytes_up == size


@pytest.mark.parametrize("finished", ["answer", "gone"])
def test_a_lost_final_answer_is_found_again_although_no_listing_knows_the_file(bench: Bench, finished: str) -> None:
    bench.emulator.account.finished = finished
    bench.proxy.inject(LoseAnswer(), closing)
    source = bench.source(BIG)
    store = bench.raw()
    with pytest.raises(TransientError):
        store.put(KEY, *source)
    bench.emulator.account.list_lag = 60
    assert store.put(KEY, *source).created
    bench.emulator.account.list_lag = 0
    bench.require_stored(BIG)
    assert bench.emulator.bytes_up == BIG


def test_the_index_of_names_may_lag(bench: Bench) -> None:
    """Two puts at once after each other, by two processes, while searches by name find nothing yet."""
    bench.emulator.account.name_lag = 60
    assert bench.put(SMALL).created
    assert not bench.put(SMALL).created
    found = bench.raw().stat(KEY)
    assert found is not None
    bench.require_stored(SMALL)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_chunk_that_breaks_off_goes_on_where_drive_says(bench: Bench, keeps: bool) -> None:
    bench.emulator.account.keeps_partial = keeps

    def broken(exchange: Exchange) -> None:
        connection = bench.proxy.connect()
        request = exchange.request
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(exchange.read_request(3 * GRAIN + 100))
        time.sleep(0.2)
        connection.close()
        exchange.reset()

    class Broken:
        play = staticmethod(broken)

    bench.proxy.inject(Broken(), chunk)
    bench.put(BIG)
    bench.require_stored(BIG)
    again = next(request for request in bench.proxy.requests if asking(request))
    assert again.headers["Content-Range"] == f"bytes */{BIG}"
    following = [request.headers["Content-Range"] for request in bench.proxy.requests if chunk(request)][1]
    assert following.startswith(f"bytes {3 * GRAIN if keeps else 0}-")


def test_a_wrong_checksum_in_the_answer_is_an_integrity_error_at_once(bench: Bench) -> None:
    bench.emulator.account.wrong_checksum = True
    with pytest.raises(IntegrityError, match=r"sha256 0{64}") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "digest"
    assert bench.waits == []
    assert bench.emulator.account.paths() == [PATH]  # never deleted
    with pytest.raises(IntegrityError) as caught:
        bench.put(BIG)
    assert caught.value.error_class == "conflict"


def test_a_bit_that_flips_on_its_way_is_an_integrity_error(bench: Bench) -> None:
    """Over TLS it cannot; Drive takes no checksum of a chunk, so it shows at the end."""
    bench.proxy.inject(CorruptRequest(1000), chunk)
    with pytest.raises(IntegrityError) as caught:
        bench.put(BIG)
    assert caught.value.error_class == "digest"
    assert bench.waits == []


@pytest.mark.parametrize("checksums", [("md5",), ()])
def test_where_drive_has_no_sha256_the_file_is_read_back(bench: Bench, checksums: tuple[str, ...]) -> None:
    bench.emulator.account.checksums = checksums
    receipt = bench.put(SMALL)
    assert set(receipt.stored.checksums) == set(checksums)
    assert bench.proxy.count(download) >= 1
    assert not bench.put(SMALL).created
    path, _ = bench.source(SMALL, "other")
    path.write_bytes(bytes(SMALL))
    with pytest.raises(IntegrityError) as caught:
        bench.store().put(KEY, path, digest_file(path))
    assert caught.value.error_class == "conflict"


@pytest.mark.parametrize("at", ["start", "finish"])
def test_a_full_drive_is_permanent(bench: Bench, at: str) -> None:
    def fill() -> None:
        bench.emulator.account.quota = 1000

    if at == "start":
        fill()
    else:
        bench.proxy.inject(First(fill), closing)
    with pytest.raises(PermanentError, match=r"quota has been exceeded.*free space in that account") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "quota"
    assert bench.waits == []
    assert bench.emulator.account.paths() == []
    bench.emulator.account.quota = 1 << 40
    bench.put(BIG)
    bench.require_stored(BIG)


def test_a_service_account_without_a_shared_drive_is_told_to_use_one(bench: Bench) -> None:
    with pytest.raises(PermanentError, match=r"no space of its own: set `drive_id`") as caught:
        bench.put(SMALL, bench.emulator.new_service_account())
    assert caught.value.error_class == "quota"
    assert bench.waits == []


def test_a_service_account_in_a_shared_drive(bench: Bench) -> None:
    account = bench.emulator.new_service_account()
    bench.emulator.share("0ADrive", account["client_email"])
    store = bench.store(account, "0ADrive")
    receipt = store.put(KEY, *bench.source(BIG))
    assert receipt.created
    assert store.stat(KEY) == receipt.stored
    assert list(store.list()) == [receipt.stored]
    bench.require_stored(BIG)
    assert all(
        "supportsAllDrives=true" in request.target
        for request in bench.proxy.requests
        if "v3" in request.target and request.method != "PUT"
    )


@pytest.mark.parametrize(("role", "message"), [("reader", "role Contributor"), (None, "cannot see it")])
def test_a_service_account_that_may_not_is_told_what_to_ask_for(bench: Bench, role: str | None, message: str) -> None:
    account = bench.emulator.new_service_account()
    bench.emulator.share("0ADrive", account["client_email"] if role else "other@example.com", role or "writer")
    with pytest.raises(PermanentError, match=f"{message}.*it is {account['client_email']}") as caught:
        bench.store(account, "0ADrive").put(KEY, *bench.source(SMALL))
    assert caught.value.error_class == "permission"
    assert bench.waits == []


def test_a_token_without_the_scope_is_told_which(bench: Bench) -> None:
    bare = bench.emulator.new_token(scope="https://www.googleapis.com/auth/calendar")
    with pytest.raises(PermanentError, match=r"grant the scope https://www.googleapis.com/auth/drive.file") as caught:
        bench.put(SMALL, bare)
    assert caught.value.error_class == "permission"
    assert bench.waits == []


def test_with_the_narrow_scope_what_others_made_is_not_seen_and_not_touched(bench: Bench) -> None:
    theirs = bench.emulator.account.place(PATH, b"other")
    for item in bench.emulator.account.items.values():
        item.app = "another"
    assert bench.put(SMALL, bench.emulator.new_refresh_token(scope=DRIVE_FILE)).created
    assert theirs.path
    assert theirs.path.read_bytes() == b"other"


PERMANENT = {
    "not this app's file": (refusal(403, "appNotAuthorizedToFile"), "permission", "drive.file"),
    "no permission": (refusal(403, "insufficientFilePermissions"), "permission", "Contributor"),
    "policy": (refusal(403, "domainPolicy"), "permission", "administrator"),
    "forbidden": (refusal(403, "forbidden"), "permission", "access"),
    "full": (refusal(403, "storageQuotaExceeded"), "quota", "free space"),
    "shared drive full": (refusal(403, "teamDriveFileLimitExceeded"), "quota", "trash"),
    "API off": (refusal(403, "accessNotConfigured"), "configuration", "enable"),
    "bad request": (refusal(400, "invalid"), "configuration", ""),
}


@pytest.mark.parametrize(("answer", "error_class", "hint"), PERMANENT.values(), ids=PERMANENT)
def test_what_does_not_pass_stops_at_once(bench: Bench, answer: Answer, error_class: str, hint: str) -> None:
    bench.proxy.inject(answer, start, times=-1)
    with pytest.raises(PermanentError) as caught:
        bench.put(SMALL)
    assert caught.value.error_class == error_class
    assert hint in caught.value.hint
    assert bench.proxy.count(start) == 1
    assert bench.waits == []


# --- tokens


@pytest.mark.parametrize("kind", ["refresh token", "service account"])
def test_a_token_that_expires_in_mid_upload_is_renewed(bench: Bench, kind: str) -> None:
    bench.emulator.share("0ADrive")
    held = bench.emulator.new_service_account() if kind == "service account" else bench.emulator.new_refresh_token()
    bench.proxy.inject(First(bench.emulator.expire_tokens), closing)
    store = bench.store(held, "0ADrive" if kind == "service account" else None)
    assert store.put(KEY, *bench.source(BIG)).attempts == 1
    bench.require_stored(BIG)
    assert bench.emulator.refreshes == 2


def test_a_bare_token_that_expires_in_mid_upload_stops_it_and_a_new_one_goes_on(bench: Bench) -> None:
    bench.proxy.inject(First(bench.emulator.expire_tokens), closing)
    with pytest.raises(PermanentError, match="renew GDRIVE_TOKEN") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "credentials"
    assert bench.waits == []
    assert bench.put(BIG).bytes_sent <= BIG % (CHUNK) + CHUNK
    bench.require_stored(BIG)


def test_a_revoked_refresh_token_is_permanent(bench: Bench) -> None:
    bench.emulator.revoked = True
    with pytest.raises(PermanentError, match=r"invalid_grant.*renew GDRIVE_TOKEN") as caught:
        bench.put(SMALL, bench.emulator.new_refresh_token())
    assert caught.value.error_class == "credentials"


def test_a_clock_that_is_wrong_is_named_where_it_matters(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a service account signs with the time."""
    now = _helpers.utcnow
    monkeypatch.setattr(_helpers, "utcnow", lambda: now() + timedelta(hours=2))
    bench.emulator.share("0ADrive")
    with pytest.raises(PermanentError, match=r"invalid_grant.*set this machine's clock") as caught:
        bench.store(bench.emulator.new_service_account(), "0ADrive").put(KEY, *bench.source(SMALL))
    assert caught.value.error_class == "credentials"
    assert bench.waits == []
    bench.put(SMALL, bench.emulator.new_refresh_token())
    bench.require_stored(SMALL)


def test_a_token_endpoint_that_cannot_be_reached_is_a_network_error(bench: Bench) -> None:
    bench.proxy.inject(Reset(), token, times=-1)
    with pytest.raises(TransientError) as caught:
        bench.raw(bench.emulator.new_refresh_token(url=bench.proxy.url)).stat(KEY)
    assert caught.value.error_class == "network"


# --- conflicts and duplicates


@pytest.mark.parametrize("when", [start, closing], ids=["before", "during"])
def test_other_content_that_appears_meanwhile_is_a_conflict(bench: Bench, when: When) -> None:
    bench.proxy.inject(First(lambda: bench.emulator.account.place(PATH, b"other")), when)
    with pytest.raises(IntegrityError, match="other content") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "conflict"
    assert bench.waits == []
    found = bench.raw().stat(KEY)
    assert found is not None
    assert [item.key for item in bench.raw().list()] == [KEY]


def test_identical_content_that_appears_meanwhile_is_success(bench: Bench) -> None:
    source, digests = bench.source(BIG)
    bench.proxy.inject(First(lambda: bench.emulator.account.place(PATH, source.read_bytes())), closing)
    receipt = bench.store().put(KEY, source, digests)
    assert receipt.stored == bench.raw().stat(KEY)
    assert list(bench.raw().list()) == [receipt.stored]


def test_of_two_files_with_one_name_the_oldest_is_the_object(bench: Bench) -> None:
    first = bench.emulator.account.place(PATH, b"first")
    second = bench.emulator.account.place(PATH, b"second")
    first.created, second.created = second.created + 10, first.created
    store = bench.raw()
    assert [item.size for item in store.list()] == [len(b"second")]
    found = store.stat(KEY)
    assert found is not None
    assert second.id in found.uri
    with store.read(KEY) as reader:
        assert reader.read(100) == b"second"
    source = bench.folder / "second"
    source.write_bytes(b"second")
    with pytest.raises(IntegrityError) as caught:
        store.put(KEY, source, digest_file(source))
    assert caught.value.error_class == "conflict"


def test_what_lies_in_either_of_two_folders_with_one_name_is_found(bench: Bench) -> None:
    account = bench.emulator.account
    for name in ("a", "b"):
        path = account.place(f"{FOLDER}/day", None) if name == "a" else account.place("day", None)
        path.parent = next(i.id for i in account.items.values() if account.path_of(i) == FOLDER)
        file = account.place(name, name.encode())
        file.parent = path.id
    store = bench.raw()
    assert [item.key for item in store.list()] == ["day/a", "day/b"]
    for name in ("a", "b"):
        with store.read(f"day/{name}") as reader:
            assert reader.read(10) == name.encode()
    source, digests = bench.source(100)
    store.put("day/c", source, digests)
    assert sorted(item.key for item in bench.raw().list()) == ["day/a", "day/b", "day/c"]
    assert account.folders().count(f"{FOLDER}/day") == 2  # no third


def test_machines_that_put_at_once_lose_nothing(bench: Bench) -> None:
    """Without a lock between them: folders may be doubled, objects and their contents not."""
    source, digests = bench.source(SMALL)
    bench.emulator.slow = 0.02
    failures: list[Exception] = []

    def one(number: int) -> None:
        try:
            uploads = bench.folder / f"machine-{number}"
            store = RetryingStore(
                store_at(bench.emulator.url, bench.emulator.new_token(), uploads), sleep=lambda _: None
            )
            store.put(KEY, source, digests)
            own, own_digests = bench.source(1000 + number, f"own-{number}")
            store.put(f"2026-11-21/own-{number}", own, own_digests)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = {item.key: item.checksums["sha256"] for item in bench.raw().list()}
    assert found[KEY] == digests.sha256
    assert sorted(found) == sorted([KEY, *(f"2026-11-21/own-{number}" for number in range(4))])


def test_names_with_quotes_and_backslashes(bench: Bench) -> None:
    key = r"it's \ a 'day'/the \'file\'"
    source, digests = bench.source(100)
    store = bench.raw()
    assert store.put(key, source, digests).created
    assert not bench.raw().put(key, source, digests).created
    assert [item.key for item in store.list("it's")] == [key]


def test_what_is_no_file_is_no_object(bench: Bench) -> None:
    bench.emulator.account.place(PATH, None)
    document = bench.emulator.account.place(f"{FOLDER}/document", None)
    document.kind = "application/vnd.google-apps.document"
    bench.emulator.account.place(f"{FOLDER}/with", None).name = "with/slash"
    assert bench.raw().stat(KEY) is None
    assert bench.raw().stat("document") is None
    assert list(bench.raw().list()) == []


# --- sessions and sources


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_expired_is_started_again(bench: Bench, status: int) -> None:
    bench.emulator.account.gone_status = status
    bench.proxy.inject(Answer(500), closing, times=-1)
    with pytest.raises(TransientError):
        bench.put(BIG)
    bench.proxy.clear()
    bench.emulator.account.forget_sessions()
    assert bench.put(BIG).bytes_sent == BIG
    bench.require_stored(BIG)


def test_a_session_that_drive_refuses_is_given_up(bench: Bench) -> None:
    bench.proxy.inject(refusal(400, "badRequest"), chunk)
    assert bench.put(BIG).attempts == 2
    bench.require_stored(BIG)


@pytest.mark.parametrize("record", [b"", b"[]", b'{"file_id": 3}', b'{"file_id": "x", "chunk": 5}', b'{"a": 1}'])
def test_a_record_that_makes_no_sense_is_no_record(bench: Bench, record: bytes) -> None:
    bench.proxy.inject(Answer(500), closing, times=-1)
    with pytest.raises(TransientError):
        bench.put(BIG)
    bench.proxy.clear()
    [path] = (bench.folder / "uploads").glob("*.json")
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(record)
    bench.put(BIG)
    bench.require_stored(BIG)


@pytest.mark.parametrize("at", [0, BIG - 1, BIG])
def test_a_source_that_changes_between_attempts_is_not_stored(bench: Bench, at: int) -> None:
    source, digests = bench.source(BIG)
    good = source.read_bytes()
    bench.proxy.inject(Answer(500), closing, times=-1)
    with pytest.raises(TransientError):
        bench.store().put(KEY, source, digests)
    bench.proxy.clear()
    source.write_bytes(good[:at] + bytes([good[at] ^ 1 if at < BIG else 0]) + good[at + 1 :])
    with pytest.raises(IntegrityError) as caught:
        bench.store().put(KEY, source, digests)
    assert caught.value.error_class == "digest"
    assert bench.emulator.account.paths() == []
    source.write_bytes(good)
    bench.store().put(KEY, source, digests)
    bench.require_stored(BIG)


def test_what_was_sent_of_a_damaged_source_is_not_used_when_it_is_whole_again(bench: Bench) -> None:
    source, digests = bench.source(BIG)
    good = source.read_bytes()
    source.write_bytes(b"\0" * 100 + good[100:])
    bench.proxy.inject(Answer(500), lambda request: chunk(request) and request.size < CHUNK, times=-1)
    bench.proxy.inject(Reset(), lambda request: "-2097151/" in request.headers.get("Content-Range", ""), times=-1)
    with pytest.raises(TransientError):
        bench.store().put(KEY, source, digests)
    bench.proxy.clear()
    source.write_bytes(good)
    bench.store().put(KEY, source, digests)
    bench.require_stored(BIG)


def test_a_progress_callback_can_cancel_and_the_next_put_goes_on(bench: Bench) -> None:
    class CancelledError(Exception):
        pass

    def cancel(_: int) -> None:
        raise CancelledError

    source, digests = bench.source(BIG)
    with pytest.raises(CancelledError):
        bench.store().put(KEY, source, digests, cancel)
    assert bench.store().put(KEY, source, digests).bytes_sent == BIG - CHUNK
    bench.require_stored(BIG)


def test_a_folder_that_goes_to_the_trash_meanwhile_is_made_again(bench: Bench) -> None:
    bench.proxy.inject(First(lambda: bench.emulator.account.trash(FOLDER)), closing)
    receipt = bench.put(BIG)
    assert receipt.created
    found = bench.raw().stat(KEY)
    assert found == receipt.stored


def test_a_folder_that_is_removed_meanwhile_is_made_again(bench: Bench) -> None:
    store = bench.store()
    source, digests = bench.source(SMALL)
    store.put("2026-11-21/a", source, digests)
    bench.emulator.account.items.clear()
    store.put(KEY, source, digests)
    bench.require_stored(SMALL)


# --- reading and listing


def test_a_read_that_breaks_off_goes_on_where_it_broke(bench: Bench) -> None:
    bench.put(SMALL)
    content = (bench.folder / "archive").read_bytes()
    bench.proxy.clear()
    bench.proxy.inject(BreakAnswer(MIB // 4), download, times=2)
    with bench.store().read(KEY, 3) as reader:
        read = b""
        while data := reader.read(100_000):
            read += data
    assert read == content[3:]
    ranges = [request.headers["Range"] for request in bench.proxy.requests if download(request)]
    assert ranges[0] == f"bytes=3-{SMALL - 1}"
    assert len(set(ranges)) == 3


def test_a_server_that_ignores_ranges_is_not_believed(bench: Bench) -> None:
    bench.put(SMALL)
    content = (bench.folder / "archive").read_bytes()

    def all_of_it(_: int, headers: dict[str, str], __: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {name: value for name, value in headers.items() if name != "Content-Range"}, content

    bench.proxy.inject(ChangeAnswer(all_of_it), download)
    with pytest.raises(TransientError, match="ignored the range"), bench.raw().read(KEY, 1, 4):
        pass


def test_listing_pages_and_believes_no_incomplete_one(bench: Bench) -> None:
    names = [f"{day:02}/{name}" for day in range(1, 8) for name in ("a", "b")]
    for name in names:
        bench.emulator.account.place(f"{FOLDER}/{name}", name.encode())
    bench.emulator.account.place("FDO-AGI/elsewhere", b"")
    bench.emulator.account.page = 3
    assert [found.key for found in bench.raw().list()] == names
    assert [found.key for found in bench.raw().list("03/")] == ["03/a", "03/b"]
    bench.emulator.account.incomplete = True
    with pytest.raises(TransientError, match="incompletely"):
        list(bench.raw().list())


def test_no_answer_in_time_is_a_network_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdrive_api, "TIMEOUT", (0.3, 0.3))
    bench.proxy.inject(Stall(1), listing)
    with pytest.raises(TransientError, match="no answer in time") as caught:
        bench.raw().stat(KEY)
    assert caught.value.error_class == "network"


def test_nobody_there_is_a_network_error(bench: Bench) -> None:
    store = bench.raw()
    bench.proxy.close()
    with pytest.raises(TransientError, match="refused") as caught:
        store.stat(KEY)
    assert caught.value.error_class == "network"


# --- secrets


def everything_of(error: BaseException) -> str:
    """What a log or an event would keep of an exception, its causes, contexts and locals' names included."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


LEAKS = {
    "reset": (Reset(100_000), chunk),
    "refused with the request in it": (None, chunk),
    "HTTP 500": (Answer(500, {}, b"oops"), asking),
    "not Drive's": (Answer(200, {}, b"?"), chunk),
    "no permission": (refusal(403, "insufficientFilePermissions"), chunk),
    "bad credentials": (refusal(401, "authError"), chunk),
    "stalled": (Stall(1), chunk),
    "token endpoint": (Answer(400, JSON, b'{"error": "invalid_grant", "error_description": "Bad"}'), token),
}


@pytest.mark.parametrize("kind", ["bare token", "refresh token", "service account"])
@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_no_secret_in_any_error_or_log(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    leak: tuple[Fault | None, When],
) -> None:
    fault, when = leak
    if kind == "bare token" and when is token:
        pytest.skip("a bare token has no endpoint")
    caplog.set_level(logging.DEBUG)
    if isinstance(fault, Stall):
        monkeypatch.setattr(gdrive_api, "TIMEOUT", (0.3, 0.3))
    bench.emulator.share("0ADrive")
    forms: dict[str, str | dict[str, str]] = {
        "bare token": bench.emulator.new_token(),
        "refresh token": bench.emulator.new_refresh_token(url=bench.proxy.url),
        "service account": bench.emulator.new_service_account(url=bench.proxy.url),
    }
    held = forms[kind]

    class Echo:
        """Repeats what it was asked, as error pages do."""

        def play(self, exchange: Exchange) -> None:
            request = exchange.request
            exchange.read_request()
            exchange.answer(403, JSON, refusal(403, "x", f"{request.target} {dict(request.headers)}").body)

    bench.proxy.inject(fault or Echo(), when, times=-1)
    if when is asking:
        bench.proxy.inject(Reset(), chunk)
    store = RetryingStore(
        bench.raw(held, "0ADrive" if kind == "service account" else None), Backoff(attempts=2), lambda _: None
    )
    with pytest.raises(LumenError) as caught:
        store.put(KEY, *bench.source(BIG))
    told = everything_of(caught.value) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    texts = (
        [held]
        if isinstance(held, str)
        else [held[name] for name in held if name in ("refresh_token", "private_key", "client_secret")]
    )
    secrets = [*texts, *bench.emulator.account.sessions, "ya29.", "Bearer ya", "BEGIN PRIVATE", "assertion="]
    assert [secret[:12] for secret in secrets if secret in told] == []


def test_what_libraries_and_google_say_is_cleaned() -> None:
    """Their texts hold addresses, an upload's among them, and echo what they were sent."""
    translate = Translator("there", ["canary"])
    pool = urllib3.HTTPSConnectionPool("www.googleapis.com")
    retries = urllib3.exceptions.MaxRetryError(
        pool, "/upload?upload_id=canary2", Exception("odd /upload?upload_id=canary2")
    )
    for error in (requests.ConnectionError(retries), requests.exceptions.ChunkedEncodingError("canary2")):
        assert "canary" not in str(translate.failed(error, "upload", "x"))
    for text in (
        "the token canary is bad",
        "-----BEGIN PRIVATE KEY-----\nMII",
        "see upload_id=canary2&x",
        "ya29.canary2",
    ):
        told = str(translate.refused(Refusal(403, (), text, None), "upload", "x"))
        assert "[secret]" in told
        assert "canary" not in told


BAD = {
    "nothing": (None, "not set"),
    "blank": (" \n", "not set"),
    "two lines": ("canary-one\ncanary-two", "characters that no token has"),
    "half a JSON": ('{"refresh_token": "canary', "not a JSON object"),
    "another JSON": ('{"canary": 1}', "neither"),
    "no secret": ('{"refresh_token": "canary", "client_id": "x"}', "client_secret"),
    "no key": ('{"type": "service_account", "client_email": "x", "private_key": ""}', "private_key"),
    "bad key": ('{"type": "service_account", "client_email": "x", "private_key": "canary"}', "cannot be read"),
    "cleartext": (
        '{"refresh_token": "canary", "client_id": "x", "client_secret": "y", "token_uri": "http://example.com"}',
        "token_uri",
    ),
}


@pytest.mark.parametrize(("text", "cause"), BAD.values(), ids=BAD)
def test_credentials_that_are_none_are_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, cause: str
) -> None:
    store = store_at("http://127.0.0.1:9", text or "", tmp_path / "uploads")
    with pytest.raises(PermanentError, match="GDRIVE_TOKEN") as caught:
        store.stat(KEY)
    assert cause in caught.value.cause
    assert caught.value.error_class == "credentials"
    assert "canary" not in everything_of(caught.value) + caplog.text

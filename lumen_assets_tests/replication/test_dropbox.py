"""What goes wrong between us and Dropbox, what then happens, and that nothing is lost or doubled by it."""

from __future__ import annotations

import errno
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.replication import dropbox_client
from lumen_assets_tests.replication.dropbox_bench import (
    BIG,
    KEY,
    MIB,
    PATH,
    SMALL,
    Bench,
    api_error,
    append,
    closing,
    content_of,
    download,
    dropbox_bench,
    finish,
    rate_limited,
    start,
    stat,
    whole,
)
from lumen_assets_tests.replication.dropbox_emulator import FOLDER
from lumen_assets_tests.replication.fault_proxy import (
    Answer,
    BreakAnswer,
    ChangeAnswer,
    CorruptRequest,
    Fault,
    First,
    LoseAnswer,
    Reset,
    Stall,
    Twice,
    When,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with dropbox_bench(tmp_path) as running:
        yield running


FULL_WRITES = api_error({".tag": "too_many_write_operations"}, "too_many_write_operations")
BAD_PAGE = Answer(200, {"Content-Type": "text/html"}, b"<html>captive portal</html>")

PASSING = {
    "connection reset": (Reset(MIB), "network"),
    "HTTP 500": (Answer(500, {}, b"oops"), "provider"),
    "HTTP 503 with Retry-After": (Answer(503, {"Retry-After": "7"}), "provider"),
    "HTTP 429 with Retry-After": (rate_limited(7), "throttle"),
    "HTTP 429 as text": (Answer(429, {"Retry-After": "7", "Content-Type": "text/plain"}, b"slow down"), "throttle"),
    "HTTP 429 with a date": (Answer(429, {"Retry-After": "Mon, 23 Nov 2026 00:00:00 GMT"}), "throttle"),
    "damaged on its way": (CorruptRequest(4), "network"),
    "answer lost": (LoseAnswer(), "network"),
    "a page that is not Dropbox's": (BAD_PAGE, "provider"),
}


@pytest.mark.parametrize(("fault", "error_class"), PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("at", [(whole, SMALL), (append, BIG), (closing, BIG)])
def test_what_passes_is_tried_again_and_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture, fault: Fault, error_class: str, at: tuple[When, int]
) -> None:
    when, size = at
    bench.proxy.inject(fault, when)
    receipt = bench.put(size)
    bench.require_stored(size)
    assert receipt.attempts == 2
    assert bench.emulator.bytes_up <= 2 * size
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("lumen")]
    assert re.search(rf"box: put {KEY}: attempt 1 of 4 failed \({error_class}: .+\), waiting \d", line)
    if "Retry-After" in getattr(fault, "headers", {}) and fault.headers["Retry-After"] == "7":
        assert bench.waits == [7.0]


@pytest.mark.parametrize("fault", [Reset(), Answer(500), rate_limited(1), FULL_WRITES], ids=type)
@pytest.mark.parametrize("when", [start, finish, stat])
def test_calls_without_content_are_tried_again_and_no_piece_is_sent_twice(
    bench: Bench, fault: Fault, when: When
) -> None:
    bench.proxy.inject(fault, when)
    assert bench.put(BIG).attempts == 2
    bench.require_stored(BIG)
    assert bench.emulator.bytes_up == BIG


@pytest.mark.parametrize("again", ["closed", "not_found", "committed"])
@pytest.mark.parametrize("fault", [LoseAnswer(), Twice()], ids=["lost final answer", "duplicate finish"])
def test_a_finish_whose_answer_is_lost_or_that_arrives_twice_makes_one_file(
    bench: Bench, fault: Fault, again: str
) -> None:
    bench.emulator.account.finished_again = again
    bench.proxy.inject(fault, finish)
    bench.put(BIG)
    bench.require_stored(BIG)
    assert bench.emulator.bytes_up == BIG


@pytest.mark.parametrize(("same_again", "at_most"), [("accepted", BIG + 4 * MIB), ("refused", 2 * BIG + 4 * MIB)])
def test_a_piece_whose_answer_is_lost(bench: Bench, same_again: str, at_most: int) -> None:
    """Whichever of the two Dropbox does, the content is right; only the bytes differ."""
    bench.emulator.account.same_again = same_again
    bench.proxy.inject(LoseAnswer(), append)
    bench.put(BIG)
    bench.require_stored(BIG)
    assert bench.emulator.bytes_up <= at_most


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_a_wrong_checksum_in_the_answer_is_an_integrity_error_at_once(bench: Bench, size: int) -> None:
    def wrong(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        return status, headers, json.dumps({**json.loads(body), "content_hash": "0" * 64}).encode()

    bench.proxy.inject(ChangeAnswer(wrong), whole if size == SMALL else finish)
    with pytest.raises(IntegrityError, match=r"Dropbox's content hash is 0{64}") as caught:
        bench.put(size)
    assert caught.value.error_class == "digest"
    assert bench.waits == []
    assert list(bench.emulator.account.files()) == [PATH]  # never deleted


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_a_full_account_is_permanent_and_then_only_the_finish_is_missing(bench: Bench, size: int) -> None:
    bench.emulator.account.quota = MIB
    with pytest.raises(PermanentError, match="free space in Dropbox") as caught:
        bench.put(size)
    assert caught.value.error_class == "quota"
    assert bench.waits == []
    assert bench.emulator.account.files() == {}
    bench.emulator.account.quota = 1 << 40
    sent = bench.put(size).bytes_sent
    bench.require_stored(size)
    assert sent == (0 if size == BIG else size)


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_other_content_that_appears_during_the_upload_stays(bench: Bench, size: int) -> None:
    bench.proxy.inject(First(lambda: bench.emulator.account.place(PATH, b"other")), whole if size == SMALL else finish)
    with pytest.raises(IntegrityError) as caught:
        bench.put(size)
    assert caught.value.error_class == "conflict"
    assert bench.waits == []
    assert bench.emulator.account.files()[PATH].size == 5


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("below", [f"{PATH}/file", f"{FOLDER}/2026-11-21"], ids=["folder", "file above"])
def test_a_folder_in_the_way_is_a_conflict(bench: Bench, size: int, below: str) -> None:
    bench.emulator.account.place(below, b"other")
    with pytest.raises(IntegrityError, match="in the way") as caught:
        bench.put(size)
    assert caught.value.error_class == "conflict"


def test_identical_content_that_appears_during_the_upload_is_success(bench: Bench) -> None:
    source, _ = bench.source(BIG)
    bench.proxy.inject(First(lambda: bench.emulator.account.place(PATH, source.read_bytes())), finish)
    bench.put(BIG)
    bench.require_stored(BIG)


def test_a_session_that_expired_is_started_again(bench: Bench) -> None:
    bench.emulator.account.quota = MIB
    with pytest.raises(PermanentError):
        bench.put(BIG)
    bench.emulator.account.quota = 1 << 40
    bench.emulator.account.sessions.clear()
    assert bench.put(BIG).bytes_sent == BIG
    bench.require_stored(BIG)


@pytest.mark.parametrize("record", [b"", b"[]", b'{"session_id": 3}', b'{"session_id": "x", "piece": 5}'])
def test_a_record_that_makes_no_sense_is_no_record(bench: Bench, record: bytes) -> None:
    bench.emulator.account.quota = MIB
    with pytest.raises(PermanentError):
        bench.put(BIG)
    [path] = (bench.folder / "uploads").glob("*.json")
    path.write_bytes(record)
    bench.emulator.account.quota = 1 << 40
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
    assert bench.emulator.account.files() == {}
    source.write_bytes(good)
    bench.store().put(KEY, source, digests)
    bench.require_stored(BIG)


def test_pieces_of_a_damaged_source_never_become_part_of_the_repaired_one(bench: Bench) -> None:
    source, digests = bench.source(BIG)
    source.write_bytes(b"damaged" + content_of(BIG)[7:])
    with pytest.raises(IntegrityError):
        bench.store().put(KEY, source, digests)
    assert bench.emulator.bytes_up > 4 * MIB  # pieces of it are in the session, and the session is remembered
    bench.put(BIG)
    bench.require_stored(BIG)


def test_a_token_that_expires_in_mid_upload_is_refreshed(bench: Bench) -> None:
    token = json.dumps(bench.emulator.new_refresh_token())
    bench.proxy.inject(First(bench.emulator.expire_tokens), closing)
    assert bench.put(BIG, token).attempts == 1
    bench.require_stored(BIG)
    assert bench.emulator.refreshes >= 2


def test_a_token_that_lives_shorter_than_the_upload_is_refreshed_before_it_expires(bench: Bench) -> None:
    bench.emulator.token_seconds = 60  # the SDK asks for a new one five minutes before the end
    token = json.dumps(bench.emulator.new_refresh_token())
    assert bench.put(BIG, token).attempts == 1
    bench.require_stored(BIG)


def test_a_bare_token_that_expires_in_mid_upload_stops_it_and_a_new_one_goes_on(bench: Bench) -> None:
    bench.proxy.inject(First(bench.emulator.expire_tokens), closing)
    with pytest.raises(PermanentError, match=r"expired_access_token.*renew DROPBOX_TOKEN") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "credentials"
    assert bench.waits == []
    assert bench.put(BIG).bytes_sent == BIG % (4 * MIB)
    bench.require_stored(BIG)


@pytest.mark.parametrize("of", ["scopes", "app_scopes"])
@pytest.mark.parametrize(
    ("scope", "call"),
    [
        ("files.content.write", lambda bench: bench.put(SMALL)),
        ("files.content.write", lambda bench: bench.put(BIG)),
        ("files.metadata.read", lambda bench: bench.store().stat(KEY)),
        ("files.metadata.read", lambda bench: list(bench.store().list())),
        ("files.content.read", lambda bench: bench.store().read(KEY).__enter__()),
    ],
)
def test_a_missing_scope_is_named(bench: Bench, of: str, scope: str, call: Callable[[Bench], object]) -> None:
    getattr(bench.emulator, of).discard(scope)
    with pytest.raises(PermanentError, match=f"grant {scope} on the app's Permissions tab") as caught:
        call(bench)
    assert caught.value.error_class == "permission"
    assert bench.waits == []


PERMANENT = {
    "no access": (api_error({".tag": "no_permission"}, "no_permission", 403), "permission"),
    "no write permission": (
        api_error({".tag": "path", "reason": {".tag": "no_write_permission"}, "upload_session_id": "x"}, "path"),
        "permission",
    ),
    "bad name": (
        api_error({".tag": "path", "reason": {".tag": "disallowed_name"}, "upload_session_id": "x"}, "path"),
        "configuration",
    ),
    "revoked": (api_error({".tag": "invalid_access_token"}, "invalid_access_token", 401), "credentials"),
    "suspended": (api_error({".tag": "user_suspended"}, "user_suspended", 401), "credentials"),
}


@pytest.mark.parametrize(("answer", "error_class"), PERMANENT.values(), ids=PERMANENT)
def test_what_does_not_pass_stops_at_once(bench: Bench, answer: Answer, error_class: str) -> None:
    bench.proxy.inject(answer, whole, times=-1)
    with pytest.raises(PermanentError) as caught:
        bench.put(SMALL)
    assert caught.value.error_class == error_class
    assert caught.value.hint
    assert bench.proxy.count(whole) == 1


def test_a_read_that_breaks_off_goes_on_where_it_broke(bench: Bench) -> None:
    bench.put(BIG)
    content = (bench.folder / "archive").read_bytes()
    bench.proxy.clear()
    bench.proxy.inject(BreakAnswer(3 * MIB), download, times=2)
    with bench.store().read(KEY, 3) as reader:
        read = b""
        while data := reader.read(100_000):
            read += data
    assert read == content[3:]
    ranges = [request.headers["Range"] for request in bench.proxy.requests]
    assert ranges[0] == "bytes=3-"
    assert len(set(ranges)) == 3


def test_a_server_that_ignores_ranges_is_not_believed(bench: Bench) -> None:
    bench.put(SMALL)
    content = (bench.folder / "archive").read_bytes()

    def all_of_it(_: int, headers: dict[str, str], __: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {name: value for name, value in headers.items() if name != "Content-Range"}, content

    bench.proxy.inject(ChangeAnswer(all_of_it), download)
    with pytest.raises(TransientError, match="ignored the range"), bench.raw().read(KEY, 1, 4):
        pass


def test_no_answer_in_time_is_a_network_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropbox_client, "TIMEOUT", (0.3, 0.3))
    bench.proxy.inject(Stall(1), stat)
    with pytest.raises(TransientError, match="no answer in time") as caught:
        bench.raw().stat(KEY)
    assert caught.value.error_class == "network"


def test_nobody_there_is_a_network_error(bench: Bench) -> None:
    store = bench.raw()
    bench.proxy.close()
    with pytest.raises(TransientError) as caught:
        store.stat(KEY)
    assert caught.value.error_class == "network"


def test_listing_pages_and_starts_again_when_the_cursor_is_reset(bench: Bench) -> None:
    names = [f"{day:02}/{name}" for day in range(1, 8) for name in ("a", "b")]
    for name in names:
        bench.emulator.account.place(f"{FOLDER}/{name}", name.encode())
    bench.emulator.account.place("/FDO-AGI/elsewhere", b"")
    bench.emulator.account.page = 3
    bench.emulator.account.resets = 2
    assert [found.key for found in bench.raw().list()] == names
    assert [found.key for found in bench.raw().list("03/")] == ["03/a", "03/b"]
    bench.emulator.account.resets = 3
    with pytest.raises(TransientError, match="reset again and again"):
        list(bench.raw().list())


def test_keys_that_differ_by_case_are_one_object(bench: Bench) -> None:
    source, digests = bench.source(100)
    assert bench.raw().put("Day/A", source, digests).created
    assert not bench.raw().put("day/a", source, digests).created
    found = bench.raw().stat("DAY/a")
    assert found is not None
    assert found.checksums == {"dropbox_content_hash": digests.dropbox_content_hash}


def test_a_disk_that_fails_is_an_error_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lumen_assets.replication.sessions.UploadSessions.save", full)
    with pytest.raises(PermanentError, match="No space left") as caught:
        bench.put(BIG)
    assert caught.value.error_class == "quota"


def test_a_folder_is_no_object(bench: Bench) -> None:
    bench.emulator.account.place(PATH, b"x")
    assert bench.raw().stat("2026-11-21") is None
    with pytest.raises(LumenError), bench.raw().read("2026-11-21"):
        pass


def test_a_progress_callback_can_cancel_and_the_next_put_goes_on(bench: Bench) -> None:
    class CancelledError(Exception):
        pass

    def cancel(_: int) -> None:
        raise CancelledError

    source, digests = bench.source(BIG)
    with pytest.raises(CancelledError):
        bench.store().put(KEY, source, digests, cancel)
    receipt = bench.store().put(KEY, source, digests)
    bench.require_stored(BIG)
    assert receipt.bytes_sent < BIG


def test_what_is_logged_by_all_of_it_names_no_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    form = bench.emulator.new_refresh_token()
    bench.proxy.inject(rate_limited(1), append)
    bench.proxy.inject(First(bench.emulator.expire_tokens), closing)
    bench.put(BIG, json.dumps(form))
    secrets = [*form.values(), *bench.emulator.account.sessions, "sl.u.", "Bearer"]
    assert caplog.text
    assert not [secret for secret in secrets if secret in caplog.text and secret != form["app_key"]]

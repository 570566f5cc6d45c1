"""The emulator against Dropbox's own transfer code, which comes with the SDK, and its rules one by one."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dropbox import Dropbox, files
from dropbox.content_hash import content_hash
from dropbox.exceptions import ApiError, BadInputError, HttpError
from dropbox.file_transfer import Bytes, BytesUpload, Downloader, DownloadOptions, Uploader, UploadOptions

from lumen_assets.archive import digest_file
from lumen_assets.replication.dropbox_client import Credentials, open_client
from lumen_assets.replication.dropbox_errors import tags
from lumen_assets_tests.replication.dropbox_emulator import (
    DropboxEmulator,
    dropbox_emulator,
    redirected_session,
    store_at,
)

MIB = 1 << 20
BLOCK = 4 * MIB
CONTENT = random.Random(1).randbytes(20 * MIB + 3)  # noqa: S311 - the same every time
CONCURRENT = files.UploadSessionType.concurrent


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[DropboxEmulator]:
    with dropbox_emulator(tmp_path / "account") as running:
        yield running


@pytest.fixture
def client(emulator: DropboxEmulator) -> Dropbox:
    return open_client(Credentials(access_token=emulator.new_token()), redirected_session(emulator.port))


@pytest.mark.parametrize("parallel", [0, 3])
@pytest.mark.parametrize("size", [1, 8 * MIB, 20 * MIB + 3])
def test_dropbox_own_transfers_work(client: Dropbox, parallel: int, size: int) -> None:
    content = CONTENT[:size]
    result = Uploader(client).upload(
        BytesUpload(content), files.CommitInfo("/a/File"), UploadOptions(parallel_uploads=parallel)
    )
    assert result.metadata.content_hash == content_hash(content)
    assert result.metadata.size == size
    target = Bytes()
    Downloader(client).download("/A/file", target, DownloadOptions(parallel_downloads=parallel))
    assert target.bytes() == content


def started(client: Dropbox) -> str:
    return str(client.files_upload_session_start(b"", session_type=CONCURRENT).session_id)


def append(client: Dropbox, session: str, offset: int, data: bytes, close: bool = False) -> None:
    client.files_upload_session_append_v2(data, files.UploadSessionCursor(session, offset), close=close)


def finish(client: Dropbox, session: str, size: int, path: str = "/a", data: bytes = b"") -> files.FileMetadata:
    return client.files_upload_session_finish(data, files.UploadSessionCursor(session, size), files.CommitInfo(path))


@pytest.mark.parametrize(
    ("expected", "steps"),
    [
        ("concurrent_session_invalid_offset", [(5, CONTENT[:BLOCK], False)]),
        ("concurrent_session_invalid_data_size", [(0, CONTENT[:5], False)]),
        ("closed", [(0, CONTENT[:5], True), (BLOCK, CONTENT[:BLOCK], False)]),
    ],
)
def test_what_a_concurrent_session_refuses(
    client: Dropbox, expected: str, steps: list[tuple[int, bytes, bool]]
) -> None:
    session = started(client)
    for step in steps[:-1]:
        append(client, session, *step)
    with pytest.raises(ApiError) as caught:
        append(client, session, *steps[-1])
    assert tags(caught.value) == (expected,)


@pytest.mark.parametrize(
    ("expected", "steps", "data"),
    [
        ("concurrent_session_not_closed", [(0, CONTENT[:BLOCK], False)], b""),
        ("concurrent_session_missing_data", [(BLOCK, CONTENT[:5], True)], b""),
        ("concurrent_session_data_not_allowed", [(0, CONTENT[: BLOCK + 5], True)], b"x"),
    ],
)
def test_what_the_finish_of_a_concurrent_session_refuses(
    client: Dropbox, expected: str, steps: list[tuple[int, bytes, bool]], data: bytes
) -> None:
    session = started(client)
    for step in steps:
        append(client, session, *step)
    with pytest.raises(ApiError) as caught:
        finish(client, session, BLOCK + 5, data=data)
    assert tags(caught.value) == (expected,)


def test_other_data_at_an_offset_is_refused_and_the_same_is_not(client: Dropbox) -> None:
    session = started(client)
    append(client, session, 0, CONTENT[:BLOCK])
    append(client, session, 0, CONTENT[:BLOCK])
    with pytest.raises(BadInputError, match="Different data already uploaded at offset 0"):
        append(client, session, 0, CONTENT[1 : BLOCK + 1])


def test_a_sequential_session_names_the_offset_that_it_expects(client: Dropbox) -> None:
    session = client.files_upload_session_start(b"abc").session_id
    with pytest.raises(ApiError) as caught:
        append(client, session, 7, b"d")
    assert caught.value.error.get_incorrect_offset().correct_offset == 3
    with pytest.raises(ApiError) as caught:
        finish(client, session, 7)
    assert tags(caught.value) == ("lookup_failed", "incorrect_offset")
    assert finish(client, session, 3, data=b"d").size == 4


def test_a_wrong_content_hash_is_refused(client: Dropbox) -> None:
    with pytest.raises(ApiError) as caught:
        client.files_upload(b"x", "/a", content_hash="0" * 64)
    assert tags(caught.value) == ("content_hash_mismatch",)


def test_the_hash_in_a_finish_is_that_of_the_call_and_not_of_the_file(client: Dropbox) -> None:
    session = started(client)
    append(client, session, 0, b"abc", close=True)
    cursor = files.UploadSessionCursor(session, 3)
    with pytest.raises(ApiError) as caught:
        client.files_upload_session_finish(b"", cursor, files.CommitInfo("/a"), content_hash=content_hash(b"abc"))
    assert tags(caught.value) == ("content_hash_mismatch",)


def test_conflicts(client: Dropbox) -> None:
    first = client.files_upload(b"x", "/A/b")
    assert client.files_upload(b"x", "/a/B").rev == first.rev
    for content, strict in ((b"y", False), (b"x", True)):
        with pytest.raises(ApiError) as caught:
            client.files_upload(content, "/a/b", strict_conflict=strict)
        assert tags(caught.value) == ("path", "conflict", "file")
    with pytest.raises(ApiError) as caught:
        client.files_upload(b"x", "/a")
    assert tags(caught.value) == ("path", "conflict", "folder")
    with pytest.raises(ApiError) as caught:
        client.files_upload(b"x", "/a/b/c")
    assert tags(caught.value) == ("path", "conflict", "file_ancestor")


def test_a_range_beyond_the_end(client: Dropbox) -> None:
    client.files_upload(b"x", "/a")
    with pytest.raises(HttpError) as caught:
        client.files_download("/a", extra_headers={"Range": "bytes=1-"})
    assert caught.value.status_code == 416


def test_two_machines_that_put_the_same_at_once_make_one_file(emulator: DropboxEmulator, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    digests = digest_file(source)
    stores = [store_at(emulator.port, emulator.new_token(), tmp_path / name) for name in ("one", "two")]
    created: list[bool] = []
    threads = [
        threading.Thread(target=lambda store=store: created.append(store.put("k", source, digests).created))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 2
    assert any(created)
    [entry] = emulator.account.files().values()
    assert entry.hash == digests.dropbox_content_hash

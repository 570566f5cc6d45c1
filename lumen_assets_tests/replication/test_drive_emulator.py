"""The emulator of Drive is believed because Google's own client, which we did not write, works with it too."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lumen_assets_tests.replication.drive_account import FOLDER
from lumen_assets_tests.replication.drive_emulator import DriveEmulator, drive_emulator, store_at
from lumen_assets_tests.replication.drive_query import QueryError, parse_query

MIB = 1 << 20
FIELDS = "id,name,size,md5Checksum,sha256Checksum,parents,appProperties"


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[DriveEmulator]:
    with drive_emulator(tmp_path / "account") as running:
        yield running


@pytest.fixture
def files(emulator: DriveEmulator) -> Iterator[Any]:
    """``files`` of the Drive v3 client, made from the discovery document that it ships."""
    discovery = pytest.importorskip("googleapiclient.discovery")
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery_cache import get_static_doc

    document = json.loads(get_static_doc("drive", "v3"))
    document |= {"rootUrl": f"{emulator.url}/", "baseUrl": f"{emulator.url}/drive/v3/", "mtlsRootUrl": ""}
    with discovery.build_from_document(document, credentials=Credentials(token=emulator.new_token())) as service:
        yield service.files()


@pytest.mark.parametrize("size", [0, 1, 256 << 10, MIB, 2 * MIB + 5])
def test_googles_client_uploads_finds_and_downloads(
    emulator: DriveEmulator, files: Any, tmp_path: Path, size: int
) -> None:
    from googleapiclient.http import MediaFileUpload

    content = random.Random(size).randbytes(size)  # noqa: S311 - the same every time
    (tmp_path / "source").write_bytes(content)
    folder = files.create(body={"name": "it's", "mimeType": FOLDER}, fields="id").execute()["id"]
    [file_id] = files.generateIds(count=1).execute()["ids"]
    media = MediaFileUpload(str(tmp_path / "source"), "application/octet-stream", chunksize=MIB, resumable=True)
    body = {"id": file_id, "name": "a", "parents": [folder], "appProperties": {"key": "value"}}
    upload = files.create(body=body, media_body=media, fields=FIELDS)
    made = None
    while made is None:
        _, made = upload.next_chunk()
    assert made == {
        "id": file_id,
        "name": "a",
        "size": str(size),
        "md5Checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256Checksum": hashlib.sha256(content).hexdigest(),
        "parents": [folder],
        "appProperties": {"key": "value"},
    }
    query = f"name = 'a' and '{folder}' in parents and trashed = false"
    assert files.list(q=query, fields=f"files({FIELDS})").execute()["files"] == [made]
    assert files.get_media(fileId=file_id).execute() == content


def test_googles_client_is_refused_a_second_file_with_the_same_id(files: Any) -> None:
    from googleapiclient.errors import HttpError

    [file_id] = files.generateIds(count=1).execute()["ids"]
    body = {"id": file_id, "name": "a", "mimeType": FOLDER}
    files.create(body=body).execute()
    with pytest.raises(HttpError) as caught:
        files.create(body=body).execute()
    assert caught.value.status_code == 409


def test_googles_client_pages(emulator: DriveEmulator, files: Any) -> None:
    for number in range(5):
        emulator.account.place(f"folder/{number}", b"x")
    names, request = [], files.list(q=f"mimeType != '{FOLDER}'", pageSize=2)
    while request is not None:
        page = request.execute()
        names += [item["name"] for item in page["files"]]
        request = files.list_next(request, page)
    assert sorted(names) == list("01234")


def test_what_the_store_puts_googles_client_reads(emulator: DriveEmulator, files: Any, tmp_path: Path) -> None:
    from lumen_assets.archive import digest_file

    source = tmp_path / "source"
    source.write_bytes(b"content")
    receipt = store_at(emulator.url, emulator.new_token(), tmp_path / "uploads").put(
        "day/a", source, digest_file(source)
    )
    [found] = files.list(q="name = 'a'", fields=f"files({FIELDS})").execute()["files"]
    assert found["appProperties"] == {"lumen_sha256": receipt.stored.checksums["sha256"]}
    assert files.get_media(fileId=found["id"]).execute() == b"content"


class Thing:
    def __init__(self, name: str, kind: str = "text", parent: str = "p", *, trashed: bool = False) -> None:
        self.name, self.kind, self.parent, self.trashed = name, kind, parent, trashed


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (r"name = 'it\'s \\ a'", True),
        ("name = 'other'", False),
        ("'p' in parents and trashed = false", True),
        ("trashed=false and ('q' in parents or 'p' in parents)", True),
        ("not 'p' in parents", False),
        (f"mimeType != '{FOLDER}'", True),
        ("'root' in parents", True),
    ],
)
def test_queries(query: str, matches: bool) -> None:
    found, _ = parse_query(query, {"root": "p"})
    assert found(Thing(r"it's \ a")) is matches


@pytest.mark.parametrize(
    "query", ["", "name = 'it's'", "name contains 'x'", "name = x", "(trashed = false", "size = '1'"]
)
def test_what_is_no_query_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        parse_query(query, {})

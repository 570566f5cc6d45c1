"""Memory of a process that uploads one file to S3, Google Drive and Dropbox at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumen_assets_tests.replication.drive_emulator import DriveEmulator
from lumen_assets_tests.replication.dropbox_emulator import DropboxEmulator
from lumen_assets_tests.replication.seaweedfs import REGION, S3Server

MIB = 1 << 20
LIMIT = 150 * 10**6
"""Bytes that the whole process may have had resident at its worst, the interpreter and the three SDKs included."""

PROGRAM = """
import os, re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pydantic import SecretStr
from lumen_assets.archive import digest_file
from lumen_assets.replication.dropbox import DropboxStore
from lumen_assets.replication.dropbox_client import open_client, parse_credentials
from lumen_assets.replication.gdrive import GoogleDriveStore
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import DropboxDestination, GoogleDriveDestination, S3Destination
from lumen_assets_tests.replication.dropbox_emulator import redirected_session
source, uploads, s3_url, bucket, drive_url, dropbox_port = sys.argv[1:]
sessions = {name: UploadSessions(Path(uploads) / name) for name in ("cloud", "drive", "box")}
token = SecretStr(os.environ["DROPBOX_TOKEN"])
stores = [
    S3Store("cloud", S3Destination(type="s3", bucket=bucket, endpoint_url=s3_url, path_style=True), sessions["cloud"]),
    GoogleDriveStore("drive", GoogleDriveDestination(type="gdrive", folder="Archive"),
                     SecretStr(os.environ["GDRIVE_TOKEN"]), sessions["drive"], base_url=drive_url),
    DropboxStore("box", DropboxDestination(type="dropbox", folder="/Archive"), token, sessions["box"],
                 client=open_client(parse_credentials(token), redirected_session(int(dropbox_port)))),
]
digests = digest_file(Path(source))
with ThreadPoolExecutor(3) as threads:
    receipts = list(threads.map(lambda store: store.put("2026-11-21/archive", Path(source), digests), stores))
sizes = [store.stat("2026-11-21/archive").size for store in stores]
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print(peak, *sizes)
"""


@pytest.mark.parametrize(
    "size",
    [
        256 * MIB,
        pytest.param(5 << 30, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="5 GiB"),
    ],
)
def test_three_uploads_at_once_stay_within_the_limit(
    tmp_path: Path, seaweedfs: S3Server, drive_server: DriveEmulator, dropbox_server: DropboxEmulator, size: int
) -> None:
    drive_server.account.clear()
    dropbox_server.account.clear()
    source = tmp_path / "source"
    block = os.urandom(MIB)
    with source.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8, "big") + block[8:])
    arguments = [source, tmp_path / "uploads", seaweedfs.endpoint_url, seaweedfs.new_bucket(), drive_server.url]
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments), str(dropbox_server.port)],
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "HOME": str(tmp_path),
            "GDRIVE_TOKEN": drive_server.new_token(),
            "DROPBOX_TOKEN": dropbox_server.new_token(),
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    peak, *sizes = map(int, answer.stdout.split())
    print(f"peak memory: {peak / 1e6:.0f} MB for {size / 1e6:.0f} MB")
    assert sizes == [size] * 3
    assert peak <= LIMIT

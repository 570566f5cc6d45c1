"""The emulators of Drive and Dropbox are believed because rclone, which we did not write, works with them too.

rclone asks for the providers' own hosts over TLS; ``private_network`` leads it to the emulators. What our stores put it
lists, checks and downloads, and what it puts our stores see.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.errors import IntegrityError
from lumen_assets.replication import Store
from lumen_assets_tests.replication import drive_emulator as drive
from lumen_assets_tests.replication import dropbox_emulator as dropbox
from lumen_assets_tests.replication.drive_account import DRIVE
from lumen_assets_tests.replication.private_network import PrivateNetwork, private_network, why_not

REASON = "rclone is not installed (Debian package rclone)" if shutil.which("rclone") is None else why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

SITES = {
    "gdrive": ("www.googleapis.com", "oauth2.googleapis.com", "accounts.google.com"),
    "dropbox": ("api.dropboxapi.com", "content.dropboxapi.com", "notify.dropboxapi.com", "api.dropbox.com"),
}
FOLDER = "FDO-AGI/Archive"
KIB = 1 << 10
FILES = {
    "2026-11-21/small.txt": b"hello\n",
    "2026-11-21/empty": b"",
    "2026-11-21/archive.tar.zst.tink": random.Random(1).randbytes(1024 * KIB + 5),  # noqa: S311 - the same every time
    '한국어 폴더/it\'s a "보고서" (최종).pdf': "내용".encode() * 100,
}
LARGE = "2026-11-21/archive.tar.zst.tink"
USES = {  # a large file goes up in chunks, on Drive through a session of its own, on Dropbox together with the others
    "gdrive": ["POST /token", "POST /upload/drive/v3/files"],
    "dropbox": ["files/upload_session/start", "files/upload_session/append_v2", "files/upload_session/finish_batch_v2"],
}
CHANGES = {
    "gdrive": ("POST /upload", "POST /drive", "PATCH", "PUT", "DELETE"),
    "dropbox": ("files/upload", "files/create", "files/delete", "files/move"),
}
EXPIRED = "2020-01-01T00:00:00Z"


@dataclass
class Remote:
    """rclone in the network, with an emulator behind it.

    Attributes:
        hash_name: what rclone calls the provider's checksum.
        field: what ``Digests`` calls it.
    """

    kind: str
    emulator: Any
    network: PrivateNetwork
    store: Store
    folder: Path
    hash_name: str
    field: str

    @property
    def root(self) -> str:
        return f"{self.kind}:{FOLDER}"

    def run(self, *arguments: str) -> tuple[int, str, str]:
        options = ["--config", str(self.folder / "rclone.conf"), "--retries", "1", "--low-level-retries", "2"]
        done = self.network.run("rclone", *arguments, *options, environment={"HOME": str(self.folder)})
        return done.returncode, done.stdout, done.stderr

    def good(self, *arguments: str) -> str:
        code, out, err = self.run(*arguments)
        assert code == 0, err
        return out

    def listed(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self.good("lsjson", "--recursive", "--files-only", "--hash", self.root))
        return {item["Path"]: item for item in found}

    def changes(self) -> list[str]:
        """The calls since the last time that change something."""
        made = [call for call in self.emulator.calls if call.startswith(CHANGES[self.kind])]
        self.emulator.calls.clear()
        return made

    def stored(self) -> dict[str, Path]:
        """Where the emulator keeps the bytes of every file."""
        account = self.emulator.account
        if self.kind == "gdrive":
            return {account.path_of(item).removeprefix(f"{FOLDER}/"): item.path for item in account.live()}
        return {name.removeprefix(f"/{FOLDER}/"): entry.path for name, entry in account.files().items()}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    with private_network(tmp_path_factory.mktemp("network") / "files", SITES) as made:
        yield made


@pytest.fixture(scope="module")
def emulators(network: PrivateNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        found: dict[str, Any] = {
            "gdrive": stack.enter_context(drive.drive_emulator(tmp_path_factory.mktemp("drive"))),
            "dropbox": stack.enter_context(dropbox.dropbox_emulator(tmp_path_factory.mktemp("dropbox"))),
        }
        for kind, emulator in found.items():
            emulator.serve(network.listeners[kind])
        yield found


@pytest.fixture(params=SITES)
def remote(
    request: pytest.FixtureRequest, network: PrivateNetwork, emulators: dict[str, Any], tmp_path: Path
) -> Remote:
    """An empty account, and rclone with a token that has to be refreshed before anything else."""
    emulator = emulators[request.param]
    emulator.account.clear()
    emulator.calls.clear()
    token = {"access_token": "expired", "token_type": "Bearer", "expiry": EXPIRED}
    if request.param == "gdrive":
        form = emulator.new_refresh_token(scope=DRIVE)
        store: Store = drive.store_at(emulator.url, emulator.new_token(), tmp_path / "uploads")
        lines = ["type = drive", f"client_id = {form['client_id']}", f"client_secret = {form['client_secret']}"]
        lines += ["scope = drive", "upload_cutoff = 256k", "pacer_min_sleep = 1ms"]
        names = ("md5", "md5")
    else:
        emulator.account.overwrites = True
        form = emulator.new_refresh_token()
        store = dropbox.store_at(emulator.port, emulator.new_token(), tmp_path / "uploads")
        lines = ["type = dropbox", f"client_id = {form['app_key']}", f"client_secret = {form['app_secret']}"]
        lines += ["batch_timeout = 200ms"]
        names = ("dropbox", "dropbox_content_hash")
    lines += ["chunk_size = 256k", f"token = {json.dumps(token | {'refresh_token': form['refresh_token']})}", ""]
    (tmp_path / "rclone.conf").write_text("\n".join([f"[{request.param}]", *lines]))
    return Remote(request.param, emulator, network, store, tmp_path, *names)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "source"


def content_of(store: Store, key: str) -> bytes:
    with store.read(key) as reader:
        return b"".join(iter(lambda: reader.read(70_000), b""))


def flipped(path: Path) -> None:
    """One bit of the stored bytes turns, behind the provider's back."""
    with path.open("r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))


def test_what_rclone_puts_is_listed_checked_and_downloaded_and_our_store_sees_it(
    remote: Remote, source: Path, tmp_path: Path
) -> None:
    remote.good("copy", str(source), remote.root)
    assert all(call in remote.emulator.calls for call in USES[remote.kind])
    listed = remote.listed()
    assert listed.keys() == FILES.keys()
    for name, content in FILES.items():
        digests = digest_file(source / name)
        assert listed[name]["Size"] == len(content)
        assert listed[name]["Hashes"] == {remote.hash_name: getattr(digests, remote.field)}
        stat = remote.store.stat(name)
        assert stat is not None
        assert stat.size == len(content)
        assert stat.checksums == {known: getattr(digests, known) for known in stat.checksums}
        assert remote.field in stat.checksums
        assert content_of(remote.store, name) == content
    assert sorted(found.key for found in remote.store.list()) == sorted(FILES)
    remote.good("check", str(source), remote.root)
    remote.good("check", "--download", str(source), remote.root)
    remote.good("copy", remote.root, str(tmp_path / "back"))
    assert {name: (tmp_path / "back" / name).read_bytes() for name in FILES} == FILES


def test_a_large_file_goes_up_in_chunks(remote: Remote, source: Path) -> None:
    remote.good("copyto", str(source / LARGE), f"{remote.root}/{LARGE}")
    chunks = 5
    counted = {
        "gdrive": ("POST /upload/drive/v3/files", 1 + chunks),
        "dropbox": ("files/upload_session/append_v2", chunks),
    }
    call, times = counted[remote.kind]
    assert remote.emulator.calls.count(call) == times
    assert remote.stored()[LARGE].read_bytes() == FILES[LARGE]


def test_copying_again_changes_nothing(remote: Remote, source: Path) -> None:
    remote.good("copy", str(source), remote.root)
    assert remote.changes()
    before = remote.listed()
    remote.good("copy", str(source), remote.root)
    assert remote.changes() == []
    assert remote.listed() == before


def test_a_changed_file_replaces_the_old_one(remote: Remote, source: Path) -> None:
    remote.good("copy", str(source), remote.root)
    before = remote.listed()
    for name in ("2026-11-21/small.txt", LARGE):
        (source / name).write_bytes(FILES[name] + b"more")
    (source / "2026-11-21/empty").touch()  # another time only
    os.utime(source / "2026-11-21/empty", (1_700_000_000, 1_700_000_000))
    remote.good("copy", str(source), remote.root)
    remote.good("check", "--download", str(source), remote.root)
    after = remote.listed()
    assert after.keys() == before.keys()
    assert after[LARGE]["ID"] == before[LARGE]["ID"]
    assert after[LARGE]["Size"] == before[LARGE]["Size"] + 4
    assert after["2026-11-21/empty"]["ModTime"].startswith("2023-11-14T22:13:20")


def test_what_our_store_puts_rclone_lists_checks_and_downloads(remote: Remote, source: Path, tmp_path: Path) -> None:
    receipts = {name: remote.store.put(name, source / name, digest_file(source / name)) for name in FILES}
    assert all(receipt.created for receipt in receipts.values())
    listed = remote.listed()
    assert {name: item["Hashes"][remote.hash_name] for name, item in listed.items()} == {
        name: receipt.stored.checksums[remote.field] for name, receipt in receipts.items()
    }
    remote.good("check", str(source), remote.root)
    remote.good("check", "--download", str(source), remote.root)
    remote.good("copy", remote.root, str(tmp_path / "back"))
    assert {name: (tmp_path / "back" / name).read_bytes() for name in FILES} == FILES


def test_what_rclone_put_our_store_neither_sends_again_nor_overwrites(remote: Remote, source: Path) -> None:
    remote.good("copy", str(source), remote.root)
    again = remote.store.put(LARGE, source / LARGE, digest_file(source / LARGE))
    assert not again.created
    (source / LARGE).write_bytes(b"other")
    with pytest.raises(IntegrityError):
        remote.store.put(LARGE, source / LARGE, digest_file(source / LARGE))
    assert remote.stored()[LARGE].read_bytes() == FILES[LARGE]


def test_rclone_finds_a_rotten_bit_by_reading_and_other_content_by_its_hash(remote: Remote, source: Path) -> None:
    remote.good("copy", str(source), remote.root)
    flipped(remote.stored()[LARGE])
    remote.good("check", str(source), remote.root)  # the provider says what it once computed
    code, differing, err = remote.run("check", "--download", "--differ", "-", str(source), remote.root)
    assert (code, differing) == (1, f"{LARGE}\n"), err

    flipped(source / LARGE)
    remote.good("check", "--download", str(source), remote.root)
    code, differing, err = remote.run("check", "--differ", "-", str(source), remote.root)
    assert (code, differing) == (1, f"{LARGE}\n"), err


def test_rclone_is_told_how_much_room_there_is(remote: Remote, source: Path) -> None:
    remote.good("copy", str(source), remote.root)
    about = json.loads(remote.good("about", "--json", f"{remote.kind}:"))
    assert about["used"] == sum(map(len, FILES.values()))
    assert about["total"] == remote.emulator.account.quota


@pytest.mark.usefixtures("emulators")
def test_rclone_trusts_no_other_authority(network: PrivateNetwork, tmp_path: Path) -> None:
    command = ["rclone", "lsf", ":http:", "--http-url", "https://www.googleapis.com/", "--low-level-retries", "1"]
    mistrustful = replace(network, authority=tmp_path / "none")
    done = mistrustful.run(*command, "--retries", "1", environment={"HOME": str(tmp_path)})
    assert done.returncode != 0
    assert "certificate signed by unknown authority" in done.stderr


def test_the_network_is_private_and_goes_when_the_test_does(tmp_path: Path) -> None:
    with private_network(tmp_path / "network", {"site": ("example.com",)}) as made:
        inside = made.run("cat", "/etc/hosts", "/proc/net/route", environment={})
        assert inside.stdout.splitlines()[:2] == ["127.0.0.1 localhost", "127.0.0.1 example.com"]
        assert len(inside.stdout.splitlines()) == 3  # but for its heading there is no route
        assert "example.com" not in Path("/etc/hosts").read_text()
        made.listeners["site"].close()
    assert not Path(f"/proc/{made.pid}").exists()

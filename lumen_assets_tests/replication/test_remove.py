"""Removing one archive, at every kind of destination, the way each keeps or locks what is removed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen_assets.archive import (
    Keyring,
    Manifest,
    Removal,
    digest_file,
    parse_keyring,
    revision_prefix,
)
from lumen_assets.archive.manifest import ArchiveFile, Content, Provenance
from lumen_assets.errors import IntegrityError, PermanentError, TransientError
from lumen_assets.replication import Store
from lumen_assets.replication.gdrive import GoogleDriveStore
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets.retention.removing import STALE, Remover, remove_archive, withdraw_if_stale
from lumen_assets.verification import Level, Verdict, verify_replica
from lumen_assets_tests.conftest import PUBLIC_TEST_KEY
from lumen_assets_tests.replication.drive_emulator import DriveEmulator
from lumen_assets_tests.replication.s3_stores import s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server

KEY = "2026-03-09/lumen-2026-03-09-r1.tar.zst.tink"
RECORD = "2026-03-09/retention.json"
ARCHIVE = b"an archive, as far as a store can tell"


@pytest.fixture
def keyring() -> Keyring:
    return parse_keyring(PUBLIC_TEST_KEY)


@pytest.fixture
def manifest(tmp_path: Path, keyring: Keyring) -> Manifest:
    path = tmp_path / "archive"
    path.write_bytes(ARCHIVE)
    made = datetime(2026, 3, 10, tzinfo=UTC)
    return Manifest(
        day=datetime(2026, 3, 9, tzinfo=UTC).date(),
        revision=1,
        key_id=keyring.primary.id,
        archive=ArchiveFile(name=KEY.rpartition("/")[2], **vars(digest_file(path))),
        content=Content(hashlib.sha256().hexdigest(), 0, 0),
        provenance=Provenance("lumen-assets", None, None, made, ()),
        parents=(),
    )


@pytest.fixture
def filled(store: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path) -> Store:
    """The store with the archive and its manifest."""
    path = tmp_path / "manifest"
    path.write_bytes(manifest.to_bytes(keyring.primary))
    prefix = revision_prefix(manifest.day, 1)
    store.put(KEY, tmp_path / "archive", digest_file(tmp_path / "archive"))
    store.put(f"{prefix}snapshot.manifest.json", path, digest_file(path))
    return store


def removal_of(manifest: Manifest, store: Store, *, age: timedelta = timedelta(), destination: str = "") -> Removal:
    return Removal(
        day=manifest.day,
        revision=1,
        destination=destination or store.name,
        archive_sha256=manifest.archive.sha256,
        reason="older than the newest 60 days",
        removed_at=datetime.now(UTC).replace(microsecond=0) - age,
        stays=("elsewhere",),
    )


def verdict(store: Store, manifest: Manifest, keyring: Keyring) -> Verdict:
    return verify_replica(store, manifest.day, 1, Level.BYTES, keyring).verdict


def put_record(store: Store, removal: Removal, keyring: Keyring, folder: Path) -> None:
    path = folder / "a record"
    path.write_bytes(removal.to_bytes(keyring.primary))
    store.put(RECORD, path, digest_file(path))


def test_removed_is_what_it_is_called_and_twice_is_once(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path
) -> None:
    for _ in range(2):
        removal = removal_of(manifest, filled)
        remove_archive(filled, manifest, removal, keyring, tmp_path / "scratch", lambda: True)
        assert verdict(filled, manifest, keyring) is Verdict.REMOVED
    assert [found.key for found in filled.list()] == [RECORD, "2026-03-09/snapshot.manifest.json"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_removing_what_is_not_there_is_no_error(store: Store) -> None:
    assert isinstance(store, Remover)
    assert store.remove(KEY) is False


def test_without_a_good_copy_elsewhere_it_stays_and_the_record_is_withdrawn(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match="no copy that was to stay"):
        remove_archive(filled, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: False)
    assert verdict(filled, manifest, keyring) is Verdict.MATCH
    assert filled.stat(RECORD) is None


@pytest.mark.parametrize("name", ["another destination", "changed", "no record at all"])
def test_a_record_that_is_not_of_just_this_excuses_nothing(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path, name: str
) -> None:
    record = removal_of(manifest, filled, destination="there" if name == "another destination" else "")
    content = record.to_bytes(keyring.primary)
    if name == "changed":
        content = content.replace(b"60 days", b"10 days")
    elif name == "no record at all":
        content = b'{"format": "lumen-removal/v1"}'
    path = tmp_path / "forged"
    path.write_bytes(content)
    filled.put(RECORD, path, digest_file(path))
    assert isinstance(filled, Remover)
    filled.remove(KEY)
    found = verify_replica(filled, manifest.day, 1, Level.BYTES, keyring)
    assert found.verdict is Verdict.MISSING
    assert "does not excuse it" in found.detail


def test_a_false_record_gives_way_to_a_real_one(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path
) -> None:
    put_record(filled, removal_of(manifest, filled, destination="there"), keyring, tmp_path)
    remove_archive(filled, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: True)
    assert verdict(filled, manifest, keyring) is Verdict.REMOVED


def test_a_record_beside_an_archive_that_stays_is_withdrawn_once_it_is_stale(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path
) -> None:
    put_record(filled, removal_of(manifest, filled), keyring, tmp_path)
    withdraw_if_stale(filled, manifest, keyring)
    assert filled.stat(RECORD) is not None
    assert isinstance(filled, Remover)
    filled.remove(RECORD)
    put_record(filled, removal_of(manifest, filled, age=STALE * 2), keyring, tmp_path)
    withdraw_if_stale(filled, manifest, keyring)
    assert filled.stat(RECORD) is None
    assert verdict(filled, manifest, keyring) is Verdict.MATCH


class KilledError(Exception):
    pass


class Failing:
    """A store that fails, or whose process dies, when it is to remove, before or after it has."""

    def __init__(self, store: Store, error: Exception, *, done: bool) -> None:
        self.store, self.error, self.done = store, error, done

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def remove(self, key: str) -> bool:
        if self.done:
            assert isinstance(self.store, Remover)
            self.store.remove(key)
        raise self.error


TRANSIENT = TransientError(action="remove", subject="it", cause="the answer was lost", error_class="network")
DENIED = PermanentError(action="remove", subject="it", cause="not allowed", error_class="permission")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [TRANSIENT, KilledError("killed")], ids=["lost answer", "killed"])
def test_it_is_done_on_the_next_try(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path, error: Exception, done: bool
) -> None:
    failing: Store = Failing(filled, error, done=done)  # type: ignore[assignment]
    with pytest.raises(type(error)):
        remove_archive(failing, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: True)
    assert verdict(filled, manifest, keyring) is (Verdict.REMOVED if done else Verdict.MATCH)
    remove_archive(filled, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: True)
    assert verdict(filled, manifest, keyring) is Verdict.REMOVED
    assert [found.key for found in filled.list()] == [RECORD, "2026-03-09/snapshot.manifest.json"]


def test_where_removing_is_not_allowed_no_record_stays(
    filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path
) -> None:
    failing: Store = Failing(filled, DENIED, done=False)  # type: ignore[assignment]
    with pytest.raises(PermanentError, match="not allowed"):
        remove_archive(failing, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: True)
    assert verdict(filled, manifest, keyring) is Verdict.MATCH
    assert filled.stat(RECORD) is None


def test_through_its_retries(filled: Store, manifest: Manifest, keyring: Keyring, tmp_path: Path) -> None:
    waits: list[float] = []
    store = RetryingStore(Flaky(filled), Backoff(attempts=2), waits.append)  # type: ignore[arg-type]
    remove_archive(store, manifest, removal_of(manifest, filled), keyring, tmp_path / "scratch", lambda: True)
    assert len(waits) == 1
    assert verdict(filled, manifest, keyring) is Verdict.REMOVED


class Flaky(Failing):
    """Removes, and loses the first answer."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, TRANSIENT, done=True)

    def remove(self, key: str) -> bool:
        if not self.done:
            assert isinstance(self.store, Remover)
            return self.store.remove(key)
        try:
            return super().remove(key)
        finally:
            self.done = False


def test_drive_keeps_it_in_the_trash(drive_server: DriveEmulator, request: pytest.FixtureRequest) -> None:
    from lumen_assets_tests.replication.conftest import drive_store

    store = drive_store(request)
    path: Path = request.getfixturevalue("tmp_path") / "source"
    path.write_bytes(ARCHIVE)
    store.put(KEY, path, digest_file(path))
    assert isinstance(store, GoogleDriveStore)
    assert store.remove(KEY)
    assert store.stat(KEY) is None
    (item,) = [item for item in drive_server.account.items.values() if item.name == KEY.rpartition("/")[2]]
    assert item.trashed


def test_what_s3_locks_stays(seaweedfs: S3Server, tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=3)
    store = s3_store(seaweedfs, tmp_path / "uploads")
    path = tmp_path / "source"
    path.write_bytes(ARCHIVE)
    store.put(KEY, path, digest_file(path))
    with_lock = _Answering(store._client, {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until})
    store._ready_client = with_lock
    with pytest.raises(PermanentError, match="Object Lock until") as caught:
        store.remove(KEY)
    assert caught.value.error_class == "locked"
    store._ready_client = _Answering(with_lock.client, {"ObjectLockLegalHoldStatus": "ON"})
    with pytest.raises(PermanentError, match="legal hold"):
        store.remove(KEY)
    store._ready_client = with_lock.client
    assert store.remove(KEY)
    assert store.stat(KEY) is None


class _Answering:
    """A client whose HEAD answers tell more."""

    def __init__(self, client, more) -> None:  # type: ignore[no-untyped-def]
        self.client, self.more = client, more

    def __getattr__(self, name: str) -> object:
        return getattr(self.client, name)

    def head_object(self, **arguments: object) -> dict[str, object]:
        return {**self.client.head_object(**arguments), **self.more}


def test_the_protocol_of_stores_has_no_way_to_remove() -> None:
    assert not hasattr(Store, "remove")
    assert not hasattr(RetryingStore, "remove")

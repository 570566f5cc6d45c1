from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.archive import (
    FrozenDay,
    Key,
    Keyring,
    associated_data,
    digest_file,
    extract_stream,
    freeze_day,
    heads,
    layout,
    load_frozen,
    newest,
    parse_manifest_key,
    read_index,
    refresh_index,
    revision_prefix,
    revisions,
    verify_stream,
)
from lumen_assets.archive.index import INDEX_NAME
from lumen_assets.errors import IntegrityError, PermanentError, TransientError

DAY = date(2026, 11, 21)
NEXT_DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 0, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Input:
    name: str
    role: str
    present: bool
    byte_range: tuple[int, int]
    sha256: str = ""


class Place:
    """An archive folder and a payload of one file."""

    def __init__(self, root: Path, keyring: Keyring) -> None:
        self.archive = root / "archive"
        self.file = root / "payload.csv"
        self.keyring = keyring

    def freeze(self, content: str, day: date = DAY, **changed: Any) -> FrozenDay:
        self.file.write_text(content)
        arguments: dict[str, Any] = {
            "day": day,
            "archive_folder": self.archive,
            "keyring": self.keyring,
            "level": 1,
            "threads": 1,
            "inputs": [
                Input("logs/metrics.csv", "telemetry", True, (5, 10), sha256(content.encode()).hexdigest()),
                Input("gateway.yaml", "gateway", False, (0, 0)),
            ],
            "software": "lumen-assets 0",
            "git_revision": None,
            "run_id": "run",
            "created_at": NOW,
        }
        return freeze_day({"logs/metrics.csv": self.file}, **{**arguments, **changed})

    def files(self) -> dict[str, int]:
        return {
            path.relative_to(self.archive).as_posix(): path.stat().st_mtime_ns
            for path in self.archive.rglob("*")
            if path.is_file() and ".locks" not in path.parts
        }


@pytest.fixture
def place(tmp_path: Path, key: Key) -> Place:
    return Place(tmp_path, Keyring([key]))


def test_a_first_freeze(place: Place, key: Key, tmp_path: Path) -> None:
    frozen = place.freeze("one")
    assert frozen.created
    assert set(place.files()) == {
        "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink",
        "2026-11-21/snapshot.manifest.json",
        "index.jsonl",
    }
    manifest = frozen.manifest
    assert (manifest.day, manifest.revision, manifest.key_id, manifest.parents) == (DAY, 1, key.id, ())
    assert vars(digest_file(frozen.archive_path)).items() <= vars(manifest.archive).items()
    assert frozen.manifest_digest == digest_file(frozen.manifest_path).sha256
    assert [(part.role, part.start, part.end) for part in manifest.provenance.inputs] == [("telemetry", 5, 10)]
    with frozen.archive_path.open("rb") as file:
        contents = extract_stream(file, tmp_path / "out", key=key, associated_data=associated_data(DAY, 1))
    assert contents.content_digest == manifest.content.digest
    assert contents.base_name == "lumen-2026-11-21-r1"
    assert contents.bag_info["Bagging-Date"] == "2026-11-21"
    extracted = tmp_path / "out" / "data" / "logs" / "metrics.csv"
    assert datetime.fromtimestamp(extracted.stat().st_mtime, UTC) == datetime(2026, 11, 21, 15, tzinfo=UTC)


def test_unchanged_content_writes_nothing(place: Place) -> None:
    first = place.freeze("one")
    before = place.files()
    again = place.freeze("one", run_id="another", software="lumen-assets 99", level=9)
    assert not again.created
    assert (again.manifest, again.folder, again.manifest_digest) == (
        first.manifest,
        first.folder,
        first.manifest_digest,
    )
    assert place.files() == before


def test_changed_content_is_the_next_revision(place: Place) -> None:
    frozen = [place.freeze(content) for content in ("one", "two", "one")]
    assert [one.manifest.revision for one in frozen] == [1, 2, 3]
    assert frozen[0].manifest.content == frozen[2].manifest.content
    assert [one.folder.relative_to(place.archive).as_posix() for one in frozen] == [
        "2026-11-21",
        "2026-11-21/r2",
        "2026-11-21/r3",
    ]
    assert [one.manifest.revision for one in revisions(place.archive, DAY, place.keyring)] == [1, 2, 3]
    found = newest(place.archive, DAY, place.keyring)
    assert found is not None
    assert found.manifest == frozen[2].manifest
    for one in frozen:
        with one.archive_path.open("rb") as file:
            verify_stream(file, key=place.keyring, associated_data=associated_data(DAY, one.manifest.revision))


def test_each_manifest_names_those_before_it(place: Place) -> None:
    first, second, third = place.freeze("one"), place.freeze("two"), place.freeze("one", NEXT_DAY)
    assert first.manifest.parents == ()
    assert second.manifest.parents == (first.manifest_digest,)
    assert third.manifest.parents == (second.manifest_digest,)
    entries = read_index(place.archive)
    assert [(entry.day, entry.revision) for entry in entries] == [(DAY, 1), (DAY, 2), (NEXT_DAY, 1)]
    assert heads(entries) == (third.manifest_digest,)
    assert heads(entries[:1]) == (first.manifest_digest,)


def test_nothing_frozen(place: Place) -> None:
    assert newest(place.archive, DAY, place.keyring) is None
    assert revisions(place.archive, DAY, place.keyring) == ()
    assert read_index(place.archive) == ()
    assert heads(()) == ()


def test_keys() -> None:
    assert revision_prefix(DAY, 1) == "2026-11-21/"
    assert revision_prefix(DAY, 12) == "2026-11-21/r12/"
    for revision in (1, 2, 12):
        assert parse_manifest_key(revision_prefix(DAY, revision) + "snapshot.manifest.json") == (DAY, revision)
    for other in (
        "snapshot.manifest.json",
        "2026-11-21/r1/snapshot.manifest.json",
        "2026-11-21/r02/snapshot.manifest.json",
        "2026-11-21/x/snapshot.manifest.json",
        "2026-13-21/snapshot.manifest.json",
        "20261121/snapshot.manifest.json",
        "x/2026-11-21/snapshot.manifest.json",
        "2026-11-21/r2/r3/snapshot.manifest.json",
        "2026-11-21/snapshot.manifest.json.part",
        ".tmp-2026-11-21-r1-00/snapshot.manifest.json",
        "2026-11-21/",
    ):
        assert parse_manifest_key(other) is None


def test_a_rotated_key_reads_the_old_and_makes_the_new(place: Place, key: Key) -> None:
    place.freeze("one")
    new = Key(bytes(32))
    place.keyring = Keyring([new, key])
    assert not place.freeze("one").created
    assert place.freeze("two").manifest.key_id == new.id
    place.keyring = Keyring([new])
    assert place.freeze("three", NEXT_DAY).manifest.key_id == new.id
    with pytest.raises(PermanentError, match=key.id):
        load_frozen(place.archive / "2026-11-21", place.keyring)


@pytest.mark.parametrize("damage", ["manifest", "archive gone", "archive short", "moved"])
def test_what_is_damaged_is_never_taken_for_frozen(place: Place, damage: str) -> None:
    frozen = place.freeze("one")
    if damage == "manifest":
        frozen.manifest_path.write_bytes(frozen.manifest_path.read_bytes().replace(b'"files": 1', b'"files": 2'))
    elif damage == "archive gone":
        frozen.archive_path.unlink()
    elif damage == "archive short":
        os.truncate(frozen.archive_path, 100)
    else:
        frozen.folder.rename(place.archive / "2026-11-20")
    with pytest.raises(IntegrityError):
        place.freeze("one", date(2026, 11, 20) if damage == "moved" else DAY)
    with pytest.raises(IntegrityError):
        load_frozen(place.archive / "2026-11-20" if damage == "moved" else frozen.folder, place.keyring)


def test_a_folder_that_lost_its_manifest_is_not_overwritten(place: Place) -> None:
    frozen = place.freeze("one")
    frozen.manifest_path.unlink()
    before = place.files()
    with pytest.raises(IntegrityError, match="it has no snapshot"):
        place.freeze("two")
    assert place.files() == before


def test_a_revision_number_is_used_once(place: Place) -> None:
    first = place.freeze("one")
    shutil.rmtree(first.folder)
    assert place.freeze("one").manifest.revision == 2
    assert place.freeze("two").manifest.revision == 3


def test_a_revision_known_elsewhere_is_not_made_again(place: Place) -> None:
    assert place.freeze("one", known_revision=4).manifest.revision == 5
    assert place.freeze("one", known_revision=4).manifest.revision == 5
    assert [one.manifest.revision for one in revisions(place.archive, DAY, place.keyring)] == [5]


def test_a_manifest_at_the_wrong_place_is_not_indexed(place: Place) -> None:
    frozen = place.freeze("one")
    before = (place.archive / INDEX_NAME).read_bytes()
    frozen.folder.rename(place.archive / "2026-11-20")
    with pytest.raises(IntegrityError, match="which does not belong there"):
        refresh_index(place.archive, place.keyring)
    assert (place.archive / INDEX_NAME).read_bytes() == before


def test_a_failed_freeze_leaves_nothing(place: Place) -> None:
    place.freeze("one")
    before = place.files()

    def interfere(_: int) -> None:
        place.file.write_text("changed meanwhile")

    with pytest.raises(TransientError):
        place.freeze("two", progress=interfere)
    assert place.files() == before
    assert not list(place.archive.glob(".tmp-*"))


def test_what_is_not_what_was_cut_is_not_frozen(place: Place) -> None:
    place.freeze("a")
    before = place.files()
    cut = Input("logs/metrics.csv", "telemetry", True, (5, 10), sha256(b"b").hexdigest())
    with pytest.raises(IntegrityError, match=r"logs/metrics\.csv.*not what was cut any more"):
        place.freeze("c", inputs=[cut])
    assert place.files() == before


def test_what_a_killed_freeze_left_is_removed_but_not_a_running_one(place: Place) -> None:
    for day in ("2026-11-21", "2026-11-22", "2026-11-23"):
        (place.archive / f".tmp-{day}-r1-0123456789ab").mkdir(parents=True)
    locks = place.archive / ".locks"
    locks.mkdir()
    with (locks / "2026-11-22").open("w") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        place.freeze("one")
    assert [path.name for path in place.archive.glob(".tmp-*")] == [".tmp-2026-11-22-r1-0123456789ab"]


def _freeze_in_process(root: Path, content: str, barrier: Any, results: Any) -> None:
    place = Place(root, Keyring([Key(bytes(range(32)))]))
    place.file = root / f"payload-{os.getpid()}.csv"
    barrier.wait()
    frozen = place.freeze(content)
    results.put((frozen.created, frozen.manifest.revision, frozen.manifest_digest))


@pytest.mark.parametrize(("contents", "created"), [(["same", "same"], 1), (["one", "other"], 2)])
def test_two_processes_freezing_the_same_day(tmp_path: Path, key: Key, contents: list[str], created: int) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_freeze_in_process, args=(tmp_path, content, barrier, results)) for content in contents
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=20) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sum(one[0] for one in found) == created
    assert len({one[2] for one in found}) == created
    assert {one[1] for one in found} == set(range(1, created + 1))
    assert len(read_index(tmp_path / "archive")) == created
    assert len(revisions(tmp_path / "archive", DAY, Keyring([key]))) == created


class TestIndex:
    @pytest.fixture
    def index(self, place: Place) -> Path:
        place.freeze("one")
        place.freeze("two")
        place.freeze("one", NEXT_DAY)
        return place.archive / INDEX_NAME

    def test_a_lost_index_is_made_again(self, place: Place, index: Path) -> None:
        before = index.read_bytes()
        index.unlink()
        refresh_index(place.archive, place.keyring)
        assert index.read_bytes() == before

    @pytest.mark.parametrize("cut", [1, 40, 200])
    def test_a_torn_last_line_is_passed_over_and_repaired(self, place: Place, index: Path, cut: int) -> None:
        before = index.read_bytes()
        index.write_bytes(before[:-cut])
        assert len(read_index(place.archive)) == 2
        assert not place.freeze("one", NEXT_DAY).created
        assert index.read_bytes() == before

    @pytest.mark.parametrize("noise", [b"noise\n", b"{}\n", b"\n", b"[1]\n", b"\0\xff\n", b'{"day": 1}\n'])
    def test_a_damaged_line_is_repaired(self, place: Place, index: Path, noise: bytes) -> None:
        before = index.read_bytes()
        first, *rest = before.splitlines(keepends=True)
        index.write_bytes(noise + first + noise + b"".join(rest[1:]))
        assert len(read_index(place.archive)) == 2
        refresh_index(place.archive, place.keyring)
        assert sorted(index.read_bytes().splitlines()) == sorted(before.splitlines())

    def test_an_entry_whose_archive_was_removed_is_kept(self, place: Place, index: Path) -> None:
        before = index.read_bytes()
        for path in (place.archive / "2026-11-22").iterdir():
            path.unlink()
        refresh_index(place.archive, place.keyring)
        assert index.read_bytes() == before

    def test_days_that_it_has_are_not_looked_into(
        self, place: Place, index: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A day after three years costs what the first one did."""
        looked_into: list[date] = []

        def revision_folders(archive_folder: Path, day: date) -> dict[int, Path]:
            looked_into.append(day)
            return layout.revision_folders(archive_folder, day)

        monkeypatch.setattr("lumen_assets.archive.index.revision_folders", revision_folders)
        another = NEXT_DAY + timedelta(days=1)
        assert place.freeze("one", another).created
        assert looked_into == [another]
        assert [entry.day for entry in read_index(place.archive)] == [DAY, DAY, NEXT_DAY, another]

    def test_one_that_is_lost_while_a_day_is_noted_is_made_again_whole(self, place: Place, index: Path) -> None:
        index.unlink()
        refresh_index(place.archive, place.keyring, only=NEXT_DAY)
        assert len(read_index(place.archive)) == 3

    def test_a_good_index_is_not_touched(self, place: Place, index: Path) -> None:
        before = index.stat()
        refresh_index(place.archive, place.keyring)
        assert (index.stat().st_mtime_ns, index.stat().st_ino) == (before.st_mtime_ns, before.st_ino)

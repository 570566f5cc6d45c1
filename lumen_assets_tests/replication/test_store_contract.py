"""What every kind of destination must do, run against each (the fixture ``store`` in ``conftest.py``)."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from lumen_assets.archive import digest_file
from lumen_assets.errors import IntegrityError, PermanentError
from lumen_assets.replication import Store

KEY = "2026-11-21/lumen-2026-11-21-r1.tar.zst.tink"
MIB = 1 << 20


@pytest.fixture
def make(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / f"source-{hashlib.sha256(content).hexdigest()[:8]}"
        path.write_bytes(content)
        return path

    return write


def content_of(store: Store, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.read(key, start, length) as reader:
        parts = []
        while data := reader.read(70_000):
            parts.append(data)
    return b"".join(parts)


def put(store: Store, key: str, source: Path):  # type: ignore[no-untyped-def]
    return store.put(key, source, digest_file(source))


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, 3 * MIB + 5])
def test_what_is_put_can_be_read(store: Store, make: Callable[[bytes], Path], size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    receipt = put(store, KEY, make(content))
    assert receipt.created
    assert receipt.bytes_sent == size
    assert receipt.stored.key == KEY
    assert receipt.stored.size == size
    assert store.stat(KEY) == receipt.stored
    assert content_of(store, KEY) == content


def test_checksums_that_a_provider_computes_are_those_of_the_content(
    store: Store, make: Callable[[bytes], Path]
) -> None:
    source = make(b"content" * 1000)
    stored = put(store, KEY, source).stored
    known = vars(digest_file(source))
    assert stored.checksums == {name: known[name] for name in stored.checksums}


def test_putting_the_same_again_sends_nothing(store: Store, make: Callable[[bytes], Path]) -> None:
    put(store, KEY, make(b"same"))
    again = put(store, KEY, make(b"same"))
    assert not again.created
    assert again.bytes_sent == 0
    assert [found.key for found in store.list()] == [KEY]


@pytest.mark.parametrize("other", [b"diff", b"longer than before", b""])
def test_other_content_is_a_conflict_and_changes_nothing(
    store: Store, make: Callable[[bytes], Path], other: bytes
) -> None:
    put(store, KEY, make(b"good"))
    with pytest.raises(IntegrityError) as caught:
        put(store, KEY, make(other))
    assert caught.value.error_class == "conflict"
    assert content_of(store, KEY) == b"good"
    assert [found.key for found in store.list()] == [KEY]


def test_a_source_that_is_not_what_its_digests_say_is_not_stored(store: Store, make: Callable[[bytes], Path]) -> None:
    digests = digest_file(make(b"what it was"))
    with pytest.raises(IntegrityError) as caught:
        store.put(KEY, make(b"what it is!"), digests)
    assert caught.value.error_class == "digest"
    assert store.stat(KEY) is None
    assert list(store.list()) == []


def test_progress_adds_up(store: Store, make: Callable[[bytes], Path]) -> None:
    source = make(bytes(3 * MIB + 1))
    sent: list[int] = []
    store.put(KEY, source, digest_file(source), sent.append)
    assert sum(sent) == 3 * MIB + 1


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 4), (5, 3), (8, 100), (MIB - 2, 4), (2 * MIB, None)])
def test_ranges(store: Store, make: Callable[[bytes], Path], start: int, length: int | None) -> None:
    content = bytes(range(256)) * (MIB // 128)
    put(store, KEY, make(content))
    expected = content[start:] if length is None else content[start : start + length]
    assert content_of(store, KEY, start, length) == expected


def test_what_is_not_there(store: Store) -> None:
    assert store.stat(KEY) is None
    with pytest.raises(PermanentError) as caught, store.read(KEY):
        pass
    assert caught.value.error_class == "missing"
    assert list(store.list()) == []
    assert list(store.list("2026-11-21/")) == []


def test_listing_is_sorted_and_by_prefix(store: Store, make: Callable[[bytes], Path]) -> None:
    keys = [f"2026-11-{day:02}/{name}" for day in (3, 1, 2) for name in ("b", "a")] + ["2026-11-01/r2/a"]
    for key in keys:
        put(store, key, make(key.encode()))
    assert [found.key for found in store.list()] == sorted(keys)
    assert [found.key for found in store.list("2026-11-01/")] == ["2026-11-01/a", "2026-11-01/b", "2026-11-01/r2/a"]
    assert [found.key for found in store.list("2026-11-0")] == sorted(keys)
    assert [found.size for found in store.list("2026-11-03/a")] == [len("2026-11-03/a")]


@pytest.mark.parametrize("key", ["", "/absolute", "../outside", "a/../../outside"])
def test_a_key_never_leads_outside(store: Store, make: Callable[[bytes], Path], key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        put(store, key, make(b"x"))


def _put_in_process(store: Store, key: str, source: Path, answers: multiprocessing.Queue[bool]) -> None:
    answers.put(put(store, key, source).created)


def test_two_processes_putting_the_same_at_once_make_one_object(store: Store, make: Callable[[bytes], Path]) -> None:
    source = make(bytes(20 * MIB))
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[bool] = context.Queue()
    processes = [context.Process(target=_put_in_process, args=(store, KEY, source, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    created = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(created) == 1
    assert [found.key for found in store.list()] == [KEY]
    assert content_of(store, KEY) == bytes(20 * MIB)


def test_what_is_set_aside_keeps_its_content_and_frees_its_place(store: Store, make: Callable[[bytes], Path]) -> None:
    put(store, KEY, make(b"damaged"))
    aside = store.set_aside(KEY)
    assert aside.startswith(f"{KEY}.aside-")
    assert store.stat(KEY) is None
    assert content_of(store, aside) == b"damaged"
    assert put(store, KEY, make(b"good")).created
    assert [found.key for found in store.list()] == sorted([KEY, aside])


def test_what_is_not_there_cannot_be_set_aside(store: Store) -> None:
    with pytest.raises(PermanentError) as caught:
        store.set_aside(KEY)
    assert caught.value.error_class == "missing"
    assert list(store.list()) == []


class CancelledError(Exception):
    pass


def test_a_put_is_cancelled_from_its_progress_and_goes_on_later(store: Store, make: Callable[[bytes], Path]) -> None:
    source = make(bytes(range(256)) * (24 * MIB // 256))

    def cancel(_: int) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        store.put(KEY, source, digest_file(source), cancel)
    assert store.stat(KEY) is None
    assert list(store.list()) == []
    receipt = put(store, KEY, source)
    assert receipt.created
    assert receipt.stored.size == 24 * MIB

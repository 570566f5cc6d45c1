"""A destination that cannot be reached costs a command one round of tries, however many days it asks about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets.archive import Digests
from lumen_assets.errors import TransientError
from lumen_assets.replication.remembering import RememberingStore
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets.replication.store import Progress, Reader, Receipt, StoredObject
from lumen_assets.verification import Finding, Level, Verdict
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

TRIES = 3
DAYS = [LAST_DAY - timedelta(days=1), LAST_DAY]


class Down:
    """Nobody answers; counts how often that was found out."""

    name = "there"

    def __init__(self, error_class: str = "network") -> None:
        self.tries = 0
        self._error_class = error_class

    def _fail(self) -> TransientError:
        self.tries += 1
        return TransientError(action="ask", subject=self.name, cause="nobody answers", error_class=self._error_class)

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        raise self._fail()

    def stat(self, key: str) -> StoredObject | None:
        raise self._fail()

    def read(self, key: str, start: int = 0, length: int | None = None) -> AbstractContextManager[Reader]:
        raise self._fail()

    def set_aside(self, key: str) -> str:
        raise self._fail()

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        raise self._fail()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation.make(tmp_path_factory.mktemp("installation"))
    for day in DAYS:
        made.json("daily", "--day", str(day))
    return made


@pytest.fixture
def down() -> Down:
    return Down()


@pytest.fixture
def workspace(installation: Installation, down: Down) -> Workspace:
    store = RetryingStore(down, Backoff(attempts=TRIES), sleep=lambda _: None)
    return Workspace(installation.settings, {**installation.workspace.stores, "there": store})


def test_many_days_cost_one_round_of_tries_and_are_all_unknown(workspace: Workspace, down: Down) -> None:
    known = workspace.known()
    assert list(known.silent) == ["there"]
    found = [workspace.verify_or_unreachable("there", *revision, Level.BYTES) for revision in known.revisions]
    assert {(item.verdict, item.finding) for item in found} == {(Verdict.UNVERIFIABLE, Finding.UNREACHABLE)}
    assert [item.day for item in found] == DAYS
    assert all("nobody answers" in item.detail for item in found)
    for day in DAYS:
        here, there = workspace.repair_day(day)
        assert here.now.verdict is Verdict.MATCH
        assert there.now.finding is Finding.UNREACHABLE
    assert down.tries == TRIES
    recorded = workspace.ledger.newest(*DAYS)
    assert {recorded[day]["there"].verdict for day in DAYS} == {Verdict.UNVERIFIABLE}


def test_what_a_command_asks_about_many_days_is_one_round(
    workspace: Workspace, installation: Installation, down: Down, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("verify", "repair", "status"):
        down.tries = 0
        opened = Workspace(installation.settings, workspace.stores)
        monkeypatch.setattr(f"lumen_assets.cli.{name}.Workspace", lambda _, opened=opened: opened)
        installation.lumen(name)
        assert down.tries == TRIES


def test_a_step_that_is_tried_again_asks_again(workspace: Workspace, down: Down) -> None:
    workspace.verify_or_unreachable("there", LAST_DAY, 1, Level.BYTES)
    for _ in range(2):
        with pytest.raises(TransientError):
            workspace.verify("there", LAST_DAY, 1, Level.BYTES)
    assert down.tries == 3 * TRIES


@pytest.mark.parametrize("call", ["stat", "read", "list", "put", "set_aside"])
def test_every_call_remembers(call: str, down: Down, tmp_path: Path) -> None:
    store = RememberingStore(down)
    arguments = {"list": (), "put": ("key", tmp_path, None)}.get(call, ("key",))
    for _ in range(3):
        with pytest.raises(TransientError, match="nobody answers"):
            opened = getattr(store, call)(*arguments)
            if call == "read":
                opened.__enter__()
    assert down.tries == 1


def test_what_is_no_absence_is_asked_again() -> None:
    busy = Down("throttle")
    store = RememberingStore(busy)
    for _ in range(3):
        with pytest.raises(TransientError):
            store.stat("key")
    assert busy.tries == 3


def test_a_read_that_breaks_off_for_good_is_remembered(tmp_path: Path, installation: Installation) -> None:
    class Breaks:
        def read(self, _: int, /) -> bytes:
            raise TransientError(action="read", subject="x", cause="it broke", error_class="network")

        def __enter__(self) -> Reader:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    down = Down()
    down.read = lambda *_: Breaks()  # type: ignore[method-assign,assignment,return-value]
    store = RememberingStore(down)
    with pytest.raises(TransientError, match="it broke"), store.read("key") as reader:
        reader.read(1)
    with pytest.raises(TransientError, match="it broke"):
        store.stat("key")
    assert down.tries == 0

"""A daemon that is to be killed, and the process beside it whose runs fail: each a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg

from lumen_assets.alerting import outbox as outbox_module
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.alerting.webhook import WebhookChannel
from lumen_assets.defs.alerts import runs, sensors, telling
from lumen_assets.durable import replace_bytes
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.defs.daemon import Daemon
from lumen_assets_tests.installation import LAST_DAY, Installation

SETTLED = timedelta(seconds=2)
"""Instead of a minute, where runs end while a daemon looks on: nothing that stays in one process takes so long."""

POINTS = ("before recording", "while recording", "recorded", "cursor said", "before sending", "sent")
"""Where a daemon may be told to die."""


@dataclass(frozen=True)
class Scene:
    """Where all of it is.

    Attributes:
        root: of the installation.
        url: of the receiver.
    """

    root: Path
    url: str

    @property
    def workspace(self) -> Workspace:
        environment = {**Installation(self.root).environment, "LUMEN_ALERT_URL": self.url, "LUMEN_ALERT_SECRET": "word"}
        return Workspace(load_settings(environment, self.root))

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(self.root / "dagster")) as instance:
            yield instance

    @property
    def said(self) -> str:
        """What went wrong in a process that nobody killed."""
        return "".join(path.read_text() for path in self.root.glob("traceback-*"))


class StoredCursors(MutableMapping[str, "str | None"]):
    """Cursors in files, each there as it was or as it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def __getitem__(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text() or None
        except FileNotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, cursor: str | None) -> None:
        replace_bytes(self._folder / name, (cursor or "").encode())

    def __delitem__(self, name: str) -> None:
        (self._folder / name).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self._folder.iterdir())

    def __len__(self) -> int:
        return len(list(self._folder.iterdir()))


class MortalDaemon(Daemon):
    """Keeps a cursor as soon as a sensor says it: sooner than Dagster does, so that whatever is said too soon shows."""

    dies_when_it_is_said = False

    def prepare(self, name: str, context: dg.SensorEvaluationContext) -> None:
        update = context.update_cursor

        def update_and_keep(cursor: str | None) -> None:
            before = self.cursors.get(name)
            update(cursor)
            self.cursors[name] = cursor
            if self.dies_when_it_is_said and cursor != before:
                die()

        context.update_cursor = update_and_keep  # type: ignore[method-assign]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # never over


@dataclass
class Life:
    """What one daemon is to do.

    Attributes:
        ahead: how far its clock is.
        settled: how old an ended run must be for the cursor to pass it.
        dies: the point at which it does so by itself; empty where it goes on until it is killed or told to end.
        finish: times at which it looks, with its clock stopped at each; then it ends.
    """

    ahead: timedelta = timedelta()
    settled: timedelta = SETTLED
    dies: str = ""
    finish: list[datetime] = field(default_factory=list)


def live(scene: Scene, life: Life, parent: Connection) -> None:
    """The daemon's process: says that it is up, and evaluates the sensors until somebody ends it."""
    with told(scene), scene.instance() as instance:
        daemon = MortalDaemon(scene.workspace, instance, StoredCursors(scene.root / "cursors"))
        arrange_death(daemon, life.dies)
        for at in life.finish:
            set_clock(lambda at=at: at, life.settled)
            for _ in range(2):
                daemon.ticks()
        if life.finish:
            return
        set_clock(lambda: REAL.now(sensors.UTC) + life.ahead, life.settled)
        parent.send("up")
        while not parent.poll():
            daemon.ticks()


REAL = datetime
DIED = 2
"""Runs of a batch whose process died."""
REAL_RUNS = ((LAST_DAY, False), (LAST_DAY - timedelta(days=1), False), (LAST_DAY, True), (LAST_DAY, False))
"""Days in turn, and whether their run is good."""


def set_clock(clock: Callable[[], datetime], settled: timedelta) -> None:
    """Let the sensors see another time, for which a run that ended counts as old when it is ``settled`` in truth."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            assert tz is not None
            return clock().astimezone(tz)

    sensors.datetime = telling.datetime = Ahead  # type: ignore[attr-defined,misc,assignment]
    runs.SETTLING = clock() - REAL.now(sensors.UTC) + settled  # type: ignore[misc]


def arrange_death(daemon: MortalDaemon, point: str) -> None:
    match point:
        case "before recording":
            wrap(Outbox, "record", before=lambda events: events and die())
        case "while recording":  # in the transaction, with something in it
            wrap(outbox_module, "record_event", after=lambda new: new and die())
        case "recorded":
            wrap(Outbox, "record", after=lambda new: new and die())
        case "cursor said":
            daemon.dies_when_it_is_said = True
        case "before sending":
            wrap(WebhookChannel, "send", before=lambda message: die())
        case "sent":
            wrap(WebhookChannel, "send", after=lambda answer: die())
        case _:
            assert not point


def wrap(
    owner: Any, name: str, *, before: Callable[[Any], Any] | None = None, after: Callable[[Any], Any] | None = None
) -> None:
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if before:
            before(arguments[1])
        done = original(*arguments, **named)
        if after:
            after(done)
        return done

    setattr(owner, name, wrapped)


def fail(scene: Scene, parent: Connection) -> None:
    """The process whose runs end: for each number that it is sent, a batch of them, the same whenever it is asked."""
    with told(scene), scene.instance() as instance:
        daemon = Daemon(scene.workspace, instance)
        parent.send("up")
        while (batch := parent.recv()) is not None:
            make_batch(daemon, scene.root, batch)
            parent.send(batch)


def make_batch(daemon: Daemon, root: Path, batch: int) -> None:
    """Runs whose process died, and every second time a real one, that fails or is good."""
    job = daemon.definitions.resolve_job_def("attest")
    for number in range(DIED):
        tags = {"dagster/partition": (LAST_DAY - timedelta(days=(batch * DIED + number) % 17)).isoformat()}
        run = daemon.instance.create_run_for_job(
            job, run_id=run_id(batch, number), status=dg.DagsterRunStatus.STARTED, tags=tags
        )
        daemon.instance.report_run_failed(run, "killed")
    there, away = root / "data" / "logs" / "metrics.csv", root / "metrics.csv"
    if batch % 2:
        return
    day, good = REAL_RUNS[batch // 2 % len(REAL_RUNS)]
    wanted, other = (there, away) if good else (away, there)
    if other.exists():
        shutil.move(other, wanted)
    selected = [dg.AssetKey("telemetry")]
    assert daemon.run(day, run_id=run_id(batch, "real"), asset_selection=selected) is good


def run_id(batch: int, number: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch} {number}"))


@contextmanager
def told(scene: Scene) -> Iterator[None]:
    try:
        yield
    except BaseException:
        (scene.root / f"traceback-{os.getpid()}").write_text(traceback.format_exc())
        raise

"""The daemon is killed with -9 while runs fail: in the end all is as where nobody was killed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from lumen_assets.alerting import schema
from lumen_assets.alerting.claiming import LEASE
from lumen_assets.alerting.database import Database
from lumen_assets.alerting.events import Kind, State
from lumen_assets.alerting.outbox import Outbox
from lumen_assets_tests.alerting.remembering import Receiver, require_order, running_receiver
from lumen_assets_tests.defs.mortal import DIED, POINTS, Life, Scene, fail, live
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

ALERTS = (
    "alerts: {group_wait_seconds: 0, group_interval_minutes: 1, deadline: '12:00', daily_summary: false, "
    "stuck_minutes: 1000000, cap_per_hour: 100000}\n"
)
RANDOM = "at a random moment"
DARK = 1
"""So many daemons, the last ones, see a receiver that is down."""
LEASE_OVER = LEASE + timedelta(minutes=1)
"""A daemon starts so much later than the one before, as time does for people."""

# A server that has all imported makes the processes: a new one takes a tenth of a second, and shares nothing.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["lumen_assets_tests.defs.mortal"])


@dataclass
class Child:
    process: BaseProcess
    connection: Connection
    scene: Scene

    def hears(self) -> Any:
        """What it says next."""
        assert self.connection.poll(120), self.scene.said or "it says nothing"
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            raise AssertionError(self.scene.said or "it ended by itself") from None


@contextmanager
def child(target: Any, scene: Scene, *arguments: Any) -> Iterator[Child]:
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(scene, *arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Child(process, ours, scene)
    finally:
        process.kill()
        process.join()
        ours.close()


def new_scene(root: Path, url: str, database: str | None) -> Scene:
    installation = Installation.make(root, days=2, configuration=ALERTS)
    (root / "dagster").mkdir()
    storage = {"storage": {"postgres": {"postgres_url": database}}} if database else {}
    (root / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}, **storage}))
    return Scene(installation.root, url)


def killed_at(scene: Scene, failing: Child, batch: int, how: str) -> None:
    """One daemon lives, while a batch of runs ends or after it did, and is killed."""
    ahead = LEASE_OVER * (batch + 1)
    if how != RANDOM:  # the runs ended while nobody looked
        failing.connection.send(batch)
        assert failing.hears() == batch
        with child(live, scene, Life(ahead, settled=timedelta(), dies=how)) as daemon:
            daemon.process.join(60)
            assert daemon.process.exitcode == -signal.SIGKILL, (how, scene.said)
        return
    with child(live, scene, Life(ahead)) as daemon:
        assert daemon.hears() == "up"
        failing.connection.send(batch)
        time.sleep(random.uniform(0, 1.2))  # noqa: S311 - moments, not secrets
        assert daemon.process.is_alive(), scene.said
        daemon.process.kill()
        daemon.process.join()
        assert daemon.process.exitcode == -signal.SIGKILL, "it was alive when it was killed"
    assert failing.hears() == batch


def everything_is_told(scene: Scene, end: datetime) -> None:
    """A daemon that nobody kills lives to the end."""
    finish = [end - timedelta(hours=hours) for hours in (26, 0)]
    with child(live, scene, Life(settled=timedelta(), finish=finish)) as daemon:
        daemon.process.join(120)
        assert daemon.process.exitcode == 0, scene.said


def killed(scene: Scene, receiver: Receiver, kills: Sequence[str], end: datetime) -> None:
    with child(fail, scene) as failing:
        assert failing.hears() == "up"  # it made the instance
        for batch, how in enumerate(kills):
            receiver.down = batch >= len(kills) - DARK
            killed_at(scene, failing, batch, how)
    receiver.down = False
    everything_is_told(scene, end)


def not_killed(scene: Scene, batches: int, end: datetime) -> None:
    with child(fail, scene) as failing:
        assert failing.hears() == "up"
        with child(live, scene, Life()) as daemon:
            assert daemon.hears() == "up"
            for batch in range(batches):
                failing.connection.send(batch)
                assert failing.hears() == batch
            daemon.connection.send("end")
            daemon.process.join(60)
            assert daemon.process.exitcode == 0, scene.said
    everything_is_told(scene, end)


@dataclass(frozen=True)
class Came:
    """What it came to, whenever somebody looked."""

    events: dict[str, tuple[str, str, str, str]]
    open: dict[str, tuple[str, ...]]


def outbox_of(scene: Scene, database: str | None) -> Outbox:
    return scene.workspace.outbox(sa.make_url(database) if database else None)


def came_to(scene: Scene, database: str | None) -> Came:
    outbox = outbox_of(scene, database)
    address = database or f"sqlite:///{scene.root / 'home' / 'alerts' / 'outbox.sqlite'}"
    with Database(address, str).reading() as connection:
        rows = connection.execute(sa.select(schema.event)).all()
    return Came(
        {row.id: (row.kind, row.state, row.source, row.subject) for row in rows},
        {incident.key: incident.subjects for incident in outbox.open_incidents()},
    )


def require_all_told(scene: Scene, database: str | None, receiver: Receiver, came: Came) -> None:
    """All that was composed arrived, once, in order; and what is open was told with each of its events."""
    outbox = outbox_of(scene, database)
    recent = outbox.recent(100_000)
    assert {one.channels["webhook"].status for one in recent} == {"delivered"}
    messages = receiver.messages
    assert {message.id for message in messages} == {one.message.id for one in recent}
    assert not any(message.digest for message in messages)
    require_order(messages)
    for identity, (kind, state, source, subject) in came.events.items():
        is_open = any(
            key.startswith(f"{kind}|{source}|") and subject in subjects for key, subjects in came.open.items()
        )
        if state == State.FIRING and is_open:
            assert outbox.sent(identity)["webhook"].status == "delivered"


def require_no_difference(
    tmp_path: Path, kills: Sequence[str], database: str | None, control: Came, end: datetime
) -> None:
    with running_receiver() as receiver:
        scene = new_scene(tmp_path / "killed", receiver.url, database)
        killed(scene, receiver, kills, end)
        came = came_to(scene, database)
        require_all_told(scene, database, receiver, came)
        twice = len(receiver.accepted) - len(receiver.told)
        assert twice <= len(kills), "only what was on its way when a daemon died comes twice"
    assert came == control


def control_of(root: Path, batches: int, end: datetime) -> Came:
    """The same runs, where nobody is killed."""
    with running_receiver() as receiver:
        scene = new_scene(root, receiver.url, None)
        not_killed(scene, batches, end)
        came = came_to(scene, None)
        require_all_told(scene, None, receiver, came)
        assert len(receiver.accepted) == len(receiver.told)
    assert {(kind, state) for kind, state, *_ in came.events.values()} >= {
        (Kind.RUN_FAILED, State.FIRING),
        (Kind.MATERIALIZATION_FAILED, State.FIRING),
        (Kind.MATERIALIZATION_FAILED, State.RESOLVED),
        (Kind.DAY_MISSING, State.FIRING),
    }
    died = [kind for kind, state, *_ in came.events.values() if (kind, state) == (Kind.RUN_FAILED, State.FIRING)]
    assert len(died) == DIED * batches
    return came


def fifty() -> list[str]:
    """Half at the points, in turn, half at random moments; the last while the receiver is down."""
    return [RANDOM if batch % 2 else POINTS[batch // 2 % len(POINTS)] for batch in range(50 - DARK)] + [RANDOM] * DARK


FEW = [RANDOM, *POINTS[:4], RANDOM, *POINTS[4:], RANDOM]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Where Dagster and the outbox keep what they know: files, or Postgres, as an address that Dagster takes."""
    if request.param == "sqlite":
        return None
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database().replace("postgresql:", "postgresql+psycopg2:")


@pytest.fixture(scope="module")
def end() -> datetime:
    """When all is looked at for the last time: far from any deadline."""
    return datetime.now(UTC).replace(hour=0, minute=30, second=0, microsecond=0) + timedelta(days=3)


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory, end: datetime) -> Callable[[int], Came]:
    """What so many batches come to; the same in files and in Postgres."""
    return cache(lambda batches: control_of(tmp_path_factory.mktemp("control"), batches, end))


def test_a_daemon_killed_at_points_and_at_random_moments(
    tmp_path: Path, database: str | None, control: Callable[[int], Came], end: datetime
) -> None:
    require_no_difference(tmp_path, FEW, database, control(len(FEW)), end)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_daemon_killed_at_fifty_moments(
    tmp_path: Path, database: str | None, control: Callable[[int], Came], end: datetime
) -> None:
    require_no_difference(tmp_path, fifty(), database, control(50), end)

"""Dagster's own daemon, as a process, killed with -9 while runs fail: every failure is recorded and told."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen_assets.alerting.claiming import LEASE
from lumen_assets.defs.alerts.runs import read_ended_runs
from lumen_assets_tests.alerting.remembering import require_order, running_receiver
from lumen_assets_tests.defs.daemon import Daemon
from lumen_assets_tests.defs.mortal import Scene, make_batch
from lumen_assets_tests.defs.test_killed import came_to, new_scene
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.waiting import until

KILLS = 6


@contextmanager
def dagster_daemon(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """It and the code server that it starts; both are killed at the end, as a machine that loses its power does."""
    environment = {
        **os.environ,
        **Installation(scene.root).environment,
        "LUMEN_ALERT_URL": scene.url,
        "LUMEN_ALERT_SECRET": "word",
        "DAGSTER_HOME": str(scene.root / "dagster"),
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "lumen_assets.definitions"]
    with (scene.root / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        assert process.poll() is None, (scene.root / "daemon.log").read_text()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def evaluations(scene: Scene) -> int:
    """How often the daemons have begun to evaluate the sensor that records."""
    log = scene.root / "daemon.log"
    return log.read_bytes().count(b"Checking for new runs for sensor: alerts_runs") if log.exists() else 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_real_daemon_killed_again_and_again(tmp_path: Path) -> None:
    with running_receiver() as receiver:
        scene = new_scene(tmp_path / "real", receiver.url, None)
        outbox = scene.workspace.outbox()
        with scene.instance() as instance:
            failing = Daemon(scene.workspace, instance)
            for batch in range(KILLS):
                before = evaluations(scene)
                with dagster_daemon(scene):
                    while evaluations(scene) == before:  # the time-out of the test ends it
                        time.sleep(0.05)
                    make_batch(failing, scene.root, batch)
                    time.sleep(random.uniform(0, 20))  # noqa: S311 - moments, not secrets
            later = datetime.now(UTC) + timedelta(hours=1)
            expected = read_ended_runs(instance, None, ui_url="http://127.0.0.1:3000", limit=1000, now=later).events
            assert len(expected) >= 2 * KILLS

            def all_told() -> bool:
                depth = outbox.depth(datetime.now(UTC))["webhook"].messages
                return depth == 0 and {event.id for event in expected} <= set(came_to(scene, None).events)

            with dagster_daemon(scene):
                until(all_told, "all to be told", LEASE.total_seconds() + 240)
                time.sleep(90)  # what is told after the least time between two messages, too
        messages = receiver.messages
        assert {message.id for message in messages} == {one.message.id for one in outbox.recent(10_000)}
        require_order(messages)
        assert len(receiver.accepted) - len(receiver.told) <= KILLS + 1
        for event in expected:
            if event.state.value == "firing" and event.kind.value == "run_failed":
                assert outbox.sent(event.id)["webhook"].status == "delivered", event

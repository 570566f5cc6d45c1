"""Runs that a command makes in its own process, which no daemon looks after.

As long as such a run goes on, its process holds a file of the run's name under ``LUMEN_HOME``. A process that is killed
leaves the file behind and holds it no more. That, and nothing less, shows that a run is dead: of the runs of another
machine, or of another home on the same instance, there is no file here, and nothing is known.
"""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import dagster as dg

from lumen_assets.defs.under_way import end_run
from lumen_assets.workspace import Workspace

_HOST: Final = "lumen/host"


def own_tags() -> Mapping[str, str]:
    """The tags of such runs: the machine, for people; and that the daemon starts none of them again by itself."""
    return {_HOST: socket.gethostname(), "dagster/max_retries": "0"}


def at_work(run: dg.DagsterRun) -> str:
    """For people: that a run is under way, and on which machine where that is known."""
    where = f" on {run.tags[_HOST]}" if _HOST in run.tags else ""
    return f"run {run.run_id}{where} is at work on it"


@contextmanager
def held(workspace: Workspace, run_id: str) -> Iterator[None]:
    """Show that a run of this process goes on; to be entered before the run is there.

    What comes out with an error leaves the file, no longer held: the run may not have ended.
    """
    folder = _folder(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / run_id
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink()


def end_dead_runs(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    """Fail the runs of this home whose process is gone without a word."""
    for path in _folder(workspace).glob("*"):
        with suppress(FileNotFoundError), path.open() as file:  # a run that ends at this moment takes its file away
            run = instance.get_run_by_id(path.name) if _is_free(file) else None
            if run is None:  # it goes on, or is of another instance
                continue
            if not run.is_finished:
                end_run(instance, run, "Its process is gone, without a word.")
            path.unlink()


def _folder(workspace: Workspace) -> Path:
    return workspace.settings.home / "locks" / "runs"


def _is_free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

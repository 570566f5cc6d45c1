"""Runs that a code server starts, forked from a process that has imported what they need; see docs/decisions/0016."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

_PRELOADED: Final = "lumen_assets.defs.preloaded"


class _Server(Protocol):
    """Dagster's code server, as far as it is changed: what it starts processes with."""

    _mp_ctx: object


def fork_runs() -> None:
    """Let the code server in this process, if there is one, fork its runs; it starts each anew otherwise."""
    server: Any = sys.modules.get("dagster._grpc.server")
    if server is None or sys.platform != "linux":
        return
    start_run: Callable[[_Server, object, object], object] = server.DagsterApiServer.StartRun
    if start_run.__module__ == __name__:
        return
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([_PRELOADED])

    def forked(self: _Server, request: object, context: object) -> object:
        self._mp_ctx = forking
        return start_run(self, request, context)

    server.DagsterApiServer.StartRun = forked

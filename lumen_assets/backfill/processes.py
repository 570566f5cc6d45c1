"""The worker processes of a backfill: started, fed with days, listened to, replaced when they die.

A worker reads one JSON object a line, ``{"day": "2026-03-09"}``, from its standard input and writes one a line to its
standard output: ``{"ready": true}`` once, ``{"said": …}`` for people, and for every day what ``Ended`` holds. Its
input ending is its sign to leave: a worker outlives the process that started it by the day it is at work on.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import IO, Any, Final

from lumen_assets.backfill.handing_out import HandOut
from lumen_assets.days import parse_day
from lumen_assets.defs.instance import with_settings_for_runs
from lumen_assets.errors import TransientError

FAILED_STARTS: Final = 3
"""Workers that end before they are ready, one after the other, before it is given up to start any."""

_SIGNALS: Final = 0.2  # seconds within which a signal is acted on

_POLARS_MEMORY: Final = "dirty_decay_ms:30000,muzzy_decay_ms:30000"
"""For how long Polars' allocator, jemalloc, keeps what is freed. With huge pages for all other memory it leaves a tenth
of the page faults, and takes a twentieth less time, for 50 MB.
"""


@dataclass(frozen=True)
class Ended:
    """What a worker came to with a day.

    Attributes:
        day: the KST day.
        skipped: why it did nothing; empty if it ran the day.
        failures: why, by asset, for those that failed.
        runs: the Dagster run ids.
        seconds: how long it took.
    """

    day: date
    skipped: str
    failures: Mapping[str, str]
    runs: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Lost:
    """A worker that ended in the midst of a day.

    Attributes:
        day: the KST day, whose runs nobody ends any more.
        cause: how the process ended.
        again: whether the day is handed out once more.
    """

    day: date
    cause: str
    again: bool


@dataclass(frozen=True)
class Said:
    """A line for people, from a worker or from us."""

    text: str


Event = Ended | Lost | Said


@dataclass
class Stop:
    """What was asked for from outside: nothing, no more days (1), or to end at once (2)."""

    asked: int = 0

    def ask(self) -> None:
        """Once: hand out no more days; twice: end the workers, too."""
        self.asked += 1

    @property
    def at_once(self) -> bool:
        """Whether days under way are not waited for."""
        return self.asked > 1


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    ready: bool = False
    told_to_leave: bool = False
    unread: bytearray = field(default_factory=bytearray)

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - it was asked for
        return self.process.stdout

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages that came, and whether more can come."""
        data = self.output.read1()  # type: ignore[attr-defined]  # a BufferedReader
        *lines, self.unread = (self.unread + data).split(b"\n")
        return [json.loads(line) for line in lines], bool(data)

    def give(self, day: date) -> None:
        assert self.process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):  # its output says so, too
            self.process.stdin.write(json.dumps({"day": day.isoformat()}).encode() + b"\n")
            self.process.stdin.flush()

    def tell_to_leave(self) -> None:
        assert self.process.stdin is not None  # noqa: S101
        self.told_to_leave = True
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def wait(self) -> str:
        """Wait for its end; how it ended, for people."""
        self.tell_to_leave()
        code = self.process.wait()
        self.output.close()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def make_days(days: Sequence[date], *, workers: int, arguments: Sequence[str], stop: Stop) -> Iterator[Event]:
    """Have every day made by one of so many worker processes.

    The consumer deals with each event before the next day is handed out: the runs of a lost day are to be ended before
    it is tried again.

    Args:
        days: in the order in which they are to be begun.
        workers: how many there are at most.
        arguments: of each worker; everybody on the machine can see them.
        stop: looked at all the time.

    Raises:
        TransientError: if no worker can be started.
    """
    with selectors.DefaultSelector() as selector:
        pool = _Pool(HandOut(days, workers), workers, arguments, selector)
        said = False
        try:
            while not stop.at_once:
                if stop.asked:
                    pool.close()  # again and again: the day of a worker that is lost now waits for the next call
                if stop.asked and not said:
                    said = True
                    yield Said("stopping: the days under way end first; once more ends them at once")
                if not pool.fill():
                    return
                yield from pool.listen()
        finally:
            pool.kill()


class _Pool:
    """The workers that run, and the days they are handed."""

    def __init__(
        self, hand_out: HandOut, workers: int, arguments: Sequence[str], selector: selectors.BaseSelector
    ) -> None:
        self._hand_out = hand_out
        self._workers = workers
        self._arguments = arguments
        self._selector = selector
        self._running: dict[int, _Worker] = {}
        self._numbers = count()
        self._failed_starts = 0

    def fill(self) -> bool:
        """Start workers while there is more to do than there are; whether any runs."""
        while len(self._running) < min(self._workers, self._hand_out.wanted):
            worker = _start(next(self._numbers), self._workers, self._arguments)
            self._running[worker.number] = worker
            self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return bool(self._running)

    def close(self) -> None:
        """Hand out no more days."""
        self._hand_out.close()
        for worker in self._running.values():
            if not worker.ready:
                worker.tell_to_leave()

    def listen(self) -> Iterator[Event]:
        """What the workers said, if anything in a while."""
        for key, _ in self._selector.select(_SIGNALS):
            worker: _Worker = key.data
            messages, more = worker.read()
            for message in messages:
                yield from self._heard(worker, message)
            if not more:
                yield from self._gone(worker)

    def kill(self) -> None:
        """End every worker at once."""
        for worker in self._running.values():
            worker.process.kill()
        for worker in self._running.values():
            worker.wait()

    def _heard(self, worker: _Worker, message: dict[str, Any]) -> Iterator[Event]:
        if "said" in message:
            yield Said(message["said"])
            return
        if "ready" in message:
            worker.ready, self._failed_starts = True, 0
        else:
            self._hand_out.end(worker.number)
            day = parse_day(message["ended"])
            yield Ended(day, message["skipped"], message["failures"], message["runs"], message["seconds"])
        next_day = self._hand_out.take(worker.number)
        if next_day is None:
            worker.tell_to_leave()
        else:
            worker.give(next_day)

    def _gone(self, worker: _Worker) -> Iterator[Event]:
        self._selector.unregister(worker.output)
        del self._running[worker.number]
        unready = not worker.ready and not worker.told_to_leave
        cause = worker.wait()
        lost = self._hand_out.lose(worker.number)
        if lost is not None:
            yield Lost(lost[0], cause, lost[1])
        self._failed_starts += unready
        if self._failed_starts == FAILED_STARTS:
            raise TransientError(
                action="start",
                subject="a worker process",
                cause=f"{FAILED_STARTS} in a row were not ready, the last {cause}",
                error_class="worker",
                hint="what they wrote is above; `lumen daily` runs a day without them",
            )


def _start(number: int, workers: int, arguments: Sequence[str]) -> _Worker:
    """A worker, in a process group of its own: Ctrl-C in a terminal is for us alone."""
    command = [sys.executable, "-m", "lumen_assets.backfill.worker", *arguments]
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {**os.environ, "POLARS_MAX_THREADS": str(threads)}  # more would only be in each other's way
    environment["_RJEM_MALLOC_CONF"] = _POLARS_MEMORY  # which Polars has set in ours already, when it was imported
    environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    pipe = subprocess.PIPE
    environment = with_settings_for_runs(environment)
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, process_group=0)  # noqa: S603
    return _Worker(number, process)

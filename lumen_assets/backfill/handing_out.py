"""Which worker gets which day: pure, so that every order of events can be tried."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from datetime import date
from typing import Final

LONGEST_BLOCK: Final = 16
"""Days in a row that one worker is handed: it has read all but the first one's day before already."""


class HandOut:
    """The days that are left, and who is at work on which.

    Each worker goes through a block of days in a row, oldest block first; towards the end blocks get short, so that no
    worker is left alone with a long one.

    Args:
        days: in the order in which they are to be begun.
        workers: how many there are at most.
    """

    def __init__(self, days: Iterable[date], workers: int) -> None:
        self._waiting = deque(days)
        self._workers = workers
        self._blocks: dict[int, deque[date]] = {}
        self._under_way: dict[int, date] = {}
        self._lost: set[date] = set()

    @property
    def wanted(self) -> int:
        """How many workers have, or could have, something to do."""
        return len(self._waiting) + len(self._under_way)

    def take(self, worker: int) -> date | None:
        """The next day, for this worker; None if none waits."""
        block = self._blocks.get(worker) or self._next_block()
        if not block:
            return None
        day = self._under_way[worker] = block.popleft()
        self._blocks[worker] = block
        return day

    def _next_block(self) -> deque[date]:
        fair = math.ceil(len(self._waiting) / (2 * self._workers))
        return deque(self._waiting.popleft() for _ in range(min(LONGEST_BLOCK, fair)))

    def end(self, worker: int) -> None:
        """The worker came to the end of its day, well or not."""
        del self._under_way[worker]

    def lose(self, worker: int) -> tuple[date, bool] | None:
        """The worker is gone; the rest of its block waits again.

        Returns:
            Its day and whether that is tried again, which it is once; None if it had none.
        """
        self._waiting.extendleft(reversed(self._blocks.pop(worker, ())))
        day = self._under_way.pop(worker, None)
        if day is None:
            return None
        again = day not in self._lost
        if again:
            self._lost.add(day)
            self._waiting.appendleft(day)
        return day, again

    def close(self) -> None:
        """Hand out no more."""
        self._waiting.clear()
        self._blocks.clear()

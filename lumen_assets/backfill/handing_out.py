"""Which worker gets which day: pure, so that every order of events can be tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import date


class HandOut:
    """The days that are left, and who is at work on which.

    Args:
        days: in the order in which they are to be begun.
    """

    def __init__(self, days: Iterable[date]) -> None:
        self._waiting = deque(days)
        self._under_way: dict[int, date] = {}
        self._lost: set[date] = set()

    @property
    def wanted(self) -> int:
        """How many workers have, or could have, something to do."""
        return len(self._waiting) + len(self._under_way)

    def take(self, worker: int) -> date | None:
        """The next day, for this worker; None if none waits."""
        if not self._waiting:
            return None
        day = self._under_way[worker] = self._waiting.popleft()
        return day

    def end(self, worker: int) -> None:
        """The worker came to the end of its day, well or not."""
        del self._under_way[worker]

    def lose(self, worker: int) -> tuple[date, bool] | None:
        """The worker is gone.

        Returns:
            Its day and whether that is tried again, which it is once; None if it had none.
        """
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

"""Which days a backfill makes: pure rules."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from lumen_assets.days import days_between
from lumen_assets.errors import PermanentError

WORKER_BYTES: Final = 1 << 30
"""What one worker is reckoned with: 0.6 GB resident at most on days of 432,000 rows, and room to grow."""


@dataclass(frozen=True)
class Choice:
    """What becomes of the days that were asked for; each is in one of the three.

    Attributes:
        missing: to be made, oldest first.
        good: frozen and attested within the policy already.
        skipped: why, by day.
    """

    missing: tuple[date, ...]
    good: tuple[date, ...]
    skipped: Mapping[date, str]


def days_asked(first: date, last: date, *, start_date: date, newest: date) -> tuple[date, ...]:
    """Every day from ``first`` to ``last``.

    Args:
        first: the oldest day asked for.
        last: the newest one.
        start_date: the first day that has a partition.
        newest: the newest day that is over in KST.

    Raises:
        PermanentError: if some of them do not exist, with their names, or ``last`` is before ``first``.
    """
    if last < first:
        cause, hint = f"{last} is before {first}", "give the older day to --from"
        raise _refused(f"{first} to {last}", cause, hint)
    days = tuple(days_between(first, last))
    early = [day for day in days if day < start_date]
    late = [day for day in days if day > newest]
    if early or late:
        causes = [f"{_named(early)}: before start_date, {start_date}"] if early else []
        causes += [f"{_named(late)}: not over yet in KST"] if late else []
        raise _refused("days that do not exist", "; ".join(causes), f"choose days from {start_date} to {newest}")
    return days


def choose(asked: Sequence[date], good: Collection[date], skipped: Mapping[date, str]) -> Choice:
    """Sort the days that were asked for.

    Args:
        asked: oldest first.
        good: frozen and attested within the policy.
        skipped: why a day is left alone, for people; one that is good is not missed, whatever goes on.
    """
    return Choice(
        missing=tuple(day for day in asked if day not in good and day not in skipped),
        good=tuple(day for day in asked if day in good),
        skipped={day: skipped[day] for day in asked if day in skipped and day not in good},
    )


def workers_that_fit(days: int) -> int:
    """How many workers suit this machine and so many days: one a core, as long as memory lasts; at least one."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // WORKER_BYTES
    return max(1, min(cores, memory, days))


def _refused(subject: str, cause: str, hint: str) -> PermanentError:
    return PermanentError(action="work on", subject=subject, cause=cause, error_class="configuration", hint=hint)


def _named(days: Sequence[date]) -> str:
    """Days as people write them: runs of consecutive ones as ``first to last``."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)

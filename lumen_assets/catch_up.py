"""Which days are to be run again now, so that none is ever missed: pure rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from lumen_assets.settings import CatchUp

LONGEST_WAIT: Final = timedelta(hours=6)
REMEMBERED: Final = timedelta(days=7)
"""Attempts that ended longer ago do not count: what was given up is tried anew a week later."""


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        requests: days to run now, in order.
        waiting: days that failed and wait for their next attempt.
        given_up: days that failed as often as is allowed within a week.
    """

    requests: tuple[date, ...]
    waiting: tuple[date, ...]
    given_up: tuple[date, ...]


def wait_before(attempt: int, first: timedelta) -> timedelta:
    """How long after the end of the attempt before: nothing, ``first``, twice that, …, at most 6 h."""
    return timedelta() if attempt <= 1 else min(first * 2 ** min(attempt - 2, 16), LONGEST_WAIT)


def plan(
    wanted: Collection[date],
    in_flight: Collection[date],
    ends: Mapping[date, Collection[datetime]],
    settings: CatchUp,
    now: datetime,
    *,
    attempts: int | None,
    room: int,
) -> Plan:
    """Choose among the days that need a run.

    Args:
        wanted: days that should be good and are not, in any order.
        in_flight: days with a run that has not ended, whoever started it.
        ends: when the attempts at each that ended did, with a zone; none that ended longer ago than ``REMEMBERED``.
        settings: which days go first.
        now: with a zone.
        attempts: at a day within a week before it is given up; None: it never is.
        room: days that may be requested now.
    """
    first_wait = timedelta(minutes=settings.first_wait_minutes)
    requests: list[date] = []
    waiting: list[date] = []
    given_up: list[date] = []
    for day in sorted(wanted, reverse=settings.order == "newest"):
        if day in in_flight:
            continue
        recent = ends.get(day, ())
        if attempts is not None and len(recent) >= attempts:
            given_up.append(day)
        elif recent and now < max(recent) + wait_before(len(recent) + 1, first_wait):
            waiting.append(day)
        elif len(requests) < room:
            requests.append(day)
    return Plan(tuple(requests), tuple(waiting), tuple(given_up))

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
class Tried:
    """What was tried for one day so far.

    Attributes:
        ever: the number of the last attempt; 0 if there was none.
        ends: when those that ended did, with a zone.
    """

    ever: int
    ends: tuple[datetime, ...]


@dataclass(frozen=True)
class Request:
    """A day to run now, and which attempt at it this is, from 1."""

    day: date
    attempt: int


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        requests: days to run, in order.
        waiting: days that failed and wait for their next attempt.
        given_up: days that failed as often as is allowed within a week.
    """

    requests: tuple[Request, ...]
    waiting: tuple[date, ...]
    given_up: tuple[date, ...]


def wait_before(attempt: int, first: timedelta) -> timedelta:
    """How long after the end of the attempt before: nothing, ``first``, twice that, …, at most 6 h."""
    return timedelta() if attempt <= 1 else min(first * 2 ** min(attempt - 2, 16), LONGEST_WAIT)


def plan(
    wanted: Collection[date],
    in_flight: Collection[date],
    tried: Mapping[date, Tried],
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
        tried: what was tried for each.
        settings: which days go first.
        now: with a zone.
        attempts: at a day within a week before it is given up; None: it never is.
        room: days that may be requested now.
    """
    first_wait = timedelta(minutes=settings.first_wait_minutes)
    requests: list[Request] = []
    waiting: list[date] = []
    given_up: list[date] = []
    for day in sorted(wanted, reverse=settings.order == "newest"):
        if day in in_flight:
            continue
        before = tried.get(day, Tried(0, ()))
        recent = [end for end in before.ends if now - end < REMEMBERED]
        if attempts is not None and len(recent) >= attempts:
            given_up.append(day)
        elif recent and now < max(recent) + wait_before(len(recent) + 1, first_wait):
            waiting.append(day)
        elif len(requests) < room:
            requests.append(Request(day, before.ever + 1))
    return Plan(tuple(requests), tuple(waiting), tuple(given_up))

"""How long to wait after a delivery that failed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from lumen_assets.errors import LumenError, TransientError

FIRST: Final = 30.0
"""Seconds that the first wait is drawn from; it doubles with every failure."""

CAP: Final = 15 * 60.0
"""Seconds that no drawn wait exceeds: after this long a receiver that is back has been noticed."""

PERMANENT: Final = timedelta(hours=1)
"""The wait after an error that somebody has to remedy; it is not dropped, only tried more rarely."""

LONGEST_ASKED_FOR: Final = timedelta(days=1)
"""A ``Retry-After`` of more is not believed."""

Draw = Callable[[float, float], float]


def wait_after(failures: int, error: BaseException, draw: Draw = random.uniform) -> timedelta:
    """The wait after the ``failures``-th failure in a row (from 1).

    Full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), and never less than
    the receiver asked for.
    """
    drawn = timedelta(seconds=draw(0.0, min(CAP, FIRST * 2.0 ** min(failures - 1, 30))))
    return max(drawn, asked_for(error))


def asked_for(error: BaseException) -> timedelta:
    """What the receiver asked for, none where it did not."""
    seconds = error.retry_after if isinstance(error, TransientError) else None
    return min(timedelta(seconds=max(seconds or 0.0, 0.0)), LONGEST_ASKED_FOR)


def is_permanent(error: BaseException) -> bool:
    """Whether somebody has to change something first; an error that nobody foresaw may pass."""
    return isinstance(error, LumenError) and not error.retry_helps

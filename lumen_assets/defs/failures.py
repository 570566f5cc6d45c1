"""Our error tree in Dagster's terms: what is retried, what is not, and what people read."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from lumen_assets.errors import LumenError, TransientError

RETRIES: Final = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL)
"""For steps that touch a disk or a network: waits of up to 2, 4 and 8 seconds."""


STORE_RETRIES: Final = dg.RetryPolicy(max_retries=1, delay=10, jitter=dg.Jitter.PLUS_MINUS)
"""For steps on a destination: its store has already tried six times, so one more try, later, is what may still help."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn a ``LumenError`` into the failure that Dagster should see.

    Transient errors are retried by the asset's policy, after the provider's Retry-After where there is one; permanent
    and integrity errors are not retried, nor is anything unexpected: it is a fault of ours, and would happen again.
    """
    try:
        yield
    except TransientError as error:
        if error.retry_after is not None:
            raise dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=error.retry_after) from error
        raise _failure(error) from error
    except LumenError as error:
        raise _failure(error) from error
    except Exception as error:
        raise dg.Failure(
            description=f"unexpected {type(error).__name__} at {_place(error)}: a fault of ours, please report it.",
            metadata={"error_class": "unexpected", "retry_helps": False},
            allow_retries=False,
        ) from None  # its text may hold anything, secrets too, and would go to the event log


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _failure(error: LumenError) -> dg.Failure:
    return dg.Failure(
        description=str(error),
        metadata={
            "action": error.action,
            "subject": error.subject,
            "cause": error.cause,
            "error_class": error.error_class,
            "retry_helps": error.retry_helps,
            "hint": error.hint,
        },
        allow_retries=error.retry_helps,
    )

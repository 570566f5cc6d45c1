"""The dead man's switch: pings whose absence somebody else notices.

The addresses are those of Healthchecks (https://healthchecks.io/docs/http_api/), which others have too: the ping's own
for success, ``/start`` and ``/fail`` behind it, and ``rid`` so that a start and its end are put together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from lumen_assets.errors import LumenError, PermanentError
from lumen_assets.http import Limits, Receiver, named, send

WAITS: Final = (0.0, 1.0, 3.0)
"""Seconds before each try."""

LIMITS: Final = Limits(connect=3.0, read=4.0, total=5.0)
"""Of one try: with the waits, three take 19 seconds at most."""

_RECEIVER: Final = Receiver("the dead man's switch", "alerts.dead_man_url", "alerts.dead_man_url")
_log = logging.getLogger(__name__)


def ping(
    url: str,
    signal: Literal["start", "success", "fail"],
    run_id: str = "",
    *,
    limits: Limits = LIMITS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Say that a day's run began, succeeded or failed; never raises.

    Args:
        url: the ping's address; a query in it stays.
        signal: what happened.
        run_id: a UUID that start and end have in common; empty: none.

    Returns:
        Whether it arrived. What went wrong is logged, without the address.
    """
    for wait in WAITS:
        if wait:
            sleep(wait)
        try:
            address = _address(url, signal, run_id)
            answer = send("GET", address, receiver=_RECEIVER, now=datetime.now(UTC), limits=limits)
        except PermanentError as error:
            _log.warning("%s ping: %s", signal, error)
            return False
        except LumenError as error:
            _log.warning("%s ping: %s", signal, error.cause)
        except Exception as error:  # a day must not fail for its ping
            _log.warning("%s ping: %s", signal, type(error).__name__)
            return False
        else:
            if not answer.body.startswith(b"OK ("):  # Healthchecks says "OK (not found)" with 200
                return True
            _log.warning("%s ping: %s does not know it, or is pinged too often", signal, named(_RECEIVER, url))
            return False
    return False


def _address(url: str, signal: str, run_id: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + ("" if signal == "success" else f"/{signal}")
    query = "&".join(part for part in (parts.query, f"rid={quote(run_id, safe='')}" if run_id else "") if part)
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))

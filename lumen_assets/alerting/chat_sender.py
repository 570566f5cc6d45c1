"""Sends one message through Apprise: a program of its own, started by ``chat.py`` and ended by it if it takes too long.

It is one because Apprise, in the process that uses it, cannot be bounded and is not quiet: a service's answer is read
whole and for as long as it drips, redirects are followed where the address says so, addresses are logged by what it
stands on, and of the answer there is nothing but true or false. Here all that can be changed, for nobody else.

Stdin: one JSON object, ``url, title, body, severity``. Stdout: one JSON object, ``outcome`` (``taken``, ``refused``, or
``unknown`` for an address that Apprise does not take), ``status`` and ``retry_after`` of the last HTTP answer, and
``connected``, whether there was one where it was asked for. Nothing of ours is imported, so that nothing slow is.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
from typing import Any, Final

LARGEST_ANSWER: Final = 1 << 20
"""Bytes of an answer that a plugin gets to see."""

TIMEOUT: Final = (10.0, 20.0)
"""Seconds to connect, and between two bytes."""


def main() -> None:
    """Read the message, send it, say what came of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no dump with an address in it
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    logging.disable(logging.CRITICAL)
    outcome = send(**json.load(sys.stdin))
    json.dump(outcome, answer)
    answer.close()


def send(url: str, title: str, body: str, severity: str) -> dict[str, Any]:
    """What came of it, as described above."""
    seen: dict[str, Any] = {"status": None, "retry_after": "", "connected": True}
    _watch_requests(seen)
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode

    asset = AppriseAsset(app_id="Lumen", app_desc="Lumen alerts", image_url_mask="", image_url_logo="")
    asset.http_redirects = False
    service = Apprise.instantiate(url, asset=asset)
    if service is None:
        return {"outcome": "unknown", **seen}
    service.redirects = False  # whatever the address says
    service.optional = False  # else a failure is said to be none
    service.retry = 0  # that is the outbox's
    if service.overflow_mode == OverflowMode.UPSTREAM:
        service.overflow_mode = OverflowMode.TRUNCATE  # services refuse what is too long for them
    kinds = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING, "resolved": NotifyType.SUCCESS}
    apprise = Apprise(asset=asset)
    apprise.add(service)
    taken = apprise.notify(
        body=body, title=title, notify_type=kinds.get(severity, NotifyType.INFO), body_format=NotifyFormat.TEXT
    )
    return {"outcome": "taken" if taken else "refused", **seen}


def _watch_requests(seen: dict[str, Any]) -> None:
    """From now on no redirect is followed, an answer is read in part, and the last one is in ``seen``."""
    import requests
    from requests.adapters import HTTPAdapter

    original = HTTPAdapter.send

    def once(self: HTTPAdapter, request: Any, *_: Any, **options: Any) -> requests.Response:
        options.update(stream=True, timeout=TIMEOUT)
        try:
            response = original(self, request, **options)
        except Exception:
            seen.update(status=None, connected=False)
            raise
        seen.update(status=response.status_code, retry_after=response.headers.get("Retry-After", ""), connected=True)
        if 300 <= response.status_code < 400:
            response.close()
            raise requests.TooManyRedirects("redirects are not followed")
        content: Any = response
        content._content = response.raw.read(LARGEST_ANSWER, decode_content=True)
        content._content_consumed = True
        response.close()
        return response

    HTTPAdapter.send = once  # type: ignore[method-assign]


if __name__ == "__main__":
    main()

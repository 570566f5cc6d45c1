"""Texts of others made fit to be stored, shown and sent: no secrets, no control characters, one line, not too long."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from lumen_assets.alerting.events import Event
from lumen_assets.texts import Masker, visible

LENGTH: Final = 500
"""Characters that are kept of a text: enough for the cause, too few for a page of HTML."""

_URL: Final = re.compile(r"://([^\s\"'<>]+)")
"""Whatever its scheme: to look for one takes, in a text without blanks, time that grows with its length squared."""


class Cleaner:
    """Makes texts of providers fit to be stored and sent.

    Args:
        secrets: what must never be seen. Shorter than four characters they cannot be told from other words and are
            left alone; of several lines, each long line counts as one, too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(secrets)
        self._masked = Masker(self._secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Know these, too, from now on: some are only had when a service gives them."""
        known = self._secrets.union(secrets)
        if known != self._secrets:
            self._secrets, self._masked = known, Masker(known)

    def __call__(self, text: str, length: int = LENGTH) -> str:
        """``text`` on one line of at most ``length`` characters, the last of them an ellipsis where more was."""
        text = self._masked(text)
        text = visible(text)
        text = _URL.sub(_harmless, self._masked(text))  # again: what was removed may have stood inside a secret
        text = self._masked(" ".join(text.split()))
        return text if len(text) <= length else text[: length - 1].rstrip() + "…"

    def event(self, event: Event) -> Event:
        """``event`` with all of its texts cleaned; its id is left as it is."""
        return replace(
            event,
            source=self(event.source),
            subject=self(event.subject),
            title=self(event.title),
            error_class=self(event.error_class),
            cause=self(event.cause),
            hint=self(event.hint),
            run_id=self(event.run_id),
            run_url=self(event.run_url),
            command=self(event.command),
            facts={self(name): self(value) for name, value in event.facts.items()},
        )


def _harmless(found: re.Match[str]) -> str:
    """The URL, but for its scheme, without user, password, query and fragment."""
    rest = found[1]
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in head:
        return f"://…@{head.rpartition('@')[2]}"
    if "@" in rest and "/" not in head and not re.fullmatch(r"[^:]*|[^:]*:\d*", head):
        return "://…"  # a password with ? or # in it that nobody quoted
    return f"://{head}" + ("?…" if head != rest else "")

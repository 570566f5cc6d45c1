"""Texts of others made fit to be stored, shown and sent: no secrets, no control characters, one line, not too long."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus

from lumen_assets.alerting.events import Event

LENGTH: Final = 500
"""Characters that are kept of a text: enough for the cause, too few for a page of HTML."""

MASK: Final = "[secret]"

_ANSI: Final = re.compile(
    r"(?:\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?)|(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~])|(?:\x1b[ -/]*[0-~])"
)
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)([^\s\"'<>]+)")
_UNSEEN: Final = ("Cc", "Cf", "Cs")  # controls, among them NUL; bidi overrides and zero widths; half surrogates


class Cleaner:
    """Makes texts of providers fit to be stored and sent.

    Args:
        secrets: what must never be seen. Shorter than four characters they cannot be told from other words and are
            left alone; of several lines, each long line counts as one, too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = sorted({form for secret in secrets for form in _forms(secret)}, key=lambda form: (-len(form), form))
        self._secrets = re.compile("|".join(re.escape(form) for form in forms)) if forms else None

    def __call__(self, text: str, length: int = LENGTH) -> str:
        """``text`` on one line of at most ``length`` characters, the last of them an ellipsis where more was."""
        text = self._masked(text)
        text = "".join(_seen(character) for character in _ANSI.sub("", text))
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

    def _masked(self, text: str) -> str:
        return self._secrets.sub(MASK, text) if self._secrets else text


def _seen(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSEEN else character


def _harmless(found: re.Match[str]) -> str:
    """The URL without user, password, query and fragment."""
    scheme, rest = found[1], found[2]
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in head:
        return f"{scheme}…@{head.rpartition('@')[2]}"
    if "@" in rest and "/" not in head and not re.fullmatch(r"[^:]*|[^:]*:\d*", head):
        return f"{scheme}…"  # a password with ? or # in it that nobody quoted
    return scheme + head + ("?…" if head != rest else "")


def _forms(secret: str) -> Iterator[str]:
    """The forms in which ``secret`` may turn up: itself, quoted for URLs and JSON, in base64 at each alignment."""
    lines = [line.strip() for line in secret.splitlines()]
    for part in {secret, secret.strip(), " ".join(secret.split()), *(line for line in lines if len(line) >= 16)}:
        if len(part) < 4:
            continue
        quoted = {quote(part, safe=""), quote(part), quote_plus(part)}
        yield part
        yield json.dumps(part)[1:-1]
        yield from quoted
        yield from (re.sub("%..", lambda found: found[0].lower(), form) for form in quoted)
        for encoded in _base64_forms(part.encode("utf-8", "surrogatepass")):
            if len(encoded) >= 4:
                yield from (encoded, encoded.replace("+", "-").replace("/", "_"))


def _base64_forms(secret: bytes) -> Iterator[str]:
    """What of ``secret`` can be seen in base64, wherever it stands in what was encoded.

    Three bytes make four characters; the characters at both ends are made of neighbours, too, and are left out.
    """
    whole = base64.b64encode(secret).decode()
    yield whole
    yield whole.rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        unsure = 1 if (before + len(secret)) % 3 else 0
        inner = encoded[-(-before * 8 // 6) : len(encoded) - unsure]
        if len(inner) >= 8:
            yield inner

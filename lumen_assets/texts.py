"""Texts of others made fit to be shown: without secrets, and without what cannot be seen."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "[secret]"

_ANSI: Final = re.compile(
    r"(?:\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?)|(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~])|(?:\x1b[ -/]*[0-~])"
)
_UNSEEN: Final = ("Cc", "Cf", "Cs")  # controls, among them NUL; bidi overrides and zero widths; half surrogates


def visible(text: str) -> str:
    """``text`` without terminal sequences, controls and format characters; every space as a plain one."""
    return "".join(_seen(character) for character in _ANSI.sub("", text))


def counted(number: int, what: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _seen(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSEEN else character


class Masker:
    """Puts ``MASK`` in the place of secrets, in whatever form they turn up.

    Args:
        secrets: what must never be seen. Shorter than four characters they cannot be told from other words and are
            left alone; of several lines, each long line counts as one, too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in _forms(secret)}
        if any(form in MASK for form in found):
            found.add(MASK)  # a mask stays as it is, or each look would mask what the last one put there
        forms = sorted(found, key=lambda form: (-len(form), form))
        self._secrets = re.compile("|".join(re.escape(form) for form in forms)) if forms else None

    def __call__(self, text: str) -> str:
        """``text`` without them."""
        return self._secrets.sub(MASK, text) if self._secrets else text


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

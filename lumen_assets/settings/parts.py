"""What secrets are made of: their parts, which no text may hold either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

from pydantic import SecretStr

from lumen_assets.errors import LumenError, TransientError

_SECRET_MEMBER: Final = re.compile(r"(secret|token|key|pass)(?!_uri)")
_PASSWORD: Final = re.compile(r"://[^:/@]*:([^@]*)@")
_LEAST: Final = 12
"""Characters; a shorter part is a word that would be cut out of texts where it means something else."""


def with_parts(secrets: Iterable[SecretStr]) -> Iterator[SecretStr]:
    """The secrets, and what they are made of.

    That is members of a list with commas, secret members of a JSON object, the password in an address. Secrets that AWS
    keeps are fetched for it; what cannot be had is left out. Once a service does not answer the rest is left out
    too, so that nobody waits more than once.
    """
    for secret in secrets:
        try:
            text = secret.get_secret_value()
        except TransientError:
            return
        except LumenError:
            continue
        yield from (SecretStr(part.strip()) for part in _parts(text) if part is text or len(part.strip()) >= _LEAST)


def _parts(text: str) -> Iterator[str]:
    yield text
    yield from map(unquote, _PASSWORD.findall(text))
    with suppress(ValueError):
        fields = json.loads(text)
        if isinstance(fields, dict):
            members = [str(member) for name, member in fields.items() if _SECRET_MEMBER.search(name)]
            yield from members
            yield from (line for member in members for line in member.splitlines())
            return
    yield from text.split(",")

"""What goes into a mail's headers: addresses, and texts of which none can end a line."""

from __future__ import annotations

import uuid
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final

from lumen_assets.errors import PermanentError

_NAMES: Final = uuid.UUID("0f3b1f0e-6a52-5f0c-8b8e-0d2a4a0c5d11")


def name_of(text: str) -> str:
    """A UUID (version 5) of a text: the same text, the same name."""
    return str(uuid.uuid5(_NAMES, encodable(text)))


def message_id(text: str, author: Address) -> str:
    """The Message-ID that whatever ``text`` identifies always has; in the author's domain where that is ASCII."""
    return f"<{name_of(text)}@{author.domain if author.domain.isascii() else 'lumen.invalid'}>"


def encodable(text: str) -> str:
    """Without half surrogates, which no encoding has."""
    return text.encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """Without anything that could end a header."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(encodable(text).split())


def bare(address: str) -> str:
    """``name@example.org`` of ``Name <name@example.org>``."""
    return parseaddr(address)[1]


def address(text: str, setting: str) -> Address:
    """An address with its name.

    Args:
        setting: where it is set.

    Raises:
        PermanentError: if it is none.
    """
    name, plain = parseaddr(text)
    problem = None
    if not text.isprintable() or plain.count("@") != 1 or " " in plain:
        problem = "it is none"
    else:
        try:
            return Address(name, addr_spec=plain)
        except (ValueError, IndexError) as error:
            problem = type(error).__name__
    raise PermanentError(
        action="send mail with",
        subject=f"an address of {setting}",
        cause=f"it cannot be read as an address ({problem})",
        error_class="configuration",
        hint=f"correct {setting}: name@example.org",
    )

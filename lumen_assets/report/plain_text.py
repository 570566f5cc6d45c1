"""Text of inputs made safe to show: one line, every character visible, valid in UTF-8 and XML."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_JOINERS: Final = "\u200c\u200d"
"""Zero-width joiners hold emoji and some scripts together; alone they do no harm."""

_LINE_BREAKS: Final = re.compile(r"[ \t]*(?:\r\n|[\n\r\v\f\x85\u2028\u2029])[ \t]*")
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})


def code_point(character: str) -> str:
    """``[U+1F600]``: how a character is named that cannot be shown."""
    return f"[U+{ord(character):04X}]"


def visible(text: str) -> str:
    """``text`` on one line, composed (NFC), with invisible and unusable characters named.

    Control characters, overrides of the writing direction, lone surrogates, private and unassigned code points
    become ``[U+202E]``; line breaks become ``↵``; tabs become spaces.
    """
    text = _LINE_BREAKS.sub(" ↵ ", unicodedata.normalize("NFC", text).strip()).replace("\t", " ")
    return "".join(
        code_point(c) if unicodedata.category(c) in _UNSAFE_CATEGORIES and c not in _JOINERS else c for c in text
    )

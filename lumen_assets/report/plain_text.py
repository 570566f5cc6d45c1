"""Text of inputs made safe to show: one line, every character visible, valid in UTF-8 and XML.

What is unassigned is not told apart, as another version of Python has other tables: equal inputs give equal reports.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_JOINERS: Final = "\u200c\u200d"
"""Zero-width joiners hold emoji and some scripts together; alone they do no harm."""

_LINE_BREAKS: Final = re.compile(r"[ \t]*(?:\r\n|[\n\r\v\f\x85\u2028\u2029])[ \t]*")
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Co", "Cs"})

_FLAG: Final = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")
"""The flag of Scotland and its like: a black flag, and invisible letters that say whose (UTS #51, annex C)."""

_NEVER_SEEN: Final = re.compile("[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]")
"""Noncharacters, and what is kept for characters that show nothing (Default_Ignorable_Code_Point); neither changes."""


def code_point(character: str) -> str:
    """``[U+1F600]``: how a character is named that cannot be shown."""
    return f"[U+{ord(character):04X}]"


def visible(text: str) -> str:
    """``text`` on one line, composed (NFC), with invisible and unusable characters named.

    Control characters, overrides of the writing direction, lone surrogates, private code points and noncharacters
    become ``[U+202E]``; line breaks become ``↵``; tabs become spaces.
    """
    text = _LINE_BREAKS.sub(" ↵ ", unicodedata.normalize("NFC", text).strip()).replace("\t", " ")
    return "".join(part if at % 2 else _named(part) for at, part in enumerate(_FLAG.split(text)))


def _named(text: str) -> str:
    return "".join(code_point(c) if _is_unsafe(c) else c for c in text)


def _is_unsafe(c: str) -> bool:
    if unicodedata.category(c) in _UNSAFE_CATEGORIES:
        return c not in _JOINERS
    return ord(c) & 0xFFFE == 0xFFFE or _NEVER_SEEN.match(c) is not None  # the last two of each plane are none, too

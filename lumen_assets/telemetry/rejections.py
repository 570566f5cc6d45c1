"""Counting lines that are left out, and keeping the first few of each kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from lumen_assets.telemetry.model import Rejected

EXAMPLES: Final = 5
"""How many lines of each kind are kept as examples."""

_TEXT: Final = 120
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def shown(content: bytes | str) -> str:
    """A line as it may be shown: 120 characters; for control characters and broken UTF-8 stands U+FFFD."""
    text = content[: 4 * _TEXT].decode("utf-8", "replace") if isinstance(content, bytes) else content
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.removesuffix("\r")[:_TEXT])


class Rejections:
    """What one input's reading left out."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lines: dict[str, list[int]] = {}
        self._texts: dict[int, str] = {}

    def add(self, kind: str, line: int, content: bytes | str | None = None) -> None:
        """One line; its text may follow with ``complete``."""
        self.add_many(kind, (line,), 1)
        if content is not None and line in self._lines[kind]:
            self._texts[line] = shown(content)

    def add_many(self, kind: str, lines: Iterable[int], count: int) -> None:
        """Many lines of a kind, in file order."""
        if count == 0:
            return
        self.counts[kind] += count
        kept = sorted([*self._lines.get(kind, ()), *(int(n) for _, n in zip(range(EXAMPLES), lines, strict=False))])
        self._lines[kind] = kept[:EXAMPLES]

    def missing_texts(self) -> set[int]:
        """Numbers of example lines whose text is not known yet."""
        return {line for lines in self._lines.values() for line in lines} - self._texts.keys()

    def complete(self, line: int, content: bytes) -> None:
        """Give an example its text."""
        self._texts[line] = shown(content)

    def examples(self) -> tuple[Rejected, ...]:
        """The first few of each kind, in file order."""
        kept = sorted((line, kind) for kind, lines in self._lines.items() for line in lines)
        return tuple(Rejected(line, kind, self._texts.get(line, "")) for line, kind in kept)

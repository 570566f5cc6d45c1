"""The documents as tests read them: fenced blocks with the heading that they stand under, and commands in lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("README*.md"), *(path for part in ("docs", "deploy") for path in (ROOT / part).rglob("*.md"))]
)

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language (empty if it says none), its text, and the nearest heading above it."""

    language: str
    text: str
    heading: str


def blocks(document: Path) -> Iterator[Block]:
    """Every fenced block of a document, in order."""
    text = document.read_text(encoding="utf-8")
    without_code = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(without_code)]
    line_starts = [0, *(found.end() for found in re.finditer("\n", without_code))]
    for found in _FENCE.finditer(text):
        at = line_starts[text.count("\n", 0, found.start())]
        above = [heading for start, heading in headings if start < at]
        indent = found[1]
        lines = (line.removeprefix(indent) for line in found[3].splitlines(keepends=True))
        yield Block(found[2], "".join(lines), above[-1] if above else "")


def shell_blocks(document: Path, heading: str | None = None) -> list[str]:
    """The blocks marked ``sh``, of one section or of all."""
    return [block.text for block in blocks(document) if block.language == "sh" and heading in (None, block.heading)]


def inline_code(document: Path) -> list[str]:
    """Every `code` in the running text and the tables, in order."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8")).replace("\\|", "|")
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]

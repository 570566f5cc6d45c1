"""``--summary FILE``: what a command proved as Markdown, for the page that a CI system shows of a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from lumen_assets.verification import Verification

_Command = TypeVar("_Command", bound=Callable[..., Any])


def summary_option(command: _Command) -> _Command:
    """``--summary FILE``."""
    return click.option(
        "--summary",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Append what was proven to this file as Markdown: a CI job's summary.",
    )(command)


def append_summary(path: Path, blocks: Iterable[str]) -> None:
    """Append blocks of Markdown to a file, which is made where it is missing.

    Raises:
        OSError: if it cannot be written.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{block}\n\n" for block in blocks))


def table_of(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table as one block; none where it has no row."""
    if not rows:
        return []
    lines = [heading, ["---"] * len(heading), *([cell(value) for value in row] for row in rows)]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)]


def cell(text: str) -> str:
    """Text as it is, in a table: what a provider answered is no markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))


def verdict_row(found: Verification) -> tuple[str, str, str, str]:
    """Destination, verdict with its sign, level and detail."""
    mark = "✅" if found.verdict.accepted else "❌"
    return found.destination, f"{mark} {found.verdict}", found.level, found.detail

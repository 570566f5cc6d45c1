"""The report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from lumen_assets.report.document import (
    Banner,
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    Heading,
    Notes,
    Photo,
    Point,
    Points,
    Subheading,
    Table,
    Text,
)
from lumen_assets.report.model import DayReport
from lumen_assets.report.sections import document

_ESCAPED: Final = re.compile(r"[\\`*\[\]{}|~$!]|(?<!\w)_+|_+(?!\w)")
_ENTITIES: Final = (
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
)
_LINKS: Final = (("://", "&#58;//"), ("www.", "www&#46;"), ("@", "&#64;"))
"""GitHub turns addresses, bare hosts and mentions into links; text of inputs makes no links."""

_BLOCK_MARK: Final = re.compile(r"^(\s*)([#+=-]|\d+[.)])")


def escaped(text: str) -> str:
    """Plain text as Markdown that shows just that text, in a paragraph or a table cell."""
    for plain, entity in _ENTITIES:
        text = text.replace(plain, entity)
    text = _ESCAPED.sub(lambda match: "".join(f"\\{c}" for c in match[0]), text)
    for plain, entity in _LINKS:
        text = re.sub(re.escape(plain), entity, text, flags=re.IGNORECASE)
    return text.replace("\n", "<br>")


def render_markdown(report: DayReport, figure_folder: str = "assets") -> str:
    """The report's text; the same report gives the same bytes.

    Args:
        report: the day.
        figure_folder: where its figures lie, relative to the Markdown file.
    """
    return render_document(document(report), figure_folder)


def render_document(content: Document, figure_folder: str = "assets") -> str:
    """The same of any document."""
    parts = [f"# {escaped(content.title)}", f"**{escaped(content.subtitle)}**"]
    anchors = {heading.anchor: _github_anchor(heading.text) for heading in content.headings}
    parts += [_banner(banner) for banner in content.banners]
    parts.append(" · ".join(f"[{escaped(h.text)}](#{anchors[h.anchor]})" for h in content.headings))
    parts += ["\n".join(_block(block, figure_folder, anchors, content)) for block in content.blocks]
    return "\n\n".join(parts) + "\n"


def _github_anchor(text: str) -> str:
    return quote(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))


def _banner(banner: Banner) -> str:
    return f"> [!IMPORTANT]\n> **{escaped(banner.text)}**"


def _point(point: Point, anchors: dict[str, str], content: Document) -> str:
    text = f"**{escaped(point.text)}**" if point.tone == "bad" else escaped(point.text)
    if point.link not in anchors:
        return f"- {text}"
    title = next(heading.text for heading in content.headings if heading.anchor == point.link)
    return f"- {text} [{escaped(title)}](#{anchors[point.link]})"


def _block(block: Block, figure_folder: str, anchors: dict[str, str], content: Document) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"## {escaped(block.text)}"
    elif isinstance(block, Subheading):
        yield f"### {escaped(block.text)}"
    elif isinstance(block, Text):
        text = _BLOCK_MARK.sub(r"\1\\\2", escaped(block.text))
        yield f"**{text}**" if block.tone == "strong" else text
    elif isinstance(block, Points):
        yield from (_point(point, anchors, content) for point in block.points)
    elif isinstance(block, Notes):
        yield from (f"- **{escaped(number)}** {escaped(text)}" for number, text in block.items)
    elif isinstance(block, Facts):
        yield "|  |  |"
        yield "| --- | --- |"
        yield from (f"| {_cell(Cell(name))} | {_cell(value)} |" for name, value in block.facts)
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Figure):
        yield from _image(block.alternative, f"{figure_folder}/{block.file}", block.caption)
    elif isinstance(block, Photo):
        yield from _image(block.alternative, f"{figure_folder}/{block.picture.file}", block.caption)


def _image(alternative: str, path: str, caption: str) -> Iterator[str]:
    yield f"![{escaped(alternative)}]({quote(path)})"
    if caption:
        yield ""
        yield f"*{escaped(caption)}*"


def _table(table: Table) -> Iterator[str]:
    yield _row(Cell(column.title) for column in table.columns)
    yield f"|{'|'.join(' ---: ' if column.align == 'right' else ' --- ' for column in table.columns)}|"
    yield from (_row(iter(row)) for row in table.rows)


def _row(cells: Iterator[Cell]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if cell.tone in ("strong", "bad") and text else text

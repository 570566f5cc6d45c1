"""The report as blocks in order, without a word about how they look: what Markdown and PDF both render.

All texts are plain text, never markup: each renderer escapes every one of them, whoever wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from lumen_assets.report.model import DayReport, Language, Picture, SignalReport

if TYPE_CHECKING:  # a day's report is made without
    from lumen_assets.report.periods import PeriodReport, PeriodSignal

Tone = Literal["", "good", "bad", "quiet", "strong"]


@dataclass(frozen=True)
class Cell:
    """A table cell; ``\\n`` breaks the line. The tone only repeats what the text says: it may be lost in print."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Column:
    """A table column; ``weight`` is its share of the width beside the others'."""

    title: str
    weight: float = 1.0
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Table:
    """Rows under a header that is repeated on every page.

    Attributes:
        dense: set in smaller letters.
        width: share of the page's width.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    dense: bool = False
    width: float = 1.0


@dataclass(frozen=True)
class Facts:
    """Short facts: name and value."""

    facts: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Heading:
    """A section's title; ``anchor`` names it for links and bookmarks."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Subheading:
    """A title within a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Notes:
    """Longer texts, each under the number that it belongs to; any length, as they break over pages."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Banner:
    """What must be seen before anything else."""

    text: str


@dataclass(frozen=True)
class Point:
    """One of several statements; ``link`` is the anchor of the section that says more."""

    text: str
    tone: Tone = ""
    link: str | None = None


@dataclass(frozen=True)
class Points:
    """Statements, the weightiest first."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Figure:
    """A figure with its caption.

    Attributes:
        report: that it is of.
        file: its name as SVG.
        caption: what stands below it; may be empty.
        alternative: what it is, for who cannot see it.
    """

    report: DayReport | PeriodReport
    file: str
    caption: str
    alternative: str


@dataclass(frozen=True)
class DayFigure(Figure):
    """A figure of a day.

    Attributes:
        kind: ``day`` shows one signal over the day, ``distribution`` the values of several, ``calendar`` their shares
            on target on the last days.
        signals: of the report, those that are shown.
    """

    report: DayReport
    kind: Literal["day", "distribution", "calendar"]
    signals: tuple[SignalReport, ...]


@dataclass(frozen=True)
class PeriodFigure(Figure):
    """A figure of a week or month.

    Attributes:
        kind: ``means`` shows one signal day by day, ``shares`` the shares on target of several.
        signals: of the report, those that are shown.
    """

    report: PeriodReport
    kind: Literal["means", "shares"]
    signals: tuple[PeriodSignal, ...]


@dataclass(frozen=True)
class Code:
    """A QR code of ``content``, and beside it facts that say the same to people; drawn on paper only."""

    content: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Photo:
    """A picture that was made elsewhere, with its caption."""

    picture: Picture
    caption: str
    alternative: str


Block = Table | Facts | Heading | Subheading | Text | Notes | Points | Figure | Photo | Code


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        language: that it is written in.
        title: its title.
        mark: what it is of, in a word, for the head of every page: ``2025-10-23``.
        subtitle: the same in words.
        subject: what it is about, in a few words, for a file's properties.
        keywords: to find it by, for a file's properties.
        ends: when what it is of was over, for a file's properties; with a zone.
        contents_title: of the table of contents.
        banners: what stands above everything else.
        blocks: the sections.
    """

    language: Language
    title: str
    mark: str
    subtitle: str
    subject: str
    keywords: tuple[str, ...]
    ends: datetime
    contents_title: str
    banners: tuple[Banner, ...]
    blocks: tuple[Block, ...]

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The sections' titles, in order."""
        return tuple(block for block in self.blocks if isinstance(block, Heading))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures, in order."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))

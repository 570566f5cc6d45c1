"""The typeface of figures and PDF: one that ships, or the configured one; what it cannot show, and emoji beside it.

NanumGothic comes with the package ``koreanize_matplotlib``, which is never imported: that would import matplotlib.
Noto Emoji, in outlines that print in grey, lies in ``typefaces``; Bitstream Vera comes with reportlab.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import reportlab
from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from lumen_assets.errors import PermanentError
from lumen_assets.report.plain_text import code_point

_SHIPPING_PACKAGE: Final = "koreanize_matplotlib"
_SHIPPED_FAMILY: Final = "NanumGothic"
EMOJI: Final = "NotoEmoji"
"""What reportlab knows the font of emoji by, once a text has some."""
_EMOJI_FILE: Final = Path(__file__).parent / "typefaces" / "NotoEmoji-Regular.ttf"
PLAIN: Final = "Vera"
"""Of the font of what the one that ships draws as something else."""
_PLAIN_FILE: Final = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
_DRAWN_AS_OTHERS: Final = frozenset("\\")
"""NanumGothic draws a backslash as the won sign, as Korean fonts of old do."""
_MODIFIERS: Final = ("Cf", "Mn")
"""Categories of variation selectors and joiners."""
_BEYOND_16_BITS: Final = re.compile(r"(?<=> <)[0-9A-F]{5,6}(?=>)")
_HANGUL_SAMPLE: Final = "가나한글하"
"""Common syllables: fonts of only the 2,350 of KS X 1001 serve too; rarer ones are named by code point."""

_lock = threading.Lock()
_loaded: dict[Path | None, Typeface] = {}
_loaded_beside: dict[str, frozenset[int]] = {}


@dataclass(frozen=True)
class Typeface:
    """A registered font.

    Attributes:
        family: name for style sheets and SVG.
        regular, bold: names that reportlab knows them by; the same for a font without a bold face.
        characters: code points that both can show.
        drawn_as_others: characters that it has, and draws as if they were others.
    """

    family: str
    regular: str
    bold: str
    characters: frozenset[int]
    drawn_as_others: frozenset[str] = frozenset()

    def showable(self, text: str) -> str:
        """``text`` with every character that the font lacks replaced by its name: ``[U+1F600]``.

        Variation selectors and joiners, which only modify a neighbour, are left out; compatibility forms
        (full-width, ligatures, the minus sign) give way to plain ones where the font has those.
        """
        if self.characters.issuperset(map(ord, text)):
            return text
        return "".join(c if ord(c) in self.characters else self._substitute(c) for c in text)

    def pieces(self, text: str) -> list[tuple[str, str]]:
        """What ``showable`` gives, in pieces, each with the name of its font: empty for this one.

        Emoji are as they are, of the font ``EMOJI``; what this one draws as something else is of the font ``PLAIN``.
        """
        if self.characters.issuperset(map(ord, text)) and self.drawn_as_others.isdisjoint(text):
            return [(text, "")]
        found = [(font, "".join(group)) for font, group in groupby(text, self._font_of)]
        return [(piece if font else self.showable(piece), font) for font, piece in found]

    def _font_of(self, character: str) -> str:
        if character in self.drawn_as_others:
            return PLAIN if ord(character) in _beside(PLAIN, _PLAIN_FILE) else ""
        if ord(character) in self.characters or unicodedata.category(character) in _MODIFIERS:
            return ""
        return EMOJI if ord(character) in _beside(EMOJI, _EMOJI_FILE) else ""

    def _substitute(self, character: str) -> str:
        if unicodedata.category(character) in _MODIFIERS:
            return ""
        plain = _PLAINER.get(character) or unicodedata.normalize("NFKC", character)
        if plain != character and all(ord(c) in self.characters for c in plain):
            return plain
        return code_point(character)


_PLAINER: Final = {"−": "-", "‐": "-", "‑": "-", "✓": "√", "↵": "↲", "\u2009": " ", "\u202f": " "}


class _Font(TTFont):  # type: ignore[misc]
    """reportlab's, with characters beyond U+FFFF as PDF has them in the table by which text is copied: in UTF-16."""

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's name
        there = set(doc.idToObject)
        super().addObjects(doc)
        for name in set(doc.idToObject) - there:
            if name.startswith("toUnicodeCMap:"):
                table = doc.idToObject[name]
                table.content = _BEYOND_16_BITS.sub(_in_utf_16, table.content)


def _in_utf_16(entry: re.Match[str]) -> str:
    return chr(int(entry[0], 16)).encode("utf-16-be").hex().upper()


def typeface(font: Path | None = None) -> Typeface:
    """The registered font; registered on first use and kept.

    Args:
        font: a TrueType font with Korean glyphs instead of the one that ships; it serves as bold too.

    Raises:
        PermanentError: ``configuration``, if it is missing, not TrueType, or has no Korean glyphs.
    """
    with _lock:
        if font not in _loaded:
            _loaded[font] = _register_given(font) if font is not None else _register_shipped()
        return _loaded[font]


def _beside(name: str, path: Path) -> frozenset[int]:
    """The characters of a font beside the main one, which is registered for the first text that asks for some."""
    with _lock:
        if name not in _loaded_beside:
            font = _Font(name, str(path))
            _loaded_beside[name] = _register(name, font, font).characters
        return _loaded_beside[name]


def _register_shipped() -> Typeface:
    spec = find_spec(_SHIPPING_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise _problem("its package is not installed", subject=f"the font {_SHIPPED_FAMILY}")
    folder = Path(spec.submodule_search_locations[0]) / "fonts"
    regular = _load(folder / f"{_SHIPPED_FAMILY}.ttf", _SHIPPED_FAMILY)
    bold = _load(folder / f"{_SHIPPED_FAMILY}Bold.ttf", f"{_SHIPPED_FAMILY}Bold")
    return replace(_register(_SHIPPED_FAMILY, regular, bold), drawn_as_others=_DRAWN_AS_OTHERS)


def _register_given(path: Path) -> Typeface:
    if not path.is_file():
        raise _problem("there is no such file", subject=f"the font {path}")
    name = f"Font{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    font = _load(path, name)
    return _register(name, font, font)


def _load(path: Path, name: str) -> TTFont:
    try:
        font = _Font(name, str(path))
    except (TTFError, OSError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise _problem("it is not a TrueType font that can be embedded", subject=f"the font {path}") from error
    lacking = [c for c in _HANGUL_SAMPLE if ord(c) not in font.face.charToGlyph]
    if lacking:
        raise _problem("it has no Korean glyphs", subject=f"the font {path}")
    return font


def _register(family: str, regular: TTFont, bold: TTFont) -> Typeface:
    for font in (regular, bold):
        pdfmetrics.registerFont(font)
    for is_bold, font in ((0, regular), (1, bold)):
        addMapping(family, is_bold, 0, font.fontName)
        addMapping(family, is_bold, 1, font.fontName)
    characters = _shown(regular) & _shown(bold)
    return Typeface(family, regular.fontName, bold.fontName, characters)


def _shown(font: TTFont) -> frozenset[int]:
    return frozenset(point for point, glyph in font.face.charToGlyph.items() if glyph)


def _problem(cause: str, *, subject: str) -> PermanentError:
    return PermanentError(
        action="use",
        subject=subject,
        cause=cause,
        error_class="configuration",
        hint="Set report.font to a TrueType (.ttf) font with Korean glyphs, or remove the setting",
    )

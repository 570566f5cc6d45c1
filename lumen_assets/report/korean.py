"""Korean particles, whose form depends on how the word before them ends.

A text writes ``{label:은/는}``, and the label is a ``Word``.
"""

from __future__ import annotations

from typing import Final

_PARTICLES: Final = {
    "은/는": ("은", "는", "은(는)"),
    "이/가": ("이", "가", "이(가)"),
    "을/를": ("을", "를", "을(를)"),
    "과/와": ("과", "와", "과(와)"),
    "으로/로": ("으로", "로", "(으)로"),
}
"""After a consonant, after a vowel, and where the ending cannot be told."""

_NO_FINAL, _RIEUL = 0, 8
_FINALS_OF_DIGITS: Final = (21, 8, 0, 16, 0, 0, 1, 8, 8, 0)
"""The final consonant of 영, 일, 이, 삼, 사, 오, 육, 칠, 팔, 구, numbered as in Hangul syllables; 8 is ㄹ."""


class Word(str):
    """A text that is followed by the right form of a particle: ``f"{Word('위상차'):은/는}"`` is ``위상차는``."""

    __slots__ = ()

    def __format__(self, particle: str) -> str:
        """The text, and the particle behind it if one is asked for."""
        return f"{self!s}{_form(self, particle)}" if particle in _PARTICLES else super().__format__(particle)


def _form(word: str, particle: str) -> str:
    after_consonant, after_vowel, either = _PARTICLES[particle]
    final = _final(_read(word)[-1:])
    if final is None:
        return either
    if final == _NO_FINAL or (final == _RIEUL and particle == "으로/로"):
        return after_vowel
    return after_consonant


def _read(word: str) -> str:
    """Without brackets and what is in them, quotes and stops at the end: the particle goes with what is before."""
    while word and not (word[-1].isalnum() or word[-1] in "%_"):
        opening = {")": "(", "]": "["}.get(word[-1])
        start = word.rfind(opening) if opening else -1
        word = word[: max(start, 0)] if opening and start > 0 else word[:-1]
    return word


def _final(character: str) -> int | None:
    """The final consonant that a character is read with, 0 for none; None if nobody can tell."""
    if "가" <= character <= "힣":
        return (ord(character) - ord("가")) % 28
    if character and character in "0123456789":
        return _FINALS_OF_DIGITS[int(character)]
    return _NO_FINAL if character == "%" else None

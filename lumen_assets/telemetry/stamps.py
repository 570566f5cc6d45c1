"""The timestamps that open many lines at once, those that a writer wrote in one form.

The reference is ``instants.instant``: what is found here is what it says of each line, in a hundredth of the time.
Eight bytes of each line are looked at in one go, as the number that they are, the first byte its lowest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_assets.telemetry.instants import instant, microseconds

_FORM: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,6}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9])),"
)
_HOURS: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])")
_LONGEST: Final = 33  # bytes of a timestamp with six digits and an offset, and the comma behind it
_FEW: Final = 8  # lines in which a timestamp is looked for whose form may be that of all
_HOUR: Final = 13  # bytes of a timestamp up to its hour
_MINUTE: Final = 16  # up to its minute
_WORD: Final = np.dtype("<u8")
_EACH: Final = 0x01_01_01_01_01_01_01_01  # a byte times this: a word of that byte
_SECOND: Final = 1_000_000
_MINUTES: Final = {f":{minute:02}".encode(): minute * 60 * _SECOND for minute in range(60)}

Octets = NDArray[np.uint8]
Words = NDArray[np.uint64]


def line_starts(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the lines start whose newlines are at ``ends``."""
    return np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))


def microseconds_of_lines(
    octets: Octets, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970-01-01T00:00Z of the timestamp and comma that open each line, and of which lines they are.

    Those of one form are found: that of the first timestamp in the first few lines, as many digits behind the point,
    the same offset. Every other line is to be looked at by itself; the microseconds given for it mean nothing.

    Args:
        octets: the text.
        starts: where each line starts; at least one.
        ends: where it ends, before the newline.
    """
    spans = zip(starts[:_FEW], ends[:_FEW], strict=True)
    matches = (_FORM.match(octets[start : min(end, start + _LONGEST)].tobytes()) for start, end in spans)
    first, found = next(((line, match) for line, match in enumerate(matches) if match), (0, None))
    if found is None:
        return np.zeros(len(starts), np.int64), np.zeros(len(starts), np.bool_)
    width = found.end()
    usual = ends - starts >= width
    fronts = _fronts(octets, starts if usual.all() else np.where(usual, starts, starts[first]), width)
    heads = np.flatnonzero(_unlike_before(fronts))
    texts = fronts[heads, : _MINUTE // _WORD.itemsize].tobytes()
    minutes = [_minute(texts[at : at + _MINUTE]) for at in range(0, len(texts), _MINUTE)]
    real = np.array([minute is not None for minute in minutes])
    instants = np.array([minute or 0 for minute in minutes], np.int64) - _offset(found)
    seconds, fits = _seconds(fronts, found)
    lines = np.diff(heads, append=len(starts))
    return np.repeat(instants, lines) + seconds, usual & fits & np.repeat(real, lines)


def _fronts(octets: Octets, starts: NDArray[np.int64], width: int) -> Words:
    """At least the first ``width`` bytes of each line, a row of words each; zeros behind the text."""
    wide = -(-width // _WORD.itemsize) * _WORD.itemsize
    last = len(octets) - wide
    if last < 0:
        octets, last = np.pad(octets, (0, -last)), 0
    kind = np.dtype((np.void, wide))
    within = np.minimum(starts, last)
    fronts = np.ndarray((last + 1,), kind, octets, strides=(1,))[within].view(np.uint8).reshape(-1, wide)
    for line in np.flatnonzero(within != starts).tolist():
        front = octets[starts[line] :]
        fronts[line] = np.pad(front, (0, wide - len(front)))
    return fronts.view(_WORD)


def _unlike_before(fronts: Words) -> NDArray[np.bool_]:
    """Which lines are not of the minute of the line before, as it is written."""
    unlike = np.ones(len(fronts), np.bool_)
    unlike[1:] = (fronts[1:, 0] != fronts[:-1, 0]) | (fronts[1:, 1] != fronts[:-1, 1])
    return unlike


def _seconds(fronts: Words, form: re.Match[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since the minute, and of which lines: those that are of the form from the minute on."""
    model = np.zeros(fronts.shape[1] * _WORD.itemsize, np.uint8)
    model[: form.end()] = np.frombuffer(form[0], np.uint8)
    digit = (model >= ord("0")) & (model <= ord("9"))
    digit[form.start(2) if form[2] else form.end() :] = False  # the offset is the same in each
    same = ~digit & (np.arange(len(model)) < form.end())
    models, digits, sames = (each.view(_WORD) for each in (model, digit * np.uint8(0xFF), same * np.uint8(0xFF)))
    fits = np.ones(len(fronts), np.bool_)
    pairs: dict[int, Octets] = {}  # each digit with the next one, zero for what is none, as a number
    for n in range(_MINUTE // _WORD.itemsize, fronts.shape[1]):
        words, mask = fronts[:, n], digits[n]
        unlike = (words ^ models[n]) & sames[n]
        if not mask:
            fits &= unlike == 0
            continue
        values = (words & mask) ^ (mask & (ord("0") * _EACH))
        above_nine = (values & (0x7F * _EACH)) + (0x7F - 9) * _EACH | values
        fits &= (unlike | (above_nine & (0x80 * _EACH))) == 0
        numbers = (values * 10 + (values >> 8)).astype(_WORD, copy=False).view(np.uint8).reshape(-1, _WORD.itemsize)
        at = n * _WORD.itemsize
        pairs |= {at + byte: numbers[:, byte] for byte in range(_WORD.itemsize - 1) if digit[at + byte]}
    seconds = pairs[17].astype(np.int64)
    fits &= seconds <= 59
    for place in (20, 22, 24):
        seconds *= 100
        if place in pairs:
            seconds += pairs[place]
    return seconds, fits


def _offset(found: re.Match[bytes]) -> int:
    """Of the local time from UTC, microseconds."""
    if not found[2]:
        return 0
    size = (int(found[3]) * 60 + int(found[4])) * 60 * _SECOND
    return -size if found[2] == b"-" else size


def _minute(text: bytes) -> int | None:
    """Local microseconds of a minute; None if it is not of the form, or none of a day."""
    hour, minute = _hour(text[:_HOUR]), _MINUTES.get(text[_HOUR:])
    return None if hour is None or minute is None else hour + minute


@lru_cache(maxsize=1 << 11)  # those of 85 days
def _hour(text: bytes) -> int | None:
    moment = instant(f"{text.decode()}:00Z") if _HOURS.fullmatch(text) else None
    return None if moment is None else microseconds(moment)

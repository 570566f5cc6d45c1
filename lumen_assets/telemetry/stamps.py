"""The timestamps that open many lines at once, those that a writer wrote in one form.

The reference is ``instants.instant``: what is found here is what it says of each line, in a hundredth of the time.
Eight bytes of each line are looked at in one go, as the number that they are, the first byte its lowest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FORM: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,6}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9])),"
)
_LONGEST: Final = 33  # bytes of a timestamp with six digits and an offset, and the comma behind it
_FEW: Final = 8  # lines in which a timestamp is looked for whose form may be that of all
_MINUTE: Final = 16  # bytes of a timestamp up to its minute
_WORD: Final = np.dtype("<u8")
_EACH: Final = 0x01_01_01_01_01_01_01_01  # a byte times this: a word of that byte
_SECOND: Final = 1_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()

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
    minutes, minute_fits = _minutes(fronts[heads], found)
    pairs, fits = _pairs(
        fronts, found, (*range(_MINUTE, width - _WORD.itemsize, _WORD.itemsize), width - _WORD.itemsize)
    )
    fits &= pairs[17] <= 59
    lines = np.diff(heads, append=len(fronts))
    instants = np.repeat(minutes - _offset(found), lines) + _number(pairs, 17, 20, 22, 24)
    return instants, usual & fits & np.repeat(minute_fits, lines)


def _fronts(octets: Octets, starts: NDArray[np.int64], width: int) -> Octets:
    """The first ``width`` bytes of each line, a row each."""
    kind = np.dtype((np.void, width))
    return np.ndarray((len(octets) - width + 1,), kind, octets, strides=(1,))[starts].view(np.uint8).reshape(-1, width)


def _unlike_before(fronts: Octets) -> NDArray[np.bool_]:
    """Which lines are not of the minute of the line before, as it is written."""
    unlike = np.ones(len(fronts), np.bool_)
    date_, time = (_words(fronts, at) for at in (0, _MINUTE - _WORD.itemsize))
    unlike[1:] = (date_[1:] != date_[:-1]) | (time[1:] != time[:-1])
    return unlike


def _words(fronts: Octets, at: int) -> Words:
    """The eight bytes from one on, in each row."""
    words: Words = fronts[..., at : at + _WORD.itemsize].view(_WORD)[..., 0]
    return words


def _pairs(fronts: Octets, form: re.Match[bytes], places: Sequence[int]) -> tuple[dict[int, Octets], NDArray[np.bool_]]:
    """The number of each two digits in a row by where it is, in the words at ``places``; which lines are of the form.

    What is the same in each line, the offset too, counts as zeros.
    """
    model = np.frombuffer(form[0], np.uint8)
    digit = (model >= ord("0")) & (model <= ord("9"))
    digit[form.start(2) if form[2] else form.end() :] = False
    alike = np.ones(len(fronts), np.bool_)
    pairs: dict[int, Octets] = {}
    for at in places:
        words, mask = _words(fronts, at), _words(digit * np.uint8(0xFF), at)
        values = (words & mask) ^ (mask & (ord("0") * _EACH))
        above_nine = (values & (0x7F * _EACH)) + (0x7F - 9) * _EACH | values
        alike &= (((words ^ _words(model, at)) & ~mask) | (above_nine & (0x80 * _EACH))) == 0
        numbers = (values * 10 + (values >> 8)).astype(_WORD, copy=False).view(np.uint8).reshape(-1, _WORD.itemsize)
        pairs |= {at + n: numbers[:, n] for n in range(_WORD.itemsize - 1) if digit[at + n]}
    return pairs, alike


def _offset(found: re.Match[bytes]) -> int:
    """Of the local time from UTC, microseconds."""
    if not found[2]:
        return 0
    size = (int(found[3]) * 60 + int(found[4])) * 60 * _SECOND
    return -size if found[2] == b"-" else size


def _minutes(fronts: Octets, form: re.Match[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Local microseconds of the minutes of timestamps, and which are of the form and minutes of a day."""
    pairs, fits = _pairs(fronts, form, (0, _MINUTE - _WORD.itemsize))
    codes = _number(pairs, 0, 2, 5, 8)
    codes[~fits] = 0
    days, real = _days(codes)
    fits &= real & (pairs[11] <= 23) & (pairs[14] <= 59)
    return (days * 1440 + _number(pairs, 11) * 60 + pairs[14]) * 60 * _SECOND, fits


def _number(pairs: dict[int, Octets], *places: int) -> NDArray[np.int64]:
    """What pairs of digits are as one number, zeros for those that are not there."""
    number = pairs[places[0]].astype(np.int64)
    for place in places[1:]:
        number *= 100
        if place in pairs:
            number += pairs[place]
    return number


def _days(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970 of ``YYYYMMDD``, and which are days."""
    distinct, which = np.unique(codes, return_inverse=True)
    days = [_day(code) for code in distinct.tolist()]
    real = np.array([day is not None for day in days])
    return np.array([day or 0 for day in days], np.int64)[which], real[which]


def _day(code: int) -> int | None:
    try:
        return date(code // 10_000, code // 100 % 100, code % 100).toordinal() - _EPOCH
    except ValueError:
        return None

"""The timestamps that open many lines at once, those that a writer wrote in one form.

The reference is ``instants.instant``: what is found here is what it says of each line, in a hundredth of the time.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FORM: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,6}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9])),"
)
_WORD: Final = 8
_LONGEST: Final = 33  # bytes of a timestamp with six digits and an offset, and the comma behind it
_FEW: Final = 8  # lines in which a timestamp is looked for whose form may be that of all
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_EPOCH: Final = date(1970, 1, 1).toordinal()


def line_starts(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the lines start whose newlines are at ``ends``."""
    return np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))


def microseconds_of_lines(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
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
    usual = ends - starts >= found.end()
    fronts = _fronts(octets, starts if usual.all() else np.where(usual, starts, starts[first]), found.end())
    model = np.frombuffer(found[0], np.uint8)
    digit = (model >= ord("0")) & (model <= ord("9"))
    digit[found.start(2) if found[2] else found.end() :] = False  # those of the offset are the same in each
    values = fronts[digit] - np.uint8(ord("0"))
    usual &= (fronts[~digit] == model[~digit, np.newaxis]).all(axis=0) & (values <= 9).all(axis=0)
    if not usual.all():
        values[:, ~usual] = values[:, [first]]
    instants, real = _instants(values)
    return instants - _offset(found), usual & real


def _fronts(octets: NDArray[np.uint8], starts: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """The first ``width`` bytes of each line, a row each, read eight at a time."""
    words = np.ndarray((len(octets) - _WORD + 1,), np.uint64, octets, strides=(1,))
    fronts = np.empty((width, len(starts)), np.uint8)
    for at in (*range(0, width - _WORD, _WORD), width - _WORD):
        fronts[at : at + _WORD] = words[starts + at].view(np.uint8).reshape(-1, _WORD).T
    return fronts


def _offset(found: re.Match[bytes]) -> int:
    """Of the local time from UTC, microseconds."""
    if not found[2]:
        return 0
    size = (int(found[3]) * 60 + int(found[4])) * 60 * _SECOND
    return -size if found[2] == b"-" else size


def _instants(values: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Local microseconds of the digits of timestamps, and which are times of day on a day."""
    hour, minute, second = (_number(values[at : at + 2]) for at in (8, 10, 12))
    days, real = _days(_number(values[:8]))
    real &= (hour <= 23) & (minute <= 59) & (second <= 59)
    fraction = _number(values[14:]) * 10 ** (20 - len(values)) if len(values) > 14 else 0
    return days * _DAY + ((hour * 60 + minute) * 60 + second) * _SECOND + fraction, real


def _number(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    number: NDArray[np.int64] = digits[0].astype(np.int64)
    for place in digits[1:]:
        number = number * 10 + place
    return number


def _days(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970 of ``YYYYMMDD``, and which are days."""
    if codes.min() == codes.max():
        distinct, which = codes[:1], np.zeros(len(codes), np.intp)
    else:
        distinct, which = np.unique(codes, return_inverse=True)
    days = [_day(code) for code in distinct.tolist()]
    real = np.array([day is not None for day in days])
    return np.array([day or 0 for day in days], np.int64)[which], real[which]


def _day(code: int) -> int | None:
    try:
        return date(code // 10_000, code // 100 % 100, code % 100).toordinal() - _EPOCH
    except ValueError:
        return None

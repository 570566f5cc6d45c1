"""The timestamps that open many lines at once, where a writer wrote them all in one form.

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
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_EPOCH: Final = date(1970, 1, 1).toordinal()


def line_starts(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the lines start whose newlines are at ``ends``."""
    return np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))


def microseconds_of_lines(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Microseconds since 1970-01-01T00:00Z of the timestamp and comma that open each line.

    Args:
        octets: the text.
        starts: where each line starts; at least one.
        ends: where it ends, before the newline.

    Returns:
        None unless all have timestamps of the first one's form: as many digits behind the point, the same offset.
    """
    front = octets[starts[0] : min(int(ends[0]), int(starts[0]) + _LONGEST)].tobytes()
    found = _FORM.match(front)
    if found is None or int((ends - starts).min()) < found.end():
        return None
    fronts = _fronts(octets, starts, found.end())
    first = np.frombuffer(front, np.uint8, found.end())
    digit = (first >= ord("0")) & (first <= ord("9"))
    digit[found.start(2) if found[2] else found.end() :] = False  # those of the offset are the same in each
    if not (fronts[:, ~digit] == first[~digit]).all():
        return None
    values = fronts[:, digit] - np.uint8(ord("0"))
    if values.max() > 9:
        return None
    return _instants(values, _offset(found))


def _fronts(octets: NDArray[np.uint8], starts: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """The first ``width`` bytes of each line, read eight at a time."""
    words = np.ndarray((len(octets) - _WORD + 1,), np.uint64, octets, strides=(1,))
    fronts = np.empty((len(starts), width), np.uint8)
    for at in (*range(0, width - _WORD, _WORD), width - _WORD):
        fronts[:, at : at + _WORD] = words[starts + at].view(np.uint8).reshape(-1, _WORD)
    return fronts


def _offset(found: re.Match[bytes]) -> int:
    """Of the local time from UTC, microseconds."""
    if not found[2]:
        return 0
    size = (int(found[3]) * 60 + int(found[4])) * 60 * _SECOND
    return -size if found[2] == b"-" else size


def _instants(values: NDArray[np.uint8], offset: int) -> NDArray[np.int64] | None:
    """The instants of the digits of timestamps; None if one is no time of day or no day."""
    year, month, day = _number(values[:, :4]), _number(values[:, 4:6]), _number(values[:, 6:8])
    hour, minute, second = (_number(values[:, at : at + 2]) for at in (8, 10, 12))
    if hour.max() > 23 or minute.max() > 59 or second.max() > 59:
        return None
    fraction = _number(values[:, 14:]) * 10 ** (6 - (values.shape[1] - 14)) if values.shape[1] > 14 else 0
    days = _days(year * 10_000 + month * 100 + day)
    if days is None:
        return None
    return days * _DAY + ((hour * 60 + minute) * 60 + second) * _SECOND + fraction - offset


def _number(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    number = digits[:, 0].astype(np.int64)
    for place in range(1, digits.shape[1]):
        number = number * 10 + digits[:, place]
    return number


def _days(codes: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Days since 1970 of ``YYYYMMDD``; None if there is no such day."""
    distinct, which = (codes[:1], None) if codes.min() == codes.max() else np.unique(codes, return_inverse=True)
    try:
        days = [date(code // 10_000, code // 100 % 100, code % 100).toordinal() - _EPOCH for code in distinct.tolist()]
    except ValueError:
        return None
    return np.array(days, np.int64)[which if which is not None else 0]

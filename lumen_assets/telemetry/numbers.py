"""Cells as numbers: what a cell means, one at a time and a column at a time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_TRUTH: Final = {"true": 1.0, "false": 0.0}

FINE, EMPTY, NOT_FINITE, BAD = range(4)


def cell_number(text: str) -> tuple[float | None, int]:
    """The number in a cell, and which of ``FINE``, ``EMPTY``, ``NOT_FINITE``, ``BAD`` it is; None unless fine.

    ``true`` and ``false`` are 1 and 0. A number too large for a float is not finite.
    """
    text = text.strip()
    if not text:
        return None, EMPTY
    if _NUMBER.fullmatch(text):
        value = float(text)
        return (value, FINE) if math.isfinite(value) else (None, NOT_FINITE)
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()], FINE
    return None, NOT_FINITE if _NOT_FINITE.fullmatch(text) else BAD


def rounding(text: str) -> float:
    """How far a number may be from the one that it was rounded from: half a unit of the last digit it is written with.

    Args:
        text: a cell that is ``FINE``; ``true`` and ``false`` are exact.
    """
    try:
        exponent = Decimal(text.strip()).as_tuple().exponent
    except InvalidOperation:
        return 0.0
    half = float(f"0.5e{exponent}")
    return half if math.isfinite(half) else 0.0  # of 0e999


Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, null where there is none, and the rows (from 0) where that is so, by reason."""

    values: pl.Series
    empty: Rows
    not_finite: Rows
    bad: Rows


def column_numbers(cells: pl.Series) -> NumberColumn:
    """``cell_number`` for a column of text; null counts as empty. Of numbers and truth values: the same for those."""
    numbers = cells if cells.dtype == pl.Float64 else cells.cast(pl.Float64, strict=False)
    rows = np.flatnonzero(~np.isfinite(numbers.to_numpy()))
    if not len(rows):
        return NumberColumn(numbers, rows, rows, rows)
    values = numbers.to_numpy().copy()
    if cells.dtype == pl.String:
        texts = cells.gather(rows).fill_null("").to_list()
        read = {text: cell_number(text) for text in set(texts)}
        values[rows] = [read[text][0] for text in texts]
        kind = np.array([read[text][1] for text in texts])
    else:
        values[rows] = np.nan
        kind = np.where(cells.is_null().to_numpy()[rows], EMPTY, NOT_FINITE)
    numbers = pl.Series(values, nan_to_null=True)
    return NumberColumn(numbers, rows[kind == EMPTY], rows[kind == NOT_FINITE], rows[kind == BAD])

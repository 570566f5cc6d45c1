"""Cells as numbers: what a cell means, one at a time and a column at a time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
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


Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, and the rows (from 0) where it has none, by reason."""

    values: pl.Series
    empty: Rows
    not_finite: Rows
    bad: Rows


def _rows(mask: pl.Series) -> Rows:
    return mask.fill_null(value=False).arg_true().to_numpy().astype(np.int64)


def column_numbers(cells: pl.Series) -> NumberColumn:
    """``cell_number`` for a column of text; null counts as empty. Of numbers and truth values: the same for those."""
    return _of_texts(cells) if cells.dtype == pl.String else _of_floats(cells)


def _of_floats(cells: pl.Series) -> NumberColumn:
    none = np.empty(0, np.int64)
    values = cells if cells.dtype == pl.Float64 else cells.cast(pl.Float64)
    empty = _rows(values.is_null()) if values.null_count() else none
    finite = np.isfinite(values.fill_null(0.0).to_numpy())
    if finite.all():
        return NumberColumn(values, empty, none, none)
    return NumberColumn(
        pl.select(pl.when(pl.Series(finite)).then(values)).to_series(), empty, np.flatnonzero(~finite), none
    )


def _of_texts(texts: pl.Series) -> NumberColumn:
    texts = texts.fill_null("")
    values = texts.cast(pl.Float64, strict=False)
    states = pl.select(pl.when(texts == "").then(EMPTY).when(~values.is_finite()).then(NOT_FINITE).otherwise(FINE))
    state = states.to_series().cast(pl.Int8)
    doubtful = values.is_null() & (texts != "")
    if doubtful.any():
        distinct = texts.filter(doubtful).unique()
        read = [cell_number(text) for text in distinct]
        chosen = texts.filter(doubtful)
        rows = doubtful.arg_true()
        numbers = pl.Series([number for number, _ in read], dtype=pl.Float64)
        kinds = pl.Series([kind for _, kind in read], dtype=pl.Int8)
        values = values.scatter(rows, chosen.replace_strict(distinct, numbers, return_dtype=pl.Float64))
        state = state.scatter(rows, chosen.replace_strict(distinct, kinds, return_dtype=pl.Int8))
    values = pl.select(pl.when(state == FINE).then(values)).to_series()
    return NumberColumn(values, _rows(state == EMPTY), _rows(state == NOT_FINITE), _rows(state == BAD))

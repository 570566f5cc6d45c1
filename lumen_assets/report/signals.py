"""The signals in a day's rows, and what the configuration says of them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.report.distribution import Values
from lumen_assets.report.model import TargetRange
from lumen_assets.settings import Configuration


def microseconds(moment: datetime) -> int:
    """Since 1970 UTC, exact."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def instants(rows: pl.DataFrame) -> NDArray[np.int64]:
    """``ts`` in microseconds since 1970 UTC, ascending."""
    return rows["ts"].to_physical().to_numpy()


def signal_names(rows: pl.DataFrame) -> list[str]:
    """The columns that are signals, in order of the file."""
    return [name for name in rows.columns if name != "ts"]


def values_of(rows: pl.DataFrame, name: str) -> tuple[NDArray[np.int64], Values]:
    """Instants and values of one signal where it has a value; both empty if there is no such column."""
    if name not in rows.columns:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    if rows[name].null_count():
        rows = rows.select("ts", name).drop_nulls()
    return instants(rows), rows[name].cast(pl.Float64).to_numpy()


def target_of(name: str, configuration: Configuration) -> TargetRange | None:
    """The range that a signal should be in, if one is configured."""
    signal = configuration.signals.get(name)
    return TargetRange(signal.target.min, signal.target.max) if signal and signal.target else None

"""The rows of one KST day, out of append-only files of any size.

Names are loaded when they are first used: reading needs Polars and NumPy, which are slow to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumen_assets.on_demand import names_of

if TYPE_CHECKING:
    from lumen_assets.telemetry.bisecting import MAX_DISORDER
    from lumen_assets.telemetry.chunk_days import ChunkDays
    from lumen_assets.telemetry.cutting import Reach, cut_day, describe_day
    from lumen_assets.telemetry.model import (
        SAMPLE_MARK,
        DaySlice,
        DayTelemetry,
        InputReading,
        InputSlice,
        Quote,
        RecordedEffect,
        Rejected,
        Risk,
        RuleChange,
        TelemetryFile,
        left_out,
    )
    from lumen_assets.telemetry.prometheus import Prometheus
    from lumen_assets.telemetry.reading import read_day, require_names
    from lumen_assets.telemetry.roots import open_root
    from lumen_assets.telemetry.sample import ensure_sample, write_sample
    from lumen_assets.telemetry.slices import load_slice

__all__ = [
    "MAX_DISORDER",
    "SAMPLE_MARK",
    "ChunkDays",
    "DaySlice",
    "DayTelemetry",
    "InputReading",
    "InputSlice",
    "Prometheus",
    "Quote",
    "Reach",
    "RecordedEffect",
    "Rejected",
    "Risk",
    "RuleChange",
    "TelemetryFile",
    "cut_day",
    "describe_day",
    "ensure_sample",
    "left_out",
    "load_slice",
    "open_root",
    "read_day",
    "require_names",
    "write_sample",
]

__getattr__ = names_of(
    __name__,
    {
        "ChunkDays": "chunk_days",
        "DaySlice": "model",
        "DayTelemetry": "model",
        "InputReading": "model",
        "InputSlice": "model",
        "MAX_DISORDER": "bisecting",
        "Prometheus": "prometheus",
        "Quote": "model",
        "Reach": "cutting",
        "RecordedEffect": "model",
        "Rejected": "model",
        "Risk": "model",
        "RuleChange": "model",
        "SAMPLE_MARK": "model",
        "TelemetryFile": "model",
        "cut_day": "cutting",
        "describe_day": "cutting",
        "ensure_sample": "sample",
        "left_out": "model",
        "load_slice": "slices",
        "open_root": "roots",
        "read_day": "reading",
        "require_names": "reading",
        "write_sample": "sample",
    },
)

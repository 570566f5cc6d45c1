"""The rows of one KST day, out of append-only files of any size."""

from lumen_assets.telemetry.bisecting import MAX_DISORDER
from lumen_assets.telemetry.cutting import cut_day, describe_day
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
)
from lumen_assets.telemetry.prometheus import Prometheus
from lumen_assets.telemetry.reading import read_day, require_header
from lumen_assets.telemetry.roots import open_root
from lumen_assets.telemetry.sample import ensure_sample, write_sample
from lumen_assets.telemetry.slices import load_slice

__all__ = [
    "MAX_DISORDER",
    "SAMPLE_MARK",
    "DaySlice",
    "DayTelemetry",
    "InputReading",
    "InputSlice",
    "Prometheus",
    "Quote",
    "RecordedEffect",
    "Rejected",
    "Risk",
    "RuleChange",
    "cut_day",
    "describe_day",
    "ensure_sample",
    "load_slice",
    "open_root",
    "read_day",
    "require_header",
    "write_sample",
]

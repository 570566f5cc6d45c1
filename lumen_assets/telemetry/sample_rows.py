"""Sample telemetry of a day: signals with a daily rhythm that rule changes move, and the dirt of real files."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.telemetry.sample_plan import SamplePlan, generator

Floats = NDArray[np.float64]

HEADER: Final = (
    "ts,phase_diff,entropy_rate,creative_band,risk_band,ion_health,ion_response_time_ms,ion_mock_mode,ion_confidence"
)
_DAY_SECONDS: Final = 86_400
_FADES: Final = 1500.0  # seconds in which the effect of a rule change falls to a third

# middle, size of the daily rhythm, hour of its peak, size of the drift over days, noise from sample to sample
_SHAPES: Final = {
    "phase_diff": (0.043, 0.006, 15.0, 0.003, 0.006),
    "entropy_rate": (0.262, 0.020, 14.0, 0.008, 0.012),
    "creative_band": (0.268, 0.022, 10.5, 0.008, 0.012),
    "risk_band": (0.265, 0.018, 20.0, 0.008, 0.012),
}


def _drift(seed: int, day: date, topic: int, seconds: Floats) -> Floats:
    """From this day's level to the next one's, so that days join without a step."""
    ends = [generator(seed, day + timedelta(days=n), topic).standard_normal() for n in (0, 1)]
    return np.interp(seconds, (0, _DAY_SECONDS), ends)


def _signal(name: str, topic: int, seed: int, plan: SamplePlan, seconds: Floats) -> Floats:
    middle, rhythm, peak, drift, noise = _SHAPES[name]
    values = middle + rhythm * np.cos((seconds / 3600 - peak) / 24 * 2 * np.pi)
    values += rhythm / 4 * np.sin(seconds / 3600 * 2 * np.pi / 1.7 + topic)
    values += drift * _drift(seed, plan.day, topic, seconds)
    values += noise * generator(seed, plan.day, topic + 10).standard_normal(len(seconds))
    for change in plan.changes:
        if effect := change.effects.get(name):
            since = seconds[(begin := int(np.searchsorted(seconds, change.second))) :] - change.second
            values[begin:] += effect * np.exp(-since / _FADES)
    return values


def _during(seconds: Floats, window: tuple[float, float] | None) -> NDArray[np.bool_]:
    return (seconds >= window[0]) & (seconds < window[1]) if window else np.zeros(len(seconds), dtype=np.bool_)


def clean_rows(seed: int, plan: SamplePlan, rate_hz: float) -> pl.DataFrame:
    """The day's rows before dirt is added: ``second`` of the day, the columns of ``HEADER`` without ``ts``."""
    seconds = np.arange(int(_DAY_SECONDS * rate_hz)) / rate_hz
    seconds = np.round(seconds[~_during(seconds, plan.silence)], 3)
    columns = {name: _signal(name, n, seed, plan, seconds) for n, name in enumerate(_SHAPES, start=2)}
    columns["risk_band"] += 0.06 * _during(seconds, plan.excursion)
    random = generator(seed, plan.day, 20)
    mock = _during(seconds, plan.mock)
    noise = random.standard_normal((3, len(seconds)))
    columns["ion_health"] = 0.97 + 0.01 * noise[0] - 0.4 * mock
    columns["ion_confidence"] = 0.9 + 0.03 * noise[1] - 0.3 * mock
    rounded = {name: np.clip(values, 0, 1).round(4) for name, values in columns.items()}
    rounded["ion_response_time_ms"] = (36 * np.exp(0.25 * noise[2])).round(1)
    frame = pl.DataFrame({"second": seconds, **rounded, "ion_mock_mode": mock})
    return frame.select("second", *HEADER.split(",")[1:])


def _timestamps(day: date, seconds: pl.Series) -> pl.Series:
    midnight = datetime.combine(day, time(), tzinfo=UTC).replace(tzinfo=None)
    milliseconds = (seconds * 1000).round().cast(pl.Int64)
    return (milliseconds.cast(pl.Duration("ms")) + midnight).dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+09:00").alias("ts")


def _write(day: date, rows: pl.DataFrame) -> bytes:
    frame = rows.with_columns(_timestamps(day, rows["second"])).select(HEADER.split(","))
    return frame.write_csv(include_header=False).encode()


def _with_damaged_cells(plan: SamplePlan, rows: pl.DataFrame) -> pl.DataFrame:
    seconds = rows["second"].to_numpy()

    def near(kind: str, count: int) -> NDArray[np.int64]:
        begin = int(np.searchsorted(seconds, plan.dirt[kind]))
        return np.arange(begin, min(begin + count, len(seconds)))

    moved = near("backwards", 15)
    return rows.with_columns(
        rows["entropy_rate"].scatter(near("nan", 4), float("nan")),
        rows["creative_band"].scatter(near("empty", 6), None),
        rows["second"].scatter(moved, seconds[moved] - 2.93),
    )


def day_lines(plan: SamplePlan, rows: pl.DataFrame) -> bytes:
    """The lines that a writer with a writer's accidents appends on a day."""
    rows = _with_damaged_cells(plan, rows)
    seconds = rows["second"].to_numpy()
    text = _write(plan.day, rows)
    cuts: list[tuple[int, str]] = []
    for kind, second in plan.dirt.items():
        if kind not in ("nan", "empty", "backwards"):  # those are in the cells
            cuts.append((int(np.searchsorted(np.maximum.accumulate(seconds), second)), kind))
    newlines = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
    pieces = []
    begin = 0
    for row, kind in sorted(cuts):
        offset = int(newlines[row - 1]) + 1 if 0 < row <= len(newlines) else 0
        pieces += [text[begin:offset], _dirt(kind, plan.day, text[offset : offset + 400].split(b"\n")[0].decode())]
        begin = offset
    return b"".join([*pieces, text[begin:]])


def _dirt(kind: str, day: date, next_line: str) -> bytes:
    """Lines that stand before ``next_line`` and are not good rows of the day."""
    cells = next_line.split(",")
    if kind == "restart":
        lines = [next_line[: len(next_line) // 2], "", HEADER]
    elif kind == "torn":
        lines = [",".join(cells[:3])]
    elif kind == "duplicate":
        lines = [next_line]
    elif kind == "blank":
        lines = ["", "   "]
    elif kind == "other_day":
        other = day - timedelta(days=2)
        lines = [",".join([other.isoformat() + cells[0][10:], *cells[1:]])] * 3
    elif kind == "bad_number":
        lines = [",".join([*cells[:2], "err", *cells[3:]])]
    else:
        lines = [",".join([cells[0].removesuffix("+09:00"), *cells[1:]])]
    return "".join(f"{line}\n" for line in lines).encode()

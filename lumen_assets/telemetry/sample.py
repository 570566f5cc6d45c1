"""Sample data: a data root like a real one, said to be sample data in every file.

Files are only ever appended to, as by a real writer, and each day's lines depend on the seed and the day alone, so
that writing three days at once or one by one gives the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from lumen_assets.days import day_of, days_between
from lumen_assets.durable import replace_bytes
from lumen_assets.errors import PermanentError
from lumen_assets.telemetry.layout import GATEWAY, QUOTES_BANK, RISK_LEDGER, RULES_EFFECTS, RULES_HISTORY
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import SAMPLE_MARK
from lumen_assets.telemetry.preamble import LineInstant, csv_line_instant, json_line_instant
from lumen_assets.telemetry.sample_ledgers import (
    EFFECTS_HEADER,
    effect_lines,
    history_lines,
    quote_lines,
    risk_lines,
)
from lumen_assets.telemetry.sample_plan import SamplePlan, plan_day
from lumen_assets.telemetry.sample_rows import HEADER, clean_rows, day_lines

SEED: Final = 20251023
DEFAULT_PATH: Final = "logs/metrics.csv"
_COMMENT: Final = f"# {SAMPLE_MARK}: made by `lumen demo`, not measured. 표본 데이터이며 실측값이 아닙니다.\n"
_GATEWAY: Final = f"{_COMMENT}gateway:\n  status: resonating\n  sample: true\n"
_TAIL: Final = 1 << 16


@dataclass(frozen=True)
class _SampleDay:
    seed: int
    day: date
    rate_hz: float

    @cached_property
    def plan(self) -> SamplePlan:
        return plan_day(self.seed, self.day)

    @cached_property
    def rows(self) -> pl.DataFrame:
        return clean_rows(self.seed, self.plan, self.rate_hz)


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True)
class _File:
    """A file of sample data: what opens it, how its lines are dated, and the lines of a day."""

    name: str
    opening: str
    line_instant: LineInstant
    lines: Callable[[_SampleDay], bytes]


def _files(telemetry_path: str) -> tuple[_File, ...]:
    """Every file that grows, the telemetry last: its days are there when the ledgers' are."""
    json_lines, csv_lines = json_line_instant, csv_line_instant
    return (
        _File(RULES_HISTORY, "", json_lines, lambda d: _text(history_lines(d.plan))),
        _File(RULES_EFFECTS, f"{_COMMENT}{EFFECTS_HEADER}\n", csv_lines, lambda d: _text(effect_lines(d.plan, d.rows))),
        _File(QUOTES_BANK, "", json_lines, lambda d: _text(quote_lines(d.seed, d.plan, d.rows))),
        _File(RISK_LEDGER, "", json_lines, lambda d: _text(risk_lines(d.plan, d.rows))),
        _File(telemetry_path, f"{_COMMENT}{HEADER}\n", csv_lines, lambda d: day_lines(d.plan, d.rows)),
    )


def is_sample_file(path: Path) -> bool:
    """Whether a file says that it is sample data; an empty one may become so."""
    with path.open("rb") as file:
        front = file.read(1 << 14)
    for line in front.splitlines():
        if line.lstrip().startswith(b"#"):
            return SAMPLE_MARK.encode() in line
        try:
            record = json.loads(line)
        except ValueError:
            if b"," in line and not line.startswith(b"{"):
                return False  # a CSV line before any comment
            continue
        return isinstance(record, dict) and record.get("sample") is True
    return not front.strip()


def refuse_real_inputs(root: Path, telemetry_path: str = DEFAULT_PATH) -> None:
    """Make sure that sample data cannot get into a data root in use.

    Raises:
        PermanentError: if ``root`` holds an input that does not say that it is sample data.
    """
    names = [*(file.name for file in _files(telemetry_path)), GATEWAY]
    real = [name for name in names if (root / name).is_file() and not is_sample_file(root / name)]
    if real:
        raise PermanentError(
            action="write sample data into",
            subject=str(root),
            cause=f"it holds other data: {', '.join(sorted(real))}",
            error_class="input",
            hint="Choose an empty folder with --to, or unset LUMEN_DATA_ROOT",
        )


def _last_day(source: Source, line_instant: LineInstant) -> date | None:
    """The day of the last line with a timestamp, looked for near the end."""
    tail = source.read(max(0, source.size - _TAIL), _TAIL)
    lines = tail.split(b"\n")[1 if source.size > _TAIL else 0 :]
    moments = (line_instant(line) for line in reversed(lines))
    return next((day_of(moment) for moment in moments if moment), None)


def _append(path: Path, file: _File, day: _SampleDay) -> bool:
    """Append a day that is newer than what is there, in one write; whether it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as output:
        source = Source(output.fileno())
        last = _last_day(source, file.line_instant)
        if last is not None and last >= day.day:
            return False
        opening = b""
        if source.size == 0:
            opening = file.opening.encode()
        elif source.read(source.size - 1, 1) != b"\n":
            opening = b"\n"  # what a restarted writer does after a torn line
        output.write(opening + file.lines(day))
        return True


def write_sample(
    root: Path,
    *,
    last_day: date,
    days: int,
    rate_hz: float = 5,
    seed: int = SEED,
    telemetry_path: str = DEFAULT_PATH,
) -> tuple[date, ...]:
    """Append to a sample data root what it lacks of the ``days`` days up to ``last_day``.

    Days before the newest one that is there are never added: files only grow at their end.

    Args:
        root: the data root; made if it does not exist.
        last_day: the newest day, KST.
        days: how many days, at least 1.
        rate_hz: rows a second.
        seed: other seeds give other days.
        telemetry_path: path of the telemetry CSV under ``root``.

    Returns:
        The days that telemetry was written for, oldest first; empty if all were there.

    Raises:
        PermanentError: if ``root`` holds data that does not say that it is sample data.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two at once would both append the same days
        refuse_real_inputs(root, telemetry_path)
        if not (root / GATEWAY).exists():
            replace_bytes(root / GATEWAY, _GATEWAY.encode())
        wanted = list(days_between(last_day - timedelta(days=days - 1), last_day))
        written = []
        for one in wanted:  # day by day, so that only one day's rows are in memory
            sample_day = _SampleDay(seed, one, rate_hz)
            appended = [_append(root / file.name, file, sample_day) for file in _files(telemetry_path)]
            if appended[-1]:
                written.append(one)
        return tuple(written)
    finally:
        os.close(descriptor)


def ensure_sample(
    root: Path, *, last_day: date, days: int = 3, rate_hz: float = 5, telemetry_path: str = DEFAULT_PATH
) -> tuple[date, ...]:
    """``write_sample`` with the usual seed: cheap when nothing is missing."""
    return write_sample(root, last_day=last_day, days=days, rate_hz=rate_hz, telemetry_path=telemetry_path)

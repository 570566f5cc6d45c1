"""A day's slice, read: rows, ledgers and gateway status, with every line that was left out accounted for.

Kinds of rejected lines:

==================== ==========================================================================================
``blank``            nothing but white space
``repeated_header``  the header again, after a restart of the writer
``torn``             not as many cells as the header, quotes that do not match, or no newline at the file's end
``bad_timestamp``    not ISO 8601 with an offset, or not of the form that is configured
``bad_number``       a cell that is no number in a configured column (empty, NaN and infinite ones only empty it)
``other_day``        dated in another day
``duplicate_timestamp`` the same instant as an earlier row, which stays
``not_utf8``         not UTF-8
``too_long``         more than 1 MiB
``no_header``        in a CSV file without a header
``bad_json``         not a JSON object
``missing_field``    a field of the ledger is not there
``bad_value``        a field of the ledger holds what it must not
==================== ==========================================================================================

Notes: ``clock_backwards``, ``empty_cells``, ``nan_cells``; ``text_columns`` (left out: of a configured column no
filled cell is a number, of another one fewer than half of them are), ``text_cells`` (those that are no numbers in a
column that is not configured and stays: they only empty that cell), ``renamed_columns`` (no name, or one that was
there before), ``no_header``, ``empty_file``, ``unknown_status``, ``bad_yaml``, ``link`` (read through a symbolic link).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from lumen_assets.errors import PermanentError
from lumen_assets.memory import keep_freed_memory
from lumen_assets.telemetry.asked import asked_in
from lumen_assets.telemetry.ledgers import (
    LedgerReading,
    read_effects,
    read_quotes,
    read_risks,
    read_rule_changes,
)
from lumen_assets.telemetry.metrics_csv import read_metrics
from lumen_assets.telemetry.model import (
    SAMPLE_MARK,
    Asked,
    DaySlice,
    DayTelemetry,
    InputReading,
    InputSlice,
    TelemetryFile,
)
from lumen_assets.telemetry.preamble import header_hint
from lumen_assets.telemetry.rejections import Rejections

GATEWAY_STATES: Final = ("unknown", "initializing", "binding", "resonating", "locked")
_GATEWAY_LIMIT: Final = 1 << 20

_LEDGERS: Final[Mapping[str, Callable[[Path, date], LedgerReading[Any]]]] = {
    "rules_history": read_rule_changes,
    "rules_effects": read_effects,
    "quotes_bank": read_quotes,
    "risk_ledger": read_risks,
}


def read_gateway(path: Path) -> tuple[str | None, dict[str, int], bool]:
    """``gateway.status``, notes, and whether the file says that it is sample data."""
    with path.open("rb") as file:
        content = file.read(_GATEWAY_LIMIT + 1)
    sample = SAMPLE_MARK.encode() in content.partition(b"\n")[0]
    if len(content) > _GATEWAY_LIMIT:
        return None, {"bad_yaml": 1}, sample
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None, {"bad_yaml": 1}, sample
    gateway = document.get("gateway") if isinstance(document, dict) else None
    status = gateway.get("status") if isinstance(gateway, dict) else None
    if isinstance(status, str) and status in GATEWAY_STATES:
        return status, {}, sample
    return None, {"unknown_status": 1}, sample


def _count_lines(path: Path) -> int:
    """Lines of a further file that are not blank; what they mean is not for us to judge."""
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(1 << 20), b"")
        return sum(1 for line in lines if line.strip() and not line.startswith(b"#"))


class _Inputs:
    """The readings of a slice's inputs, as they come."""

    def __init__(self, cut: DaySlice) -> None:
        self._cut = cut
        self._readings: dict[str, InputReading] = {}
        self.sample = False
        self.text_columns: set[str] = set()

    def path(self, role: str, name: str | None = None) -> tuple[InputSlice, Path] | None:
        """The input with this role, and this name where one is given, and its slice, if it is present."""
        for item in self._cut.inputs:
            if item.role == role and item.present and name in (None, item.name):
                return item, self._cut.folder / item.name
        return None

    def add(
        self,
        item: InputSlice,
        rows: int,
        rejections: Rejections,
        notes: Mapping[str, int],
        sample: bool,
        other_days: Mapping[date, int] | None = None,
        asked: Asked | None = None,
    ) -> None:
        self.sample |= sample
        self._readings[item.name] = InputReading(
            role=item.role,
            name=item.name,
            present=item.present,
            rows=rows,
            rejected=dict(sorted(rejections.counts.items())),
            examples=rejections.examples(),
            notes=dict(sorted([*notes.items(), *([("link", 1)] if item.link else [])])),
            sha256=item.sha256,
            other_days=other_days or {},
            asked=asked,
        )

    def all(self) -> tuple[InputReading, ...]:
        """One entry for every input; those that nobody read are present or absent without findings."""
        for item in self._cut.inputs:
            if item.name not in self._readings:
                dated = item.present and item.name.endswith((".jsonl", ".csv"))
                rows = _count_lines(self._cut.folder / item.name) if dated else 0
                self.add(item, rows, Rejections(), {}, sample=False)
        return tuple(self._readings[name] for name in sorted(self._readings))


def read_day(cut: DaySlice, telemetry: Sequence[TelemetryFile]) -> DayTelemetry:
    """Read everything that a day's slice holds, from the slice alone.

    So the same comes out of a slice that was restored from an archive.

    Args:
        telemetry: the files of telemetry, at least one; what the day's gaps are counted by first.
    """
    keep_freed_memory()
    inputs = _Inputs(cut)
    ledgers: dict[str, tuple[Any, ...]] = {}
    rows, *beside = (_read_telemetry(file, cut.day, inputs) for file in telemetry)
    for role, read in _LEDGERS.items():
        if found := inputs.path(role):
            item, path = found
            reading = read(path, cut.day)
            ledgers[role] = reading.records
            inputs.add(item, len(reading.records), reading.rejections, reading.notes, reading.sample)
    status = None
    if found := inputs.path("gateway"):
        item, path = found
        status, notes, sample = read_gateway(path)
        inputs.add(item, int(status is not None), Rejections(), notes, sample)
    readings = inputs.all()
    return DayTelemetry(
        day=cut.day,
        rows=rows,
        rule_changes=ledgers.get("rules_history", ()),
        effects=ledgers.get("rules_effects", ()),
        quotes=ledgers.get("quotes_bank", ()),
        risks=ledgers.get("risk_ledger", ()),
        gateway_status=status,
        inputs=readings,
        sample=inputs.sample,
        beside=tuple(beside),
        text_columns=frozenset(inputs.text_columns),
    )


def _read_telemetry(file: TelemetryFile, day: date, inputs: _Inputs) -> pl.DataFrame:
    """The rows of one file; none if it is not there."""
    found = inputs.path("telemetry", file.name)
    if found is None:
        return pl.DataFrame(schema={"ts": pl.Datetime("us", "UTC")})
    item, path = found
    metrics = read_metrics(path, day, file.clock, file.configured)
    sample = any(SAMPLE_MARK in comment for comment in metrics.comments)
    asked = asked_in(metrics.comments)
    inputs.add(item, metrics.rows.height, metrics.rejections, metrics.notes, sample, metrics.other_days, asked)
    inputs.text_columns |= {f"{file.prefix}{name}" for name in metrics.text_columns}
    if not file.prefix:
        return metrics.rows
    return metrics.rows.rename({name: f"{file.prefix}{name}" for name in metrics.rows.columns if name != "ts"})


def require_names(reading: DayTelemetry, telemetry: Sequence[TelemetryFile]) -> None:
    """Refuse telemetry whose signals have no name, which would make every day look empty, or share one.

    Args:
        telemetry: the files that it was read from.

    Raises:
        PermanentError: if a file has lines and no header as it must have, or two have a signal of the same name.
    """
    columns = {file.name: file.clock.column for file in telemetry}
    for item in reading.inputs:
        if item.role == "telemetry" and item.rejected.get("no_header"):
            raise PermanentError(
                action="read",
                subject=item.name,
                cause=f"it has no header line with a column {columns[item.name]}",
                error_class="input",
                hint=header_hint(next((each.text for each in item.examples if each.kind == "no_header"), "")),
            )
    names = [name for rows in reading.tables for name in rows.columns if name != "ts"]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PermanentError(
            action="read telemetry of",
            subject=str(reading.day),
            cause=f"two sources have a signal called {', '.join(twice)}",
            error_class="configuration",
            hint="give the source in sources.beside another name",
        )

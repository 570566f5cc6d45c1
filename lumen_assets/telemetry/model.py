"""What a day of telemetry is, once read: the types that the report and the archive build on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import polars as pl

    from lumen_assets.settings import CsvTelemetry

SAMPLE_MARK: Final = "SAMPLE DATA"
"""Stands in the opening comment of every file that ``lumen demo`` writes."""


@dataclass(frozen=True)
class Clock:
    """How a CSV of telemetry tells the time.

    Attributes:
        column: the name of the column that holds the timestamps, whatever its case.
        form: ISO 8601, or seconds or milliseconds since 1970 UTC.
        offset: from UTC, of ISO 8601 times without one, as ``+09:00``; without it such times are none.
    """

    column: str = "ts"
    form: Literal["iso", "unix_s", "unix_ms"] = "iso"
    offset: str = ""

    @property
    def is_usual(self) -> bool:
        """Whether its times are ISO 8601 with an offset."""
        return self.form == "iso" and not self.offset


def clock_of(source: CsvTelemetry) -> Clock:
    """The clock that is configured for a file."""
    return Clock(source.timestamp, source.timestamp_form, source.timestamp_offset or "")


@dataclass(frozen=True)
class TelemetryFile:
    """A CSV of telemetry among the inputs.

    Attributes:
        path: under the data root.
        clock: how it tells the time.
        source: its name in ``sources.beside``; empty for ``sources.telemetry``.
        configured: the columns that the settings name; None: all that there are.
    """

    path: str
    clock: Clock = Clock()
    source: str = ""
    configured: frozenset[str] | None = None

    @property
    def prefix(self) -> str:
        """What the names of its signals begin with."""
        return f"{self.source}." if self.source else ""

    @property
    def name(self) -> str:
        """Its path as inputs are called."""
        return PurePosixPath(self.path).as_posix()


@dataclass(frozen=True)
class Rejected:
    """One line that was left out of the numbers.

    Attributes:
        line: its number in the day's slice of the file, from 1, as ``sed -n 'Np'`` counts.
        kind: why, one of the kinds in ``telemetry/reading.py``.
        text: the line itself, cut to 120 characters, control characters replaced.
    """

    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class InputSlice:
    """The part of one input that belongs to a day, as it lies in the slice folder.

    Attributes:
        role: what it is for us: ``telemetry``, ``rules_effects``, ``rules_history``, ``quotes_bank``,
            ``risk_ledger``, ``gateway``, or ``extra``.
        name: its path under the data root, with ``/``: ``logs/metrics.csv``. Also its path in the folder.
        present: whether the source file exists.
        source_size: bytes of the source file when it was cut; 0 if absent.
        byte_range: first byte and one past the last byte of the day's section in the source file.
        size: bytes of the slice (its preamble, that is comment and header lines, included).
        sha256: digest of the slice, lower-case hex; of nothing if absent.
        by_day: whether it is cut by timestamps; else every day has the whole file, as it was then.
        link: whether it was read through a symbolic link.
        preamble: bytes of comment and header lines at the front of the slice; 0 of a whole file.
    """

    role: str
    name: str
    present: bool
    source_size: int
    byte_range: tuple[int, int]
    size: int
    sha256: str
    by_day: bool = True
    link: bool = False
    preamble: int = 0

    @property
    def has_lines(self) -> bool:
        """Whether the slice has anything but comments and header."""
        return self.size > self.preamble


@dataclass(frozen=True)
class DaySlice:
    """A folder that holds the day's part of every input, verbatim, and nothing else.

    Attributes:
        day: the KST day.
        folder: where the slices lie, each under its ``InputSlice.name``.
        inputs: one entry for every configured input, absent ones included, sorted by name.
    """

    day: date
    folder: Path
    inputs: tuple[InputSlice, ...]


@dataclass(frozen=True)
class Asked:
    """What a Prometheus was asked for a day's rows, as the file of the rows says it.

    Attributes:
        server: scheme, host and port of its address; empty where an older file does not say it.
        step: time between two rows, as ``15s``.
        queries: the columns of the rows, in their order, each with its PromQL expression.
    """

    server: str
    step: str
    queries: tuple[tuple[str, str], ...]


def left_out(rejected: Mapping[str, int]) -> dict[str, int]:
    """Lines with which something is lost, by kind, of those that were rejected: all but the ``blank`` ones."""
    return {kind: count for kind, count in rejected.items() if kind != "blank"}


@dataclass(frozen=True)
class InputReading:
    """What reading one slice found.

    Attributes:
        role, name, present: as in ``InputSlice``.
        rows: data lines that were accepted.
        rejected: how many lines were left out, by kind; empty if none. Of ``blank`` ones nothing is lost: ``left_out``.
        examples: the first few of them, in file order.
        notes: things that are not errors but worth saying, by kind: ``clock_backwards`` (times the clock
            stepped back), ``nan_cells``, ``empty_cells``, ``text_cells``.
        sha256: digest of the slice.
        other_days: of telemetry, how many of the lines that were left out are of each other day, by day.
        asked: of telemetry from a Prometheus, what that was asked.
    """

    role: str
    name: str
    present: bool
    rows: int
    rejected: Mapping[str, int]
    examples: tuple[Rejected, ...]
    notes: Mapping[str, int]
    sha256: str
    other_days: Mapping[date, int] = field(default_factory=dict)
    asked: Asked | None = None


@dataclass(frozen=True)
class RuleChange:
    """A line of ``controls/rules_history.jsonl``: an actor gave a rule a new value at an instant (KST)."""

    at: datetime
    actor: str
    rule: str
    old: str
    new: str
    note: str


@dataclass(frozen=True)
class RecordedEffect:
    """A row of ``logs/rules_effects.csv``.

    Attributes:
        at: instant of the rule change, KST.
        pre_seconds, post_seconds: the windows, in seconds; None if empty.
        deltas: ``d_X`` by X (``phase``, ``entropy``, ``creative``, ``risk``); None where not measured.
        before, after: ``pre_X`` and ``post_X`` of the same ``X``, where there are such columns; the same way.
        rounding: by the same ``X``, how far these numbers may be from those that they were rounded from.
    """

    at: datetime
    actor: str
    rule: str
    old: str
    new: str
    pre_seconds: float | None
    post_seconds: float | None
    deltas: Mapping[str, float | None]
    before: Mapping[str, float | None] = field(default_factory=dict)
    after: Mapping[str, float | None] = field(default_factory=dict)
    rounding: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Quote:
    """A line of ``controls/quotes_bank.jsonl``; ``confidence`` is 0 to 1."""

    at: datetime
    by: str
    rule: str
    delta: Mapping[str, float]
    confidence: float
    quote: str


@dataclass(frozen=True)
class Risk:
    """A line of ``controls/risk_ledger.jsonl``; ``severity`` is info, warn or crit, or what else was written."""

    at: datetime
    severity: str
    rule: str
    signal: Mapping[str, float]
    note: str


@dataclass(frozen=True)
class DayTelemetry:
    """Everything known of one KST day.

    Attributes:
        day: the KST day.
        rows: ``ts`` (Datetime, microseconds, UTC; sorted, unique) and one Float64 column a signal, in file
            order of the header; null where a cell was empty or not a finite number. May have no rows, and
            may have no signal columns.
        beside: the same of the telemetry that is read beside it, in the order of the configuration.
        text_columns: names of columns that were left out of all of these, as text: see ``telemetry/reading.py``.
        rule_changes, effects, quotes, risks: in order of time.
        gateway_status: ``gateway.status`` of ``gateway_activation.yaml``; None if absent or unreadable.
        inputs: one entry for every configured input, sorted by name.
        sample: whether any input says that it is sample data.
    """

    day: date
    rows: pl.DataFrame
    rule_changes: tuple[RuleChange, ...]
    effects: tuple[RecordedEffect, ...]
    quotes: tuple[Quote, ...]
    risks: tuple[Risk, ...]
    gateway_status: str | None
    inputs: tuple[InputReading, ...]
    sample: bool
    beside: tuple[pl.DataFrame, ...] = ()
    text_columns: frozenset[str] = frozenset()

    @property
    def tables(self) -> tuple[pl.DataFrame, ...]:
        """All rows: ``rows`` and those of ``beside``. No two have a signal of the same name."""
        return (self.rows, *self.beside)

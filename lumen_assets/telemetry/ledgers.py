"""The ledgers' lines of a day as typed records: rule changes, recorded effects, quotes, risks."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from lumen_assets.days import KST, day_of
from lumen_assets.telemetry.instants import instant
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import SAMPLE_MARK, Quote, RecordedEffect, Risk, RuleChange
from lumen_assets.telemetry.numbers import BAD, FINE, NOT_FINITE, cell_number, rounding
from lumen_assets.telemetry.preamble import csv_preamble, first_line_start, header_cells, split_cells
from lumen_assets.telemetry.rejections import Rejections

_SEVERITIES: Final = {
    "info": "info", "warn": "warn", "warning": "warn", "crit": "crit", "critical": "crit"
}  # fmt: skip
"""By how they are written, in any case."""

Record = TypeVar("Record")


class BadLineError(ValueError):
    """A line that cannot be used; ``kind`` says why."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


@dataclass
class LedgerReading(Generic[Record]):
    """What one ledger's slice holds; ``records`` in order of time."""

    records: tuple[Record, ...] = ()
    rejections: Rejections = field(default_factory=Rejections)
    notes: Counter[str] = field(default_factory=Counter)
    sample: bool = False


def _lines(source: Source, start: int, rejections: Rejections) -> Iterator[tuple[int, bytes, bool]]:
    """Number, content and whether it ends with a newline, of every line that is neither blank nor too long."""
    first = source.read(0, start).count(b"\n") + 1
    for number, line in enumerate(source.lines(start), start=first):
        if line.content is None:
            rejections.add("too_long", number, source.read(line.offset, 1024))
        elif not line.content.strip():
            rejections.add("blank", number, line.content)
        else:
            yield number, line.content, line.end - line.offset > len(line.content)


def _moment(value: object, day: date) -> datetime:
    moment = instant(value.strip()) if isinstance(value, str) else None
    try:
        moment = moment and moment.astimezone(KST)
    except OverflowError:
        moment = None
    if moment is None:
        raise BadLineError("bad_timestamp")
    if day_of(moment) != day:
        raise BadLineError("other_day")
    return moment


# ---- JSON lines ------------------------------------------------------------------------------------------------


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadLineError("bad_value")
    return value


def _decode(content: bytes, terminated: bool) -> dict[str, Any]:
    if not terminated:
        raise BadLineError("torn")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadLineError("not_utf8") from error
    try:
        record = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except BadLineError:
        raise
    except (ValueError, RecursionError) as error:
        raise BadLineError("bad_json") from error
    if not isinstance(record, dict):
        raise BadLineError("bad_json")
    return record


def _needs(record: Mapping[str, Any], *names: str) -> None:
    if not record.keys() >= set(names):
        raise BadLineError("missing_field")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise BadLineError("bad_value")
    return value


def _as_text(value: object) -> str:
    """A rule's value as text: strings as they are, others as JSON writes them, null as nothing."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLineError("bad_value")
    try:
        return float(value)
    except OverflowError as error:
        raise BadLineError("bad_value") from error


def _numbers(value: object) -> dict[str, float]:
    """Numbers by name; those that are null were not measured and are left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadLineError("bad_value")
    return {name: _number(number) for name, number in value.items() if number is not None}


def _rule_change(record: Mapping[str, Any], at: datetime) -> RuleChange:
    _needs(record, "actor", "rule", "old", "new")
    actor, rule = _string(record["actor"]), _string(record["rule"])
    return RuleChange(at, actor, rule, _as_text(record["old"]), _as_text(record["new"]), _as_text(record.get("note")))


def _quote(record: Mapping[str, Any], at: datetime) -> Quote:
    _needs(record, "by", "rule", "delta", "confidence", "quote")
    confidence = _number(record["confidence"])
    if not 0 <= confidence <= 1:
        raise BadLineError("bad_value")
    by, rule, quote = (_string(record[name]) for name in ("by", "rule", "quote"))
    return Quote(at, by, rule, _numbers(record["delta"]), confidence, quote)


def _severity(value: object) -> str:
    """``info``, ``warn`` or ``crit``, or what somebody else calls theirs: a grave risk is not lost for its word."""
    written = _string(value).strip()
    if not written:
        raise BadLineError("bad_value")
    return _SEVERITIES.get(written.casefold(), written)


def _risk(record: Mapping[str, Any], at: datetime) -> Risk:
    _needs(record, "severity", "rule", "signal", "note")
    return Risk(
        at, _severity(record["severity"]), _string(record["rule"]), _numbers(record["signal"]), _as_text(record["note"])
    )


def _read_jsonl(path: Path, day: date, make: Callable[[Mapping[str, Any], datetime], Record]) -> LedgerReading[Record]:
    reading: LedgerReading[Record] = LedgerReading()
    records = []
    with path.open("rb") as file:
        source = Source(file.fileno())
        for number, content, terminated in _lines(source, first_line_start(source), reading.rejections):
            try:
                record = _decode(content, terminated)
                reading.sample |= record.get("sample") is True
                _needs(record, "ts")
                records.append(make(record, _moment(record["ts"], day)))
            except BadLineError as error:
                reading.rejections.add(error.kind, number, content)
    _note_order(records, reading.notes)
    reading.records = tuple(sorted(records, key=attrgetter("at")))
    return reading


def _note_order(records: list[Any], notes: Counter[str]) -> None:
    backwards = sum(later.at < earlier.at for earlier, later in pairwise(records))
    if backwards:
        notes["clock_backwards"] = backwards


def read_rule_changes(path: Path, day: date) -> LedgerReading[RuleChange]:
    """The day's lines of ``controls/rules_history.jsonl``."""
    return _read_jsonl(path, day, _rule_change)


def read_quotes(path: Path, day: date) -> LedgerReading[Quote]:
    """The day's lines of ``controls/quotes_bank.jsonl``."""
    return _read_jsonl(path, day, _quote)


def read_risks(path: Path, day: date) -> LedgerReading[Risk]:
    """The day's lines of ``controls/risk_ledger.jsonl``."""
    return _read_jsonl(path, day, _risk)


# ---- rules_effects.csv -----------------------------------------------------------------------------------------


_WINDOWS: Final = frozenset({"pre_s", "post_s"})
"""Columns of seconds, whatever signals there are."""


def _cell(text: str, notes: Counter[str]) -> float | None:
    value, state = cell_number(text)
    if state == BAD:
        raise BadLineError("bad_value")
    notes["nan_cells"] += state == NOT_FINITE
    return value


def _effect_cells(content: bytes, terminated: bool, header: tuple[str, ...]) -> dict[str, str] | None:
    """The cells of a line by column; None for a comment."""
    if content.lstrip().startswith(b"#"):
        return None
    if header_cells(content):
        raise BadLineError("repeated_header")
    if not header:
        raise BadLineError("no_header")
    try:
        cells = split_cells(content.decode("utf-8").removesuffix("\r"))
    except UnicodeDecodeError as error:
        raise BadLineError("not_utf8") from error
    except csv.Error as error:
        raise BadLineError("torn") from error
    if not terminated or len(cells) != len(header):
        raise BadLineError("torn")
    return dict(zip(header, cells, strict=True))


def _effect(cells: dict[str, str], at: datetime, notes: Counter[str]) -> RecordedEffect:
    _needs(cells, "actor", "rule", "old", "new")
    found: Counter[str] = Counter()
    signals = [name.removeprefix("d_") for name in cells if name.startswith("d_")]

    def of_signals(prefix: str) -> dict[str, float | None]:
        columns = {name: f"{prefix}{name}" for name in signals if f"{prefix}{name}" in cells.keys() - _WINDOWS}
        return {name: _cell(cells[column], found) for name, column in columns.items()}

    def rounding_of(signal: str) -> float:
        """By the finest of its numbers: many writers leave zeros at the end out."""
        texts = [cells.get(f"{prefix}{signal}", "") for prefix in ("d_", "pre_", "post_")]
        return min((rounding(text) for text in texts if cell_number(text)[1] == FINE), default=0.0)

    effect = RecordedEffect(
        at=at,
        actor=cells["actor"],
        rule=cells["rule"],
        old=cells["old"],
        new=cells["new"],
        pre_seconds=_cell(cells.get("pre_s", ""), found),
        post_seconds=_cell(cells.get("post_s", ""), found),
        deltas=of_signals("d_"),
        before=of_signals("pre_"),
        after=of_signals("post_"),
        rounding={name: rounding_of(name) for name in signals},
    )
    notes.update(found)
    return effect


def read_effects(path: Path, day: date) -> LedgerReading[RecordedEffect]:
    """The day's lines of ``logs/rules_effects.csv``."""
    reading: LedgerReading[RecordedEffect] = LedgerReading()
    records = []
    with path.open("rb") as file:
        source = Source(file.fileno())
        front = csv_preamble(source)
        reading.sample = any(SAMPLE_MARK in comment for comment in front.comments)
        if front.header is None:
            reading.notes["no_header" if source.size else "empty_file"] = 1
        header = front.header or ()
        for number, content, terminated in _lines(source, front.end, reading.rejections):
            try:
                cells = _effect_cells(content, terminated, header)
                if cells is not None:
                    moment = _moment(cells[header[0]], day)
                    records.append(_effect(cells, moment, reading.notes))
            except BadLineError as error:
                reading.rejections.add(error.kind, number, content)
    _note_order(records, reading.notes)
    reading.notes = +reading.notes
    reading.records = tuple(sorted(records, key=attrgetter("at")))
    return reading

"""Every number of a report, from files of random rows and ledgers, against plain Python on the same lines.

The whole JSON is compared, key by key: a number that is not expected fails, so none goes unlooked at. Texts, inputs
(``telemetry``'s tests), sources (``test_provenance``) and the last 28 days (``test_from_file_to_findings``) are left
to others.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lumen_assets.report import build_report
from lumen_assets.telemetry import TelemetryFile, cut_day, read_day
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets_tests.report.plainly import (
    COLUMNS,
    DAY_MS,
    NUMBERS,
    TARGETS,
    WORDS,
    Day,
    Lines,
    instant,
    plain_report,
    telling,
)
from lumen_assets_tests.report.scenes import DAY, DAY_BEFORE, configuration

CELL = st.one_of(
    st.sampled_from(["", "nan", "NaN", "inf", "-Infinity", "0.05", "0.24", "-0.0", "1e-320", "true"]),
    st.floats(-1, 1).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
CALM = st.one_of(st.just(""), st.sampled_from(["0.05", "0.24"]), st.floats(0, 1).map(repr))
NOON = DAY_MS // 2
MOMENT = st.one_of(st.integers(0, DAY_MS - 1), st.sampled_from([0, 5_000, NOON, DAY_MS - 20_000, DAY_MS - 1]))


@st.composite
def days(draw: st.DrawFn) -> Day:
    times = draw(st.lists(MOMENT, unique=True, max_size=3))
    cells = draw(st.lists(st.tuples(*[draw(st.sampled_from([CELL, CALM]))] * len(COLUMNS)), min_size=1, max_size=7))
    moments = draw(st.sets(st.integers(-DAY_MS, DAY_MS - 1), max_size=20))
    every = draw(st.sampled_from([200, 500, 580, 600]))
    for time in times:
        if draw(st.booleans()):
            moments |= {m for m in range(time - 32_000, time + 32_000, every) if m < DAY_MS}
    lines = {moment: cells[i * (i + 3) // 2 % len(cells)] for i, moment in enumerate(sorted(moments))}
    words = draw(st.lists(st.sampled_from(["", "", *WORDS]), min_size=1, max_size=5))
    for number, moment in enumerate(lines):
        if word := words[number % len(words)]:
            lines[moment] = (*lines[moment][:-1], word)
    if lines and draw(st.booleans()):
        lines[max(lines)] = draw(st.tuples(*[CELL] * len(COLUMNS)))  # one that may lie far from all others
    numbers = dict.fromkeys(NUMBERS, st.one_of(st.just(""), st.floats(-1, 1).map(repr)))
    recorded = st.fixed_dictionaries({**numbers, "actor": st.sampled_from("ab")})
    effects = [(time, draw(st.sampled_from(["r", "s"])), draw(recorded)) for time in times if draw(st.booleans())]
    number = st.floats(-1e6, 1e6)
    notes = st.dictionaries(st.sampled_from(["phase", "risk"]), number)
    quotes = draw(st.lists(st.tuples(MOMENT, st.sampled_from([0.0, 0.5, 0.9]) | st.floats(0, 1), notes), max_size=5))
    risks = draw(st.lists(st.tuples(MOMENT, st.sampled_from(["crit", "warn", "info"]), notes), max_size=5))
    return Day(lines, [(time, "r", {}) for time in times], effects, quotes, risks)


def quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell else cell


def stamp(moment: int) -> str:
    return instant(moment).isoformat(timespec="milliseconds")


def write(root: Path, day: Day) -> None:
    def put(name: str, lines: Iterable[str]) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    put(
        "logs/metrics.csv",
        [f"ts,{','.join(COLUMNS)}", *(f"{stamp(m)},{','.join(map(quoted, c))}" for m, c in sorted(day.lines.items()))],
    )
    head = f"rule_ts,actor,rule,old,new,pre_s,post_s,{','.join(NUMBERS)}"
    rows = (
        f"{stamp(m)},{cells.get('actor', 'a')},{rule},0,1,30,30,{','.join(cells.get(name, '') for name in NUMBERS)}"
        for m, rule, cells in day.effects
    )
    put("logs/rules_effects.csv", [head, *rows])
    for name, records in {
        "rules_history": [{"ts": stamp(m), "actor": "a", "rule": r, "old": 0, "new": 1} for m, r, _ in day.changes],
        "quotes_bank": [
            {"ts": stamp(m), "by": "b", "rule": "r", "delta": delta, "confidence": sure, "quote": str(i)}
            for i, (m, sure, delta) in enumerate(day.quotes)
        ],
        "risk_ledger": [
            {"ts": stamp(m), "severity": severity, "rule": "r", "signal": signal, "note": str(i)}
            for i, (m, severity, signal) in enumerate(day.risks)
        ],
    }.items():
        put(f"controls/{name}.jsonl", map(json.dumps, records))


def report_of(day: Day) -> dict[str, Any]:
    """The JSON of the report, by way of files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, day)
        extra = ("controls/*.jsonl", "logs/rules_effects.csv")
        files = [TelemetryFile("logs/metrics.csv", configured=frozenset(TARGETS))]
        today, before = (
            read_day(cut_day(FolderRoot(root), d, root / "slices" / str(d), telemetry=files, extra=extra), files)
            for d in (DAY, DAY_BEFORE)
        )
        found: dict[str, Any] = json.loads(build_report(today, before, configuration("en")).to_json())
        return found


def times(value: Any) -> Any:
    """With the instants in it as such: they are written with as many digits as they have."""
    if isinstance(value, dict):
        return {k: datetime.fromisoformat(v) if k in ("at", "start", "end") else times(v) for k, v in value.items()}
    return [times(v) for v in value] if isinstance(value, list) else value


def compare(found: Any, expected: Any, path: str = "report") -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict), path
        assert found.keys() == expected.keys(), path
        for key in expected:
            compare(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), path
        assert len(found) == len(expected), path
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            compare(one, other, f"{path}[{i}]")
    else:
        assert expected == found, path


def around_noon(*texts: str) -> Lines:
    """The cells in turn, at 5 Hz."""
    return {NOON - 31_000 + 200 * i: (texts[i % len(texts)],) * len(COLUMNS) for i in range(310)}


@settings(max_examples=60)
@given(days())
@example(Day({}))
@example(Day({0: ("0.1", "0.1", "0.1")}))
@example(Day({600_000 * i: ("0.1",) * 3 for i in range(13)}))
@example(Day({-1: ("0.1", "nan", ""), 0: ("0.1", "inf", "")}))
@example(Day(around_noon("0.1"), [(NOON, "r", {})], [(NOON, "r", {"d_phase": "0.1", "d_creative": "0.0"})]))
@example(Day(around_noon("0", "1"), [(NOON, "r", {})], [(NOON, "r", {"d_phase": "0.02", "d_creative": "0.005"})]))
@example(Day(around_noon("0.1"), [(NOON, "r", {})], [(NOON, "r", {"pre_own": "0.104", "post_own": "0.106"})]))
@example(Day(around_noon("0.1"), [(NOON, "r", {})], [(NOON, "r", {"pre_phase": "0.2", "actor": "b"})]))
@example(Day(around_noon("0.14"), [(NOON, "r", {})], [(NOON, "r", {"pre_phase": "0.1", "post_phase": "0.2"})]))
@example(Day(around_noon("nan"), [(NOON, "r", {})]))
@example(Day({n: ("0.1", "0.1", "503" if n == 7 else "OK") for n in range(20)}))
@example(Day({-n - 1: ("0.1", "0.1", "OK") for n in range(20)} | dict.fromkeys(range(20), ("0.1", "0.1", "0.1"))))
@example(Day({n: ("0.1", "0.1", "OK" if n % 2 else "0.1") for n in range(20)}))
@example(Day(around_noon("1e308"), [(NOON, "r", {})]))
def test_every_number_is_that_of_plain_python(day: Day) -> None:
    found = report_of(day)
    findings = {(f["kind"], f["signal"]): f["numbers"] for f in found["findings"]}
    assert len(findings) == len(found["findings"])
    compare(findings, telling(found), "findings")
    others = ("findings", "inputs", "sources", "history", "grafana", "title", "language", "sample", "gateway_status")
    compare(times({key: part for key, part in found.items() if key not in others}), plain_report(day, found))

"""Ledgers, gateway, and a whole day read from its slice."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lumen_assets.telemetry import DayTelemetry, TelemetryFile, cut_day, read_day
from lumen_assets.telemetry.ledgers import read_effects, read_quotes, read_risks, read_rule_changes
from lumen_assets.telemetry.lines import MAX_LINE
from lumen_assets.telemetry.reading import read_gateway
from lumen_assets.telemetry.roots import FolderRoot

DAY = date(2025, 11, 21)
TS = "2025-11-21T09:00:00+09:00"
CHANGE = {"ts": TS, "actor": "지휘자", "rule": "gain", "old": 0.3, "new": "강하게", "note": "이유"}
QUOTE = {"ts": TS, "by": "lumen", "rule": "gain", "delta": {"phase": -0.01}, "confidence": 0.5, "quote": "좋다"}
RISK = {"ts": TS, "severity": "warn", "rule": "gain", "signal": {"risk_band": 0.4}, "note": ""}
READERS = {"change": (read_rule_changes, CHANGE), "quote": (read_quotes, QUOTE), "risk": (read_risks, RISK)}


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "ledger"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def line(record: dict, **changes: object) -> str:
    merged = {**record, **changes}
    return json.dumps({k: v for k, v in merged.items() if v is not ...}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", READERS)
def test_good_lines_are_read_in_order_of_time(tmp_path, name):
    read, record = READERS[name]
    later, earlier = line(record, ts="2025-11-21T03:00:00Z"), line(record)
    reading = read(write(tmp_path, "\ufeff" + later + earlier), DAY)
    assert [item.at.isoformat() for item in reading.records] == [TS, "2025-11-21T12:00:00+09:00"]
    assert reading.notes == {"clock_backwards": 1}
    assert not reading.rejections.counts


def test_fields(tmp_path):
    (change,) = read_rule_changes(write(tmp_path, line(CHANGE, note=...)), DAY).records
    assert (change.actor, change.rule, change.old, change.new, change.note) == ("지휘자", "gain", "0.3", "강하게", "")
    (quote,) = read_quotes(write(tmp_path, line(QUOTE, delta={"phase": -1, "risk": None})), DAY).records
    assert (quote.by, quote.delta, quote.confidence, quote.quote) == ("lumen", {"phase": -1.0}, 0.5, "좋다")
    (risk,) = read_risks(write(tmp_path, line(RISK)), DAY).records
    assert (risk.severity, risk.signal) == ("warn", {"risk_band": 0.4})


@pytest.mark.parametrize(
    ("written", "severity"),
    [
        ("crit", "crit"), ("CRIT", "crit"), ("Critical", "crit"), (" warning ", "warn"), ("WARN", "warn"),
        ("Info", "info"), ("fatal", "fatal"), ("심각", "심각"), ("Sev 1", "Sev 1"),
    ],
)  # fmt: skip
def test_a_severity_is_taken_for_what_it_plainly_is_or_as_it_is(tmp_path, written, severity):
    reading = read_risks(write(tmp_path, line(RISK, severity=written)), DAY)
    assert [risk.severity for risk in reading.records] == [severity]
    assert not reading.rejections.counts


BAD = [
    ("change", "bad_json", "{not json\n"),
    ("change", "bad_json", "[1]\n"),
    ("change", "bad_json", "[" * 100_000 + "\n"),
    ("change", "blank", " \n"),
    ("change", "torn", line(CHANGE).rstrip("\n")),
    ("change", "bad_timestamp", line(CHANGE, ts="2025-11-21T09:00:00")),
    ("change", "bad_timestamp", line(CHANGE, ts=5)),
    ("change", "bad_timestamp", line(CHANGE, ts="9999-12-31T23:59:59-10:00")),
    ("change", "missing_field", line(CHANGE, ts=...)),
    ("change", "missing_field", line(CHANGE, new=...)),
    ("change", "other_day", line(CHANGE, ts="2025-11-21T15:00:00Z")),
    ("change", "bad_value", line(CHANGE, actor=None)),
    ("change", "bad_value", line(CHANGE, new=float("nan"))),
    ("change", "too_long", line(CHANGE, note="x" * MAX_LINE)),
    ("change", "not_utf8", line(CHANGE).encode().replace(b"gain", b"\xff")),
    ("quote", "bad_value", line(QUOTE, confidence=1.01)),
    ("quote", "bad_value", line(QUOTE, confidence=True)),
    ("quote", "bad_value", line(QUOTE, confidence="0.5")),
    ("quote", "bad_value", line(QUOTE).replace("0.5", "1e999")),
    ("quote", "bad_value", line(QUOTE, delta={"phase": float("inf")})),
    ("quote", "bad_value", line(QUOTE, delta=[1])),
    ("quote", "bad_value", line(QUOTE, confidence=10**400)),
    ("quote", "missing_field", line(QUOTE, quote=...)),
    ("risk", "bad_value", line(RISK, severity=" ")),
    ("risk", "bad_value", line(RISK, severity=3)),
    ("risk", "bad_value", line(RISK, severity=["warn"])),
    ("risk", "bad_value", line(RISK, signal={"risk_band": "high"})),
    ("risk", "missing_field", line(RISK, signal=...)),
]


@pytest.mark.parametrize(("name", "kind", "bad"), BAD)
def test_bad_json_lines(tmp_path, name, kind, bad):
    read, record = READERS[name]
    content = line(record).encode() + (bad.encode() if isinstance(bad, str) else bad)
    reading = read(write(tmp_path, content), DAY)
    assert dict(reading.rejections.counts) == {kind: 1}
    assert [example.line for example in reading.rejections.examples()] == [2]
    assert len(reading.records) == 1


EFFECTS = "rule_ts,actor,rule,old,new,pre_s,post_s,pre_phase,post_phase,d_phase,d_risk\n"


def test_effects(tmp_path):
    content = EFFECTS + f'{TS},lumen,"gain, ""x""",0.1,0.2,30,29.5,0.05,0.04,-0.01,\n'
    (effect,) = read_effects(write(tmp_path, content), DAY).records
    assert (effect.at.isoformat(), effect.rule, effect.old, effect.new) == (TS, 'gain, "x"', "0.1", "0.2")
    assert (effect.pre_seconds, effect.post_seconds) == (30.0, 29.5)
    assert effect.deltas == {"phase": -0.01, "risk": None}
    assert (effect.before, effect.after) == ({"phase": 0.05}, {"phase": 0.04})


def test_only_signals_with_an_effect_have_means_and_windows_are_none(tmp_path):
    header = "rule_ts,actor,rule,old,new,pre_s,post_s,d_s,post_mortem,pre_load,post_load,d_load\n"
    content = f"{header}{TS},lumen,gain,0,1,30,30,0.5,none,,2,nan\n"
    reading = read_effects(write(tmp_path, content), DAY)
    (effect,) = reading.records
    assert (effect.deltas, effect.before, effect.after) == ({"s": 0.5, "load": None}, {"load": None}, {"load": 2.0})
    assert reading.notes == {"nan_cells": 1}


@pytest.mark.parametrize(
    ("cells", "rounding"),
    [
        (",,0.1", 0.05), (",,0.10", 0.005), (",,0", 0.5), (",, -1.25e-3", 0.000005), ("0.3,0.4,0.1", 0.05),
        ("0.3012,,0.0", 0.00005), (",,", 0.0), ("nan,,", 0.0), ("true,,", 0.0), (",,0e999", 0.0),
        (f",,0e{'9' * 30}", 0.0),
    ],
)  # fmt: skip
def test_what_effects_were_rounded_by_is_read_from_their_digits(tmp_path, cells, rounding):
    content = EFFECTS + f"{TS},lumen,gain,0.1,0.2,30,30,{cells},0.0001\n"
    (effect,) = read_effects(write(tmp_path, content), DAY).records
    assert effect.rounding == pytest.approx({"phase": rounding, "risk": 0.00005})


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("repeated_header", EFFECTS),
        ("torn", f"{TS},lumen,gain\n"),
        ("torn", f'{TS},lumen,"gain,0.1,0.2,30,30,1,1,1,1\n'),
        ("torn", f"{TS},lumen,gain,0.1,0.2,30,30,1,1,1,1"),
        ("blank", "\n"),
        ("bad_timestamp", "soon,lumen,gain,0.1,0.2,30,30,1,1,1,1\n"),
        ("other_day", "2025-11-20T09:00:00+09:00,lumen,gain,0.1,0.2,30,30,1,1,1,1\n"),
        ("bad_value", f"{TS},lumen,gain,0.1,0.2,30,30,1,1,x,1\n"),
        ("bad_value", f"{TS},lumen,gain,0.1,0.2,30,30,1,x,1,1\n"),
    ],
)
def test_bad_effects(tmp_path, kind, bad):
    reading = read_effects(write(tmp_path, EFFECTS + bad), DAY)
    assert dict(reading.rejections.counts) == {kind: 1}
    assert reading.records == ()


def test_effects_without_header_are_not_guessed(tmp_path):
    reading = read_effects(write(tmp_path, f"{TS},lumen,gain\n"), DAY)
    assert (reading.notes, dict(reading.rejections.counts)) == ({"no_header": 1}, {"no_header": 1})


@pytest.mark.parametrize(
    ("content", "status", "notes"),
    [
        ("gateway:\n  status: resonating\n", "resonating", {}),
        ("gateway:\n  status: exploding\n", None, {"unknown_status": 1}),
        ("gateway: locked\n", None, {"unknown_status": 1}),
        ("", None, {"unknown_status": 1}),
        ("gateway: [\n", None, {"bad_yaml": 1}),
        ("gateway: !!python/object/apply:os.getcwd []\n", None, {"bad_yaml": 1}),
        (b"\xff\xfe\x00", None, {"bad_yaml": 1}),
    ],
)
def test_gateway(tmp_path, content, status, notes):
    assert read_gateway(write(tmp_path, content)) == (status, notes, False)


def read_root(root: Path) -> DayTelemetry:
    (root / "logs").mkdir(exist_ok=True)
    extra = ["*.yaml", "controls/*.jsonl"]
    files = [TelemetryFile("logs/metrics.csv")]
    return read_day(cut_day(FolderRoot(root), DAY, root / "slices" / "x", telemetry=files, extra=extra), files)


def test_a_whole_day_and_its_absent_inputs(tmp_path):
    (tmp_path / "controls").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/metrics.csv").write_text(f"ts,a\n{TS},1\n")
    (tmp_path / "controls/risk_ledger.jsonl").write_text(line(RISK) + "\n")
    (tmp_path / "controls/more.jsonl").write_text(line(RISK) + line(RISK, ts="2025-11-25T00:00:00Z"))
    (tmp_path / "gateway_activation.yaml").write_text("gateway: {status: locked}\n")
    found = read_root(tmp_path)
    assert found.rows.height == len(found.risks) == 1
    assert (found.gateway_status, found.rule_changes, found.quotes, found.sample) == ("locked", (), (), False)
    assert [(i.name, i.present, i.rows, i.rejected) for i in found.inputs] == [
        ("controls/more.jsonl", True, 1, {}),
        ("controls/quotes_bank.jsonl", False, 0, {}),
        ("controls/risk_ledger.jsonl", True, 1, {"blank": 1}),
        ("controls/rules_history.jsonl", False, 0, {}),
        ("gateway_activation.yaml", True, 1, {}),
        ("logs/metrics.csv", True, 1, {}),
    ]


@pytest.mark.parametrize("name", ["logs/metrics.csv", "controls/risk_ledger.jsonl", "gateway_activation.yaml"])
def test_any_input_can_say_that_it_is_sample_data(tmp_path, name):
    (tmp_path / "controls").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/metrics.csv").write_text("ts,a\n")
    marked = line(RISK, sample=True) if name.endswith("jsonl") else "# SAMPLE DATA\nts,a\n"
    (tmp_path / name).write_text(marked)
    assert read_root(tmp_path).sample

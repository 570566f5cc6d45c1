"""Inputs as they really are: every bad row is counted and shown, an odd day is said, an unusable one is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation

DAY = LAST_DAY
HEADER = "ts,phase_diff,entropy_rate,creative_band,risk_band"


@pytest.fixture
def bare(tmp_path: Path) -> Installation:
    """An installation whose data root has an empty ``logs`` folder."""
    installation = Installation(tmp_path)
    (installation.data_root / "logs").mkdir(parents=True)
    (tmp_path / "lumen.yaml").write_text("start_date: 2026-02-01\nsources: {telemetry: {rate_hz: 1}}\n")
    return installation


def row(second: int, values: str = "0.04,0.25,0.3,0.2", *, days: int = 0) -> str:
    moment = f"{DAY + timedelta(days=days)}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000+09:00"
    return f"{moment},{values}"


def write(installation: Installation, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    (installation.data_root / "logs" / "metrics.csv").write_bytes(data)


def run(installation: Installation, *options: str, exit_code: int = 0) -> dict[str, Any]:
    return installation.json("daily", "--day", str(DAY), *options, exit_code=exit_code)


def report_only(installation: Installation) -> tuple[dict[str, Any], str]:
    return report_of(run(installation, "--until", "report"))


def report_of(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    path = Path(found["report"])
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), path.read_text(encoding="utf-8")


def telemetry_input(report: dict[str, Any]) -> dict[str, Any]:
    (found,) = [item for item in report["inputs"] if item["role"] == "telemetry"]
    return found


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "blank"),
        (HEADER, "repeated_header"),
        (row(50) + ",0.5", "torn"),
        (row(50)[:40], "torn"),
        ("yesterday,0.04,0.25,0.3,0.2", "bad_timestamp"),
        (row(50).replace("+09:00", ""), "bad_timestamp"),
        (row(50, "0.04,err,0.3,0.2"), "bad_number"),
        (row(50, days=-7), "other_day"),
        (row(50, days=7), "other_day"),
        (row(10, "0.9,0.9,0.9,0.9"), "duplicate_timestamp"),
    ],
)
def test_each_kind_of_bad_row_is_counted_shown_and_left_out(bare: Installation, line: str, kind: str) -> None:
    good = [row(second) for second in range(100)]
    write(bare, "\n".join([HEADER, *good[:60], line, *good[60:], ""]))
    report, text = report_only(bare)
    item = telemetry_input(report)
    assert item["rejected"] == {kind: 1}
    assert (item["rows"], report["recording"]["rows"]) == (100, 100)
    assert [example["line"] for example in item["examples"]] == [62]
    assert report["signals"][0]["values"]["mean"] == pytest.approx(0.04)
    assert "62" in text


def test_no_row_is_lost_for_a_column_that_is_no_signal(bare: Installation) -> None:
    cells = [("OK" if second != 70 else "503", "err" if second == 30 else "7") for second in range(100)]
    lines = [f"{row(second)},{','.join(cell)}" for second, cell in enumerate(cells)]
    write(bare, "\n".join([f"{HEADER},http_status,own", *lines, ""]))
    report, text = report_only(bare)
    item = telemetry_input(report)
    assert (item["rows"], item["rejected"], item["notes"]) == (100, {}, {"text_cells": 1, "text_columns": 1})
    counts = {signal["name"]: signal["values"]["count"] for signal in report["signals"]}
    assert counts == {**dict.fromkeys(HEADER.split(",")[1:], 100), "own": 99}
    assert "숫자가 아닌 칸(글자)" in text


def test_a_bad_row_s_line_number_is_that_of_the_frozen_file(bare: Installation) -> None:
    write(bare, "\n".join([HEADER, row(0, days=-1), row(0), "bad line", row(1), ""]))
    report, _ = report_of(run(bare))
    (example,) = telemetry_input(report)["examples"]
    frozen = bare.root / "restored"
    bare.json("restore", str(DAY), "--to", frozen, "logs/metrics.csv")
    lines = (frozen / "logs" / "metrics.csv").read_text().splitlines()
    assert lines[example["line"] - 1] == "bad line"


def test_bytes_that_are_not_text_are_a_bad_row_too(bare: Installation) -> None:
    write(bare, "\n".join([HEADER, row(0), "PLACE", row(1), ""]).encode().replace(b"PLACE", b"\xff\xfe\x00\x80"))
    report, _ = report_only(bare)
    assert sum(telemetry_input(report)["rejected"].values()) == 1
    assert report["recording"]["rows"] == 2


def test_a_last_line_without_its_end_is_torn(bare: Installation) -> None:
    write(bare, "\n".join([HEADER, row(0), row(1), row(2)]))
    report, _ = report_only(bare)
    assert telemetry_input(report)["rejected"] == {"torn": 1}
    assert report["recording"]["rows"] == 2


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "inf", "-Infinity"])
def test_a_cell_without_a_number_is_not_measured_and_the_row_stays(bare: Installation, cell: str) -> None:
    write(bare, "\n".join([HEADER, row(0), row(1, f"{cell},0.25,0.3,0.2"), row(2), ""]))
    report, _ = report_only(bare)
    counts = {signal["name"]: signal["values"]["count"] for signal in report["signals"]}
    assert counts == {"phase_diff": 2, "entropy_rate": 3, "creative_band": 3, "risk_band": 3}
    assert telemetry_input(report)["rejected"] == {}
    assert sum(telemetry_input(report)["notes"].values()) == 1


def test_a_clock_that_steps_back_is_noted_and_the_rows_are_sorted(bare: Installation) -> None:
    write(bare, "\n".join([HEADER, *(row(second) for second in (0, 1, 2, 1800, 1801, 3, 4)), ""]))
    report, _ = report_only(bare)
    assert report["recording"]["rows"] == 7
    assert telemetry_input(report)["notes"]["clock_backwards"] == 1


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_crlf_are_nothing_special(bare: Installation, change: Callable[[str], str]) -> None:
    write(bare, change("\n".join([HEADER, row(0), row(1), ""])))
    report, _ = report_only(bare)
    assert telemetry_input(report)["rejected"] == {}
    assert report["recording"]["rows"] == 2
    assert report["signals"][0]["name"] == "phase_diff"


@pytest.mark.parametrize(
    "content",
    ["", HEADER + "\n", "\n".join([HEADER, row(0, days=-3), row(0, days=3), ""])],
    ids=["0 bytes", "only a header", "an empty day"],
)
def test_a_day_without_rows_has_a_report_that_says_so(bare: Installation, content: str) -> None:
    write(bare, content)
    found = run(bare)
    assert found["ok"]
    assert found["attestation"]["good"] == 2
    report, text = report_of(found)
    assert report["recording"]["rows"] == 0
    assert "기록이 없습니다" in text or "행이 없습니다" in text or "데이터가 없습니다" in text
    assert Path(found["pdf"]).stat().st_size > 1000


def test_a_missing_telemetry_file_is_a_clear_error_and_nothing_is_made(bare: Installation) -> None:
    found = run(bare, exit_code=1)
    assert "metrics.csv" in found["failures"]["telemetry"]
    assert "LUMEN_DATA_ROOT" in found["failures"]["telemetry"]
    assert "Trying again does not help" in found["failures"]["telemetry"]
    assert (found["report"], found["pdf"], found["archive"], found["attestation"]) == (None, None, None, None)
    assert list(bare.home.rglob("*.tink")) == []


@pytest.mark.parametrize(
    "content", [b"time,a\n2026-03-09T10:00:00+09:00,1\n", row(0).encode() + b"\n", bytes(range(256)) * 9]
)
def test_a_file_without_a_header_is_a_clear_error_and_not_an_empty_day(bare: Installation, content: bytes) -> None:
    write(bare, content)
    found = run(bare, exit_code=1)
    assert "no header line with a column ts" in found["failures"]["telemetry"]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("ts;위상차\n2026-03-09T10:00:00+09:00;1\n".encode(), "maybe by semicolons"),
        ("ts\t위상차\n2026-03-09T10:00:00+09:00\t1\n".encode(), "or tabs"),
        ("ts,위상차\n2026-03-09T10:00:00+09:00,1\n".encode("cp949"), "not in UTF-8"),
        (b"ts,a\r2026-03-09T10:00:00+09:00,1\r2026-03-09T10:00:01+09:00,2\r", "its lines end with CR alone"),
        (b"# plant\rts,a\r2026-03-09T10:00:00+09:00,1\r", "its lines end with CR alone"),
        (b"1,2\n", "put the header back"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(bare: Installation, content: bytes, hint: str) -> None:
    (bare.data_root / "logs" / "metrics.csv").write_bytes(content)
    found = bare.json("daily", "--day", str(DAY), exit_code=1)
    assert hint in found["failures"]["telemetry"]
    assert found["report"] is None


def test_missing_ledgers_are_said_and_stop_nothing(bare: Installation) -> None:
    write(bare, "\n".join([HEADER, row(0), ""]))
    report, _ = report_only(bare)
    assert [item["name"] for item in report["inputs"] if not item["present"]]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("controls/rules_history.jsonl", "{not json"),
        ("controls/quotes_bank.jsonl", '{"ts": "DAYT10:00:00+09:00", "by": "x"}'),
        (
            "controls/risk_ledger.jsonl",
            '{"ts": "DAYT10:00:00+09:00", "severity": 7, "rule": "r", "signal": {}, "note": ""}',
        ),
        ("logs/rules_effects.csv", "DAYT10:00:00+09:00,x"),
    ],
)
def test_a_bad_line_of_a_ledger_is_counted_and_left_out(bare: Installation, name: str, line: str) -> None:
    write(bare, "\n".join([HEADER, row(0), ""]))
    path = bare.data_root / name
    path.parent.mkdir(exist_ok=True)
    header = "rule_ts,actor,rule,old,new,pre_s,post_s\n" if name.endswith(".csv") else ""
    path.write_text(header + line.replace("DAY", str(DAY)) + "\n", encoding="utf-8")
    report, _ = report_only(bare)
    (item,) = [item for item in report["inputs"] if item["name"] == name]
    assert sum(item["rejected"].values()) == 1, item
    assert item["rows"] == 0


def test_any_csv_gets_a_report_whatever_its_first_column_is_called(bare: Installation) -> None:
    settings = bare.root / "lumen.yaml"
    signals = "signals: {boiler_c: {label: {ko: 보일러, en: boiler}, unit: °C, target: {min: 60, max: 80}}}\n"
    settings.write_text(settings.read_text().replace("rate_hz: 1", "rate_hz: 1, timestamp: Time") + signals)
    rows = [row(second, f"{60 + second % 21},pump,{second}") for second in range(100)]
    write(bare, "\n".join(["time,boiler_c,what,ts", *rows[:50], "time,boiler_c,what,ts", *rows[50:], ""]))
    report, text = report_only(bare)
    assert [(signal["name"], signal["values"]["count"]) for signal in report["signals"]] == [
        ("boiler_c", 100),
        ("ts_2", 100),
    ]
    assert (report["signals"][0]["share_on_target"], "보일러" in text) == (1.0, True)
    assert telemetry_input(report)["rejected"] == {"repeated_header": 1}
    write(bare, f"ts,a\n{row(0, '1')}\n")
    failed = run(bare, "--until", "report", exit_code=1)
    assert "no header line with a column Time" in failed["failures"]["telemetry"]

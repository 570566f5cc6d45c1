"""Telemetry whose timestamps are in any column, and of any form that is configured."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lumen_assets.days import KST, day_bounds
from lumen_assets.report.files import load_report
from lumen_assets.settings import CsvTelemetry
from lumen_assets.telemetry import TelemetryFile, cut_day, read_day
from lumen_assets.telemetry.instants import at_microsecond, clock_instant, clock_microseconds, microseconds
from lumen_assets.telemetry.metrics_csv import read_metrics
from lumen_assets.telemetry.model import Clock, DayTelemetry
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [LAST_DAY - timedelta(days=1), LAST_DAY]
LOCAL = timezone(timedelta(hours=-5))
FORMS = {
    Clock("time"): lambda at: at.astimezone(KST).isoformat(),
    Clock("time", "iso", "+09:00"): lambda at: at.astimezone(KST).replace(tzinfo=None).isoformat(),
    Clock("time", "iso", "-05:00"): lambda at: f"{at.astimezone(LOCAL):%Y-%m-%d %H:%M:%S.%f}",
    Clock("time", "unix_s"): lambda at: f"{at.timestamp():.6f}",
    Clock("time", "unix_ms"): lambda at: str(microseconds(at) // 1000),
}
TEXTS = st.one_of(
    st.text("0123456789-+.:TZ e", max_size=30),
    st.datetimes(timezones=st.sampled_from([UTC, KST])).map(lambda at: at.isoformat()),
    st.datetimes().map(lambda at: at.isoformat(sep=" ")),
    st.integers(-(10**15), 10**15).map(str),
    st.decimals(-(10**12), 10**12, places=6).map(str),
    st.sampled_from(["", " 1772982000 ", "nan", "inf", "1e9", "0x10", "1_000", "-62135596800", "-62135596801", "٣"]),
)


@given(st.lists(TEXTS, max_size=8), st.sampled_from([Clock(), *FORMS]))
@settings(max_examples=400, deadline=None)
def test_a_column_is_read_as_each_of_its_cells(texts: list[str], clock: Clock) -> None:
    found = clock_microseconds(clock, pl.Series(texts, dtype=pl.String)).to_list()
    moments = [clock_instant(clock, text) for text in texts]
    assert found == [None if moment is None else microseconds(moment) for moment in moments]


@given(st.sampled_from(["unix_s", "unix_ms"]), st.integers(0, 2**32 * 1_000_000 - 1))
def test_a_microsecond_is_not_lost(form, microsecond: int) -> None:
    """Up to the year 2106."""
    unit = 6 if form == "unix_s" else 3
    text = f"{microsecond // 10**unit}.{microsecond % 10**unit:0{unit}}"
    assert clock_instant(Clock("t", form), text) == at_microsecond(microsecond)


def test_what_each_form_takes() -> None:
    noon = datetime(2026, 3, 9, 3, tzinfo=UTC)
    assert clock_instant(Clock("t", "iso", "+09:00"), "2026-03-09 12:00") == noon
    assert clock_instant(Clock("t", "iso", "+09:00"), "2026-03-09T03:00:00Z") == noon, "its own offset counts"
    assert clock_instant(Clock("t"), "2026-03-09T12:00:00") is None
    assert clock_instant(Clock("t", "unix_s"), "1773025200") == noon
    assert clock_instant(Clock("t", "unix_s"), "1773025200.5") == noon + timedelta(seconds=0.5)
    assert clock_instant(Clock("t", "unix_ms"), "1773025200000") == noon
    assert clock_instant(Clock("t", "unix_s"), "2026-03-09T12:00:00+09:00") is None


def write(path: Path, clock: Clock, at: int, *, text_first: bool = False) -> None:
    """Two days, a row a minute, the clock an hour back once, and lines that are none."""
    form = FORMS[clock]
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    names = ["a", "b"]
    header = [*names[:at], "Time", *names[at:]]
    writer.writerow((["site"] if text_first else []) + header)
    start = day_bounds(DAYS[0])[0]
    for minute in range(2880):
        off = minute - 40 if 600 <= minute < 620 else minute
        cells = [str(minute), f"-{minute}.5"]
        moment = form(start + timedelta(minutes=off, milliseconds=minute % 7))
        line = [*cells[:at], moment, *cells[at:]]
        writer.writerow((["Ulsan"] if text_first else []) + line)
        if minute == 2000:
            writer.writerow((["site"] if text_first else []) + header)
            output.write("torn,line\n")
            writer.writerow((["Ulsan"] if text_first else []) + [*cells[:at], "yesterday", *cells[at:]])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output.getvalue(), encoding="utf-8")


def days_of(root: Path, clock: Clock) -> list[DayTelemetry]:
    files = [TelemetryFile("logs/metrics.csv", clock)]
    cuts = [cut_day(FolderRoot(root), day, root / "slices" / str(day), telemetry=files, extra=()) for day in DAYS]
    lines = [line for cut in cuts for line in (cut.folder / "logs/metrics.csv").read_text().splitlines()[1:]]
    assert lines == (root / "logs/metrics.csv").read_text().splitlines()[1:], "each line is in one day"
    return [read_day(cut, files) for cut in cuts]


@pytest.mark.parametrize("clock", FORMS, ids=lambda clock: f"{clock.form}{clock.offset}")
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("text_first", [False, True])
def test_a_day_is_the_same_wherever_and_however_its_times_are_written(
    tmp_path: Path, clock: Clock, at: int, text_first: bool
) -> None:
    write(tmp_path / "logs/metrics.csv", clock, at, text_first=text_first)
    write(tmp_path / "usual/logs/metrics.csv", Clock("time"), 0)
    for found, wanted in zip(days_of(tmp_path, clock), days_of(tmp_path / "usual", Clock("time")), strict=True):
        assert found.rows.equals(wanted.rows)
        assert found.rows.columns == ["ts", "a", "b"]
        [item], [plain] = found.inputs, wanted.inputs
        assert item.rejected == plain.rejected
        assert {**item.notes, "text_columns": 0} == {**plain.notes, "text_columns": 0}
    assert item.rejected == {"bad_timestamp": 1, "repeated_header": 1, "torn": 1}
    assert item.notes.get("text_columns", 0) == text_first


def test_a_header_without_the_column_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"when,a\n{LAST_DAY}T12:00:00+09:00,1\n")
    assert read_metrics(path, LAST_DAY, Clock("time")).rejections.counts == {"no_header": 2}
    assert read_metrics(path, LAST_DAY, Clock("WHEN")).rows.height == 1


@pytest.mark.parametrize(
    ("line", "clock", "problem"),
    [
        (f"{LAST_DAY}T12:00:00+09:00,1", Clock("time"), ""),
        (f"{LAST_DAY}T12:00:00,1", Clock("time"), "none of its last lines has a time of the form"),
        (f"{LAST_DAY}T12:00:00,1", Clock("time", "iso", "+09:00"), ""),
        ("1773025200,1", Clock("time", "unix_s"), ""),
        ("1773025200,1", Clock("time", "unix_ms"), "its last lines are of 1970-01-21"),
        ("1773025200000,1", Clock("time", "unix_s"), "none of its last lines"),
        ("1773025200,1", Clock("clock", "unix_s"), "no header line with a column clock"),
        ("", Clock("time"), ""),
    ],
)
def test_the_health_check_sees_that_times_are_not_as_they_are_configured(
    tmp_path: Path, line: str, clock: Clock, problem: str
) -> None:
    installation = Installation.make(tmp_path, days=1)
    (installation.data_root / "logs" / "metrics.csv").write_text("# a comment\ntime,a\n" + f"{line}\n" * 30 + "torn")
    telemetry = {"timestamp": clock.column, "timestamp_form": clock.form, "timestamp_offset": clock.offset or None}
    settings_ = {"start_date": "2026-02-01", "sources": {"telemetry": telemetry}}
    (tmp_path / "lumen.yaml").write_text(json.dumps(settings_))
    [found] = [
        item for item in installation.json("doctor", exit_code=bool(problem))["findings"] if item["name"] == "inputs"
    ]
    assert found["ok"] is not bool(problem)
    assert problem in found["detail"]
    if problem:
        assert "sources.telemetry.timestamp" in found["fix"]


def test_an_offset_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(ValidationError, match=r'as "\+09:00"'):
        CsvTelemetry(timestamp_offset="KST")
    with pytest.raises(ValidationError, match="are in UTC"):
        CsvTelemetry(timestamp_form="unix_s", timestamp_offset="+09:00")


def test_a_configured_signal_of_text_has_a_column_and_no_value(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=1)
    (installation.data_root / "logs" / "metrics.csv").write_text(f"ts,a,state\n{LAST_DAY}T12:00:00+09:00,1,run\n")
    label = {"ko": "상태", "en": "state"}
    settings_ = {"start_date": "2026-02-01", "signals": {"state": {"label": label}}, "report": {"language": "en"}}
    (tmp_path / "lumen.yaml").write_text(json.dumps(settings_))
    made = installation.json("daily", "--day", str(LAST_DAY), "--until", "report")
    told = [(one.kind, one.text) for one in load_report(Path(made["report"]).parent, LAST_DAY).findings]
    assert ("all_null", "state has a column, but not a single value on this day.") in told

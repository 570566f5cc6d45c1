"""A report's numbers against plain Python on the whole file: no bisection, no polars, no numpy."""

from __future__ import annotations

import csv
import json
import math
import statistics
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.days import KST
from lumen_assets_tests.installation import LAST_DAY, Installation

RATE_HZ = 0.5


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("month"), days=30, rate_hz=RATE_HZ)


CHECKED = [LAST_DAY - timedelta(days=days_back) for days_back in (0, 14, 28)]
Day = tuple[list[datetime], dict[str, list[float]]]


@pytest.fixture(scope="module")
def scanned(month: Installation) -> dict[date, Day]:
    """Instants and values of the days that are checked, and of those before, by reading every line.

    First of equal instants, good rows only. A row half a day or more away from the one before it is a stray; the
    sample has them as single lines.
    """
    wanted = {day - timedelta(days=back) for day in CHECKED for back in (0, 1)}
    days: dict[date, dict[datetime, dict[str, float]]] = {day: {} for day in wanted}
    with (month.data_root / "logs" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        lines = [line.rstrip("\r\n") for line in file if not line.startswith("#")]
    header = lines[0].split(",")
    words = {"true": "1", "false": "0", "": "nan"}
    before: datetime | None = None
    for fields in csv.reader(lines[1:]):
        if len(fields) != len(header):
            continue
        try:
            moment = datetime.fromisoformat(fields[0])
            numbers = [float(words.get(text, text)) for text in fields[1:]]
        except ValueError:
            continue
        if moment.tzinfo is None or (before and abs(moment - before) > timedelta(hours=12)):
            continue
        before = moment
        day = moment.astimezone(KST).date()
        if day in wanted:
            days[day].setdefault(moment, dict(zip(header[1:], numbers, strict=True)))
    return {day: columns_of(rows, header[1:]) for day, rows in days.items()}


def columns_of(rows: dict[datetime, dict[str, float]], names: list[str]) -> Day:
    instants = sorted(rows)
    return instants, {
        name: [rows[moment][name] for moment in instants if math.isfinite(rows[moment][name])] for name in names
    }


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


@pytest.mark.parametrize("day", CHECKED, ids=str)
def test_the_report_agrees_with_a_full_scan_in_plain_python(
    month: Installation, scanned: dict[date, Day], day: date
) -> None:
    path = Path(month.json("daily", "--day", str(day), "--until", "report")["report"])
    report: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    instants, columns = scanned[day]
    _, before = scanned[day - timedelta(days=1)]
    assert len(instants) > 30_000
    assert report["recording"]["rows"] == len(instants)
    assert report["recording"]["coverage"] == pytest.approx(len(instants) / (86_400 * RATE_HZ))
    assert [signal["name"] for signal in report["signals"]] == list(columns)
    for signal in report["signals"]:
        values, found = columns[signal["name"]], signal["values"]
        assert found["count"] == len(values)
        assert found["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
        assert found["std"] == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-12)
        assert (found["minimum"], found["maximum"]) == (min(values), max(values))
        for name, share in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95)):
            assert found[name] == pytest.approx(percentile(values, share), rel=1e-12)
        change = statistics.fmean(values) - statistics.fmean(before[signal["name"]])
        assert signal["mean_change"] == pytest.approx(change, rel=1e-6, abs=1e-12)
        if signal["target"]:
            low = signal["target"]["min"] if signal["target"]["min"] is not None else -math.inf
            high = signal["target"]["max"] if signal["target"]["max"] is not None else math.inf
            on_target = sum(low <= value <= high for value in values) / len(values)
            assert signal["share_on_target"] == pytest.approx(on_target, rel=1e-12)
    gaps = [
        (later - earlier).total_seconds()
        for earlier, later in zip(
            [datetime.combine(day, datetime.min.time(), KST), *instants],
            [*instants, datetime.combine(day + timedelta(days=1), datetime.min.time(), KST)],
            strict=True,
        )
    ]
    silent = [seconds for seconds in gaps if seconds > report["recording"]["gap_seconds"]]
    assert report["recording"]["gap_count"] == len(silent)
    assert report["recording"]["silent_seconds"] == pytest.approx(sum(silent))


def test_report_and_pdf_do_not_depend_on_what_else_was_made_or_appended(month: Installation) -> None:
    day = LAST_DAY - timedelta(days=5)
    made = month.json("daily", "--day", str(day), "--until", "pdf")
    first = Path(made["report"]).read_bytes(), Path(made["pdf"]).read_bytes()
    source = month.data_root / "logs" / "metrics.csv"
    later = (LAST_DAY + timedelta(days=1)).isoformat()
    with source.open("a", encoding="utf-8") as file:
        for second in range(3000):
            moment = f"{later}T00:{second // 60:02}:{second % 60:02}.000+09:00"
            file.write(f"{moment},0.03,0.2,0.3,0.2,0.9,30,false,0.9\n")
    month.json("daily", "--day", str(day), "--until", "pdf")
    assert (Path(made["report"]).read_bytes(), Path(made["pdf"]).read_bytes()) == first

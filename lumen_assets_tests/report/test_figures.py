from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report import build_report, drawing, write_figures, write_pdf
from lumen_assets.report.axes import value_axis
from lumen_assets.report.fonts import typeface
from lumen_assets.settings import Configuration
from lumen_assets_tests.report.scenes import (
    DAY,
    at,
    configuration,
    frame,
    hostile_day,
    normal_day,
    stormy_day,
    telemetry,
)

SVG = "{http://www.w3.org/2000/svg}"


def report_of(day, previous=None, rate_hz=0.2):
    return build_report(day, previous, configuration(rate_hz=rate_hz))


def test_figures_are_named_by_day_and_signal_and_are_xml(tmp_path):
    paths = write_figures(report_of(*normal_day(rate_hz=0.2)), tmp_path)
    assert [p.name for p in paths][:2] == ["report_2025-10-23_phase_diff.svg", "report_2025-10-23_entropy_rate.svg"]
    root = ET.fromstring(paths[0].read_bytes())  # noqa: S314 - our own file
    assert root.findtext(f"{SVG}title") == "2025-10-23 위상차 (phase_diff) 그래프"
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert "목표 ≤ 0.05" in texts
    assert {"00", "12", "24", "1", "4–5"} <= set(texts)


def drawn(day, folder, rate_hz=0.2):
    """The first figure of a day."""
    path = write_figures(report_of(day, rate_hz=rate_hz), folder)[0]
    return ET.fromstring(path.read_bytes())  # noqa: S314 - our own file


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_a_set_point_is_judged_and_drawn_as_a_line(tmp_path, off):
    whole = configuration(rate_hz=1).model_dump()
    whole["signals"]["phase_diff"]["target"] = {"min": 7, "max": 7}
    moments = [at("01:00:00") + timedelta(seconds=n) for n in range(600)]
    values = [7.0] * 300 + [7.0 + off] * 300
    day = telemetry(DAY, frame(moments, {"phase_diff": values}))
    report = build_report(day, None, Configuration.model_validate(whole))
    assert report.signals[0].share_on_target == (0.5 if off else 1.0)
    root = ET.fromstring(write_figures(report, tmp_path)[0].read_bytes())  # noqa: S314 - our own file
    edges = [numbers(e, "x1", "y1", "x2", "y2") for e in root.iter(f"{SVG}line") if e.get("stroke-dasharray") == "4 2"]
    assert len({tuple(edge) for edge in edges}) == 1
    (x1, y1, x2, y2), *_ = edges
    assert y1 == y2
    assert x2 - x1 > 400
    write_pdf(report, tmp_path / "report.pdf")


def points(element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]


def numbers(element, *names: str) -> list[float]:
    return [float(element.get(name)) for name in names]


def test_the_line_breaks_and_the_paper_is_hatched_where_there_is_no_value(tmp_path):
    moments = [at("01:00:00"), at("01:01:00"), at("05:00:00"), at("23:59:30")]
    root = drawn(telemetry(DAY, frame(moments, {"phase_diff": [0.1, 0.2, 0.3, 0.3]})), tmp_path)
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    boxes = [e for e in root.iter(f"{SVG}rect") if e.get("fill") == "#f1f3f5"]
    hours = [
        [(x - 46) / 450 * 24, (x + width - 46) / 450 * 24] for x, width in (numbers(e, "x", "width") for e in boxes)
    ]
    assert hours == [pytest.approx(ends, abs=0.01) for ends in ([0, 1], [1 + 2 / 60, 5], [5 + 1 / 60, 24 - 1 / 60])]
    lines = [numbers(e, "x1", "y1", "x2", "y2") for e in root.iter(f"{SVG}line") if e.get("stroke-width") == "0.3"]
    assert len(lines) > 100
    for x1, y1, x2, y2 in lines:
        assert x2 - x1 == pytest.approx(y1 - y2, abs=0.02)
        assert any(x <= x1 + 0.01 and x2 <= x + width + 0.01 for x, width in (numbers(e, "x", "width") for e in boxes))
        assert 30 - 0.01 <= y2 < y1 <= 129 + 0.01


def test_a_whole_day_has_no_hatching(tmp_path):
    moments = [at(f"{m // 60:02d}:{m % 60:02d}:00") for m in range(1440)]
    root = drawn(telemetry(DAY, frame(moments, {"phase_diff": [0.1] * 1440})), tmp_path)
    assert not [e for e in root.iter(f"{SVG}rect") if e.get("fill") == "#f1f3f5"]
    assert len(list(root.iter(f"{SVG}polyline"))) == 1


def test_rows_that_come_every_five_minutes_make_one_line(tmp_path):
    moments = [at(f"{m // 60:02d}:{m % 60:02d}:00") for m in range(0, 1440, 5) if not 600 <= m < 720]
    root = drawn(telemetry(DAY, frame(moments, {"phase_diff": [0.1] * len(moments)})), tmp_path, rate_hz=1 / 300)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def with_a_gap(*alone: str) -> list[datetime]:
    """A day at one row a second but for two hours of silence, and a row at each of some times."""
    every = (at("00:00:00") + timedelta(seconds=i) for i in range(86_400))
    rows = [moment for moment in every if not at("10:00:00") <= moment < at("12:00:00")]
    return sorted([*rows, *map(at, alone)])


@pytest.mark.parametrize(
    "alone",
    [("10:00:00",), ("10:00:00", "10:01:00"), ("11:59:59",), ("11:00:30",), ("10:00:10", "11:00:00", "11:59:50")],
)
def test_a_row_beside_a_gap_is_no_spike_of_the_mean_and_stays_in_the_envelope(tmp_path, alone):
    moments = with_a_gap(*alone)
    odd = set(map(at, alone))
    root = drawn(
        telemetry(DAY, frame(moments, {"phase_diff": [9.0 if m in odd else 0.1 for m in moments]})), tmp_path, 1
    )
    lines = list(root.iter(f"{SVG}polyline"))
    assert len(lines) == 2
    [height] = {y for line in lines for _, y in points(line)}
    highest = min(y for polygon in root.iter(f"{SVG}polygon") for _, y in points(polygon))
    assert highest < height - 50


def test_the_mean_is_drawn_where_few_rows_are_how_it_was_recorded(tmp_path):
    """All day long, and for an hour of it."""
    slow = [at("00:00:00") + timedelta(seconds=20 * i) for i in range(4320)]
    (line,) = drawn(telemetry(DAY, frame(slow, {"phase_diff": [0.1] * 4320})), tmp_path, 1).iter(f"{SVG}polyline")
    assert points(line)[-1][0] - points(line)[0][0] == pytest.approx(450)
    hour = with_a_gap(*(f"10:{minute:02}:00" for minute in range(60)))
    lines = list(
        drawn(telemetry(DAY, frame(hour, {"phase_diff": [0.1] * len(hour)})), tmp_path, 1).iter(f"{SVG}polyline")
    )
    assert [round((points(line)[-1][0] - 46) / 450 * 24, 1) for line in lines] == [11, 24]


@pytest.mark.parametrize("own_rate", [None, 1 / 300])
def test_a_slow_signal_beside_a_fast_one_is_drawn_by_its_own_rate(tmp_path, own_rate):
    """One that is read from another file, or is written less often than its file has rows."""
    fast = [at("00:00:00") + timedelta(seconds=5 * i) for i in range(17_280)]
    slow = [moment for moment in fast[::60] if not 10 <= (moment - fast[0]) / timedelta(hours=1) < 12]
    wanted = configuration(rate_hz=0.2).model_dump()
    if own_rate:
        values = dict.fromkeys(slow, 0.1)
        today = telemetry(DAY, frame(fast, {"m.load": [values.get(moment) for moment in fast]}))
    else:
        wanted["sources"]["beside"] = {"m": {"path": "logs/m.csv", "rate_hz": 1 / 300}}
        beside = (frame(slow, {"m.load": [0.1] * len(slow)}),)
        today = replace(telemetry(DAY, frame(fast, {"a": [1.0] * len(fast)})), beside=beside)
    wanted["signals"] = {"m.load": {"label": {"ko": "부하", "en": "load"}, "rate_hz": own_rate}}
    path = write_figures(build_report(today, None, Configuration.model_validate(wanted)), tmp_path)[0]
    assert path.name == "report_2025-10-23_m.load.svg"
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - our own file
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert len([e for e in root.iter(f"{SVG}rect") if e.get("fill") == "#f1f3f5"]) == 2, "the silence and the end"


def test_one_sample_of_432_000_that_stands_out_is_at_its_height(tmp_path):
    start = np.datetime64(at("00:00:00").astimezone(UTC).replace(tzinfo=None), "us")
    values = np.sin(np.arange(432_000) / 20_000)
    values[310_007] = 7.25
    moments = pl.Series("ts", start + np.arange(432_000) * np.timedelta64(200_000, "us")).dt.replace_time_zone("UTC")
    root = drawn(telemetry(DAY, pl.DataFrame([moments, pl.Series("phase_diff", values)])), tmp_path, rate_hz=5)
    ticks = {e.text: float(e.get("y")) - 2.4 for e in root.iter(f"{SVG}text") if e.get("text-anchor") == "end"}
    (envelope,) = root.iter(f"{SVG}polygon")
    x, y = min(points(envelope), key=lambda point: point[1])
    assert 0 + 6 * (ticks["0"] - y) / (ticks["0"] - ticks["6"]) == pytest.approx(7.25, abs=0.01)
    assert (x - 46) / 450 * 86_400 == pytest.approx(310_007 / 5, abs=60)
    assert envelope.get("stroke")  # a triangle of a minute's width has no ink at its top


def lightness(colour) -> float:
    """CIE L*: what is left in a grey print."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.rgb())
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return 116 * y ** (1 / 3) - 16


def test_what_lies_on_one_another_is_told_apart_in_grey():
    for front, back in (("MEAN", "ENVELOPE"), ("ENVELOPE", "ON_TARGET"), ("ENVELOPE_EDGE", "ENVELOPE"),
                        ("CHANGE", "ENVELOPE"), ("TARGET_EDGE", "ENVELOPE"), ("QUIET", "SILENT")):  # fmt: skip
        difference = lightness(getattr(drawing, back)) - lightness(getattr(drawing, front))
        assert difference > 8, (front, back, difference)


def test_the_same_report_gives_the_same_bytes(tmp_path):
    report = report_of(stormy_day(200, rate_hz=0.05))
    first = [p.read_bytes() for p in write_figures(report, tmp_path / "a")]
    assert first == [p.read_bytes() for p in write_figures(report, tmp_path / "b")]


def test_each_report_has_its_own_drawings(tmp_path):
    quiet, stormy = report_of(*normal_day(rate_hz=0.05)), report_of(stormy_day(200, rate_hz=0.05))
    alone = [[p.read_bytes() for p in write_figures(report, tmp_path / "alone")] for report in (quiet, stormy)]
    for _ in range(2):
        again = [[p.read_bytes() for p in write_figures(report, tmp_path / "again")] for report in (quiet, stormy)]
        assert again == alone
    assert alone[0][0] != alone[1][0]


def test_stale_figures_of_the_day_go_and_others_stay(tmp_path):
    folder = tmp_path / "assets"
    folder.mkdir()
    for name in ("report_2025-10-23_old.svg", "report_2025-10-22_old.svg", "grafana_2025-10-23.png"):
        (folder / name).write_text("x")
    write_figures(report_of(telemetry(DAY, frame([at("01:00:00")], {"phase_diff": [0.1]}))), folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "grafana_2025-10-23.png", "report_2025-10-22_old.svg",
        "report_2025-10-23_-distribution-1.svg", "report_2025-10-23_phase_diff.svg",
    ]  # fmt: skip


def test_column_names_that_are_no_file_names_stay_in_the_folder(tmp_path):
    paths = write_figures(report_of(hostile_day()), tmp_path / "assets")
    assert len(paths) == 4
    assert {p.parent for p in paths} == {tmp_path / "assets"}
    for path in paths:
        ET.fromstring(path.read_bytes())  # noqa: S314 - our own file


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.7e308, -1.7e308], [5e-324, 0.0], [1e-300, 1e300], [1e15, 1e15 + 1]])
def test_any_values_can_be_drawn(tmp_path, values):
    day = telemetry(DAY, frame([at("01:00:00"), at("02:00:00")], {"odd": values}))
    text = write_figures(report_of(day), tmp_path)[0].read_text("utf-8")
    assert "nan" not in text
    assert "inf" not in text


@settings(max_examples=200)
@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_axes_hold_their_values_on_a_few_ticks(a, b):
    low, high = min(a, b), max(a, b)
    axis = value_axis(low, high)
    assert axis.low <= low or math.isclose(axis.low, low, rel_tol=1e-6, abs_tol=(high - low) * 1e-6)
    assert axis.high >= high or math.isclose(axis.high, high, rel_tol=1e-6, abs_tol=(high - low) * 1e-6)
    assert 2 <= len(axis.ticks) <= 9
    assert 0 <= axis.position(low) <= axis.position(high) <= 1


MAGNITUDES = st.integers(-12, 20).map(lambda power: 10.0**power)


@settings(max_examples=300)
@given(st.floats(-1, 1), MAGNITUDES, st.floats(0.01, 1), st.floats(1e-11, 1))
def test_labels_of_ticks_differ_and_are_the_ticks_and_fit(middle, magnitude, width, narrow):
    low = middle * magnitude
    axis = value_axis(low, low + width * narrow * magnitude)
    labels = [label for _, label in axis.ticks]
    assert len(set(labels)) == len(labels)
    step = (axis.high - axis.low) / (len(labels) - 1)
    base = Decimal(axis.base.replace(",", "") or 0)
    for value, label in axis.ticks:
        assert abs(base + Decimal(label.replace(",", "")) - Decimal(value)) < Decimal(step) / 1000
        assert stringWidth(label, typeface().regular, 7) <= 42
        assert re.fullmatch(r"-?\d{1,3}((,\d{3})*(\.\d+)?|(\.\d+)?e-?\d+)", label), label


@pytest.mark.parametrize(
    ("low", "high", "labels", "base"),
    [
        (5_000_000, 5_001_000, "5,000,000 5,000,200 5,000,400 5,000,600 5,000,800 5,001,000", ""),
        (-1500, 400, "-1,500 -1,000 -500 0 500", ""),
        (0.05, 0.050004, "0.050000 0.050001 0.050002 0.050003 0.050004", ""),
        (1.7e12, 1.7008e12, "1.7e12 1.7002e12 1.7004e12 1.7006e12 1.7008e12", ""),
        (1.7e12, 1.70008e12, "0 20,000,000 40,000,000 60,000,000 80,000,000", "+1,700,000,000,000"),
        (1e15, 1e15 + 2000, "0 500 1,000 1,500 2,000", "+1e15"),
        (100, 100.00000004, "0 1e-8 2e-8 3e-8 4e-8", "+100.000000"),
        (-1e15, -1e15 + 2000, "0 500 1,000 1,500 2,000", "-1e15"),
        (1e301, 1.0000001e301, "1.0000000e301 1.0000001e301", ""),
    ],
)
def test_labels_have_the_digits_that_they_need(low, high, labels, base):
    axis = value_axis(low, high)
    assert ([label for _, label in axis.ticks], axis.base) == (labels.split(), base)


def test_what_is_to_be_added_to_labels_is_said_in_the_figures(tmp_path):
    moments = [at("00:00:00") + timedelta(minutes=i) for i in range(1440)]
    day = telemetry(DAY, frame(moments, {"odd": [1000 + (i % 7) * 1e-8 for i in range(1440)]}))
    for path in write_figures(report_of(day, rate_hz=1 / 60), tmp_path):
        assert "눈금 +1,000.000000" in path.read_text("utf-8")

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.report import build_report, write_figures
from lumen_assets.report.axes import value_axis
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


def test_the_line_breaks_at_a_gap(tmp_path):
    moments = [at("01:00:00"), at("01:01:00"), at("05:00:00")]
    path = write_figures(report_of(telemetry(DAY, frame(moments, {"phase_diff": [0.1, 0.2, 0.3]}))), tmp_path)[0]
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - our own file
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_the_same_report_gives_the_same_bytes(tmp_path):
    report = report_of(stormy_day(200, rate_hz=0.05))
    first = [p.read_bytes() for p in write_figures(report, tmp_path / "a")]
    assert first == [p.read_bytes() for p in write_figures(report, tmp_path / "b")]


def test_stale_figures_of_the_day_go_and_others_stay(tmp_path):
    folder = tmp_path / "assets"
    folder.mkdir()
    for name in ("report_2025-10-23_old.svg", "report_2025-10-22_old.svg", "grafana_2025-10-23.png"):
        (folder / name).write_text("x")
    write_figures(report_of(telemetry(DAY, frame([at("01:00:00")], {"phase_diff": [0.1]}))), folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "grafana_2025-10-23.png", "report_2025-10-22_old.svg", "report_2025-10-23_phase_diff.svg",
    ]  # fmt: skip


def test_column_names_that_are_no_file_names_stay_in_the_folder(tmp_path):
    paths = write_figures(report_of(hostile_day()), tmp_path / "assets")
    assert len(paths) == 3
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

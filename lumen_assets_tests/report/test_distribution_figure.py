"""What the figures of distributions and of the last four weeks show, read from their SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report import build_report, render_markdown, write_figures
from lumen_assets.report.fonts import typeface
from lumen_assets.report.model import PastDay, PastLevel, TargetRange
from lumen_assets.settings import Configuration
from lumen_assets_tests.report.scenes import DAY, at, configuration, frame, normal_day, telemetry

SVG = "{http://www.w3.org/2000/svg}"
LEFT, WIDTH = 138, 504 - 138 - 34
OFF_TARGET, ON_TARGET = "#b34700", "#a9cdea"
TARGET = TargetRange(None, 0.05)


def svg(report, kind, folder):
    (path,) = (path for path in write_figures(report, folder) if f"_-{kind}-1" in path.name)
    return ET.fromstring(path.read_bytes())  # noqa: S314 - our own file


def of_values(values):
    moments = [at("01:00:00") + timedelta(seconds=n) for n in range(len(values))]
    return build_report(telemetry(DAY, frame(moments, {"phase_diff": values})), None, configuration())


def boxes(root, fill):
    """The bars that the areas of a colour are made of, those of no height left out."""
    bars = []
    for polygon in root.iter(f"{SVG}polygon"):
        if polygon.get("fill") == fill:
            (_, ground), *steps, _ = (tuple(map(float, pair.split(","))) for pair in polygon.get("points").split())
            for (x1, top), (x2, _) in zip(steps[::2], steps[1::2], strict=True):
                bars.append({"x": x1, "width": x2 - x1, "height": ground - top})
    return bars


def test_bars_are_as_high_as_values_are_many_and_dark_beyond_the_target(tmp_path):
    root = svg(of_values([0.01] * 10 + [0.03] * 20 + [0.07] * 5), "distribution", tmp_path)
    good, bad = boxes(root, ON_TARGET), boxes(root, OFF_TARGET)
    assert [bar["height"] for bar in good] == pytest.approx([13.5, 27], abs=0.02)
    assert [bar["height"] for bar in bad] == pytest.approx([27 / 4], abs=0.02)
    (target,) = (e for e in root.iter(f"{SVG}line") if e.get("stroke-dasharray"))
    edge = float(target.get("x1"))
    assert max(bar["x"] + bar["width"] for bar in good) <= edge <= bad[0]["x"]
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert "목표 ≤ 0.05 · 85.7%" in texts


@pytest.mark.parametrize(("unit", "cut"), [("kPa", False), ("millimetres of mercury", True)])
def test_the_share_is_whole_where_there_is_no_room_for_the_target(tmp_path, unit, cut):
    wanted = configuration("en").model_dump()
    wanted["signals"]["phase_diff"] |= {"unit": unit, "target": {"min": 0.012345, "max": 0.05}}
    moments = [at("01:00:00") + timedelta(seconds=n) for n in range(100)]
    day = telemetry(DAY, frame(moments, {"phase_diff": [0.03] * 50 + [0.07] * 50}))
    root = svg(build_report(day, None, Configuration.model_validate(wanted)), "distribution", tmp_path)
    (shown,) = (e.text for e in root.iter(f"{SVG}text") if str(e.text).startswith("target"))
    assert shown.endswith(" · 50.0%")
    assert shown.startswith("target 0.012345 to 0.05")
    assert ("…" in shown) == cut
    assert stringWidth(shown, typeface().regular, 7) <= LEFT - 14


def test_a_bar_that_the_target_cuts_is_light_on_its_side_and_dark_on_the_other(tmp_path):
    root = svg(of_values([n / 100_000 for n in range(10_000)]), "distribution", tmp_path)
    last, first = boxes(root, ON_TARGET)[-1], boxes(root, OFF_TARGET)[0]
    (target,) = (e for e in root.iter(f"{SVG}line") if e.get("stroke-dasharray"))
    assert last["x"] + last["width"] == pytest.approx(first["x"], abs=0.01)
    assert first["x"] == pytest.approx(float(target.get("x1")), abs=0.01)


@pytest.mark.parametrize(
    ("value", "target", "good"),
    [
        (7.0, {"min": 7, "max": 7}, True),
        (7.0, {"max": 7}, True),
        (7.0, {"min": 7}, True),
        (7.0001, {"max": 7}, False),
        (6.9999, {"min": 7, "max": 7}, False),
    ],
)
def test_one_value_on_a_bound_is_on_target_as_a_whole(tmp_path, value, target, good):
    wanted = configuration("en").model_dump()
    wanted["signals"]["phase_diff"]["target"] = target
    day = telemetry(DAY, frame([at("01:00:00"), at("01:00:01")], {"phase_diff": [value] * 2}))
    root = svg(build_report(day, None, Configuration.model_validate(wanted)), "distribution", tmp_path)
    assert [len(boxes(root, color)) for color in (ON_TARGET, OFF_TARGET)] == ([1, 0] if good else [0, 1])
    if len(target) == 2:
        assert any(str(e.text).startswith("target = 7 ·") for e in root.iter(f"{SVG}text"))


def test_no_bar_is_on_a_set_point_that_is_beyond_the_axis(tmp_path):
    wanted = configuration("en").model_dump()
    wanted["signals"]["phase_diff"]["target"] = {"min": 7, "max": 7}
    moments = [at("01:00:00") + timedelta(seconds=n) for n in range(1001)]
    day = telemetry(DAY, frame(moments, {"phase_diff": [50 + n / 100 for n in range(1001)]}))
    root = svg(build_report(day, None, Configuration.model_validate(wanted)), "distribution", tmp_path)
    assert not boxes(root, ON_TARGET)
    assert boxes(root, OFF_TARGET)


def test_a_far_value_is_said_and_leaves_the_others_their_room(tmp_path):
    root = svg(of_values([n / 100_000 for n in range(10_000)] + [900.0]), "distribution", tmp_path)
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert "+1" in texts
    assert "900.0" in texts
    bars = boxes(root, ON_TARGET) + boxes(root, OFF_TARGET)
    assert max(b["x"] + b["width"] for b in bars) - min(b["x"] for b in bars) > WIDTH / 2


@pytest.mark.parametrize("values", [[0.0], [0.04] * 50, [1.7e308, -1.7e308], [5e-324, 0.0], [1e15, 1e15 + 1]])
def test_any_values_have_bars(tmp_path, values):
    root = svg(of_values(values), "distribution", tmp_path)
    bars = boxes(root, ON_TARGET) + boxes(root, OFF_TARGET)
    assert bars
    for bar in bars:
        assert bar["x"] >= LEFT - 1
        assert bar["x"] + bar["width"] <= LEFT + WIDTH + 1
    assert not {"nan", "inf"} & set(ET.tostring(root, encoding="unicode").replace('"', " ").split())


def test_figures_of_many_signals_fit_on_pages(tmp_path):
    names = {f"s{n}": {"label": {"ko": f"신호 {n}", "en": f"signal {n}"}, "unit": ""} for n in range(23)}
    rows = frame([at("01:00:00")], {name: [1.0] for name in names})
    settings = Configuration.model_validate({"signals": names})
    report = build_report(telemetry(DAY, rows), None, settings)
    paths = write_figures(report, tmp_path)
    assert [p.name[18:] for p in paths if "_-" in p.name] == [f"-distribution-{n}.svg" for n in (1, 2, 3)]


def with_history(shares, target=TARGET):
    """A report of a day after one day a share, ``None`` for a day that was not frozen."""
    days = [(DAY - timedelta(days=n), share) for n, share in enumerate(shares, 1) if share is not None]
    history = [PastDay(day, {"phase_diff": PastLevel(0.04, share, target)}) for day, share in reversed(days)]
    rows = frame([at("01:00:00")], {"phase_diff": [0.01]})
    return build_report(telemetry(DAY, rows), None, configuration(), history)


def test_a_calendar_has_the_share_of_every_day_rounded_down(tmp_path):
    shares = [n / 28 for n in range(28)]
    shares[2], shares[5] = 0.99999, None
    root = svg(with_history(shares), "calendar", tmp_path)
    texts = [e.text for e in root.iter(f"{SVG}text") if e.get("font-size") == "6"]
    numbers = [text for text in texts if text.isdigit()]
    expected = [str(int(share * 100)) for share in reversed(shares) if share is not None] + ["100"]
    assert numbers == expected
    assert [text for text in texts if "-" in text] == ["09-25", "09-29", "10-06", "10-13", "10-20"]
    frames = [e for e in root.iter(f"{SVG}rect") if e.get("stroke-width") == "1.2"]
    today = [e for e in root.iter(f"{SVG}text") if e.text == "100"]
    assert len(frames) == 1
    assert float(frames[0].get("x")) < float(today[0].get("x")) < float(frames[0].get("x")) + 13.6


def test_days_not_frozen_or_with_another_target_are_hatched(tmp_path):
    hatched = {}
    for name, report in (
        ("all", with_history([0.5] * 28)),
        ("missing", with_history([0.5] * 10 + [None] * 3 + [0.5] * 15)),
        ("another target", with_history([0.5] * 28, TargetRange(None, 0.06))),
    ):
        root = svg(report, "calendar", tmp_path)
        hatched[name] = len([e for e in root.iter(f"{SVG}rect") if e.get("fill") == "#f1f3f5"])
    assert hatched == {"all": 0, "missing": 3, "another target": 28}


def test_lower_shares_are_darker_in_grey_too(tmp_path):
    root = svg(with_history([n / 28 for n in range(28)]), "calendar", tmp_path)
    fills = [e.get("fill") for e in root.iter(f"{SVG}rect") if e.get("stroke") == "#ffffff" and e.get("fill") != "none"]
    greys = [sum(w * int(f[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5))) for f in fills[:28]]
    assert greys == sorted(greys, reverse=True)
    assert greys[0] - greys[-1] > 100


def test_without_enough_days_there_is_no_calendar():
    report = build_report(*normal_day(rate_hz=0.2), configuration(rate_hz=0.2))
    assert "calendar" not in render_markdown(report)
    assert "_-calendar-1.svg" in render_markdown(replace(report, history=with_history([0.5] * 28).history))

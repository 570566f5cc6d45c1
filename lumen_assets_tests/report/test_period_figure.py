"""Figures of weeks and months: each day at its place, what is missing hatched, what is off target of another shape."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lumen_assets.report import drawing
from lumen_assets.report.figures import write_figures_of
from lumen_assets.report.markdown import render_document
from lumen_assets.report.numbers import DayNumbers
from lumen_assets.report.period_building import build_period_report
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.period_writing import write_period
from lumen_assets.report.periods import Period, PeriodReport
from lumen_assets_tests.report.period_scenes import MONTH, WEEK, day_of, month_report, signal, week_report
from lumen_assets_tests.report.scenes import HOSTILE, configuration
from lumen_assets_tests.report.test_figures import lightness

SVG = "{http://www.w3.org/2000/svg}"
SILENT = "#f1f3f5"
LEFT, PLOT, TOP, BOTTOM = 46, 450, 20, 101
"""Of a figure of means, in points of its SVG."""


def drawn(report: PeriodReport, folder: Path, name: str) -> ET.Element:
    content = period_document(report)
    write_figures_of(content, report.period.file, folder)
    return ET.fromstring((folder / f"{report.period.file}_{name}.svg").read_bytes())  # noqa: S314 - our own file


def built(days: list[DayNumbers], period: Period = WEEK) -> PeriodReport:
    return build_period_report(period, days, configuration())


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(str(element.get(name))) for name in names]


def hatchings(root: ET.Element) -> list[tuple[float, float]]:
    """Where they begin and end."""
    boxes = [numbers(e, "x", "width") for e in root.iter(f"{SVG}rect") if e.get("fill") == SILENT]
    return [(x, x + width) for x, width in boxes]


def texts(root: ET.Element) -> list[str]:
    return [str(e.text) for e in root.iter(f"{SVG}text")]


def test_means_stand_at_their_days_within_their_extremes(tmp_path: Path) -> None:
    means = {0: 0.01, 1: 0.03, 3: 0.02, 6: 0.06}
    days = [day_of(WEEK.days[n], {"phase_diff": signal(mean, around=0.01)}) for n, mean in means.items()]
    root = drawn(built(days), tmp_path, "phase_diff")
    ticks = {t.text: float(str(t.get("y"))) - 2.4 for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "end"}

    def value(y: float) -> float:
        return 0.08 * (ticks["0.00"] - y) / (ticks["0.00"] - ticks["0.08"])

    whiskers = [numbers(e, "x1", "y1", "y2") for e in root.iter(f"{SVG}line") if e.get("stroke-width") == "1.4"]
    assert [(x - LEFT) / PLOT * 7 - 0.5 for x, _, _ in whiskers] == pytest.approx(list(means), abs=0.01)
    for (_, low, high), mean in zip(whiskers, means.values(), strict=True):
        assert (value(low), value(high)) == (pytest.approx(mean - 0.01, abs=2e-4), pytest.approx(mean + 0.01, abs=2e-4))
    squares = [numbers(e, "x", "y", "width") for e in root.iter(f"{SVG}rect") if e.get("fill") == "#0b4f8a"]
    assert [value(y + side / 2) for _, y, side in squares] == pytest.approx([0.01, 0.03, 0.02], abs=2e-4)
    (diamond,) = root.iter(f"{SVG}polygon")
    corners = [tuple(map(float, pair.split(","))) for pair in str(diamond.get("points")).split()]
    assert (sum(x for x, _ in corners) / 4 - LEFT) / PLOT * 7 - 0.5 == pytest.approx(6, abs=0.01)
    assert value(sum(y for _, y in corners) / 4) == pytest.approx(0.06, abs=2e-4)
    width = PLOT / 7
    assert hatchings(root) == [pytest.approx((LEFT + n * width, LEFT + (n + 1) * width), abs=0.02) for n in (2, 4, 5)]
    (joined,) = root.iter(f"{SVG}polyline")
    assert len(str(joined.get("points")).split()) == 2, "a day that is missing parts the line"
    assert "목표 ≤ 0.05" in texts(root)
    assert "월 03-02" in texts(root)


def test_a_day_without_a_value_is_hatched_as_one_that_was_not_frozen(tmp_path: Path) -> None:
    days = [day_of(day, {"phase_diff": signal(None if n == 4 else 0.02)}) for n, day in enumerate(WEEK.days)]
    assert len(hatchings(drawn(built(days), tmp_path, "phase_diff"))) == 1
    assert len(hatchings(drawn(built(days), tmp_path, "-shares-1"))) == 1


def test_a_month_has_a_place_for_each_of_its_days(tmp_path: Path) -> None:
    root = drawn(month_report(), tmp_path, "phase_diff")
    assert set(map(str, range(1, 32))) <= set(texts(root))
    assert len(hatchings(root)) == 3
    calendar = drawn(month_report(), tmp_path, "-shares-1")
    assert len(hatchings(calendar)) == 3 * 4
    assert texts(calendar).count("03-01") == texts(calendar).count("03-30") == 4
    assert len([text for text in texts(calendar) if re.fullmatch(r"\d{1,3}", text)]) == 28 * 4


def test_a_weeks_shares_stand_in_rows_and_another_target_is_hatched(tmp_path: Path) -> None:
    root = drawn(week_report(), tmp_path, "-shares-1")
    said = texts(root)
    assert [text for text in said if "03-" in text] == [f"{d} 03-0{n}" for n, d in enumerate("월화수목금토일", 2)]
    assert {"위상차", "엔트로피율", "창의 밴드", "위험 밴드"} <= set(said)
    assert len(hatchings(root)) == 4 + 1
    (report,) = [week_report()]
    shares = report.shares_on_target(report.signals[0])
    assert len(shares) == 6
    assert {str(int(share * 100)) for share in shares.values()} <= set(said)


def test_the_darker_the_fewer_were_on_target(tmp_path: Path) -> None:
    days = [day_of(day, {"phase_diff": signal(0.02, n / 6)}) for n, day in enumerate(WEEK.days)]
    root = drawn(built(days), tmp_path, "-shares-1")
    fills = [str(e.get("fill")) for e in root.iter(f"{SVG}rect") if e.get("stroke") == "#ffffff"]
    light = [sum(int(fill[i : i + 2], 16) * w for i, w in ((1, 2126), (3, 7152), (5, 722))) for fill in fills]
    assert len(light) == 7
    assert light == sorted(light)
    assert len(set(light)) == 7


def test_what_lies_on_one_another_is_told_apart_in_grey() -> None:
    for front, back in (
        ("ENVELOPE_EDGE", "ON_TARGET"), ("ENVELOPE_EDGE", "WHITE"), ("MEAN", "ENVELOPE_EDGE"),
        ("CHANGE", "ENVELOPE_EDGE"), ("TARGET_EDGE", "ON_TARGET"),
    ):  # fmt: skip
        difference = lightness(getattr(drawing, back)) - lightness(getattr(drawing, front))
        assert difference > 8, (front, back, difference)


def test_signals_that_nobody_configured_get_eight_figures_at_most(tmp_path: Path) -> None:
    names = ["phase_diff", *(f"extra_{n}" for n in range(10)), HOSTILE.replace("\ud800", "")]
    days = [day_of(day, {name: signal(0.02, target=None, label=name) for name in names}) for day in WEEK.days]
    written = write_period(built(days), tmp_path)
    assert len(written.figures) == 9
    page = written.markdown.read_text("utf-8")
    assert "그래프를 생략한 신호: extra_8, extra_9" in page
    assert [tmp_path / name for name in re.findall(r"!\[.*\]\((assets/.*)\)", page)] == list(written.figures)


@pytest.mark.parametrize("means", [[0.0] * 7, [1.7e308, -1.7e308], [5e-324, 0.0], [1e-300, 1e300], [1e15, 1e15 + 1]])
def test_any_values_can_be_drawn(tmp_path: Path, means: list[float]) -> None:
    days = [day_of(day, {"phase_diff": signal(mean, 0.5)}) for day, mean in zip(MONTH.days, means, strict=False)]
    report = built(days, MONTH)
    drawn(report, tmp_path, "phase_diff")
    text = (tmp_path / "month_2026-03_phase_diff.svg").read_text("utf-8")
    assert "nan" not in text
    assert "inf" not in text
    write_period(report, tmp_path)


def test_nothing_frozen_draws_nothing(tmp_path: Path) -> None:
    written = write_period(built([]), tmp_path)
    assert written.figures == ()
    assert "![" not in render_document(period_document(built([])))


@pytest.mark.parametrize("make", [week_report, month_report])
def test_equal_reports_give_equal_bytes(tmp_path: Path, make: object) -> None:
    assert callable(make)
    first, again = (write_period(make("en"), tmp_path / name) for name in ("a", "b"))
    for one, other in zip(
        (first.markdown, first.pdf, first.model, *first.figures),
        (again.markdown, again.pdf, again.model, *again.figures),
        strict=True,
    ):
        assert one.read_bytes() == other.read_bytes()
    assert PeriodReport.from_json(first.model.read_text("utf-8")) == make("en")

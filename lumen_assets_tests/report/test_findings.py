from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.report import DayReport, build_report, findings_text, render_markdown
from lumen_assets.report.findings import KINDS
from lumen_assets.report.model import Finding, PastDay, PastLevel, TargetRange
from lumen_assets.report.numbers import frozen_values
from lumen_assets.report.robust import ENOUGH_DAYS
from lumen_assets.report.wording import Wording
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import RecordedEffect, Risk, RuleChange
from lumen_assets_tests.report.scenes import (
    DAY,
    DAY_BEFORE,
    at,
    broken_day,
    configuration,
    empty_day,
    frame,
    hostile_day,
    normal_day,
    stormy_day,
    telemetry,
    with_inputs,
)

TARGET = TargetRange(None, 0.05)
GOOD = {"phase_diff": 0.03, "entropy_rate": 0.2, "creative_band": 0.3, "risk_band": 0.2}


def day(values: dict[str, float], on=DAY, **parts: Any):
    """A whole day at one row in ten seconds, every signal constant."""
    moments = [at("00:00:00", on) + timedelta(seconds=10 * i) for i in range(8640)]
    return telemetry(on, frame(moments, {name: [value] * 8640 for name, value in values.items()}), **parts)


def report(today, before=None, history=(), language="ko") -> DayReport:
    return build_report(today, before, configuration(language, rate_hz=0.1), history)


def past(means: list[float], share: float | None = None, target: TargetRange | None = TARGET) -> list[PastDay]:
    days = [DAY - timedelta(days=len(means) - i) for i in range(len(means))]
    return [PastDay(d, {"phase_diff": PastLevel(m, share, target)}) for d, m in zip(days, means, strict=True)]


def only(found: DayReport, kind: str) -> Finding:
    (finding,) = [finding for finding in found.findings if finding.kind == kind]
    return finding


def kinds(found: DayReport) -> list[str]:
    return [finding.kind for finding in found.findings]


def test_a_good_day_says_that_there_is_nothing():
    assert kinds(report(day(GOOD))) == ["nothing"]
    assert kinds(report(day(GOOD, risks=(Risk(at("01:00:00"), "info", "r", {}, ""),)))) == ["nothing"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [(0, None), (4, None), (5, ("99.9%", 8635)), (268, ("96.9%", 8372))],
)
def test_where_there_is_nothing_to_tell_it_is_said_that_rows_are_missing(missing: int, said: tuple[str, int] | None):
    """A row in each of some pairs of ten seconds is lost, so that there is no gap."""
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640) if i % 2 or i >= 2 * missing]
    rows = frame(moments, {name: [value] * len(moments) for name, value in GOOD.items()})
    for language, text in (
        ("ko", " 기대한 행의 {}가 있습니다."),
        ("en", " Of the rows that were expected, {} are there."),
    ):
        found = only(report(telemetry(DAY, rows), language=language), "nothing")
        rest = text.format(said[0]) if said else ""
        assert found.text == Wording(language)("finding_nothing") + rest
        assert found.numbers == ({"coverage": said[1] / 8640} if said else {})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "위상차가 목표를 벗어났습니다: 하루 평균 0.0612, 목표 ≤ 0.05, 목표 안의 값 0.0%."),
        ("en", "phase difference is off target: mean of the day 0.0612, target ≤ 0.05, values on target 0.0%."),
    ],
)
def test_what_is_off_target(language: str, text: str):
    found = only(report(day({**GOOD, "phase_diff": 0.0612}), language=language), "off_target")
    assert found == Finding("off_target", "phase_diff", {"mean": 0.0612, "share_on_target": 0.0}, text)


def test_a_mean_that_is_hardly_off_target_has_the_digits_that_tell_so():
    found = report(day({**GOOD, "phase_diff": 0.0500002}), language="en")
    assert "mean of the day 0.0500002, target ≤ 0.05" in only(found, "off_target").text
    page = render_markdown(found)
    assert "| ≤ 0.05 | **0.0500002** | **off target** |" in page
    assert "mean 0.0500002 · min 0.0500002" in page


def test_what_is_partly_off_target():
    values = [0.2 if i % 5 == 0 else 0.001 for i in range(8640)]
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    rows = frame(moments, {**{name: [value] * 8640 for name, value in GOOD.items()}, "phase_diff": values})
    text = only(report(telemetry(DAY, rows)), "partly_off_target").text
    assert text == "위상차는 하루 평균이 목표(≤ 0.05) 안에 있으나 값의 20.0%가 목표를 벗어났습니다."


def test_the_day_is_held_against_four_weeks():
    means = [0.030 + i % 3 * 0.001 for i in range(21)]
    found = report(day({**GOOD, "phase_diff": 0.041}), history=past(means))
    finding = only(found, "unusual_mean")
    assert finding.numbers == pytest.approx({"value": 0.041, "days": 21, "median": 0.031, "mad": 0.001})
    assert "지난 28일 중 21일의 중앙값 0.0310, 차이 +0.0100, MAD 0.0010" in finding.text
    assert "지난 28일 가운데 값이 있는 21일의 수치와 비교했습니다." in render_markdown(found)
    assert kinds(report(day({**GOOD, "phase_diff": 0.0345}), history=past(means))) == ["nothing"]


@pytest.mark.parametrize(("rows", "told"), [(1, False), (863, False), (864, True)])
def test_a_day_is_unusual_only_with_a_tenth_of_the_expected_values(rows: int, told: bool):
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(rows)]
    today = telemetry(DAY, frame(moments, {**{n: [v] * rows for n, v in GOOD.items()}, "phase_diff": [0.06] * rows}))
    found = kinds(report(today, history=past([0.0301] * 28, 1.0)))
    assert ("unusual_mean" in found, "unusual_share" in found) == (told, told)


def test_what_is_told_of_the_usual_is_the_difference_of_what_is_read():
    found = report(day({**GOOD, "phase_diff": 0.04126}), history=past([0.03014] * 28))
    assert "0.0413, 지난 28일 중 28일의 중앙값 0.0301, 차이 +0.0112" in only(found, "unusual_mean").text
    found = report(percents(39), history=past([0.0301] * 28, 0.99749))
    assert "39.0%, 지난 28일 중 28일의 중앙값 99.7%, 차이 -60.7%p" in only(found, "unusual_share").text


def test_a_share_is_held_against_days_with_the_same_target_only():
    bad = day({**GOOD, "phase_diff": 0.06})
    means = [0.03] * 28
    assert "unusual_share" in kinds(report(bad, history=past(means, 1.0)))
    assert "unusual_share" not in kinds(report(bad, history=past(means, 1.0, TargetRange(None, 0.07))))
    some = past(means[:6], 1.0) + past(means[:7], 1.0, None)
    assert "unusual_share" not in kinds(report(bad, history=some))


def test_nothing_is_said_on_a_few_days():
    found = report(day({**GOOD, "phase_diff": 0.045}), history=past([0.03] * (ENOUGH_DAYS - 1)))
    assert found.history == ()
    assert kinds(found) == ["nothing"]
    assert "7일보다 적었습니다" in findings_text(found)


@pytest.mark.parametrize(
    ("empty", "language", "text"),
    [
        (5, "ko", "지난 28일 가운데 값이 있는 23일의 수치와 비교했습니다."),
        (5, "en", "Compared with the numbers of 23 of the last 28 days, those frozen with values."),
        (22, "en", "Not compared with the last 28 days: fewer than 7 of them were frozen with values."),
    ],
)
def test_days_without_values_are_not_counted_as_compared_with(empty: int, language: str, text: str):
    days = past([0.03] * 28)
    days[:empty] = [replace(each, signals={}) for each in days[:empty]]
    assert findings_text(report(day(GOOD), history=days, language=language)).endswith(f"\n\n{text}\n")


@pytest.mark.parametrize(
    ("silent", "phase", "language", "text"),
    [
        (2, 0.03, "ko", "신호 4개 가운데 2개의 하루 평균이 목표 안에 있습니다. 값이 없는 신호: 2개."),
        (2, 0.03, "en", "2 of 4 signals with a target have their mean of the day on target. Without values: 2."),
        (
            1,
            0.06,
            "ko",
            "4개 가운데 2개의 하루 평균이 목표 안에 있습니다. 목표를 벗어난 신호: 위상차. 값이 없는 신호: 1개.",
        ),
        (
            0,
            0.06,
            "en",
            "3 of 4 signals with a target have their mean of the day on target. Off target: phase difference.",
        ),
        (0, 0.03, "en", "Every signal with a target (4) has its mean of the day on target."),
    ],
)
def test_signals_with_a_target_and_without_values_are_counted(silent: int, phase: float, language: str, text: str):
    values = dict(list({**GOOD, "phase_diff": phase}.items())[: 4 - silent])
    assert f"{text}**\n" in render_markdown(report(day(values), language=language))


def test_steady_days_make_no_trifle_unusual():
    assert kinds(report(day({**GOOD, "phase_diff": 0.03009}), history=past([0.03] * 28))) == ["nothing"]


def percents(percent: int, on=DAY):
    """A whole day, a row in nine seconds, with so many percent of a signal's values on target."""
    moments = [at("00:00:00", on) + timedelta(seconds=9 * i) for i in range(9600)]
    values = [0.03 if i % 100 < percent else 0.0501 for i in range(9600)]
    return telemetry(
        on, frame(moments, {**{name: [value] * 9600 for name, value in GOOD.items()}, "phase_diff": values})
    )


def test_exactly_a_tenth_off_target_is_told():
    percent = [93, 92, 91, 90, 89]
    assert [kinds(report(percents(n))) for n in percent] == [["nothing"]] * 3 + [["partly_off_target"]] * 2


@pytest.mark.parametrize("share", range(100, 90, -1))
def test_exactly_five_points_are_told(share: int):
    for less in (4, 5):
        found = report(percents(share - less), percents(share, DAY_BEFORE))
        assert ("worsened" in kinds(found)) == (less == 5), (share, less)
        back = report(percents(share), percents(share - less, DAY_BEFORE))
        assert ("improved" in kinds(back)) == (less == 5), (share, less)


@pytest.mark.parametrize("share", [1.0, 0.99, 0.96, 0.95, 0.91])
def test_exactly_one_point_off_the_median_is_never_told(share: float):
    found = report(percents(round(100 * share) - 1), history=past([0.0301] * 28, share))
    assert "unusual_share" not in kinds(found)
    assert "unusual_share" in kinds(report(percents(round(100 * share) - 2), history=past([0.0301] * 28, share)))


@pytest.mark.parametrize(("before", "now"), [(0.01, 0.011), (0.03, 0.033), (0.03, 0.027), (0.02, 0.022), (0.04, 0.044)])
def test_exactly_a_tenth_of_the_mean_is_told(before: float, now: float):
    found = report(day({**GOOD, "phase_diff": now}), day({**GOOD, "phase_diff": before}, DAY_BEFORE))
    assert kinds(found) == ["worsened" if now > before else "improved"]


def test_a_change_that_no_finding_tells_is_not_called_better_or_worse():
    page = render_markdown(report(day({**GOOD, "phase_diff": 0.0299}), day(GOOD, DAY_BEFORE), language="en"))
    assert "| -1.00e-4 |" in page
    assert "better" not in page.split("## The day in figures")[0].split("## At a glance")[1]
    page = render_markdown(report(day({**GOOD, "phase_diff": 0.02}), day(GOOD, DAY_BEFORE), language="en"))
    assert "| -0.0100 better |" in page


@pytest.mark.parametrize(
    ("spread", "enough", "told"),
    [(0.0, True, True), (0.0004, True, True), (0.0012, True, False), (0.0012, False, True)],
)
def test_a_mean_has_moved_where_it_is_further_off_than_days_are_spread(spread: float, enough: bool, told: bool):
    """0.004 is a third of what it was, and 3.3 times 0.0012; three standard deviations are 4.4 times the MAD."""
    means = [0.014 + (i % 3 - 1) * spread for i in range(28 if enough else ENOUGH_DAYS - 1)]
    now, then = day({**GOOD, "phase_diff": 0.016}), day({**GOOD, "phase_diff": 0.012}, DAY_BEFORE)
    found = report(now, then, past(means, 1.0), language="en")
    assert ("worsened" in kinds(found)) == told
    assert ("+0.0040 worse" in render_markdown(found)) == told


@pytest.mark.parametrize(("spread", "told"), [(0, True), (1, True), (2, False)])
def test_a_share_has_moved_where_it_is_further_off_than_days_are_spread(spread: int, told: bool):
    levels = past([0.0301] * 28)
    shares = [PastLevel(0.0301, (96 + (i % 3 - 1) * spread) / 100, TARGET) for i in range(28)]
    history = [replace(each, signals={"phase_diff": level}) for each, level in zip(levels, shares, strict=True)]
    found = report(percents(91), percents(97, DAY_BEFORE), history, language="en")
    assert ("worsened" in kinds(found)) == told
    assert ("-6.0 pp worse" in render_markdown(found)) == told


@pytest.mark.parametrize(("off", "told"), [(0, False), (80, False), (90, True)])
def test_a_share_that_hardly_moved_is_not_told_with_the_mean(off: int, told: bool):
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    values = [0.0501] * off + [0.035] * (8640 - off)
    rows = frame(moments, {**{name: [value] * 8640 for name, value in GOOD.items()}, "phase_diff": values})
    found = only(report(telemetry(DAY, rows), day(GOOD, DAY_BEFORE), language="en"), "worsened")
    assert ("share on target -1.0 pp" in found.text, "share_change" in found.numbers) == (told, told)


@pytest.mark.parametrize(("before", "kind"), [(0.01, "worsened"), (0.045, "improved"), (0.0301, None)])
def test_what_changed_against_the_day_before(before: float, kind: str | None):
    found = report(day(GOOD), day({**GOOD, "phase_diff": before}, DAY_BEFORE))
    assert kinds(found) == [kind or "nothing"]


def test_a_change_that_takes_values_off_target_is_worse_whatever_the_mean_did():
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    values = [0.06 if i % 10 == 0 else 0.0 for i in range(8640)]
    rows = frame(moments, {**{name: [value] * 8640 for name, value in GOOD.items()}, "phase_diff": values})
    found = only(report(telemetry(DAY, rows), day(GOOD, DAY_BEFORE)), "worsened")
    assert found.text == "위상차가 전날보다 나빠졌습니다: 하루 평균 -0.0240, 목표 내 비율 -10.0%p."


def test_a_signal_that_nobody_configured_changes_neither_for_better_nor_worse():
    found = report(day({**GOOD, "load": 3.0}), day({**GOOD, "load": 2.0}, DAY_BEFORE))
    assert [(f.kind, f.text) for f in found.findings] == [("changed", "load이(가) 전날과 다릅니다: 하루 평균 +1.000.")]


def recorded(
    delta: float, pre: float = 30.0, post: float | None = 30.0, *, language: str = "ko", **parts: Any
) -> DayReport:
    """A change that takes the signal from 0.01 to 0.03, with what was recorded of it."""
    moments = [at("11:59:00") + timedelta(milliseconds=200 * i) for i in range(601)]
    values = [0.01 if moment < at("12:00:00") else 0.03 for moment in moments]
    change = RuleChange(at("12:00:00"), "a", "r", "0", "1", "")
    effect = replace(RecordedEffect(at("12:00:00"), "a", "r", "0", "1", pre, post, {"phase": delta}), **parts)
    rows = frame(moments, {"phase_diff": values})
    return report(telemetry(DAY, rows, rule_changes=(change,), effects=(effect,)), language=language)


@pytest.mark.parametrize(("delta", "differs"), [(0.02, False), (0.0203, False), (0.0212, True), (-0.02, True)])
def test_effects_that_are_recorded_otherwise_than_the_rows_say(delta: float, differs: bool):
    found = recorded(delta)
    assert ("effects_differ" in kinds(found)) == differs
    assert ("≠ (" in render_markdown(found)) == differs
    if differs:
        numbers = only(found, "effects_differ").numbers
        assert numbers == pytest.approx({"checked": 1, "count": 1, "number": 1, "recorded": delta, "measured": 0.02})


@pytest.mark.parametrize(
    ("delta", "rounding", "differs"),
    [(0.0, 0.05, False), (0.0, 0.005, True), (0.1, 0.05, True), (0.03, 0.005, True), (0.025, 0.005, False)],
)
def test_rounding_of_what_was_recorded_is_no_difference(delta: float, rounding: float, differs: bool):
    found = recorded(delta, rounding={"phase": rounding}, before={"phase": delta - 0.01})
    assert [kind for kind in kinds(found) if kind.endswith("_differ")] == ["effects_differ", "means_differ"] * differs
    assert DayReport.from_json(found.to_json()) == found


@pytest.mark.parametrize("post", [30.0, None])
def test_effects_of_other_windows_are_not_held_against_each_other_and_it_is_said(post: float | None):
    found = recorded(0.5, 20.0, post)
    assert "effects_differ" not in kinds(found)
    assert "20초" in render_markdown(found)


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [(0.01, 0.03, 0), (0.0101, 0.0314, 0), (0.01, None, 0), (None, 0.032, 1), (0.011, 0.03, 1), (0.02, 0.04, 2)],
)
def test_means_that_are_recorded_otherwise_than_the_rows_say(before: float | None, after: float | None, count: int):
    found = recorded(0.02, before={"phase": before}, after={"phase": after})
    assert ("means_differ" in kinds(found)) == (count > 0)
    assert "effects_differ" not in kinds(found)
    assert render_markdown(found).count(" ≠ ") == count
    if count:
        numbers = only(found, "means_differ").numbers
        assert (numbers["checked"], numbers["count"]) == (1 if before is None else 2, count)


def test_the_mean_that_is_furthest_off_is_named_with_its_side():
    found = recorded(0.02, before={"phase": 0.011}, after={"phase": 0.04}, language="en")
    assert only(found, "means_differ").text == (
        "Recorded means of phase difference around rule changes: 2 of the 2 that could be recomputed are not what the "
        "rows say, most the one after change 1 (recorded 0.0400, recomputed 0.0300)."
    )
    text = render_markdown(found)
    assert "phase difference, mean before the change: recomputed 0.0100 ≠ recorded 0.0110" in text
    assert "phase difference, mean after the change: recomputed 0.0300 ≠ recorded 0.0400" in text
    korean = only(recorded(0.02, before={"phase": 0.02}), "means_differ").text
    assert "차이가 가장 큰 것은 1번 변경 전의 평균입니다: 기록 0.0200, 계산 0.0100." in korean


def test_means_of_other_windows_are_not_held_against_each_other():
    assert "means_differ" not in kinds(recorded(0.02, 20.0, before={"phase": 0.5}))


@pytest.mark.parametrize(
    ("time", "before", "told"),
    [
        ("23:59:29", None, ["effects_differ", "means_differ"]),
        ("23:59:30", None, ["means_differ"]),
        ("23:59:45", None, ["means_differ"]),
        ("00:00:15", None, ["means_differ"]),
        ("00:00:15", 0.01, ["effects_differ", "means_differ"]),
        ("00:00:30", None, ["effects_differ", "means_differ"]),
    ],
)
def test_a_window_that_midnight_cuts_is_not_held_against_what_was_recorded_of_the_whole_one(
    time: str, before: float | None, told: list[str]
):
    every, change = [at("00:00:00") + timedelta(seconds=i / 5) for i in range(432_000)], at(time)
    moments = [moment for moment in every if abs(moment - change) < timedelta(minutes=1)]
    values = [0.01 if moment < change else 0.03 for moment in moments]
    effect = RecordedEffect(change, "a", "r", "0", "1", 30.0, 30.0, {"phase": 0.5}, {"phase": 0.5}, {"phase": 0.5})
    rows = frame(moments, {"phase_diff": values})
    of_day_before = [at("23:59:00", DAY_BEFORE) + timedelta(seconds=i / 5) for i in range(300)]
    previous = telemetry(DAY_BEFORE, frame(of_day_before, {"phase_diff": [before] * 300})) if before else None
    change_made = RuleChange(change, "a", "r", "0", "1", "")
    found = report(telemetry(DAY, rows, rule_changes=(change_made,), effects=(effect,)), previous)
    assert found.rule_effects[0].measured["phase_diff"] is not None
    assert [kind for kind in kinds(found) if kind.endswith("_differ")] == told
    whole = 2 if "effects_differ" in told else 1
    assert only(found, "means_differ").numbers["checked"] == whole


@pytest.mark.parametrize(("actor", "differs"), [("a", False), (" a ", False), ("b", True), ("", True)])
def test_another_actor_is_told_and_shown(actor: str, differs: bool):
    found = recorded(0.02, actor=actor, language="en")
    assert ("actors_differ" in kinds(found)) == differs
    assert (f"**a<br>≠ ({actor})**" in render_markdown(found)) == differs
    if differs:
        finding = only(found, "actors_differ")
        assert finding.numbers == {"checked": 1, "count": 1, "number": 1}
        assert finding.text.endswith("1 of the 1 that both have; the first is change 1.")


@pytest.mark.parametrize(
    ("language", "fact", "text"),
    [
        (
            "ko",
            "| 규칙 변경 | 4건 (그중 1건은 rules_effects.csv에만 있음) |",
            "rules_history.jsonl에 있는 규칙 변경 3건 가운데 1건은 rules_effects.csv에 효과 기록이 없습니다.",
        ),
        (
            "en",
            "| Rule changes | 4, 1 of them only in rules_effects.csv |",
            "Rule changes in rules_history.jsonl without an effect in rules_effects.csv: 1 of 3.",
        ),
    ],
)
def test_why_there_are_more_changes_in_one_place_than_in_another_is_said(language: str, fact: str, text: str):
    times = [at(f"0{hour}:00:00") for hour in (1, 2, 3, 4)]
    changes = tuple(RuleChange(time, "a", "r", "0", "1", "") for time in times[:3])
    effects = tuple(RecordedEffect(time, "a", "r", "0", "1", 30, 30, {"phase": 0.1}) for time in times[1:])
    found = report(telemetry(rule_changes=changes, effects=effects), language=language)
    assert only(found, "changes_without_effect").text == text
    assert fact in render_markdown(found)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "ko",
            "규칙 변경 1건은 변경 앞이나 뒤 30초에 값이 50개가 안 되어, rules_effects.csv에 기록된 효과를 확인할 수 "
            "없습니다.",
        ),
        (
            "en",
            "Rule changes whose recorded effect cannot be checked, for there are fewer than 50 values in the half "
            "minute before or after: 1.",
        ),
    ],
)
def test_a_recorded_effect_that_cannot_be_checked_is_told(language: str, text: str):
    def recorded(second: int, of: str = "phase", window: float = 30.0) -> RecordedEffect:
        return RecordedEffect(at(f"01:00:{second:02d}"), "a", "r", "0", "1", window, window, {of: 0.1})

    effects = (recorded(1), recorded(2, of="nowhere"), recorded(3, window=10.0))
    found = report(day(GOOD, effects=effects), language=language)
    assert only(found, "effects_unchecked") == Finding("effects_unchecked", None, {"count": 1}, text)


def test_every_kind_has_its_place_and_the_weightiest_come_first():
    for today, before in (
        (empty_day(), None),
        (broken_day(), None),
        normal_day(rate_hz=0.1),
        (stormy_day(20, 0.1), None),
    ):
        found = kinds(report(today, before, past([0.01 + i * 1e-5 for i in range(28)], 1.0)))
        assert found == sorted(found, key=KINDS.index)
        assert found


def test_an_empty_day_is_one_finding():
    assert kinds(report(empty_day())) == ["empty"]


@pytest.mark.parametrize(
    ("language", "basis", "cell"),
    [
        ("ko", "이날은 값이 없어 지난 28일과 비교하지 않았습니다.", "열 없음"),
        ("en", "Not compared with the last 28 days: this day has no values.", "no such column"),
    ],
)
def test_an_empty_day_is_compared_with_nothing_and_lacks_no_column(language: str, basis: str, cell: str):
    found = report(empty_day(), history=past([0.03] * 20), language=language)
    assert found.history
    assert findings_text(found).endswith(f"\n\n{basis}\n")
    assert Wording(language)("no_column") == cell
    assert cell not in render_markdown(found)


@pytest.mark.parametrize(
    ("language", "text"),
    [("ko", "텔레메트리 8,640줄을 모두 제외"), ("en", "every line of its telemetry was left out (8,640)")],
)
def test_a_day_whose_lines_were_all_left_out_is_not_said_to_have_no_record(language: str, text: str):
    found = report(with_inputs(telemetry(DAY), rejected={"bad_timestamp": 8_640}), language=language)
    assert kinds(found) == ["unusable", "rejected"]
    assert text in only(found, "unusable").text
    assert only(found, "unusable").numbers == {"count": 8_640}


def test_coverage_is_told_where_there_is_no_gap():
    moments = [at("00:00:00") + timedelta(seconds=20 * i) for i in range(4320)]
    rows = frame(moments, {name: [value] * 4320 for name, value in GOOD.items()})
    assert kinds(report(telemetry(DAY, rows))) == ["coverage"]


def hours_of(name: str, hours: int, every: int = 1):
    """A whole day but for one signal: it has a value in each ``every``-th row of its first hours, and in no other."""
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    columns = {signal: [value] * 8640 for signal, value in GOOD.items()}
    columns[name] = [GOOD[name] if i < 360 * hours and i % every == 0 else None for i in range(8640)]
    return telemetry(DAY, frame(moments, columns))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "위상차는 이날 기대한 값의 4.2%만 있습니다(8,640개 가운데 360개)."),
        ("en", "phase difference has only 4.2% of the values expected on this day (360 of 8,640)."),
    ],
)
def test_a_signal_that_is_silent_for_most_of_the_day_is_told_though_the_record_is_whole(language: str, text: str):
    found = report(hours_of("phase_diff", 1), language=language)
    numbers = {"coverage": pytest.approx(1 / 24), "count": 360}
    assert found.findings == (Finding("few_values", "phase_diff", numbers, text),)
    assert kinds(report(hours_of("phase_diff", 22))) == ["nothing"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "전날에는 값이 있었으나 이날은 값이 하나도 없는 열: a, b, c 외 1개."),
        ("en", "Columns with values on the day before and not one on this day: a, b, c and 1 more."),
    ],
)
def test_columns_that_nobody_configured_are_told_when_they_are_gone(language: str, text: str):
    def with_columns(names: str, on=DAY):
        return day(GOOD | dict.fromkeys(names, 0.5), on)

    before = with_columns("abcdx", DAY_BEFORE)
    found = report(with_columns("x"), before, language=language)
    assert only(found, "gone") == Finding("gone", None, {"count": 4}, text)
    assert found.gone == ("a", "b", "c", "d")
    assert "gone" not in kinds(report(with_columns("abcdx"), before))
    assert kinds(report(empty_day(), before)) == ["empty"]


def test_where_the_whole_record_has_few_rows_no_signal_is_told_for_having_no_more():
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(4320)]
    columns = {
        name: [value if name == "risk_band" or i % 5 else None for i in range(4320)] for name, value in GOOD.items()
    }
    found = report(telemetry(DAY, frame(moments, columns)))
    assert kinds(found) == ["gaps", "few_values", "few_values", "few_values"]
    assert {f.signal for f in found.findings} == {None, "phase_diff", "entropy_rate", "creative_band"}


@pytest.mark.parametrize("rate_hz", [None, 0.01, 1.0])
def test_what_is_frozen_of_a_signal_is_a_share_of_its_source_s_rows(rate_hz: float | None):
    wanted = configuration(rate_hz=0.1).model_dump()
    wanted["signals"]["phase_diff"]["rate_hz"] = rate_hz
    found = build_report(normal_day(rate_hz=0.1)[0], None, Configuration.model_validate(wanted))
    frozen = frozen_values(found.to_json())[""]["phase_diff"]
    assert frozen.count == found.recording.rows
    assert frozen.coverage == found.recording.coverage


@pytest.mark.parametrize(("rate_hz", "expected"), [(None, ["few_values"]), (0.01, ["nothing"]), (0.02, ["few_values"])])
def test_a_signal_may_have_a_rate_of_its_own(rate_hz: float | None, expected: list[str]):
    wanted = configuration(rate_hz=0.1).model_dump()
    wanted["signals"]["phase_diff"]["rate_hz"] = rate_hz
    found = build_report(hours_of("phase_diff", 24, every=10), None, Configuration.model_validate(wanted))
    assert kinds(found) == expected
    assert found.signals[0].rate_hz == (rate_hz or 0.1)


def test_a_signal_that_nobody_configured_may_have_as_few_values_as_it_likes():
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    columns = {name: [value] * 8640 for name, value in GOOD.items()} | {"load": [1.0] + [None] * 8639}
    assert kinds(report(telemetry(DAY, frame(moments, columns)))) == ["nothing"]


def test_the_body_of_a_mail():
    today, before = normal_day(rate_hz=0.1)
    found = build_report(today, before, configuration("en", rate_hz=0.1))
    text = findings_text(found, shown=2)
    assert text.splitlines()[:2] == ["Lumen Resonance Report", "Thursday, 23 October 2025, KST"]
    assert text.count("\n- ") == 3, "and how many more there are"
    assert f"Further ones, in the JSON: {len(found.findings) - 2}." in text
    assert "SAMPLE" in findings_text(report(empty_day(), language="en"))


def test_texts_of_inputs_get_into_no_finding_but_labels():
    found = report(hostile_day())
    allowed = {finding.signal for finding in found.findings}
    for finding in found.findings:
        rest = finding.text
        for name in allowed - {None}:
            rest = rest.replace(str(name), "")
        assert "script" not in rest


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5), st.floats(-1e308, 1e308))
def test_any_finite_number_makes_sentences(values: list[float], usually: float):
    moments = [at("08:00:00") + timedelta(seconds=i) for i in range(len(values))]
    today = with_inputs(telemetry(DAY, frame(moments, {"phase_diff": values})))
    before = telemetry(DAY_BEFORE, frame([at("08:00:00", DAY_BEFORE)], {"phase_diff": [usually]}))
    found = report(today, before, past([usually] * 14, 0.5))
    assert DayReport.from_json(found.to_json()) == found
    for finding in found.findings:
        assert not re.search(r"\bnan\b|\binf\b|None", finding.text)

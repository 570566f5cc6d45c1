"""What a week's or month's report says first, and when it says nothing of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.report import build_report
from lumen_assets.report.markdown import render_document
from lumen_assets.report.model import Finding, TargetRange
from lumen_assets.report.numbers import DayNumbers, numbers_of
from lumen_assets.report.period_building import build_period_report
from lumen_assets.report.period_findings import KINDS
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.periods import Period, PeriodReport
from lumen_assets.report.wording import Wording
from lumen_assets.settings import Configuration
from lumen_assets_tests.report.period_scenes import MONTH, ROWS, WEEK, day_of, gap, month_report, signal, week_report
from lumen_assets_tests.report.scenes import DAY, configuration, normal_day

LANGUAGES = ("ko", "en")
STEADY = (0.030, 0.031, 0.029, 0.030, 0.032, 0.028, 0.030)
"""Means of days with a median of 0.03 and a MAD of 0.001."""


def days_of(period: Period, means: Any = STEADY, **parts: Any) -> list[DayNumbers]:
    """A day a mean, from the first day of the period on; none of a mean that is None."""
    found = ((day, mean) for day, mean in zip(period.days, means, strict=False) if mean is not None)
    return [day_of(day, {"phase_diff": signal(mean, **parts)}) for day, mean in found]


def built(
    days: list[DayNumbers],
    before: list[DayNumbers] | None = None,
    language: str = "ko",
    period: Period = WEEK,
    start: date = date(2026, 1, 1),
) -> PeriodReport:
    return build_period_report(
        period, days, configuration(language).model_copy(update={"start_date": start}), before or []
    )


def kinds(report: PeriodReport) -> list[str]:
    return [finding.kind for finding in report.findings]


def only(report: PeriodReport, kind: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.kind == kind]
    return finding


@pytest.mark.parametrize(
    ("means", "days", "ko", "en"),
    [
        (
            (None,) * 7,
            0,
            "위상차는 7일 가운데 0일에 값이 있습니다. 값이 없는 날: 2026-03-02, 2026-03-03, 2026-03-04 외 4일.",
            "위상차 has values on 0 of 7 days; none on 2026-03-02, 2026-03-03, 2026-03-04 and 4 more days.",
        ),
        (
            (0.03, 0.03, 0.03, None, 0.03, None, 0.03),
            5,
            "위상차는 7일 가운데 5일에 값이 있습니다. 값이 없는 날: 2026-03-05, 2026-03-07.",
            "위상차 has values on 5 of 7 days; none on 2026-03-05, 2026-03-07.",
        ),
    ],
)
def test_a_configured_signal_that_fell_silent_is_told_and_stays_in_the_table(
    means: Any, days: int, ko: str, en: str
) -> None:
    whole = [
        day_of(day, {"phase_diff": signal(mean), "own": signal(None)})
        for day, mean in zip(WEEK.days, means, strict=True)
    ]
    for language, text in (("ko", ko), ("en", en)):
        report = built(whole, days_of(WEEK.before), language)
        assert kinds(report) == ["few_days"]
        assert only(report, "few_days") == Finding("few_days", "phase_diff", {"days": days, "total": 7}, text)
        assert [(each.name, each.days) for each in report.signals] == [("phase_diff", days)]
        shown = render_document(period_document(report))
        table = shown.split(f"## {Wording(language)('section_period_signals')}")[1]
        assert (f"{days} / 7" if language == "ko" else f"{days} of 7") in table
        assert PeriodReport.from_json(report.to_json()) == report


def test_a_signal_is_not_missed_before_it_was_configured_nor_on_days_without_rows() -> None:
    levels: list[dict[str, Any]] = [{}, {}, *[{"phase_diff": signal(0.03)}] * 4, {"phase_diff": signal(None)}]
    rows = [ROWS] * 6 + [0]
    days = [day_of(day, level, rows=n) for day, level, n in zip(WEEK.days, levels, rows, strict=True)]
    assert "few_days" not in kinds(built(days))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_week_says_that_there_is_nothing(language: str) -> None:
    report = built(days_of(WEEK), days_of(WEEK.before), language)
    assert kinds(report) == ["nothing"]
    assert only(report, "nothing").text == Wording(report.language)("finding_period_nothing")
    informed = [replace(day, risks={"crit": 0, "warn": 0, "info": 3}) for day in report.days]
    assert kinds(built(informed)) == ["nothing"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "7일 가운데 4일이 동결되지 않았습니다: 2026-03-02, 2026-03-04, 2026-03-06 외 1일."),
        ("en", "Not frozen: 4 of 7 days (2026-03-02, 2026-03-04, 2026-03-06 and 1 more days)."),
    ],
)
def test_days_that_were_not_frozen(language: str, text: str) -> None:
    report = built(days_of(WEEK, [None, 0.03, None, 0.03, None, 0.03, None]), language=language)
    assert only(report, "missing") == Finding("missing", None, {"count": 4, "total": 7}, text)


def test_days_before_the_first_one_are_not_missed() -> None:
    days = days_of(WEEK, [None, None, *STEADY[:5]])
    assert kinds(built(days, start=WEEK.days[2])) == ["nothing"]
    assert only(built(days, start=WEEK.days[1]), "missing").numbers == {"count": 1, "total": 6}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_week_of_which_nothing_was_frozen_is_one_finding(language: str) -> None:
    report = built([], days_of(WEEK.before), language)
    assert kinds(report) == ["no_days"]
    assert only(report, "no_days").text == Wording(report.language)("finding_period_no_days")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "행이 기대한 수의 90.0%보다 적은 날이 7일 가운데 2일입니다: 2026-03-07 (0.0%), 2026-03-04 (89.9%)."),
        (
            "en",
            "On 2 of 7 days there were fewer than 90.0% of the rows expected: 2026-03-07 (0.0%), 2026-03-04 (89.9%).",
        ),
    ],
)
def test_days_with_few_rows_the_fewest_first(language: str, text: str) -> None:
    days = days_of(WEEK)
    days[2], days[5] = replace(days[2], rows=ROWS * 899 // 1000), replace(days[5], rows=0)
    found = only(built(days, language=language), "few_rows")
    assert found.text == text
    assert found.numbers == pytest.approx({"count": 2, "total": 7, "fewest": 0, "min_coverage": 0.9})


def test_enough_rows_are_not_few() -> None:
    days = days_of(WEEK)
    days[2] = replace(days[2], rows=ROWS * 9 // 10)
    assert kinds(built(days)) == ["nothing"]
    wanted = configuration().sources.telemetry.model_copy(update={"min_coverage": 0.95})
    sources = configuration().sources.model_copy(update={"telemetry": wanted})
    stricter = configuration().model_copy(update={"sources": sources, "start_date": date(2026, 1, 1)})
    assert kinds(build_period_report(WEEK, days, stricter)) == ["few_rows"]


def partly(day: date, coverage: float | None, *, of_source: float = 1.0, mean: float | None = 0.03) -> DayNumbers:
    """A day on which the signal has a share of the values that it should."""
    found = replace(signal(mean), coverage=coverage, source_coverage=of_source)
    return day_of(day, {"phase_diff": found})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "위상차는 7일 가운데 2일에 기대한 것보다 값이 적습니다: 2026-03-07 (4.2%), 2026-03-04 (89.9%)."),
        ("en", "위상차 has fewer values than expected on 2 of 7 days: 2026-03-07 (4.2%), 2026-03-04 (89.9%)."),
    ],
)
def test_days_with_few_values_of_a_signal_the_fewest_first(language: str, text: str) -> None:
    coverages = (1.0, 0.9, 0.899, None, 1.2, 0.042, 1.0)
    days = [partly(day, coverage) for day, coverage in zip(WEEK.days, coverages, strict=True)]
    report = built(days, language=language)
    numbers = {"count": 2, "total": 7, "fewest": 0.042}
    assert report.findings == (Finding("few_values", "phase_diff", numbers, text),)
    assert PeriodReport.from_json(report.to_json()) == report


def test_few_values_are_not_told_where_its_source_has_no_more_or_nobody_configured_it() -> None:
    days = [partly(day, 0.5, of_source=0.51) for day in WEEK.days]
    assert kinds(built(days)) == ["nothing"]
    assert kinds(built([partly(day, 0.4, of_source=0.51) for day in WEEK.days])) == ["few_values"]
    assert kinds(built([partly(WEEK.days[0], 0.0, mean=None), *days[1:]])) == ["few_days"]
    own = [day_of(day.day, {"own": day.signals["phase_diff"]}) for day in days]
    assert kinds(built([replace(day, signals={"own": replace(day.signals["own"], coverage=0.1)}) for day in own])) == [
        "nothing"
    ]
    gone = {"phase_diff": replace(days[0].signals["phase_diff"], coverage=0.1, source="gone")}
    assert kinds(built([replace(day, signals=gone) for day in days])) == ["nothing"]


def test_the_numbers_of_a_day_know_how_many_values_a_signal_has_of_those_expected() -> None:
    wanted = configuration(rate_hz=0.1).model_dump()
    wanted["signals"]["phase_diff"]["rate_hz"] = 0.2
    wanted["start_date"] = DAY
    settings = Configuration.model_validate(wanted)
    today = build_report(normal_day(rate_hz=0.1)[0], None, settings)
    numbers = numbers_of(today)
    found = numbers.signals["phase_diff"]
    assert (found.coverage, found.source_coverage) == (today.signals[0].coverage, today.recording.coverage)
    assert DayNumbers.from_json(numbers.to_json()) == numbers
    unconfigured = settings.model_copy(update={"signals": {}})
    before = numbers_of(build_report(normal_day(rate_hz=0.1)[0], None, unconfigured))
    assert before.signals["phase_diff"].coverage is None, "on that day nobody expected any"
    report = build_period_report(Period.of("week", DAY), [numbers], settings)
    assert [f.signal for f in report.findings if f.kind == "few_values"] == ["phase_diff"]
    older = json.loads(numbers.to_json())
    for each in older["signals"].values():
        for key in ("coverage", "source", "source_coverage"):
            del each[key]
    report = build_period_report(Period.of("week", DAY), [DayNumbers.from_json(json.dumps(older))], settings)
    assert "few_values" not in kinds(report)


def silent(day: DayNumbers, start: str, end: str, *, others: int = 0) -> DayNumbers:
    """The day with a gap, and as many of ten seconds."""
    longest = gap(day.day, start, end)
    return replace(day, gap_count=1 + others, silent_seconds=longest.seconds + 10 * others, longest_gap=longest)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "ko",
            "기록이 2일에 걸쳐 4회, 모두 3시간 20초 동안 끊겼습니다. "
            "가장 긴 공백은 2026-03-05 22:00:00부터 24:00:00까지 2시간입니다.",
        ),
        (
            "en",
            "Silences in the record: 4 (3 h 20 s in all); days with one: 2. "
            "The longest, 2 h, was on 2026-03-05 from 22:00:00 to 24:00:00.",
        ),
    ],
)
def test_the_longest_silence(language: str, text: str) -> None:
    days = days_of(WEEK)
    days[1], days[3] = silent(days[1], "04:00:00", "05:00:00", others=2), silent(days[3], "22:00:00", "24:00:00")
    found = only(built(days, language=language), "gaps")
    assert found.text == text
    assert found.numbers == {"count": 4, "days": 2, "silent_seconds": 10820, "longest_seconds": 7200}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "공백이 가장 긴 날은 2026-03-03이며 3시간입니다."),
        ("en", "The most silent day was 2026-03-03: 3 h."),
    ],
)
def test_where_a_day_does_not_know_its_longest_silence_none_is_called_that(language: str, text: str) -> None:
    days = days_of(WEEK)
    days[1] = replace(days[1], gap_count=9, silent_seconds=10800.0)  # as before the longest one was noted
    days[3] = silent(days[3], "22:00:00", "24:00:00")
    found = only(built(days, language=language), "gaps")
    assert found.text.endswith(text)
    assert found.numbers == {"count": 10, "days": 2, "silent_seconds": 18000, "most_silent_seconds": 10800}


@pytest.mark.parametrize(
    ("risks", "kind", "text"),
    [
        ({"crit": 1, "warn": 2, "info": 3}, "critical_risks", "위험 기록은 모두 12건입니다(심각 2 · 경고 4 · 정보 6)."),
        ({"crit": 0, "warn": 1, "info": 0}, "risks", "위험 기록은 모두 2건입니다(심각 0 · 경고 2 · 정보 0)."),
        ({"crit": 0, "warn": 0, "info": 0, "odd": 1}, "risks", "모두 2건입니다(심각 0 · 경고 0 · 정보 0 · 그 밖 2)."),
    ],
)
def test_risks(risks: dict[str, int], kind: str, text: str) -> None:
    days = days_of(WEEK)
    days[0], days[6] = replace(days[0], risks=risks), replace(days[6], risks=risks)
    report = built(days)
    assert kinds(report) == [kind]
    assert text in only(report, kind).text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "ko",
            "위상차의 하루 평균이 7일 가운데 2일 동안 목표(≤ 0.05 rad)를 벗어났습니다: 2026-03-07 (0.0700 rad), "
            "2026-03-03 (0.0510 rad). 목표 안의 값은 78.6%입니다.",
        ),
        (
            "en",
            "위상차 had its mean of the day off target (≤ 0.05 rad) on 2 of 7 days: 2026-03-07 (0.0700 rad), "
            "2026-03-03 (0.0510 rad). Values on target: 78.6%.",
        ),
    ],
)
def test_what_was_off_target_on_some_days_the_worst_first(language: str, text: str) -> None:
    days = days_of(WEEK, unit="rad")
    days[1] = day_of(WEEK.days[1], {"phase_diff": signal(0.051, 0.4, unit="rad")})
    days[5] = day_of(WEEK.days[5], {"phase_diff": signal(0.07, 0.1, unit="rad")})
    report = built(days, language=language)
    assert kinds(report) == ["off_target"]
    assert only(report, "off_target").text == text
    assert only(report, "off_target").numbers == pytest.approx({"days_off": 2, "days": 7, "share_on_target": 5.5 / 7})


def test_a_mean_that_is_hardly_off_target_has_the_digits_that_tell_so() -> None:
    assert "2026-03-02 (0.0500002)" in only(built(days_of(WEEK, [0.0500002, 0.03])), "off_target").text


def test_days_with_another_target_are_not_held_against_the_last_one() -> None:
    days = days_of(WEEK)
    days[1] = day_of(WEEK.days[1], {"phase_diff": signal(0.03, 0.0, target=TargetRange(None, 0.01))})
    assert kinds(built(days)) == ["nothing"]
    assert only(built([days[1], *days_of(WEEK)[2:3]]), "missing")
    off = day_of(WEEK.days[2], {"phase_diff": signal(0.06, 0.0)})
    assert only(built([days[0], days[1], off, *days[3:]]), "off_target").numbers["days"] == 6


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "위상차는 하루 평균이 모두 목표(≤ 0.05) 안에 있으나 값의 12.5%가 목표를 벗어났습니다."),
        ("en", "위상차 has the mean of every day on target (≤ 0.05), but 12.5% of its values are off target."),
    ],
)
def test_what_was_partly_off_target(language: str, text: str) -> None:
    report = built(days_of(WEEK, share=0.875), language=language)
    assert [(f.kind, f.text) for f in report.findings] == [("partly_off_target", text)]
    assert kinds(built(days_of(WEEK, share=0.91))) == ["nothing"]


@pytest.mark.parametrize(
    ("language", "period", "text"),
    [
        (
            "ko",
            WEEK,
            "위상차가 전주보다 나빠졌습니다: 하루 평균의 중앙값 0.0300 → 0.0400 (차이 +0.0100, MAD 0.0010), "
            "목표 내 비율 100.0% → 95.0% (차이 -5.0%p).",
        ),
        (
            "en",
            WEEK,
            "위상차 got worse against the week before: median of the daily means 0.0300 → 0.0400 (difference +0.0100, "
            "MAD 0.0010), share on target 100.0% → 95.0% (difference -5.0 pp).",
        ),
        (
            "ko",
            MONTH,
            "위상차가 전월보다 나빠졌습니다: 하루 평균의 중앙값 0.0300 → 0.0400 (차이 +0.0100, MAD 0.0010), "
            "목표 내 비율 100.0% → 95.0% (차이 -5.0%p).",
        ),
    ],
)
def test_what_got_worse(language: str, period: Period, text: str) -> None:
    steady = STEADY * 4
    now, then = days_of(period, [mean + 0.01 for mean in steady], share=0.95), days_of(period.before, steady)
    found = only(built(now, then, language, period), "worsened")
    assert found.text == text
    assert found.numbers == pytest.approx(
        {
            "days": len(now),
            "days_before": len(then),
            "median": 0.04,
            "median_before": 0.03,
            "mad": 0.001,
            "share": 0.95,
            "share_before": 1.0,
        }
    )


def test_the_difference_is_that_of_the_numbers_beside_it() -> None:
    now, then = days_of(WEEK, [0.04126] * 7, share=0.3916), days_of(WEEK.before, [0.03014] * 7, share=0.99749)
    report = built(now, then, "en")
    (change,) = [each.change for each in report.signals]
    assert change is not None
    assert change.share_change == pytest.approx(-0.60589), "alone it would be -60.6"
    assert "0.0301 → 0.0413 (difference +0.0112, MAD 0), share on target 99.7% → 39.2% (difference -60.5 pp)" in (
        only(report, "worsened").text
    )
    page = render_document(period_document(report))
    assert "| 0.0301 | 0.0413 | **+0.0112 worse** | 0 | 99.7% | 39.2% | **-60.5 pp worse** |" in page


@pytest.mark.parametrize(
    ("shift", "good", "kind", "text"),
    [
        (-0.01, "down", "improved", "위상차가 전주보다 좋아졌습니다"),
        (0.01, "up", "improved", "위상차가 전주보다 좋아졌습니다"),
        (-0.01, "up", "worsened", "위상차가 전주보다 나빠졌습니다"),
        (0.01, None, "changed", "위상차가 전주와 다릅니다"),
    ],
)
def test_the_good_direction_says_what_is_better(shift: float, good: Any, kind: str, text: str) -> None:
    now = days_of(WEEK, [mean + shift for mean in STEADY], target=None, good=good)
    report = built(now, days_of(WEEK.before, target=None, good=good))
    assert kinds(report) == [kind]
    assert only(report, kind).text.startswith(text)
    assert "목표 내 비율" not in only(report, kind).text


def test_a_median_that_moved_by_less_than_the_days_are_spread_is_the_same() -> None:
    """The MAD is 0.001, so that 0.0044478 is the last difference that is none; that of either period counts."""
    wide = [0.03, 0.034, 0.026, 0.03, 0.036, 0.024, 0.03]
    for now, then, told in (
        ([mean + 0.0044 for mean in STEADY], STEADY, False),
        ([mean + 0.0045 for mean in STEADY], STEADY, True),
        ([mean + 0.0045 for mean in STEADY], wide, False),
        ([mean + 0.0045 for mean in wide], STEADY, False),
        ([*STEADY[:6], 0.9], STEADY, False),  # one odd day moves no median
        ([0.03] * 7, [0.03] * 7, False),
        ([0.03000001] * 7, [0.03] * 7, True),  # without a spread any difference is one
    ):
        days = days_of(WEEK, now, target=None)
        report = built(days, days_of(WEEK.before, then, target=None))
        assert kinds(report) == (["worsened"] if told else ["nothing"]), (now, then)


@pytest.mark.parametrize(
    ("share", "kind"), [(0.94, "worsened"), (0.96, "nothing"), (0.99, "nothing"), (1.0, "nothing")]
)
def test_a_share_is_told_from_five_points_on(share: float, kind: str) -> None:
    now, then = days_of(WEEK, share=share), days_of(WEEK.before, share=0.991)
    assert kinds(built(now, then)) == [kind]
    back = {"worsened": "improved"}.get(kind, kind)
    assert kinds(built(days_of(WEEK, share=0.991), days_of(WEEK.before, share=share))) == [back]


def test_exactly_five_points_and_exactly_a_tenth_are_told() -> None:
    for percent in range(100, 90, -1):
        now, then = (percent - 5) / 100, percent / 100
        assert "worsened" in kinds(built(days_of(WEEK, share=now), days_of(WEEK.before, share=then))), percent
        assert "improved" in kinds(built(days_of(WEEK, share=then), days_of(WEEK.before, share=now))), percent
    assert kinds(built(days_of(WEEK, share=0.9))) == ["partly_off_target"]
    assert kinds(built(days_of(WEEK, share=0.91))) == ["nothing"]


def test_shares_of_another_target_are_not_compared() -> None:
    then = days_of(WEEK.before, share=0.2, target=TargetRange(None, 0.02))
    report = built(days_of(WEEK), then)
    assert kinds(report) == ["nothing"]
    (found,) = report.signals
    assert found.change is not None
    assert (found.change.median_change, found.change.share_on_target, found.change.share_change) == (0.0, None, None)


FAR = [mean + 0.015 for mean in STEADY]


@pytest.mark.parametrize(
    ("language", "now", "then", "text"),
    [
        ("ko", 4, 4, "2026-W09와 비교했습니다. 그 기간에 동결된 날은 4일입니다."),
        ("en", 4, 4, "Compared with 2026-W09; days of it that were frozen: 4."),
        ("ko", 7, 0, "앞선 기간 2026-W09에 동결된 날이 없어 비교하지 않았습니다."),
        ("en", 7, 0, "Compared with nothing: no day of 2026-W09, the period before, was frozen."),
        (
            "ko",
            7,
            3,
            "2026-W09와 비교하지 않았습니다. 두 기간 모두 절반 이상의 날이 동결되어야 하는데, "
            "이 기간은 7일 가운데 7일, 2026-W09는 7일 가운데 3일입니다.",
        ),
        (
            "en",
            3,
            7,
            "Not compared with 2026-W09: at least half of the days of both need to be frozen. Here 3 of 7 are, there "
            "7 of 7.",
        ),
    ],
)
def test_it_is_said_what_the_period_was_compared_with(language: str, now: int, then: int, text: str) -> None:
    report = built(days_of(WEEK, FAR[:now]), days_of(WEEK.before, STEADY[:then]), language)
    page = render_document(period_document(report))
    compared = now >= 4 and then >= 4
    assert text in page
    assert ("worsened" in kinds(report)) == compared
    assert report.before.compared == compared
    assert ((report.signals[0].change is not None), ("Against 2026-W09" in page or "2026-W09와 비교](" in page)) == (
        compared,
        compared,
    )


def test_a_signal_with_values_on_few_days_is_not_compared() -> None:
    for now, then, told in ((FAR[:3], STEADY, ["few_days"]), (FAR, STEADY[:3], ["nothing"])):
        both = [
            [day_of(day, {"phase_diff": signal(mean)}) for day, mean in zip(days, [*means, *[None] * 4], strict=False)]
            for days, means in ((WEEK.days, now), (WEEK.before.days, then))
        ]
        report = built(*both)
        assert report.before.compared
        assert report.signals[0].change is None
        assert kinds(report) == told


def test_the_weightiest_come_first_and_every_kind_is_said_somewhere() -> None:
    reports = [week_report(), month_report(), built([]), built(days_of(WEEK))]
    reports += [built([partly(day, 0.5) for day in WEEK.days])]
    reports += [built([day_of(day, {"phase_diff": signal(None)}) for day in WEEK.days])]
    reports += [built(days_of(WEEK, FAR, good=None), days_of(WEEK.before, good=None)), built(days_of(WEEK, share=0.5))]
    for report in reports:
        assert kinds(report) == sorted(kinds(report), key=KINDS.index)
    assert {kind for report in reports for kind in kinds(report)} == set(KINDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_findings_come_first(language: Any) -> None:
    headings = re.findall(r"^## .*", render_document(period_document(week_report(language))), re.MULTILINE)
    assert headings[:2] == [f"## {Wording(language)(key)}" for key in ("section_findings", "section_summary")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_findings_lead_to_the_sections_that_say_more(language: Any) -> None:
    for report in (week_report(language), month_report(language)):
        content = period_document(report)
        page = render_document(content)
        section = page[page.index(f"## {Wording(language)('section_findings')}") :].split("\n## ")[0]
        links = re.findall(r"^- .*\]\(#.*\)$", section, re.MULTILINE)
        assert len(links) == len(report.findings)


MEANS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 0.03, -1.7e308]))


@settings(max_examples=80)
@given(
    st.lists(st.tuples(MEANS, st.floats(0, 1), st.integers(1, ROWS)), max_size=7),
    st.lists(st.tuples(MEANS, st.floats(0, 1), st.integers(1, ROWS)), max_size=7),
)
def test_any_finite_numbers_make_sentences(now: list[Any], then: list[Any]) -> None:
    both = [
        [
            day_of(day, {"phase_diff": signal(mean, share, count)}, rows=count)
            for day, (mean, share, count) in zip(days, numbers, strict=False)
        ]
        for days, numbers in ((WEEK.days, now), (WEEK.before.days, then))
    ]
    report = built(*both)
    assert report.findings
    assert PeriodReport.from_json(report.to_json()) == report
    assert built(*both).to_json() == report.to_json()
    for finding in report.findings:
        assert not re.search(r"\bnan\b|\binf\b|None", finding.text)
    for found in report.signals:
        if found.change:
            assert found.change.median_change == found.median - found.change.median


def test_texts_of_inputs_get_into_no_finding_but_labels() -> None:
    odd = replace(days_of(WEEK)[0], risks={"<script>": 3, "crit": 0, "warn": 0, "info": 0})
    assert "script" not in only(built([odd]), "risks").text


def test_the_numbers_of_a_day_know_its_longest_silence_and_older_ones_are_read() -> None:
    day = silent(days_of(WEEK)[0], "01:00:00", "02:00:00")
    assert DayNumbers.from_json(day.to_json()) == day
    older = re.sub(r',"longest_gap":\{.*?\}', "", day.to_json())
    assert older != day.to_json()
    assert DayNumbers.from_json(older) == replace(day, longest_gap=None)
    assert day.longest_gap is not None
    assert day.longest_gap.end - day.longest_gap.start == timedelta(hours=1)

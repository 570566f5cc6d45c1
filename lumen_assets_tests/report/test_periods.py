from __future__ import annotations

import math
import statistics as plain
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.days import KST
from lumen_assets.errors import PermanentError
from lumen_assets.report.document import Table, Text
from lumen_assets.report.markdown import render_document
from lumen_assets.report.model import TargetRange
from lumen_assets.report.numbers import DayNumbers
from lumen_assets.report.period_building import build_period_report
from lumen_assets.report.period_sections import period_document
from lumen_assets.report.periods import Period, PeriodReport, last_over, require_expected, require_over
from lumen_assets_tests.report.period_scenes import TARGET, WEEK, signal
from lumen_assets_tests.report.scenes import configuration


def a_day(
    day: date,
    mean: float | None,
    share: float = 1.0,
    count: int = 100,
    target: TargetRange | None = TARGET,
    good: Literal["up", "down"] | None = "down",
) -> DayNumbers:
    risks = {"crit": 1, "warn": 0, "info": 0, "odd": 1}
    found = {"phase_diff": signal(mean, share, count, target, good, unit="rad")}
    return DayNumbers(day, False, 90, 100, 2, 30.0, 1, risks, found)


def built(days: list[DayNumbers], language: str = "ko") -> PeriodReport:
    settings = configuration(language).model_copy(update={"start_date": date(2026, 3, 3)})
    return build_period_report(WEEK, days, settings)


@pytest.mark.parametrize(
    ("kind", "day", "first", "last", "name"),
    [
        ("week", "2026-03-02", "2026-03-02", "2026-03-08", "2026-W10"),
        ("week", "2026-03-08", "2026-03-02", "2026-03-08", "2026-W10"),
        ("week", "2027-01-01", "2026-12-28", "2027-01-03", "2026-W53"),
        ("month", "2026-02-28", "2026-02-01", "2026-02-28", "2026-02"),
        ("month", "2028-02-01", "2028-02-01", "2028-02-29", "2028-02"),
        ("month", "2026-12-31", "2026-12-01", "2026-12-31", "2026-12"),
    ],
)
def test_weeks_begin_on_monday_and_months_on_the_first(kind: Any, day: str, first: str, last: str, name: str) -> None:
    found = Period.of(kind, date.fromisoformat(day))
    assert (str(found.first), str(found.last), found.name) == (first, last, name)


def test_days_that_were_not_frozen_are_named_from_the_start_date_on() -> None:
    found = built([a_day(WEEK.days[i], 0.03) for i in (2, 4, 6)])
    assert [str(day) for day in found.missing] == ["2026-03-03", "2026-03-05", "2026-03-07"]
    texts = [block.text for block in period_document(found).blocks if isinstance(block, Text)]
    assert "3월" not in "".join(texts)
    assert "동결된 기록이 없는 날: 2026-03-03, 2026-03-05, 2026-03-07." in texts
    assert "6일 가운데 3일의 수치로 만들었습니다." in texts


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.just(0.1)),
            st.floats(0, 1),
            st.integers(1, 432_000),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_a_signal_is_that_of_plain_python(days: list[tuple[float | None, float, int]]) -> None:
    found = built([a_day(WEEK.days[i], *parts) for i, parts in enumerate(days)])
    known = [(WEEK.days[i], *parts) for i, parts in enumerate(days) if parts[0] is not None]
    (signal,) = found.signals
    if not known:
        assert (signal.days, signal.count, signal.median, signal.lowest, signal.share_on_target) == (
            0,
            0,
            None,
            None,
            None,
        )
        return
    means = [mean for _, mean, _, _ in known if mean is not None]
    near = {"rel": 1e-12, "abs": max(max(map(abs, means)) * 1e-15, math.ulp(0.0))}
    assert (signal.days, signal.count) == (len(known), sum(count for *_, count in known))
    if max(map(abs, means)) < 1e307:
        assert signal.median == pytest.approx(plain.median(means), **near)
        assert signal.mad == pytest.approx(plain.median(abs(m - signal.median) for m in means), **near)
    total = sum(count for *_, count in known)
    assert signal.share_on_target == pytest.approx(sum(share * count / total for _, _, share, count in known))
    shares = {day: share for day, _, share, _ in known}
    rated = [(found.day, found.value) if found else None for found in (signal.best, signal.worst)]
    if len(set(shares.values())) == 1:
        assert rated == [None, None]
    else:
        assert rated == [(pick(shares, key=shares.__getitem__), pick(shares.values())) for pick in (max, min)]
    assert found.risks == {"crit": len(days), "warn": 0, "info": 0, "odd": len(days)}
    assert found.to_json() == built([a_day(WEEK.days[i], *parts) for i, parts in enumerate(days)]).to_json()


def test_days_with_another_target_do_not_count_for_the_share() -> None:
    other = a_day(WEEK.days[1], 0.06, 0.1, target=TargetRange(None, 0.01))
    (signal,) = built([other, a_day(WEEK.days[2], 0.03), a_day(WEEK.days[3], 0.03, 0.9)]).signals
    assert (signal.share_on_target, signal.days, signal.target) == (0.95, 3, TARGET)
    assert signal.worst is not None
    assert signal.worst.day == WEEK.days[3]


def test_days_that_are_all_alike_have_no_best_and_no_worst_one() -> None:
    for days in (1, 3):
        found = built([a_day(WEEK.days[i], 0.03, 0.7) for i in range(days)])
        (signal,) = found.signals
        assert (signal.best, signal.worst) == (None, None)
        (table,) = [
            block for block in period_document(found).blocks if isinstance(block, Table) and len(block.columns) == 9
        ]
        assert [cell.text for cell in table.rows[0][-2:]] == ["–", "–"]
    assert "모든 날이 같으면 둘 다 ‘–’로 둡니다" in render_document(period_document(found))
    apart = built([a_day(WEEK.days[0], 0.03, 0.7), a_day(WEEK.days[1], 0.03, math.nextafter(0.7, 1))]).signals[0]
    assert (apart.best and apart.best.day, apart.worst and apart.worst.day) == (WEEK.days[1], WEEK.days[0])


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ([(0.03, 0.9991), (0.03, 0.9989)], False),
        ([(0.03, 0.9991), (0.03, 0.9984)], True),
        ([(0.03, 1.0), (0.03, 0.99999)], True),
        ([(0.03001, 1.0, 100, None), (0.03002, 1.0, 100, None)], False),
        ([(0.0300, 1.0, 100, None), (0.0301, 1.0, 100, None)], True),
    ],
)
def test_days_that_differ_by_less_than_is_shown_are_not_named(parts: Any, named: bool, language: str) -> None:
    found = built([a_day(day, *each) for day, each in zip(WEEK.days, parts, strict=False)], language)
    assert found.signals[0].best is not None
    (table,) = [
        block for block in period_document(found).blocks if isinstance(block, Table) and len(block.columns) == 9
    ]
    best, worst = (cell.text for cell in table.rows[0][-2:])
    assert ((best, worst) != ("–", "–")) == named
    if named:
        assert {best[:10], worst[:10]} == {day.isoformat() for day in WEEK.days[:2]}
    said = "보이는 자리까지 모든 날이 같으면" if language == "ko" else "where all days are alike in the digits shown"
    assert said in render_document(period_document(found))


@pytest.mark.parametrize(("good", "best"), [("up", 3), ("down", 1), (None, None)])
def test_without_a_target_the_mean_decides(good: Any, best: int | None) -> None:
    (signal,) = built([a_day(WEEK.days[i], i / 10, target=None, good=good) for i in (1, 2, 3)]).signals
    assert (signal.best.day if signal.best else None) == (WEEK.days[best] if best else None)
    assert (signal.share_on_target, signal.rated_by_share) == (None, False)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_period_is_a_document_like_a_day(language: str) -> None:
    found = period_document(built([a_day(WEEK.days[2], 0.06, 0.4), a_day(WEEK.days[3], None)], language))
    text = render_document(found)
    assert "2026-W10" in text
    for needed in ("40.0%", "0.0600 rad", "2026-03-04", "90.0%"):
        assert needed in text
    assert len([block for block in found.blocks if isinstance(block, Table)]) == 2
    empty = render_document(period_document(built([], language)))
    assert ("동결된 날이 없습니다" if language == "ko" else "No day of this period was frozen") in empty


def test_of_what_there_was_nothing_no_zeros_are_shown() -> None:
    calm = replace(
        a_day(WEEK.days[2], 0.03), gap_count=0, silent_seconds=0.0, rule_changes=0, risks={"crit": 0, "warn": 0}
    )
    days = [calm, replace(calm, day=WEEK.days[3], risks={"crit": 0, "warn": 2})]
    assert "| Silence | – |\n| Rule changes | – |\n| Risks | – |" in render_document(
        period_document(built([calm], "en"))
    )
    text = render_document(period_document(built([*days, a_day(WEEK.days[4], 0.03)], "en")))
    assert "| 2026-03-04 Wed | 90.0% | – | – | – | – | – |" in text
    assert "| 2026-03-05 Thu | 90.0% | – | – | – | crit 0 · warn 2 | – |" in text
    assert "| 2026-03-06 Fri | 90.0% | 2 | 30 s | 1 | crit 1 · warn 0 · info 0 · odd 1 | – |" in text
    assert "| Silence | 2 (30 s in all) |" in text


@pytest.mark.parametrize("kind", ["week", "month"])
def test_a_period_is_found_by_its_name(kind: Any) -> None:
    for period in (Period.of(kind, date(2026, 12, 31)), Period.of(kind, date(2026, 3, 5)).before):
        assert Period.named(kind, period.name) == period
        assert period.before.last == period.first - timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("week", "2026W105"),
        ("week", "2026-10"), ("week", "2026W10"), ("week", "2026-W54"), ("week", "2026-W1"), ("week", "9999-W52"),
        ("week", "2026-W10-1"), ("month", "2026-W10"), ("month", "2026-13"), ("month", "202603"), ("month", "9999-12"),
        ("month", "2026-03-01"), ("month", ""), ("week", "지난주"),
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_period_is_refused(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match="in the form"):
        Period.named(kind, name)


def test_the_newest_that_is_over() -> None:
    sunday_night = datetime(2026, 3, 8, 23, 59, tzinfo=KST)
    assert last_over("week", sunday_night).name == "2026-W09"
    assert last_over("week", sunday_night + timedelta(minutes=1)).name == "2026-W10"
    assert last_over("month", sunday_night).name == "2026-02"


def test_a_period_before_the_first_day_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"before start_date, 2026-03-09.*the first week is 2026-W11") as caught:
        require_expected(WEEK, date(2026, 3, 9))
    assert caught.value.error_class == "configuration"
    require_expected(WEEK, date(2026, 3, 8))


def test_a_period_that_goes_on_is_refused() -> None:
    today = date.today()  # noqa: DTZ011 - any zone
    with pytest.raises(PermanentError, match="not over yet"):
        require_over(Period.of("month", today + timedelta(days=2)))
    require_over(WEEK)

from __future__ import annotations

import random
import statistics as plain
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.report.before import DayBefore
from lumen_assets.report.effects import rule_effects
from lumen_assets.report.rule_effect import Means
from lumen_assets.telemetry.model import RecordedEffect, RuleChange
from lumen_assets_tests.report.scenes import DAY, DAY_BEFORE, at, frame, telemetry

CHANGE = RuleChange(at("12:00:00"), "a", "r", "0", "1", "")


def day_before(rows: pl.DataFrame) -> DayBefore:
    return DayBefore(DAY_BEFORE, {}, lambda: [rows])


def day_of(moments, values, **parts):
    return telemetry(DAY, frame(moments, {"phase_diff": values}), rule_changes=(CHANGE,), **parts)


@settings(max_examples=60)
@given(st.data())
def test_effect_matches_plain_python(data):
    offsets = sorted(data.draw(st.sets(st.integers(-320, 320), min_size=100, max_size=500)))
    values = data.draw(
        st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=len(offsets), max_size=len(offsets))
        if data.draw(st.booleans())
        else st.just([float(o > 0) + o / 1000 for o in offsets])
    )
    moments = [CHANGE.at + timedelta(milliseconds=100 * o) for o in offsets]
    before = [v for o, v in zip(offsets, values, strict=True) if -300 <= o <= -10 and v is not None]
    after = [v for o, v in zip(offsets, values, strict=True) if 10 <= o <= 300 and v is not None]
    found = rule_effects(day_of(moments, values), None)[0].measured["phase_diff"]
    if len(before) < 50 or len(after) < 50:
        assert found is None
    else:
        assert found == pytest.approx(plain.fmean(after) - plain.fmean(before), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("count", "valid"), [(50, True), (49, False)])
def test_fifty_values_on_each_side_are_enough(count, valid):
    after = [CHANGE.at + timedelta(seconds=1, milliseconds=500 * i) for i in range(50)]
    before = [CHANGE.at - timedelta(seconds=1, milliseconds=500 * i) for i in range(count)][::-1]
    effect = rule_effects(day_of([*before, *after], [0.0] * count + [1.0] * 50), None)[0]
    assert effect.measured["phase_diff"] == (1.0 if valid else None)


def test_rows_within_a_second_of_the_change_do_not_count():
    offsets = list(range(-300, 301))
    values = [5.0 if -10 < o < 10 else float(o > 0) for o in offsets]
    moments = [CHANGE.at + timedelta(milliseconds=100 * o) for o in offsets]
    assert rule_effects(day_of(moments, values), None)[0].measured["phase_diff"] == 1.0


def test_a_change_after_midnight_looks_back_into_the_day_before():
    change = RuleChange(at("00:00:05"), "a", "r", "0", "1", "")
    today = telemetry(
        DAY,
        frame([at("00:00:00") + timedelta(milliseconds=200 * i) for i in range(200)], {"phase_diff": [1.0] * 200}),
        rule_changes=(change,),
    )
    before = frame(
        [at("23:59:00", DAY_BEFORE) + timedelta(milliseconds=200 * i) for i in range(300)], {"phase_diff": [0.0] * 300}
    )
    assert rule_effects(today, None)[0].measured["phase_diff"] is None
    measured = rule_effects(today, day_before(before))[0].measured["phase_diff"]
    # 23:59:35 to 00:00:04 at 5 Hz: 125 zeros and 21 ones
    assert measured == pytest.approx(1 - 21 / 146)


def test_recorded_effects_are_matched_by_instant_and_rule():
    other = RuleChange(CHANGE.at, "a", "other", "0", "1", "")
    recorded = RecordedEffect(
        CHANGE.at, "a", "r", "0", "1", 30, 30, {"phase": 0.5, "entropy": None, "risk": -1, "creative": 2, "own": 3}
    )
    today = telemetry(rule_changes=(other, CHANGE), effects=(recorded,))
    first, second = rule_effects(today, None)
    assert first.recorded == {}
    assert second.recorded == {
        "phase_diff": 0.5, "entropy_rate": None, "risk_band": -1, "creative_band": 2, "own": 3,
    }  # fmt: skip
    assert (second.pre_seconds, second.post_seconds, second.in_history) == (30, 30, True)


def test_what_an_effect_is_the_difference_of_is_measured_and_recorded():
    offsets = [*range(-300, -9, 5), *range(10, 301, 5)]
    moments = [CHANGE.at + timedelta(milliseconds=100 * offset) for offset in offsets]
    recorded = RecordedEffect(
        CHANGE.at, "b", "r", "0", "1", 30, 30, {"phase": 0.5}, {"phase": 0.25, "own": None}, {"phase": 0.75, "new": 1}
    )
    [found] = rule_effects(day_of(moments, [0.25 if o < 0 else 1.0 for o in offsets], effects=(recorded,)), None)
    assert found.measured_means == {"phase_diff": Means(0.25, 1.0)}
    assert found.measured == {"phase_diff": 0.75}
    assert found.recorded_means == {"phase_diff": Means(0.25, 0.75), "own": Means(None, None), "new": Means(None, 1)}
    assert (found.actor, found.recorded_actor) == ("a", "b")


def test_of_two_effects_of_a_rule_at_once_each_change_takes_that_of_its_actor():
    changes = tuple(replace(CHANGE, actor=actor) for actor in "ab")
    effects = tuple(RecordedEffect(CHANGE.at, actor, "r", "0", "1", 30, 30, {}) for actor in "ba")
    found = rule_effects(telemetry(rule_changes=changes, effects=effects), None)
    assert [(each.actor, each.recorded_actor) for each in found] == [("a", "a"), ("b", "b")]


def test_a_recorded_effect_without_its_change_is_kept():
    lost = RecordedEffect(at("11:00:00"), "b", "lost", "1", "2", 30, 30, {"phase": 0.5})
    twice = RecordedEffect(CHANGE.at, "a", "r", "0", "1", 30, 30, {"phase": 0.1})
    found = rule_effects(telemetry(rule_changes=(CHANGE,), effects=(lost, twice, twice)), None)
    assert [(e.number, e.rule, e.in_history) for e in found] == [(1, "lost", False), (2, "r", True), (3, "r", False)]


def test_changes_close_to_each_other_and_to_midnight_are_measured_as_if_alone():
    chance = random.Random(5)  # noqa: S311 - noise, no secret
    times = ("00:00:05", "00:00:20", "11:59:50", "12:00:00", "12:00:00", "12:00:45", "23:59:40", "23:59:59")
    changes = tuple(RuleChange(at(time), "a", f"r{i}", "0", "1", "") for i, time in enumerate(times))

    def rows(day, *names):
        minutes = [at(f"{minute}:00", day) for minute in ("00:00", "11:59", "12:00", "12:01", "23:59")]
        moments = [minute + timedelta(milliseconds=200 * i) for minute in minutes for i in range(300)]
        return frame(moments, {name: [chance.choice([None, chance.random(), 1.0]) for _ in moments] for name in names})

    today, before = rows(DAY, "phase_diff", "new"), rows(DAY_BEFORE, "gone", "phase_diff")
    found = rule_effects(telemetry(DAY, today, rule_changes=changes), day_before(before))
    series = pl.concat([rows.select("ts", "phase_diff") for rows in (before, today)]).drop_nulls().rows()
    for change, effect in zip(changes, found, strict=True):
        seconds = [((moment - change.at).total_seconds(), value) for moment, value in series]
        pre = [value for second, value in seconds if -30 <= second <= -1]
        post = [value for second, value in seconds if 1 <= second <= 30]
        enough = min(len(pre), len(post)) >= 50
        assert enough == (change is not changes[-1])
        assert effect.measured["phase_diff"] == (
            pytest.approx(plain.fmean(post) - plain.fmean(pre)) if enough else None
        )
        assert list(effect.measured) == ["phase_diff", "new"]

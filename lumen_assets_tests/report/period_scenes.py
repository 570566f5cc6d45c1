"""Weeks and months to report on, made by hand: the numbers of their days, and the reports of some."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any, Literal

from lumen_assets.report.model import Gap, Language, TargetRange
from lumen_assets.report.numbers import DayNumbers, SignalNumbers
from lumen_assets.report.period_building import build_period_report
from lumen_assets.report.periods import Period, PeriodReport
from lumen_assets_tests.report.scenes import at, configuration

WEEK = Period.named("week", "2026-W10")
MONTH = Period.named("month", "2026-03")
TARGET = TargetRange(None, 0.05)

ROWS = 432_000
_FURTHEST = 4.5
"""Deviations from the mean of the furthest of so many normal values."""

_LABELS = {
    "ko": {
        "phase_diff": "위상차",
        "entropy_rate": "엔트로피율",
        "creative_band": "창의 밴드",
        "risk_band": "위험 밴드",
    },
    "en": {
        "phase_diff": "phase difference",
        "entropy_rate": "entropy rate",
        "creative_band": "creative band",
        "risk_band": "risk band",
    },
}
_TARGETS = {
    "phase_diff": (TARGET, "down", 0.037),
    "entropy_rate": (TargetRange(None, 0.28), "down", 0.25),
    "creative_band": (TargetRange(0.24, None), "up", 0.27),
    "risk_band": (TargetRange(None, 0.3), "down", 0.25),
}


def signal(
    mean: float | None,
    share: float | None = 1.0,
    count: int = 100,
    target: TargetRange | None = TARGET,
    good: Literal["up", "down"] | None = "down",
    *,
    label: str = "위상차",
    unit: str = "",
    around: float = 0.0,
) -> SignalNumbers:
    """A signal of a day; ``around`` is how far its extremes are from its mean."""
    if mean is None:
        return SignalNumbers(label, unit, target, good, 0, None, None, None, None, None)
    return SignalNumbers(
        label, unit, target, good, count, mean, mean, mean - around, mean + around, share if target else None
    )


def day_of(day: date, signals: Mapping[str, SignalNumbers], **parts: Any) -> DayNumbers:
    """A whole day without a gap or a risk, but for what is given."""
    whole: dict[str, Any] = {
        "sample": False,
        "rows": ROWS,
        "expected_rows": float(ROWS),
        "gap_count": 0,
        "silent_seconds": 0.0,
        "rule_changes": 0,
        "risks": {"crit": 0, "warn": 0, "info": 0},
    }
    return DayNumbers(day=day, signals=signals, **{**whole, **parts})


def gap(day: date, start: str, end: str) -> Gap:
    """From one time of the day to another one."""
    first, last = at(start, day), at(end, day)
    return Gap(first, last, (last - first).total_seconds())


def lively_day(day: date, language: Language = "ko", *, shift: float = 0.0) -> DayNumbers:
    """A day of the signals that are configured, and of two that are not; the same for the same arguments.

    Values lie about their mean as normal ones do, the furthest of them ``_FURTHEST`` deviations from it.
    """
    noise = random.Random(day.toordinal())  # noqa: S311 - noise, no secret
    signals = {}
    for name, (target, good, level) in _TARGETS.items():
        mean = level + noise.gauss(0, 0.003) + (shift if name == "phase_diff" else 0)
        around = 0.012 + noise.random() / 60
        room = target.max - mean if target.max is not None else mean - (target.min or 0)
        share = 1.0 if room >= around else NormalDist().cdf(room / around * _FURTHEST)
        signals[name] = signal(mean, share, 430_000, target, good, label=_LABELS[language][name], around=around)
    signals["ion_health"] = signal(0.9, None, 430_000, None, None, label="ion_health", around=0.05)
    response = 25 + noise.gauss(0, 2)
    signals["ion_response_time_ms"] = signal(
        response, None, 430_000, None, None, label="ion_response_time_ms", unit="ms", around=8
    )
    parts: dict[str, Any] = {"rows": 431_000 + noise.randrange(1000), "rule_changes": noise.randrange(6)}
    if noise.random() < 0.3:
        silence = gap(day, "03:10:00", f"03:{15 + noise.randrange(40)}:12")
        parts |= {"gap_count": 1, "silent_seconds": silence.seconds, "longest_gap": silence}
        parts["rows"] -= round(silence.seconds * ROWS / 86_400)
    if noise.random() < 0.2:
        parts["risks"] = {"crit": 0, "warn": noise.randrange(1, 4), "info": 1}
    return day_of(day, _with_values(signals, min(430_000, parts["rows"])), **parts)


def _with_values(signals: Mapping[str, SignalNumbers], count: int) -> dict[str, SignalNumbers]:
    """Signals with so many values each."""
    return {name: replace(numbers, count=count) for name, numbers in signals.items()}


def lively_days(period: Period, language: Language = "ko", *, without: int = 0, shift: float = 0.0) -> list[DayNumbers]:
    """All days of a period but the one of a number from 1 on."""
    return [lively_day(day, language, shift=shift) for n, day in enumerate(period.days, 1) if n != without]


def week_report(language: Language = "ko") -> PeriodReport:
    """A week that got worse: a day is missing, one has few rows and a critical risk, one another target."""
    days = lively_days(WEEK, language, without=4, shift=0.014)
    silence = gap(days[1].day, "00:00:00", "15:20:00")
    silent = silence.seconds + 70
    rows = ROWS - round(silent * ROWS / 86_400)
    days[1] = day_of(
        days[1].day,
        _with_values(days[1].signals, rows),
        rows=rows,
        gap_count=3,
        silent_seconds=silent,
        longest_gap=silence,
        risks={"crit": 1, "warn": 2, "info": 0},
    )
    other = {
        **days[0].signals,
        "risk_band": signal(0.26, 1.0, 430_000, TargetRange(None, 0.4), label="위험 밴드", around=0.02),
    }
    days[0] = day_of(days[0].day, other, sample=True)
    return build_period_report(WEEK, days, configuration(language), lively_days(WEEK.before, language))


def month_report(language: Language = "ko") -> PeriodReport:
    """A month with a stretch of missing days, compared with the one before."""
    days = [numbers for numbers in lively_days(MONTH, language) if not 12 <= numbers.day.day <= 14]
    return build_period_report(MONTH, days, configuration(language), lively_days(MONTH.before, language, shift=0.012))


def first_week(language: Language = "ko") -> PeriodReport:
    """A good week with nothing before it."""
    quiet = {"phase_diff": signal(0.03, 1.0, 430_000, label=_LABELS[language]["phase_diff"], around=0.01)}
    days = [day_of(WEEK.first + timedelta(days=n), quiet) for n in range(7)]
    return build_period_report(WEEK, days, configuration(language))

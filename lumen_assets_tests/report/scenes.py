"""Days to report on, made by hand: no file is read."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import NormalDist
from typing import Any

import polars as pl

from lumen_assets.days import day_bounds
from lumen_assets.report.before import before_by_telemetry
from lumen_assets.report.model import PastDay, PastLevel, TargetRange
from lumen_assets.report.signals import target_of
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import (
    Asked,
    DayTelemetry,
    InputReading,
    Quote,
    RecordedEffect,
    Rejected,
    Risk,
    RuleChange,
)

DAY = date(2025, 10, 23)
DAY_BEFORE = DAY - timedelta(days=1)
SPREADS = {"phase_diff": 0.0096, "entropy_rate": 0.0145, "creative_band": 0.0236, "risk_band": 0.0185}
"""The signals that are configured, with their standard deviations over a day of ``waves``."""

HOSTILE = (
    "a|b `c` <script>alert(1)</script> *d* _e_ [f](http://g.example) ![h](i)\n# j\r\n\x1b[31mk\x00 \u202el\u2066m "
    "~n~ $o$ @p www.q.example &lt; \\| \ud800 \ufeff\u200b 👩‍🚀 龘 \u2028 end"
)


def at(text: str, day: date = DAY) -> datetime:
    """``HH:MM:SS[.ffffff]`` on a day, KST."""
    start, _ = day_bounds(day)
    hours, minutes, seconds = text.split(":")
    return start + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def frame(moments: Sequence[datetime], columns: Mapping[str, Sequence[float | None]] | None = None) -> pl.DataFrame:
    """Rows as ``DayTelemetry`` has them."""
    series = [pl.Series("ts", list(moments), dtype=pl.Datetime("us", "UTC"))]
    series += [pl.Series(name, list(values), dtype=pl.Float64) for name, values in (columns or {}).items()]
    return pl.DataFrame(series)


def telemetry(day: date = DAY, rows: pl.DataFrame | None = None, **parts: Any) -> DayTelemetry:
    """A day with what is given and nothing else."""
    empty: dict[str, Any] = {
        "rule_changes": (),
        "effects": (),
        "quotes": (),
        "risks": (),
        "gateway_status": None,
        "inputs": (),
        "sample": False,
    }
    return DayTelemetry(day=day, rows=frame([]) if rows is None else rows, **{**empty, **parts})


def configuration(language: str = "ko", rate_hz: float = 5, **report: Any) -> Configuration:
    """The defaults, in a language and with a rate."""
    return Configuration.model_validate(
        {"report": {"language": language, **report}, "sources": {"telemetry": {"rate_hz": rate_hz}}}
    )


def waves(
    day: date, *, rate_hz: float, seed: int, silent: Sequence[tuple[str, str]] = (), extra: Sequence[str] = ()
) -> pl.DataFrame:
    """A day of slow waves with noise, without the rows of the silent stretches."""
    noise = random.Random(seed)  # noqa: S311 - noise, no secret
    start, _ = day_bounds(day)
    stretches = [(at(first, day), at(last, day)) for first, last in silent]
    every = (start + timedelta(seconds=i / rate_hz) for i in range(round(86_400 * rate_hz)))
    moments = [m for m in every if not any(first < m < last for first, last in stretches)]
    hours = [(m - start).total_seconds() / 3600 for m in moments]
    level: dict[str, Callable[[float], float]] = {
        "phase_diff": lambda h: 0.037 + 0.012 * math.sin(h / 3.1) + (0.02 if 13 < h < 15 else 0),
        "entropy_rate": lambda h: 0.25 + 0.02 * math.cos(h / 5),
        "creative_band": lambda h: 0.27 - 0.03 * math.sin(h / 6 + 1),
        "risk_band": lambda h: 0.24 + 0.05 * math.sin(h / 4) ** 2,
    }
    columns: dict[str, list[float | None]] = {
        name: [max(0.0, value(h) + noise.gauss(0, 0.006)) for h in hours] for name, value in level.items()
    }
    columns |= {name: [20 + 10 * noise.random() for _ in hours] for name in extra}
    return frame(moments, columns)


def reading(name: str, role: str = "extra", **parts: Any) -> InputReading:
    """An input that was read without a complaint."""
    whole: dict[str, Any] = {"present": True, "rows": 0, "rejected": {}, "examples": (), "notes": {}}
    digest = f"{sum(name.encode()):064x}"
    return InputReading(role=role, name=name, sha256=digest, **{**whole, **parts})


def with_inputs(day: DayTelemetry, *further: InputReading, **telemetry_parts: Any) -> DayTelemetry:
    """A day with every input of an installation, each with the rows that the day has of it, and further ones."""
    known = day.gateway_status is not None
    found = (
        reading("controls/quotes_bank.jsonl", "quotes_bank", rows=len(day.quotes)),
        reading("controls/risk_ledger.jsonl", "risk_ledger", rows=len(day.risks)),
        reading("controls/rules_history.jsonl", "rules_history", rows=len(day.rule_changes)),
        reading("gateway_activation.yaml", "gateway", present=known, rows=int(known)),
        reading("logs/metrics.csv", "telemetry", rows=day.rows.height, **telemetry_parts),
        reading("logs/rules_effects.csv", "rules_effects", present=bool(day.effects), rows=len(day.effects)),
        *further,
    )
    return replace(day, inputs=tuple(sorted(found, key=lambda item: item.name)))


CHANGES = (
    RuleChange(at("00:00:10"), "scheduler", "night_mode", "off", "on", "야간 모드로 전환"),
    RuleChange(at("06:30:00"), "scheduler", "night_mode", "on", "off", ""),
    RuleChange(at("10:15:30.200"), "김하늘", "creative_gain", "1.0", "1.2", "창의 밴드가 하한에 가까워 이득을 올림"),
    RuleChange(at("13:05:00"), "operator", "phase_lock", "soft", "hard", "위상차 급등에 대응"),
    RuleChange(at("13:05:20"), "operator", "risk_ceiling", "0.30", "0.28", ""),
    RuleChange(at("23:59:55"), "scheduler", "night_mode", "off", "on", "자정 직전 변경"),
)
EFFECTS = (
    RecordedEffect(
        at("13:05:00"),
        "operator",
        "phase_lock",
        "soft",
        "hard",
        30.0,
        30.0,
        {"phase": -0.0121, "entropy": 0.0013, "creative": None, "risk": 0.0007},
        before={"phase": 0.0552, "entropy": 0.2324, "creative": None, "risk": 0.2409},
        after={"phase": 0.0431, "entropy": 0.2337, "creative": None, "risk": 0.2416},
    ),
    RecordedEffect(
        at("10:15:30.200"),
        "하늘",
        "creative_gain",
        "1.0",
        "1.2",
        30.0,
        30.0,
        {"creative": 0.0003},
        before={"creative": 0.2571},
        after={"creative": 0.2574},
    ),
    RecordedEffect(at("18:20:00"), "operator", "lost_rule", "1", "2", 30.0, 20.0, {"phase": 0.001}),
)
"""At 2 Hz, where they can be measured, those of ``normal_day`` are as recorded but for the phase at 13:05."""

QUOTES = (
    Quote(
        at("10:16:10"),
        "루멘",
        "creative_gain",
        {"creative": 0.011, "phase": -0.002},
        0.91,
        "고요 속에서 결이 맞아 간다.",
    ),
    Quote(at("13:07:00"), "Lumen", "phase_lock", {"phase": -0.012}, 0.88, "The lock holds; let it breathe. 🌊"),
    Quote(
        at("06:31:00"),
        "루멘",
        "night_mode",
        {},
        0.91,
        "아침의 위상은 밤의 기억 위에 선다. 서두르지 말고 흐름이 스스로 자리를 찾게 두어라.",
    ),
    Quote(at("15:00:00"), "루멘", "risk_ceiling", {"risk": -0.004}, 0.42, "낮은 확신"),
    Quote(at("20:00:00"), "루멘", "risk_ceiling", {"risk": -0.004}, 0.5, "보통"),
)
RISKS = (
    Risk(at("02:00:00"), "info", "night_mode", {}, "야간 기준선 재조정"),
    Risk(at("09:41:00"), "warn", "creative_gain", {"creative_band": 0.241}, "창의 밴드 하한 접근"),
    Risk(
        at("13:04:10"),
        "crit",
        "phase_lock",
        {"phase_diff": 0.063, "risk_band": 0.257},
        "위상차가 목표의 125%를 넘음. 잠금 필요.",
    ),
    Risk(at("21:12:45"), "warn", "risk_ceiling", {"risk_band": 0.296}, "위험 밴드 상한 접근"),
)


def normal_day(
    rate_hz: float = 5, *, extra: Sequence[str] = ("ion_health", "ion_response_time_ms")
) -> tuple[DayTelemetry, DayTelemetry]:
    """An ordinary day with two gaps, some rejected lines, all ledgers; and the day before."""
    rows = waves(DAY, rate_hz=rate_hz, seed=1, silent=[("03:10:00", "03:42:12"), ("17:00:00", "17:00:40")], extra=extra)
    rejected = {"torn": 1, "blank": 3, "duplicate_timestamp": 12}
    twice = round(8040 * rate_hz) + 4  # behind a header, a blank line, and the row itself
    last = 1 + rows.height + sum(rejected.values())
    examples = (
        Rejected(17, "blank", ""),
        Rejected(twice, "duplicate_timestamp", "2025-10-23T02:14:00.000+09:00,0.041,0.252,0.270,0.241,24.1,22.8"),
        Rejected(last, "torn", "2025-10-23T23:59:5"),
    )
    today = telemetry(
        DAY,
        rows,
        rule_changes=CHANGES,
        effects=EFFECTS,
        quotes=QUOTES,
        risks=RISKS,
        gateway_status="resonating",
    )
    today = with_inputs(today, rejected=rejected, examples=examples, notes={"clock_backwards": 1})
    return today, telemetry(DAY_BEFORE, waves(DAY_BEFORE, rate_hz=rate_hz, seed=2, extra=extra))


def empty_day() -> DayTelemetry:
    """A day on which nothing was written: all that there is of its inputs is a ledger that says it is sample data."""
    items = with_inputs(telemetry(DAY)).inputs
    left = tuple(reading(item.name, item.role, present=item.role == "rules_history") for item in items)
    return telemetry(DAY, inputs=left, sample=True)


def broken_day() -> DayTelemetry:
    """Rows without one usable value: the one column is empty in two, all others came with another separator."""
    moments = [at("05:00:00"), at("05:00:01")]
    return with_inputs(
        telemetry(DAY, frame(moments, {"phase_diff": [None, None]})),
        rejected={"torn": 431_998},
        examples=(Rejected(2, "torn", "2025-10-23T00:00:00.000+09:00|x|y"),),
        notes={"empty_cells": 2},
    )


def stormy_day(changes: int = 200, rate_hz: float = 1) -> DayTelemetry:
    """Rules that change every few minutes, long notes, and signals nobody configured."""
    made = tuple(
        RuleChange(
            at("00:03:00") + timedelta(minutes=7 * i % 1430, seconds=i % 7),
            f"actor-{i % 5}",
            f"rule_{i % 11}_with_a_rather_long_name",
            str(i / 10),
            str((i + 1) / 10),
            "가나다라 마바사 " * 250 if i in (3, 120) else (f"메모 {i}" if i % 9 == 0 else ""),
        )
        for i in range(changes)
    )
    effects = tuple(
        RecordedEffect(c.at, c.actor, c.rule, c.old, c.new, 30.0, 30.0, {"phase": 0.001, "ion_health": 0.2})
        for c in made[::3]
    )
    rows = waves(DAY, rate_hz=rate_hz, seed=3, extra=[f"extra_{i}" for i in range(10)] + ["ion_health"])
    changes_by_time = tuple(sorted(made, key=lambda change: change.at))
    return with_inputs(telemetry(DAY, rows, rule_changes=changes_by_time, effects=effects))


LONG_NOTES = (
    "밤사이 위상차가 목표를 오르내려 잠금 강도를 세 번 나누어 올렸습니다. 첫 단계에서는 변화가 없었고 🌊, 둘째 "
    "단계부터 흔들림이 눈에 띄게 줄었습니다. 다음 근무자는 창의 밴드가 0.24 아래로 내려가는지 지켜봐 주세요 🙏. ",
    "Raised the lock in three steps overnight, as the phase difference went in and out of its target. Nothing moved "
    "after the first one 🤔; from the second on the swing became visibly smaller. Please watch the creative band: "
    "below 0.24 take the last step back, and say so here 👩‍🚀✅. ",
    "인수인계 / hand-over: 게이트웨이 응답이 느릴 때는 재시작하지 말고 ten minutes 기다릴 것 ⏳ "
    "(see the runbook, 3장 2절). ",
)


def notes_day() -> DayTelemetry:
    """Notes and quotes as people write them at night: long, in two languages, with emoji."""
    rows = waves(DAY, rate_hz=0.5, seed=4)
    changes = tuple(
        RuleChange(at(f"{2 + 3 * i:02d}:15:00"), "김하늘 🌙", "phase_lock", f"{i}", f"{i + 1}", note * times)
        for i, (note, times) in enumerate(zip(LONG_NOTES * 2, (3, 3, 4, 14, 12, 1), strict=True))
    )
    quotes = tuple(
        Quote(at(f"0{3 + i}:00:00"), "루멘", "phase_lock", {"phase": 0.01 * i}, 0.9 - i / 10, note * 2)
        for i, note in enumerate(LONG_NOTES)
    )
    risks = (Risk(at("04:00:00"), "warn", "phase_lock", {"phase_diff": 0.06}, LONG_NOTES[0] + LONG_NOTES[1]),)
    return with_inputs(telemetry(DAY, rows, rule_changes=changes, quotes=quotes, risks=risks, gateway_status="binding"))


ASKED = Asked(
    "https://prometheus.example:9090",
    "15s",
    (
        ("load", 'avg(node_load1{job="lumen"})'),
        ("memory", '1 - avg(\n  node_memory_MemAvailable_bytes{job="lumen"}\n    / node_memory_MemTotal_bytes\n)'),
    ),
)


def mixed_configuration(language: str = "en") -> Configuration:
    """Telemetry every other second; beside it a file with a row a minute, and a Prometheus."""
    queries = dict(ASKED.queries)
    beside = {
        "plant": {"path": "logs/boiler.csv", "timestamp": "time", "timestamp_offset": "+09:00", "rate_hz": 1 / 60},
        "machine": {"type": "prometheus", "url": ASKED.server, "queries": queries, "step": ASKED.step},
    }
    temperature = {
        "label": {"ko": "보일러 온도", "en": "boiler temperature"},
        "unit": "°C",
        "target": {"min": 60, "max": 80},
    }
    plain = configuration(language, rate_hz=0.5).model_dump()
    return Configuration.model_validate(
        {
            "report": plain["report"],
            "sources": {"telemetry": plain["sources"]["telemetry"], "beside": beside},
            "signals": {**plain["signals"], "plant.boiler_c": temperature},
        }
    )


def mixed_day() -> tuple[DayTelemetry, DayTelemetry]:
    """A day from three sources, of which the second is silent for half an hour; and the day before."""
    today, before = (_mixed(day, warmer) for day, warmer in ((DAY, 5.0), (DAY_BEFORE, 0.0)))
    plant, machine = today.beside
    return (
        with_inputs(
            today,
            reading(
                "logs/boiler.csv",
                "telemetry",
                rows=plant.height,
                rejected={"blank": 1},
                examples=(Rejected(702, "blank", ""),),
            ),
            reading("logs/prometheus/machine.csv", "telemetry", rows=machine.height, asked=ASKED),
        ),
        before,
    )


def _mixed(day: date, warmer: float) -> DayTelemetry:
    noise, (start, _) = random.Random(day.toordinal()), day_bounds(day)  # noqa: S311 - noise, no secret
    quiet = range(700, 730) if day == DAY else range(0)
    minutes = [n for n in range(1440) if n not in quiet]
    boiler = [70 + warmer + 4 * math.sin(n / 229) + noise.gauss(0, 0.4) for n in minutes]
    plant = {"plant.boiler_c": boiler, "plant.pump_bar": [2.4 + noise.gauss(0, 0.05) for _ in minutes]}
    quarters = range(4 * 1440)
    machine = {
        "machine.load": [max(0.0, 1.6 + math.sin(n / 700) + noise.gauss(0, 0.1)) for n in quarters],
        "machine.memory": [0.4 + n / 20_000 for n in quarters],
    }
    return telemetry(
        day,
        waves(day, rate_hz=0.5, seed=day.toordinal()),
        beside=(
            frame([start + timedelta(minutes=n) for n in minutes], plant),
            frame([start + timedelta(seconds=15 * n) for n in quarters], machine),
        ),
        rule_changes=CHANGES[1:3] if day == DAY else (),
        gateway_status="locked",
    )


def past_days(report_shares: Sequence[float | None], wanted: Configuration) -> tuple[PastDay, ...]:
    """Days before ``DAY``, oldest first, with a share on target each; none of a day that was not frozen.

    A signal's mean is as near to its target as goes with that share, its values lying about it as those of ``waves``.
    """
    targets = {
        name: TargetRange(signal.target.min, signal.target.max)
        for name, signal in wanted.signals.items()
        if signal.target
    }
    count = len(report_shares)
    return tuple(
        PastDay(
            DAY - timedelta(days=count - n),
            {
                name: PastLevel(_past_mean(name, target, share), share, target)
                for name, target in targets.items()
                if name in SPREADS
            },
        )
        for n, share in enumerate(report_shares)
        if share is not None
    )


def mixed_past(wanted: Configuration) -> tuple[PastDay, ...]:
    """Three weeks in which the boiler was always within its target, and about as warm."""
    always = TargetRange(60, 80)
    return tuple(
        replace(past, signals={**past.signals, "plant.boiler_c": PastLevel(70 + n * 5 % 7 / 10, 1.0, always)})
        for n, past in enumerate(past_days([1 - n * 3 % 8 / 50 for n in range(21)], wanted))
    )


def ending_with(before: DayTelemetry, past: Sequence[PastDay], wanted: Configuration) -> tuple[PastDay, ...]:
    """Past days of which the last one is as its telemetry says; changes are against that."""
    found = before_by_telemetry(before, wanted)
    assert found is not None
    assert past[-1].day == before.day
    levels = {
        name: PastLevel(level.mean, level.share_on_target, target_of(name, wanted))
        for name, level in found.levels.items()
        if level.mean is not None
    }
    return (*past[:-1], PastDay(before.day, levels))


def _past_mean(name: str, target: TargetRange, share: float) -> float:
    off = SPREADS[name] * NormalDist().inv_cdf(min(max(share, 0.001), 0.999))
    if target.max is not None:
        return target.max - off
    assert target.min is not None
    return target.min + off


def hostile_day() -> DayTelemetry:
    """Every text an attack on tables, markup, terminals and fonts."""
    text, column = HOSTILE, HOSTILE.replace("\ud800", "")  # Polars takes no lone surrogate
    moments = [at("12:00:00") + timedelta(seconds=i) for i in range(120)]
    rows = frame(moments, {"phase_diff": [0.1] * 120, column: [0.2] * 120, "../../etc/x": [0.3] * 120})
    return telemetry(
        DAY,
        rows,
        rule_changes=(RuleChange(at("12:01:00"), text, text, text, text, text),),
        effects=(RecordedEffect(at("12:01:01"), text, text, text, text, None, None, {text: 1.0}),),
        quotes=(Quote(at("12:00:00"), text, text, {text: 1e300}, 1.0, text),),
        risks=(Risk(at("12:00:00"), text, text, {text: -1e-300}, text),),
        gateway_status=text,
        inputs=(
            reading(
                "logs/metrics.csv",
                "telemetry",
                rejected={text: 3},
                examples=(Rejected(1, text, text),),
                notes={text: 2},
            ),
        ),
    )

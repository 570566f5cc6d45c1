"""Sample ledgers of a day, consistent with its telemetry: history and effects of rules, quotes, risks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from lumen_assets.days import day_bounds
from lumen_assets.telemetry.sample_plan import RULES, SampleChange, SamplePlan, generator

EFFECTS_HEADER: Final = "rule_ts,actor,rule,old,new,pre_s,post_s," + ",".join(
    f"pre_{name},post_{name},d_{name}" for name in ("phase", "entropy", "creative", "risk")
)
_SIGNALS: Final = {
    "phase": "phase_diff",
    "entropy": "entropy_rate",
    "creative": "creative_band",
    "risk": "risk_band",
}
_NEEDED: Final = 50  # samples on each side, as the data contract asks

_QUOTES: Final = {
    "resonance_gain": "공명이 맞물리자 위상이 한 걸음 가까워졌다.",
    "entropy_damping": "소란이 가라앉은 자리에 결이 보인다.",
    "creative_boost": "여백을 조금 열었더니 새 무늬가 들어왔다.",
    "risk_guard": "문턱을 낮추니 숨이 고르다.",
    "phase_lock": "단단히 쥐되, 부러지지 않게.",
}


def _at(plan: SamplePlan, second: float) -> str:
    start, _ = day_bounds(plan.day)
    moment: datetime = start + timedelta(milliseconds=round(second * 1000))
    return moment.isoformat(timespec="milliseconds")


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps({**record, "sample": True}, ensure_ascii=False)


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean())


def measured_effect(rows: pl.DataFrame, change: SampleChange) -> dict[str, tuple[float, float] | None]:
    """Means before and after a change by short signal name, over the windows of the data contract."""
    since = pl.col("second") - change.second
    before = rows.filter(since.is_between(-30, -1))
    after = rows.filter(since.is_between(1, 30))
    means: dict[str, tuple[float, float] | None] = {}
    for name, column in _SIGNALS.items():
        enough = before.height >= _NEEDED and after.height >= _NEEDED
        means[name] = (_mean(before[column]), _mean(after[column])) if enough else None
    return means


def history_lines(plan: SamplePlan) -> list[str]:
    """``controls/rules_history.jsonl``; on some days with a torn line."""
    lines = []
    for change in plan.changes:
        record = {
            "ts": _at(plan, change.second),
            "actor": change.actor,
            "rule": change.rule,
            "old": change.old,
            "new": change.new,
            "note": change.note,
        }
        lines.append(_json(record))
    if plan.day.toordinal() % 2:
        lines.insert(1, lines[1][:47])
    return lines


def effect_lines(plan: SamplePlan, rows: pl.DataFrame) -> list[str]:
    """``logs/rules_effects.csv``: what the telemetry shows for each change; empty where it shows too little."""
    lines = []
    for change in plan.changes:
        cells = [_at(plan, change.second), change.actor, change.rule, str(change.old), str(change.new), "30", "30"]
        for pair in measured_effect(rows, change).values():
            cells += [f"{pair[0]:.5f}", f"{pair[1]:.5f}", f"{pair[1] - pair[0]:.5f}"] if pair else ["", "", ""]
        lines.append(",".join(cells))
    return lines


def quote_lines(seed: int, plan: SamplePlan, rows: pl.DataFrame) -> list[str]:
    """``controls/quotes_bank.jsonl``: a word on most rule changes; now and then a blank line or a wrong confidence."""
    random = generator(seed, plan.day, 30)
    lines = []
    for number, change in enumerate(plan.changes):
        speaks, wait, confidence = random.random(), random.uniform(60, 300), random.uniform(0.6, 0.97)
        if number and speaks < 0.2:
            continue
        delta = {name: round(pair[1] - pair[0], 4) for name, pair in measured_effect(rows, change).items() if pair}
        record = {
            "ts": _at(plan, change.second + wait),
            "by": change.actor,
            "rule": change.rule,
            "delta": delta,
            "confidence": round(float(confidence), 2),
            "quote": _QUOTES[change.rule],
        }
        lines.append(_json(record))
    if plan.day.toordinal() % 3 == 0:
        wrong = {"by": "ops", "rule": next(iter(RULES)), "delta": {}, "confidence": 1.7, "quote": "…"}
        lines[:0] = ["", _json({"ts": _at(plan, plan.changes[0].second + 30), **wrong})]
    return lines


def risk_lines(plan: SamplePlan, rows: pl.DataFrame) -> list[str]:
    """``controls/risk_ledger.jsonl``: the excursion, the silence, the mock gateway."""
    start, end = plan.excursion
    peak = rows.filter(pl.col("second").is_between(start, end))["risk_band"].max()
    highest = peak if isinstance(peak, float) else 0.3
    events: list[tuple[float, str, str, dict[str, float], str]] = [
        (
            start + 30,
            "crit" if highest > 0.38 else "warn",
            "risk_guard",
            {"risk_band": highest},
            "위험 밴드가 목표를 넘음",
        ),
        (end, "info", "risk_guard", {"duration_s": end - start}, "위험 밴드가 목표로 돌아옴"),
    ]
    if plan.silence:
        seconds = plan.silence[1] - plan.silence[0]
        events.append((plan.silence[1], "warn", "recorder", {"silence_s": seconds}, "기록이 끊겼다가 다시 시작됨"))
    if plan.mock:
        events.append(
            (plan.mock[0], "info", "ion_gateway", {"ion_mock_mode": 1.0}, "이온 게이트웨이가 모의 응답으로 전환")
        )
    names = ("severity", "rule", "signal", "note")
    return [_json({"ts": _at(plan, at), **dict(zip(names, event, strict=True))}) for at, *event in sorted(events)]

"""A report's numbers in plain Python, from the lines of a day: no file is cut, no polars, no numpy."""

from __future__ import annotations

import math
import statistics as plain
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from lumen_assets_tests.report.scenes import DAY, DAY_BEFORE

MIDNIGHT = datetime.fromisoformat(f"{DAY}T00:00:00+09:00")
DAY_MS = 86_400_000
TARGETS = {
    "phase_diff": (None, 0.05), "entropy_rate": (None, 0.28), "creative_band": (0.24, None), "risk_band": (None, 0.3),
}  # fmt: skip
GOOD = {"phase_diff": "down", "entropy_rate": "down", "creative_band": "up", "risk_band": "down"}
COLUMNS = ("phase_diff", "creative_band", "own")
RECORDED = {"phase": "phase_diff", "creative": "creative_band", "own": "own"}
NUMBERS = [f"{part}_{name}" for part in ("d", "pre", "post") for name in RECORDED]
WORDS = ("OK", "0x2", "1,5")
BIG = Fraction(10) ** 300

Lines = dict[int, tuple[str, ...]]
"""Cells by milliseconds since midnight; those of the day before are negative."""


class Day:
    """What the files say of a day; ``changes`` and ``effects`` are (milliseconds, rule, recorded cells by column)."""

    def __init__(self, lines: Lines, changes: Any = (), effects: Any = (), quotes: Any = (), risks: Any = ()) -> None:
        self.lines, self.changes, self.effects, self.quotes, self.risks = lines, changes, effects, quotes, risks

    def __repr__(self) -> str:
        return f"Day({len(self.lines)} lines, {self.changes}, {self.effects}, {self.quotes}, {self.risks})"


def instant(moment: int) -> datetime:
    return MIDNIGHT + timedelta(milliseconds=moment)


def near(value: Fraction | float, peak: Fraction | float) -> Any:
    return pytest.approx(float(value), rel=1e-12, abs=max(float(peak) * 1e-13, 4 * math.ulp(0.0)))


def values_of(day: Day, name: str, first: int, last: int) -> dict[int, float]:
    """Finite values by instant from ``first`` to ``last``, both included."""
    words = {"": "nan", "true": "1", **dict.fromkeys(WORDS, "nan")}
    column = COLUMNS.index(name)
    is_text = {today: is_left_out(day, name, today=today) for today in (True, False)}
    read = {m: float(words.get(c[column], c[column])) for m, c in sorted(day.lines.items()) if first <= m <= last}
    return {moment: value for moment, value in read.items() if math.isfinite(value) and not is_text[moment >= 0]}


def is_left_out(day: Day, name: str, *, today: bool = True) -> bool:
    """Whether nobody configured the column, and words outnumber the numbers in it on the day, or on the one before."""
    counts = Counter(cells[COLUMNS.index(name)] in WORDS for m, cells in day.lines.items() if (m >= 0) == today)
    empty = sum(cells[COLUMNS.index(name)] == "" for m, cells in day.lines.items() if (m >= 0) == today)
    return name not in TARGETS and counts[True] > counts[False] - empty


def columns_of(day: Day) -> list[str]:
    """Those that the report has."""
    return [name for name in COLUMNS if not is_left_out(day, name)]


def mean(values: Iterable[float]) -> Fraction:
    exact = [Fraction(value) for value in values]
    return sum(exact, Fraction(0)) / len(exact)


def percentile(values: Iterable[float], percent: int) -> Fraction:
    ordered = sorted(map(Fraction, values))
    low, part = divmod(Fraction(percent * (len(ordered) - 1), 100), 1)
    return ordered[int(low)] + part * (ordered[min(int(low) + 1, len(ordered) - 1)] - ordered[int(low)])


def share(values: Iterable[float], name: str) -> float | None:
    low, high = TARGETS.get(name, (None, None))
    values = list(values)
    if name not in TARGETS or not values:
        return None
    return sum((low is None or v >= low) and (high is None or v <= high) for v in values) / len(values)


def difference(new: Fraction, old: Fraction, peak: float) -> Any:
    """None where it is too large for a float; either near the end of floats."""
    return ANY if abs(new - old) > BIG else near(new - old, peak)


class _Any:
    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY = _Any()


class Bins:
    """A histogram of the values: its bins' ends may be a rounding away."""

    def __init__(self, values: list[float]) -> None:
        self.values = sorted(map(Fraction, values))

    def __eq__(self, found: Any) -> bool:
        low, high = Fraction(found["low"]), Fraction(found["high"])
        p5, p95, slack = percentile(self.values, 5), percentile(self.values, 95), self._slack
        first, last = self.values[0], self.values[-1]
        ends = (max(first, 2 * p5 - p95), min(last, 2 * p95 - p5)) if p95 > p5 else (first, last)
        assert abs(low - ends[0]) <= slack
        assert abs(high - ends[1]) <= slack
        assert set(found) == {"low", "high", "counts", "below", "above"}
        assert found["below"] + sum(found["counts"]) + found["above"] == len(self.values)
        counts = found["counts"]
        assert len(counts) == (64 if high > low else 1)
        beneath = found["below"]
        for number, count in enumerate([0, *counts]):
            beneath += count
            edge = low + (high - low) * number / len(counts)
            if number < len(counts):  # a bin has its lower end, the last one both
                assert self._beneath(edge - slack) <= beneath <= self._beneath(edge + slack)
        assert found["above"] <= sum(value > high - slack for value in self.values)
        assert found["above"] >= sum(value > high + slack for value in self.values)
        return True

    @property
    def _slack(self) -> Fraction:
        return max(map(abs, self.values)) * Fraction(1, 10**13) + Fraction(math.ulp(0.0)) * 4

    def _beneath(self, edge: Fraction) -> int:
        return sum(value < edge for value in self.values)

    __hash__ = None  # type: ignore[assignment]


def distribution(values: list[float]) -> dict[str, Any] | None:
    if not values:
        return None
    peak = max(map(abs, values))
    spread = plain.pstdev([Fraction(v) / Fraction(peak) for v in values]) * peak if peak else 0.0
    return {
        "count": len(values),
        "mean": near(mean(values), peak),
        "std": pytest.approx(spread, rel=1e-9, abs=max(peak * 1e-12, 4 * math.ulp(0.0))),
        "minimum": min(values),
        "maximum": max(values),
        **{name: near(percentile(values, p), peak) for name, p in (("p5", 5), ("p50", 50), ("p95", 95))},
        "histogram": Bins(values),
    }


def curve(values: dict[int, float]) -> dict[str, list[Any]] | None:
    minutes: list[list[float]] = [[] for _ in range(1440)]
    for moment, value in values.items():
        minutes[moment // 60_000].append(value)
    means = [near(mean(part), max(map(abs, part))) if part else None for part in minutes]
    extremes = {"minimum": [min(p, default=None) for p in minutes], "maximum": [max(p, default=None) for p in minutes]}
    few = [minute for minute, part in enumerate(minutes) if 0 < len(part) < 30]
    return {**extremes, "mean": means, "few": few if len(few) < sum(map(bool, minutes)) else []} if values else None


def better(change: Any, good: str | None) -> bool | None:
    return (change > 0) == (good == "up") if change and good else None


def signal(day: Day, name: str, found: dict[str, Any]) -> dict[str, Any]:
    present = name in columns_of(day)
    today = values_of(day, name, 0, DAY_MS - 1) if present else {}
    before = values_of(day, name, -DAY_MS, -1) if present else {}
    both = bool(today and before) and 10 * min(len(today), len(before)) >= max(len(today), len(before))
    shares = (share(today.values(), name), share(before.values(), name))
    peak = max(map(abs, (*today.values(), *before.values())), default=0.0)
    change = difference(mean(today.values()), mean(before.values()), peak) if both else None
    share_change = shares[0] - shares[1] if both and shares[0] is not None and shares[1] is not None else None
    return {
        "name": name,
        "configured": name in TARGETS,
        "present": present,
        "target": dict(zip(("min", "max"), TARGETS[name], strict=True)) if name in TARGETS else None,
        "good": GOOD.get(name),
        "unit": "",
        "label": ANY,
        "figure": f"report_{DAY}_{name}.svg" if today else None,
        "coverage": near(len(today) / 432_000, 1),
        "values": distribution(list(today.values())),
        "share_on_target": shares[0],
        "mean_change": change,
        "share_change": share_change,
        "mean_improved": better(found["mean_change"], GOOD.get(name)),
        "share_improved": better(share_change, "up"),
        "curve": curve(today),
        "source": "",
        "rate_hz": 5,
    }


def means(day: Day, name: str, time: int) -> tuple[Fraction, Fraction, float] | None:
    """Before and after a change, and the greatest value that they are of."""
    pre, post = values_of(day, name, time - 30_000, time - 1_000), values_of(day, name, time + 1_000, time + 30_000)
    post = {moment: value for moment, value in post.items() if moment < DAY_MS}
    if min(len(pre), len(post)) < 50:
        return None
    return mean(pre.values()), mean(post.values()), max(map(abs, (*pre.values(), *post.values())))


def half_a_unit(texts: Iterable[str | None]) -> Any:
    """Of the last digit of the finest of some numbers as ``repr`` writes them."""
    parts = [text.partition("e") for text in texts if text]
    powers = [int(power or 0) - len(digits.partition(".")[2]) for digits, _, power in parts]
    return pytest.approx(0.5 * 10.0 ** min(powers), rel=1e-12, abs=1e-323) if powers else 0.0


def effects(day: Day) -> list[dict[str, Any]]:
    recorded = {(time, rule): cells for time, rule, cells in day.effects}
    known = {(time, rule) for time, rule, _ in day.changes}
    every = [*((*key, True) for key in known), *((*key, False) for key in recorded if key not in known)]
    rows = []
    for number, (time, rule, in_history) in enumerate(sorted(every, key=lambda item: (item[0], not item[2])), 1):
        cells = recorded.get((time, rule))
        found = {name: means(day, name, time) for name in columns_of(day)}
        numbers = {name: float(text) if text else None for name in NUMBERS for text in [(cells or {}).get(name)]}
        actor = None if cells is None else cells.get("actor", "a")
        rows.append(
            {
                "number": number,
                "at": instant(time),
                "actor": "a" if in_history else actor,
                "rule": rule,
                "old": "0",
                "new": "1",
                "note": "",
                "in_history": in_history,
                "measured": {name: difference(m[1], m[0], m[2]) if m else None for name, m in found.items()},
                "measured_means": {
                    name: {"before": near(m[0], m[2]), "after": near(m[1], m[2])} for name, m in found.items() if m
                },
                "recorded": {name: numbers[f"d_{x}"] for x, name in RECORDED.items() if cells is not None},
                "recorded_means": {
                    name: {"before": numbers[f"pre_{x}"], "after": numbers[f"post_{x}"]}
                    for x, name in RECORDED.items()
                    if cells is not None
                },
                "recorded_rounding": {
                    name: half_a_unit(cells.get(f"{part}_{x}") for part in ("d", "pre", "post"))
                    for x, name in RECORDED.items()
                    if cells is not None
                },
                "recorded_actor": actor,
                "pre_seconds": 30.0 if cells else None,
                "post_seconds": 30.0 if cells else None,
                "cut_before": time < 30_000 and not any(m < 0 for m in day.lines),
                "cut_after": time >= DAY_MS - 30_000,
            }
        )
    return rows


def recording(day: Day) -> dict[str, Any]:
    moments = [0, *(m for m in sorted(day.lines) if m >= 0), DAY_MS]
    gaps = [(b - a, a, b) for a, b in pairwise(moments) if b - a > 5_000]
    longest = sorted(gaps, key=lambda gap: (-gap[0], gap[1]))[:10]
    return {
        "rows": len(moments) - 2,
        "expected_rows": 432_000,
        "coverage": near((len(moments) - 2) / 432_000, 1),
        "rate_hz": 5,
        "gap_seconds": 5,
        "gap_count": len(gaps),
        "silent_seconds": near(sum(ms for ms, _, _ in gaps) / 1000, 0),
        "longest_gaps": [{"seconds": ms / 1000, "start": instant(a), "end": instant(b)} for ms, a, b in longest],
    }


def quotes(day: Day) -> dict[str, Any]:
    order = sorted(range(len(day.quotes)), key=lambda i: (-day.quotes[i][1], day.quotes[i][0], i))[:3]
    sure = [confidence for _, confidence, _ in day.quotes]
    return {
        "count": len(sure),
        "mean_confidence": near(mean(sure), 1) if sure else None,
        "top": [
            {
                "at": instant(day.quotes[i][0]), "by": "b", "rule": "r", "quote": str(i),
                "confidence": day.quotes[i][1], "delta": day.quotes[i][2],
            }
            for i in order
        ],
    }  # fmt: skip


def risks(day: Day) -> dict[str, Any]:
    newest = sorted(range(len(day.risks)), key=lambda i: (day.risks[i][0], i))[::-1]
    critical = [i for i in newest if day.risks[i][1] == "crit"][:20]
    order = [i for i in newest if i in critical or i in [j for j in newest if day.risks[j][1] != "crit"][:3]]
    counts = Counter(severity for _, severity, _ in day.risks)
    return {
        "by_severity": {name: counts[name] for name in ("crit", "warn", "info")},
        "latest": [
            {
                "at": instant(day.risks[i][0]), "rule": "r", "note": str(i),
                "severity": day.risks[i][1], "signal": day.risks[i][2],
            }
            for i in order
        ],
    }  # fmt: skip


def telling(report: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    """The findings with their numbers, by the table of ``docs/report.md`` from the report's other numbers."""
    told: dict[tuple[str, str | None], dict[str, Any]] = {}
    recorded, severities = report["recording"], report["risks"]["by_severity"]
    if not recorded["rows"]:
        told["empty", None] = {}
    elif not any(s["values"] for s in report["signals"]):
        told["no_values", None] = {"rows": recorded["rows"]}
    if recorded["rows"] and recorded["gap_count"]:
        told["gaps", None] = {
            "count": recorded["gap_count"],
            "silent_seconds": recorded["silent_seconds"],
            "longest_seconds": recorded["longest_gaps"][0]["seconds"],
            "coverage": recorded["coverage"],
        }
    if severities["crit"] or severities["warn"]:
        told["critical_risks" if severities["crit"] else "risks", None] = {
            "count": sum(severities.values()), **severities,
        }  # fmt: skip
    told.update(_telling_of_rules(report["rule_effects"]))
    if report["gone"] and report["recording"]["rows"]:
        told["gone", None] = {"count": len(report["gone"])}
    for s in report["signals"]:
        told.update({(kind, s["name"]): numbers for kind, numbers in _telling_of(s, report)})
    return told or {("nothing", None): {"coverage": recorded["coverage"]} if recorded["coverage"] < 0.9995 else {}}


def _telling_of_rules(rule_effects: list[dict[str, Any]]) -> dict[tuple[str, str | None], dict[str, Any]]:
    told: dict[tuple[str, str | None], dict[str, Any]] = {}
    actors = [(e["number"], e["actor"], e["recorded_actor"]) for e in rule_effects if e["in_history"]]
    actors = [each for each in actors if each[2] is not None]
    others = [number for number, actor, other in actors if actor != other]
    if others:
        told["actors_differ", None] = {"checked": len(actors), "count": len(others), "number": others[0]}
    unchecked = [e for e in rule_effects if not e["cut_before"] and not e["cut_after"] and _few_around(e)]
    if unchecked:
        told["effects_unchecked", None] = {"count": len(unchecked)}
    lost = sum(not e["in_history"] for e in rule_effects)
    if lost:
        told["effects_without_change", None] = {"count": lost}
    recorded_of = [bool(e["recorded"]) for e in rule_effects if e["in_history"]]
    if any(recorded_of) and not all(recorded_of):
        told["changes_without_effect", None] = {"count": recorded_of.count(False), "changes": len(recorded_of)}
    return told


def _few_around(effect: dict[str, Any]) -> bool:
    recorded = {name for name, number in effect["recorded"].items() if number is not None}
    return any(effect["measured"].get(name, 0) is None for name in recorded)


def _exact(share: float) -> Fraction:
    """The share of at most 432,000 values that a float is nearest to: two of them are never as close as 1e-12."""
    return Fraction(share).limit_denominator(432_000)


def _telling_of(s: dict[str, Any], report: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    if not s["values"]:
        if s["configured"] and report["recording"]["rows"]:
            yield "all_null" if s["present"] else "no_column", {}
        return
    count, rows = s["values"]["count"], report["recording"]["rows"]
    if s["configured"] and 10 * count < 9 * (432_000 if 10 * rows >= 9 * 432_000 else rows):
        yield "few_values", {"coverage": s["coverage"], "count": count}
    average, on_target = s["values"]["mean"], s["share_on_target"]
    if s["target"]:
        low, high = s["target"]["min"], s["target"]["max"]
        good = (low is None or average >= low) and (high is None or average <= high)
        if not good or 10 * (count - _exact(on_target) * count) >= count:
            yield "partly_off_target" if good else "off_target", {"mean": average, "share_on_target": on_target}
    change, of_share = s["mean_change"], s["share_change"]
    moved = Fraction(0) if of_share is None else abs(_exact(on_target) - _exact(on_target - of_share))
    far = 20 * moved >= 1
    tenth = abs(Fraction(average) - Fraction(change or 0)) / 10
    if change is not None and (far or (change and Fraction(abs(change)) >= tenth * (1 - Fraction(1, 10**9)))):
        improved = s["share_improved"] if far else s["mean_improved"]
        numbers = {"mean_change": change} | ({"share_change": of_share} if 100 * moved >= 1 else {})
        yield {None: "changed", True: "improved", False: "worsened"}[improved], numbers
    effects, name = report["rule_effects"], s["name"]
    whole = [e for e in effects if not e["cut_before"] and not e["cut_after"]]
    halves = [e["recorded_rounding"].get(name, 0.0) for e in whole]
    pairs = [
        (e["recorded"].get(name), e["measured"][name], e["number"], half) for e, half in zip(whole, halves, strict=True)
    ]
    yield from _differing("effects_differ", s, pairs)
    both = [e for e in effects if name in e["measured_means"] and name in e["recorded_means"]]
    sides = [(e, side) for e in both for side in ("before", "after") if not e[f"cut_{side}"]]
    pairs = [
        (e["recorded_means"][name][side], e["measured_means"][name][side], e["number"], e["recorded_rounding"][name])
        for e, side in sides
    ]
    yield from _differing("means_differ", s, pairs)


def _differing(kind: str, s: dict[str, Any], pairs: list[Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
    differing = [
        (-abs(a - b), place, n, a, b)
        for place, (a, b, n, half) in enumerate(pairs)
        if abs(a - b) > max(0.05 * max(abs(a), abs(b)), 0.02 * s["values"]["std"], half * (1 + 1e-9))
    ]
    if differing:
        _, _, number, written, measured = min(differing)
        yield kind, {
            "checked": len(pairs), "count": len(differing), "number": number, "recorded": written, "measured": measured,
        }  # fmt: skip


def plain_report(day: Day, found: dict[str, Any]) -> dict[str, Any]:
    """What the report is to be but for texts; ``found`` gives the order of signals and which changes are too large."""
    names = [*TARGETS, *(name for name in columns_of(day) if name not in TARGETS)]
    return {
        "recording": recording(day),
        "beside": {},
        "signals": [signal(day, name, s) for name, s in zip(names, found["signals"], strict=True)],
        "rule_effects": effects(day),
        "gone": [
            name
            for name in COLUMNS
            if name not in TARGETS and values_of(day, name, -DAY_MS, -1) and not values_of(day, name, 0, DAY_MS - 1)
        ],
        "quotes": quotes(day),
        "risks": risks(day),
        "previous_day": str(DAY_BEFORE) if any(m < 0 for m in day.lines) else None,
        "day": str(DAY),
    }

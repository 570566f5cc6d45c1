"""What happens on a day of sample data: rule changes, silence, excursions, dirt. Decided by seed and day alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np


@dataclass(frozen=True)
class SampleRule:
    """A rule that sample actors change.

    Attributes:
        values: what it is set to, from mildest to strongest; it starts each day with the first.
        effects: by how much one step towards stronger moves each signal.
        reason: why an actor takes a step up, in Korean.
    """

    values: tuple[float | str, ...]
    effects: Mapping[str, float]
    reason: str


RULES: Final[Mapping[str, SampleRule]] = {
    "resonance_gain": SampleRule(
        (0.8, 0.85, 0.9, 0.95), {"phase_diff": -0.010, "entropy_rate": 0.006}, "위상차가 커져 공명 이득을 올림"
    ),
    "entropy_damping": SampleRule(
        (0.35, 0.4, 0.45, 0.5),
        {"entropy_rate": -0.030, "creative_band": -0.012},
        "엔트로피율이 목표를 넘어 감쇠를 높임",
    ),
    "creative_boost": SampleRule(
        (0.2, 0.25, 0.3, 0.35), {"creative_band": 0.030, "risk_band": 0.012}, "창의 밴드가 낮아 자극을 늘림"
    ),
    "risk_guard": SampleRule(
        (0.5, 0.6, 0.7, 0.8), {"risk_band": -0.035, "creative_band": -0.006}, "위험 밴드를 낮추려고 문턱을 조임"
    ),
    "phase_lock": SampleRule(("soft", "firm", "hard"), {"phase_diff": -0.012}, "위상 고정을 더 단단히 함"),
}
ACTORS: Final = ("lumen", "binoche", "지휘자", "ops")


@dataclass(frozen=True)
class SampleChange:
    """A rule change at a second of the day; ``effects`` is the step in each signal that follows."""

    second: float
    actor: str
    rule: str
    old: float | str
    new: float | str
    note: str
    effects: Mapping[str, float]


@dataclass(frozen=True)
class SamplePlan:
    """A day's events; times are seconds after midnight KST.

    Attributes:
        changes: in order of time, three to six, each in the first twenty minutes of an hour of its own.
        silence: when nothing was recorded, if so.
        excursion: when ``risk_band`` was too high.
        mock: when the ion gateway answered from its mock.
        dirt: a time for each kind of dirt, in the second half of an hour, so away from rule changes.
    """

    day: date
    changes: tuple[SampleChange, ...]
    silence: tuple[float, float] | None
    excursion: tuple[float, float]
    mock: tuple[float, float] | None
    dirt: Mapping[str, float]


DIRT: Final = (
    "restart",
    "torn",
    "nan",
    "empty",
    "backwards",
    "duplicate",
    "blank",
    "other_day",
    "bad_number",
    "bad_timestamp",
)
"""One of each a day; see ``sample_rows.py``."""


def generator(seed: int, day: date, topic: int) -> np.random.Generator:
    """The day's own random numbers for one topic, so that no day depends on which others were written."""
    return np.random.default_rng((seed, day.toordinal(), topic))


def _changes(random: np.random.Generator) -> tuple[SampleChange, ...]:
    hours = sorted(random.choice(np.arange(6, 22), size=int(random.integers(3, 7)), replace=False).tolist())
    level = dict.fromkeys(RULES, 0)
    changes = []
    for hour in hours:
        name = str(random.choice(list(RULES)))
        rule = RULES[name]
        step = -1 if level[name] == len(rule.values) - 1 or (level[name] and random.random() < 0.3) else 1
        old = rule.values[level[name]]
        level[name] += step
        changes.append(
            SampleChange(
                second=hour * 3600 + round(float(random.uniform(60, 1200)), 3),
                actor=str(random.choice(ACTORS)),
                rule=name,
                old=old,
                new=rule.values[level[name]],
                note=rule.reason if step > 0 else "지나친 조정을 되돌림",
                effects={signal: effect * step for signal, effect in rule.effects.items()},
            )
        )
    return tuple(changes)


def plan_day(seed: int, day: date) -> SamplePlan:
    """The events of a day."""
    random = generator(seed, day, 1)
    changes = _changes(random)
    ordinal = day.toordinal()
    start = float(random.integers(2 * 3600, 3 * 3600))
    silence = (start, start + float(random.integers(40 * 60, 150 * 60))) if ordinal % 3 == 1 else None
    start = float(random.integers(9 * 3600, 20 * 3600) // 3600 * 3600 + 1500)
    excursion = (start, start + float(random.integers(240, 540)))
    mock = (50_400.0, 50_400.0 + float(random.integers(600, 1500))) if ordinal % 4 == 2 else None
    hours = random.permutation(np.arange(6, 23))[: len(DIRT)]
    dirt = {kind: float(hour * 3600 + random.integers(2700, 3300)) for kind, hour in zip(DIRT, hours, strict=True)}
    return SamplePlan(day, changes, silence, excursion, mock, dirt)

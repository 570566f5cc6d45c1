"""What the signals did around each rule change, beside what the installation itself recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lumen_assets.days import KST, day_bounds
from lumen_assets.report.before import DayBefore
from lumen_assets.report.distribution import Values, exact_mean, finite_difference
from lumen_assets.report.plain_text import visible
from lumen_assets.report.rule_effect import Means, RuleEffect
from lumen_assets.report.signals import instants, microseconds, signal_names, values_of
from lumen_assets.telemetry.model import DayTelemetry, RecordedEffect, RuleChange

NEAR: Final = 1_000_000
FAR: Final = 30_000_000
"""The windows reach from 1 s to 30 s before and after the change, both ends included (data contract)."""

ENOUGH: Final = 50
"""Values that each side must have for an effect to be valid (data contract)."""

RECORDED_SIGNALS: Final = {
    "phase": "phase_diff",
    "entropy": "entropy_rate",
    "creative": "creative_band",
    "risk": "risk_band",
}
"""Signal by the ``X`` of recorded ``pre_X``, ``post_X`` and ``d_X``; any other ``X`` is a signal's name itself."""

_Number = TypeVar("_Number", float, float | None)
_Signal = tuple[NDArray[np.int64], Values]


def rule_effects(today: DayTelemetry, before: DayBefore | None) -> tuple[RuleEffect, ...]:
    """Every rule change of the day with its effects, and recorded effects that no change matches; by time.

    The half minute before a change just after midnight lies in the day before, so its rows are used too. The day
    after is not known yet: a change just before midnight has only the values up to midnight behind it.
    """
    recorded: dict[tuple[datetime, str], list[RecordedEffect]] = defaultdict(list)
    for effect in today.effects:
        recorded[effect.at, effect.rule].append(effect)
    pairs: list[tuple[RuleChange | RecordedEffect, RecordedEffect | None, bool]] = []
    for change in today.rule_changes:
        pairs.append((change, _taken(recorded[change.at, change.rule], change.actor), True))
    pairs.extend((effect, effect, False) for effects in recorded.values() for effect in effects)
    pairs.sort(key=lambda pair: pair[0].at)
    tables = _rows_near([change.at for change, _, _ in pairs], today, before)
    signals = {name: values_of(near, name) for near in tables for name in signal_names(near)}
    start, end = (microseconds(moment) for moment in day_bounds(today.day))
    first = start if before is None else start - FAR
    return tuple(
        replace(
            _rule_effect(number, change, effect, signals, in_history=in_history),
            cut_before=microseconds(change.at) - FAR < first,
            cut_after=microseconds(change.at) + FAR >= end,
        )
        for number, (change, effect, in_history) in enumerate(pairs, 1)
    )


def _taken(matches: list[RecordedEffect], actor: str) -> RecordedEffect | None:
    """One of the effects of a change, which is taken out: that of its actor, where they are several."""
    of_actor = (number for number, effect in enumerate(matches) if effect.actor == actor)
    return matches.pop(next(of_actor, 0)) if matches else None


def _rows_near(changes: Iterable[datetime], today: DayTelemetry, before: DayBefore | None) -> Iterator[pl.DataFrame]:
    """The day's tables in the windows around changes, where the day before has its share of the first ones."""
    tables, changed = today.tables, [microseconds(change) for change in changes]
    if before is not None and changed and min(changed) - FAR < microseconds(day_bounds(today.day)[0]):
        both = zip(before.tables(), tables, strict=True)
        tables = tuple(pl.concat([early, rows], how="diagonal").select(rows.columns) for early, rows in both)
    for rows in tables:
        moments, near = instants(rows), np.zeros(rows.height, dtype=bool)
        for instant in changed:
            near[_between(moments, instant - FAR, instant + FAR)] = True
        yield rows.filter(near)


def measured_means(signal: _Signal, at: datetime) -> tuple[float, float] | None:
    """Means over [-30 s, -1 s] and [+1 s, +30 s] around ``at``; None with under 50 values on a side."""
    instant = microseconds(at)
    before = _window(signal, instant - FAR, instant - NEAR)
    after = _window(signal, instant + NEAR, instant + FAR)
    if min(before.size, after.size) < ENOUGH:
        return None
    return exact_mean(before), exact_mean(after)


def _window(signal: _Signal, first: int, last: int) -> Values:
    moments, values = signal
    return values[_between(moments, first, last)]


def _between(moments: NDArray[np.int64], first: int, last: int) -> slice:
    """Where ``moments``, ascending, are from ``first`` to ``last``, both included."""
    return slice(np.searchsorted(moments, first, side="left"), np.searchsorted(moments, last, side="right"))


def _by_signal(recorded: Mapping[str, _Number]) -> dict[str, _Number]:
    """What was recorded by ``X``, by the signals' names as reports show them."""
    return {visible(RECORDED_SIGNALS.get(name, name)): value for name, value in recorded.items()}


def _rule_effect(
    number: int,
    change: RuleChange | RecordedEffect,
    effect: RecordedEffect | None,
    signals: dict[str, _Signal],
    *,
    in_history: bool,
) -> RuleEffect:
    means = {visible(name): measured_means(signal, change.at) for name, signal in signals.items()}
    recorded, before, after = (
        _by_signal(values) for values in ((effect.deltas, effect.before, effect.after) if effect else ({}, {}, {}))
    )
    return RuleEffect(
        number=number,
        at=change.at.astimezone(KST),
        actor=visible(change.actor),
        rule=visible(change.rule),
        old=visible(change.old),
        new=visible(change.new),
        note=visible(change.note) if isinstance(change, RuleChange) else "",
        in_history=in_history,
        measured={name: finite_difference(pair[1], pair[0]) if pair else None for name, pair in means.items()},
        recorded=recorded,
        pre_seconds=effect.pre_seconds if effect else None,
        post_seconds=effect.post_seconds if effect else None,
        measured_means={name: Means(*pair) for name, pair in means.items() if pair},
        recorded_means={name: Means(before.get(name), after.get(name)) for name in {**before, **after}},
        recorded_rounding=_by_signal(effect.rounding) if effect else {},
        recorded_actor=visible(effect.actor) if effect else None,
    )

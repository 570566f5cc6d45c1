"""A rule change with what the signals did around it, a part of the report's model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Means:
    """A signal's means before and after a rule change; None where it was not measured."""

    before: float | None
    after: float | None


@dataclass(frozen=True)
class RuleEffect:
    """A rule change with what the signals did around it.

    Attributes:
        number: from 1, in order of time; the markers in figures carry it.
        in_history: False for a recorded effect that ``rules_history.jsonl`` has no change for.
        measured: by signal, mean over [+1 s, +30 s] minus mean over [-30 s, -1 s]; None where a side has
            fewer than 50 values.
        recorded: by signal, ``d_X`` of ``rules_effects.csv``; None where it was not measured; empty without a row.
        pre_seconds, post_seconds: windows of the recorded effect.
        measured_means: of signals with a measured effect, the two means that it is the difference of.
        recorded_means: by signal, ``pre_X`` and ``post_X`` of ``rules_effects.csv``.
        recorded_rounding: by signal, how far these numbers may be from those that they were rounded from: half a unit
            of the last digit that the finest of a signal's is written with.
        recorded_actor: the actor that it names; None without a row.
        cut_before, cut_after: whether that window reaches beyond the rows that are known: into the day before, of which
            nothing is, or into the next day. What was recorded at the time is of the whole window.
    """

    number: int
    at: datetime
    actor: str
    rule: str
    old: str
    new: str
    note: str
    in_history: bool
    measured: Mapping[str, float | None]
    recorded: Mapping[str, float | None]
    pre_seconds: float | None
    post_seconds: float | None
    measured_means: Mapping[str, Means] = field(default_factory=dict)
    recorded_means: Mapping[str, Means] = field(default_factory=dict)
    recorded_rounding: Mapping[str, float] = field(default_factory=dict)
    recorded_actor: str | None = None
    cut_before: bool = False
    cut_after: bool = False

    @property
    def has_record(self) -> bool:
        """Whether ``rules_effects.csv`` has a row of it."""
        return self.recorded_actor is not None

    @property
    def has_usual_windows(self) -> bool:
        """Whether what was recorded is of the windows that effects are measured by; it is where it names none."""
        return {self.pre_seconds, self.post_seconds} <= {30.0, None}

    @property
    def actor_differs(self) -> bool:
        """Whether another actor was recorded with the effect than with the change."""
        return self.recorded_actor not in (None, self.actor)

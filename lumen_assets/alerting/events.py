"""What an operator is told about: one thing that happened, or a state that began or ended."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

_EVENTS: Final = uuid.UUID("6a9c6b7e-6d0e-5f43-9d5e-0f6f2d3c9a11")


class Severity(StrEnum):
    """How much it matters, lowest first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Severity).index(self)


class Kind(StrEnum):
    """What sort of thing happened: a stable word that receivers may route by."""

    MATERIALIZATION_FAILED = "materialization_failed"
    RUN_FAILED = "run_failed"
    """A run that ended badly while no step of it says why: its process died, it was not started in time."""
    REPLICA_NOT_GOOD = "replica_not_good"
    DAY_BELOW_POLICY = "day_below_policy"
    DAY_MISSING = "day_missing"
    GIVEN_UP = "given_up"
    """A day that failed so often that it is not tried again by itself."""
    INPUTS_CHANGED = "inputs_changed"
    """The inputs of a frozen day are no longer what was frozen of them."""
    FEW_ROWS = "few_rows"
    """A day that was frozen with fewer rows than it should have: its telemetry was silent, or is not there."""
    REPORT_NOT_DELIVERED = "report_not_delivered"
    """A report that did not reach somebody or some folder that is to have it, or may not have."""
    BACKFILL_FAILED = "backfill_failed"
    RUN_STUCK = "run_stuck"
    DRILL = "drill"
    """A restore drill failed, or none was made in time."""
    NOT_TICKING = "not_ticking"
    """A sensor or schedule that is on and does not run, or fails when it does."""
    CREDENTIAL_EXPIRING = "credential_expiring"
    DAILY_SUMMARY = "daily_summary"
    NOTICE = "notice"
    """Said by somebody with ``lumen notify``."""
    TEST = "test"
    """Sent by ``lumen doctor --send-test``."""


class State(StrEnum):
    """Whether an event opens something, closes it, or is only said."""

    FIRING = "firing"
    RESOLVED = "resolved"
    NOTICE = "notice"


@dataclass(frozen=True)
class Event:
    """One event. Texts are for people; nothing in it is a secret (the outbox cleans them once more).

    Attributes:
        id: the same event always has the same id, also where it is recorded twice; see ``event_id``.
        kind: what sort of thing happened.
        severity: how much it matters.
        state: firing opens or continues an incident, resolved closes it, notice is said once.
        source: what it is about: an asset key ``replica/cloud``, a job, a sensor, a destination.
        subject: which one of it, usually the partition key ``YYYY-MM-DD``; empty if there is only one.
        at: when it happened, with a zone.
        title: one line.
        error_class: of the error tree; part of the incident, so that one cause is one alert.
        cause: why, in the words of the error.
        retry_helps: whether trying again may help; None where that says nothing.
        hint: what to do, one sentence.
        attempt: which try of the run it was, from 1; None where that says nothing.
        run_id: the Dagster run, if there is one.
        run_url: where the run is seen in the UI.
        command: the exact command that remedies it, where there is one.
        facts: anything else worth knowing, by name.
    """

    id: str
    kind: Kind
    severity: Severity
    state: State
    source: str
    at: datetime
    title: str
    subject: str = ""
    error_class: str = ""
    cause: str = ""
    retry_helps: bool | None = None
    hint: str = ""
    attempt: int | None = None
    run_id: str = ""
    run_url: str = ""
    command: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def incident(self) -> str:
        """The key of the incident that it belongs to: the same trouble with the same thing for the same cause.

        The subject is left out, so that 365 days that fail for one expired token are one incident. A resolved event
        closes its subject in the incidents of its kind and source, whatever their error class.
        """
        return "|".join((self.kind, self.source, self.error_class))


def event_id(*parts: object) -> str:
    """A UUID (version 5) of what identifies an event: kind, run, step, partition, attempt."""
    return str(uuid.uuid5(_EVENTS, "\x1f".join(str(part) for part in parts)))

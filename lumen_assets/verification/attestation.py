"""The day's verdicts counted against the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lumen_assets.verification.verdicts import Verdict, Verification


@dataclass(frozen=True)
class Attestation:
    """How many good replicas a day has, against how many it needs.

    Attributes:
        day: the KST day.
        revision: the revision attested; None if the day is not frozen.
        good: destinations whose newest verdict on that revision is MATCH.
        destinations: how many are configured.
        required: what the policy asks for.
        verdicts: the newest verdict by destination; None where there is none.
    """

    day: date
    revision: int | None
    good: int
    destinations: int
    required: int
    verdicts: Mapping[str, Verdict | None]

    @property
    def ok(self) -> bool:
        """Whether the policy is met."""
        return self.good >= self.required

    def __str__(self) -> str:
        return f"{self.good} of {self.destinations} replicas good, {self.required} required"


def attest(
    day: date,
    revision: int | None,
    newest: Mapping[str, Verification],
    *,
    destinations: Sequence[str],
    required: int,
) -> Attestation:
    """Count verdicts. Only verdicts on ``revision`` count; a destination without one is not good."""
    verdicts = {
        name: newest[name].verdict if name in newest and newest[name].revision == revision else None
        for name in destinations
    }
    return Attestation(
        day=day,
        revision=revision,
        good=sum(verdict is Verdict.MATCH for verdict in verdicts.values()),
        destinations=len(verdicts),
        required=required,
        verdicts=verdicts,
    )

"""The day's verdicts counted against the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lumen_assets.verification.verdicts import Level, Verdict, Verification


@dataclass(frozen=True)
class Attestation:
    """How many good replicas a day has, against how many it needs.

    Attributes:
        day: the KST day.
        revision: the revision attested; None if the day is not frozen.
        good: destinations whose verdict on that revision is MATCH, by a level that counts.
        destinations: how many are configured.
        required: what the policy asks for, less what retention removed, but one at the least.
        verdicts: the verdict that stands by destination; None where there is none that counts.
        removed: replicas that retention removed.
    """

    day: date
    revision: int | None
    good: int
    destinations: int
    required: int
    verdicts: Mapping[str, Verdict | None]
    removed: int = 0

    @property
    def ok(self) -> bool:
        """Whether the policy is met."""
        return self.good >= self.required

    def __str__(self) -> str:
        removed = f", {self.removed} removed by retention" if self.removed else ""
        return f"{self.good} of {self.destinations} replicas good, {self.required} required{removed}"


@dataclass(frozen=True)
class Attested:
    """What is on record of the newest attestation of a day.

    Attributes:
        revision: the one attested; None if the day was not frozen.
        good: good replicas that were counted.
        required: what the policy asked for.
        at: when, with a zone.
    """

    revision: int | None
    good: int
    required: int
    at: datetime

    @property
    def met(self) -> bool:
        """Whether the policy was met."""
        return self.good >= self.required


def attest(
    day: date,
    revision: int | None,
    newest: Mapping[str, Verification],
    *,
    destinations: Sequence[str],
    required: int,
    level: Level = Level.BYTES,
) -> Attestation:
    """Count verdicts. Only verdicts on ``revision`` count; a destination without one is not good.

    Args:
        day: the KST day.
        revision: the one that is attested.
        newest: the verdict that stands by destination.
        destinations: those that are configured.
        required: good replicas that the policy asks for.
        level: a MATCH at a weaker level does not count: a provider's checksum can be forged, bytes that were read not.
    """

    def counted(name: str) -> Verdict | None:
        found = newest.get(name)
        if found is None or found.revision != revision:
            return None
        weaker = list(Level).index(found.level) < list(Level).index(level)
        return None if found.verdict is Verdict.MATCH and weaker else found.verdict

    verdicts = {name: counted(name) for name in destinations}
    removed = sum(verdict is Verdict.REMOVED for verdict in verdicts.values())
    return Attestation(
        day=day,
        revision=revision,
        good=sum(verdict is Verdict.MATCH for verdict in verdicts.values()),
        destinations=len(verdicts),
        required=max(required - removed, 1) if removed else required,
        verdicts=verdicts,
        removed=removed,
    )

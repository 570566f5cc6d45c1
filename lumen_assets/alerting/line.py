"""What waits for one channel, and what of it may go now: pure rules on rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lumen_assets.alerting.events import State

MEMBERS: Final = 100
"""Messages that one digest stands for at most; more wait for the next one."""


STANDS_ASIDE: Final = 3
"""Refusals for good, by a channel that takes others, after which a message no longer holds up those behind it."""


@dataclass(frozen=True)
class Waiting:
    """A message that one channel has not got yet.

    Attributes:
        seq: its row, in the order of composition.
        key: of its incident.
        severity: its rank.
        state: firing, resolved or notice.
        is_digest: it stands for others.
        carried_by: the row of the digest that tells it.
        attempts: how many failed.
        refusals: how many of them were for good, while the channel took other messages.
        next_at: not before this.
        leased_until: somebody may be sending it until then.
    """

    seq: int
    key: str
    severity: int
    state: State
    is_digest: bool = False
    carried_by: int | None = None
    attempts: int = 0
    refusals: int = 0
    next_at: datetime | None = None
    leased_until: datetime | None = None

    def leased(self, now: datetime) -> bool:
        """Somebody may be sending it."""
        return self.leased_until is not None and self.leased_until > now

    def free(self, now: datetime) -> bool:
        """Nobody is sending it, no digest tells it and its next try is due."""
        due = self.next_at is None or self.next_at <= now
        return self.carried_by is None and due and not self.leased(now)


def sendable(line: Sequence[Waiting], now: datetime, quiet_below: int | None) -> list[Waiting]:
    """The first message of every incident that may go now, best first: untried before tried, severe before mild.

    What the channel refuses for good again and again is tried on, but no longer keeps back what follows it.

    Args:
        line: all that waits, by ``seq``.
        now: with a zone.
        quiet_below: in quiet hours, the rank that is told at once. Lower ones and resolved ones wait, but not where
            they stand in the way of one that is told at once.
    """
    loud = {waiting.key for waiting in line if not _hushed(waiting, quiet_below)}
    loud |= {w.key for w in line if w.is_digest and _carries(w, line, loud)}
    heads = [waiting for waiting in _heads(line) if waiting.free(now)]
    may_go = [head for head in heads if head.key in loud]
    return sorted(may_go, key=lambda w: (w.attempts, -w.severity, w.seq))


def digest_members(line: Sequence[Waiting], heads: Iterable[Waiting], now: datetime) -> list[Waiting]:
    """What one digest may tell of the incidents of ``heads``: of each all that waits, in order, severe ones first."""
    keys = {head.key for head in heads if not head.is_digest}
    of_key: dict[str, list[Waiting]] = {key: [] for key in keys}
    ended: set[str] = set()
    for waiting in line:
        if waiting.key in keys and waiting.key not in ended and waiting.refusals < STANDS_ASIDE:
            if waiting.free(now):
                of_key[waiting.key].append(waiting)
            else:
                ended.add(waiting.key)
    groups = sorted(filter(None, of_key.values()), key=lambda group: (-max(w.severity for w in group), group[0].seq))
    return [waiting for group in groups for waiting in group][:MEMBERS]


def _heads(line: Iterable[Waiting]) -> Iterable[Waiting]:
    heads: dict[str, Waiting] = {}
    aside = []
    for waiting in line:
        if waiting.refusals >= STANDS_ASIDE:
            aside.append(waiting)
        else:
            heads.setdefault(waiting.key, waiting)
    return (*heads.values(), *aside)


def _hushed(waiting: Waiting, quiet_below: int | None) -> bool:
    return quiet_below is not None and (waiting.severity < quiet_below or waiting.state is State.RESOLVED)


def _carries(digest: Waiting, line: Iterable[Waiting], loud: set[str]) -> bool:
    return any(waiting.carried_by == digest.seq and waiting.key in loud for waiting in line)

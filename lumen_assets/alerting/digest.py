"""One message that stands for many, where a channel's cap is reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lumen_assets.alerting.composing import EVENTS_SHOWN, SUBJECTS_SHOWN
from lumen_assets.alerting.events import Kind, State, event_id
from lumen_assets.alerting.messages import Message


def digest_of(members: Sequence[Message], channel: str, number: int, now: datetime) -> Message:
    """The digest of ``members`` (at least one), the ``number``-th of this channel.

    It opens nothing and closes nothing, so its state is notice. Of events, it shows those of the severest members.
    """
    severity = max((member.severity for member in members), key=lambda severity: severity.rank)
    kinds = {member.kind for member in members}
    worst = sorted(
        (event for member in members for event in member.events if member.severity is severity),
        key=lambda event: (event.at, event.id),
    )
    subjects = sorted({subject for member in members for subject in member.subjects})
    firing = sum(member.state is State.FIRING for member in members)
    return Message(
        id=event_id("digest", channel, members[0].id),
        incident=f"digest|{channel}",
        number=number,
        kind=kinds.pop() if len(kinds) == 1 else Kind.NOTICE,
        source="several",
        error_class="",
        severity=severity,
        state=State.NOTICE,
        title=f"{len(members)} alerts in one, {firing} of them firing",
        since=min(member.since for member in members),
        at=now,
        count=len(members),
        subjects=tuple(subjects[:SUBJECTS_SHOWN]),
        subjects_total=len(subjects),
        events=tuple(worst[-EVENTS_SHOWN:]),
        events_total=sum(member.events_total for member in members),
        digest=tuple(f"{member.severity}, {member.state}: {member.title}" for member in members),
    )

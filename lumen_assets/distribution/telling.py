"""Deliveries that failed, or may have, as events: the same state, the same events."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Final

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.smtp import IN_DOUBT
from lumen_assets.distribution.ledger import Delivery
from lumen_assets.distribution.ledger import State as Came

TOLD_FOR: Final = timedelta(days=7)
"""A report of a week ago that somebody did not get is no news."""

UNDER_WAY: Final = timedelta(minutes=15)
"""A delivery that is in doubt for less may be one that is being made."""


def undelivered(deliveries: Iterable[Delivery], targets: Collection[str]) -> list[Event]:
    """Reports that did not go to all who are to have them: an event a day and cause.

    Args:
        deliveries: of the newest revisions.
        targets: those that are configured.
    """
    failed: dict[tuple[date, str], list[Delivery]] = {}
    for found in deliveries:
        if found.state is Came.FAILED and found.target in targets:
            failed.setdefault((found.day, found.error_class), []).append(found)
    return [
        Event(
            id=event_id(Kind.REPORT_NOT_DELIVERED, day, error_class, *(one.at for one in of_cause)),
            kind=Kind.REPORT_NOT_DELIVERED,
            severity=Severity.WARNING,
            state=State.FIRING,
            source="distribution",
            subject=str(day),
            at=max(one.at for one in of_cause),
            title=f"the report of {day} did not go to all who are to have it",
            error_class=error_class,
            cause=of_cause[0].detail,
            retry_helps=of_cause[0].retry_helps,
            hint="mend what the cause says, and send it: who has the report is not sent it twice",
            command=f"lumen send {day}",
            facts={"not to": ", ".join(one.target for one in of_cause)},
        )
        for (day, error_class), of_cause in failed.items()
    ]


def doubtful(deliveries: Iterable[Delivery], now: datetime) -> list[Event]:
    """Mails of which nobody knows whether they arrived: each is said once, as nothing that is done here ends it."""
    return [
        Event(
            id=event_id(Kind.REPORT_NOT_DELIVERED, found.day, found.revision, found.target),
            kind=Kind.REPORT_NOT_DELIVERED,
            severity=Severity.WARNING,
            state=State.NOTICE,
            source="distribution",
            subject=str(found.day),
            at=found.at,
            title=f"whether the report of {found.day} r{found.revision} reached {found.target} is not known",
            error_class=IN_DOUBT,
            cause=found.detail,
            hint="ask the recipient; it is not sent again by itself",
            command=f"lumen send {found.day} --again",
        )
        for found in deliveries
        if found.state is Came.IN_DOUBT and (found.error_class == IN_DOUBT or now - found.at > UNDER_WAY)
    ]

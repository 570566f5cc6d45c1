"""What is wrong with days and replicas now, read from what is recorded of them: the same state, the same events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.days import KST, days_between
from lumen_assets.verification import Finding, Verdict, Verification


def days_missing(start: date, due: date | None, existing: Collection[date], deadline: time) -> list[Event]:
    """A day that is due and not frozen.

    Args:
        start: the first day there is.
        due: the newest day that is due; None if none is.
        existing: the days that are frozen.
        deadline: the time of day, KST, at which a day is due on the next.
    """
    return [
        Event(
            id=event_id(Kind.DAY_MISSING, day),
            kind=Kind.DAY_MISSING,
            severity=Severity.CRITICAL,
            state=State.FIRING,
            source="archive",
            subject=str(day),
            at=datetime.combine(day + timedelta(days=1), deadline, KST),
            title=f"{day} is missing",
            error_class="missing",
            cause=f"it is not frozen, and was due at {deadline:%H:%M} KST on {day + timedelta(days=1)}",
            hint="run it; if it failed before, its own alert says why",
            command=f"lumen daily --day {day}",
        )
        for day in (days_between(start, due) if due else ())
        if day not in existing
    ]


def days_below_policy(attestations: Mapping[date, tuple[int, int]], now: datetime) -> list[Event]:
    """A day whose newest attestation counted fewer good replicas than the policy asks for.

    Args:
        attestations: (good, required) by day.
        now: with a zone.
    """
    return [
        Event(
            id=event_id(Kind.DAY_BELOW_POLICY, day, now),
            kind=Kind.DAY_BELOW_POLICY,
            severity=Severity.CRITICAL,
            state=State.FIRING,
            source="attestation",
            subject=str(day),
            at=now,
            title=f"{day} has {good} good replicas, {required} are required",
            error_class="policy",
            cause=f"its newest attestation counted {good} of the {required} good replicas that the policy asks for",
            hint="repair it from a good replica; `lumen status` shows which are not",
            command=f"lumen repair {day}",
        )
        for day, (good, required) in sorted(attestations.items())
        if good < required
    ]


_SEVERITY = {Verdict.MISMATCH: Severity.CRITICAL, Verdict.MISSING: Severity.CRITICAL}


def replicas_not_good(standing: Iterable[Verification], destinations: Collection[str]) -> list[Event]:
    """A replica that is neither good nor removed on purpose, of any revision; not of destinations that are gone.

    Args:
        standing: the verdict that stands on each replica.
        destinations: those that are configured.
    """
    return [
        Event(
            id=event_id(Kind.REPLICA_NOT_GOOD, found.destination, found.day, found.revision, found.at, found.finding),
            kind=Kind.REPLICA_NOT_GOOD,
            severity=_SEVERITY.get(found.verdict, Severity.WARNING),
            state=State.FIRING,
            source=found.destination,
            subject=str(found.day),
            at=found.at,
            title=f"{found.verdict}: replica of {found.day} r{found.revision} at {found.destination}",
            error_class=found.finding.value,
            cause=found.detail,
            retry_helps=found.finding is Finding.UNREACHABLE,
            hint=_hint(found),
            command=_command(found),
            facts={"level": found.level.value, "revision": str(found.revision)},
        )
        for found in standing
        if not found.verdict.accepted and found.destination in destinations
    ]


def _command(found: Verification) -> str:
    if found.verdict in _SEVERITY:
        return f"lumen repair {found.day}"
    return f"lumen verify {found.day} --destination {found.destination}"


def _hint(found: Verification) -> str:
    if found.verdict in _SEVERITY:
        return "put it again from a good replica; a damaged one is kept aside, never deleted"
    return "it may be good or not: verify it again once the destination answers"


def all_is_well(day: date, good: int, destinations: int, *, missing: int, below: int, now: datetime) -> Event:
    """The daily summary: said once for each day, when that day has been attested within the policy."""
    rest = [f"{missing} days missing" if missing else "", f"{below} days below policy" if below else ""]
    others = ", ".join(part for part in rest if part) or "no day is missing or below policy"
    return Event(
        id=event_id(Kind.DAILY_SUMMARY, day),
        kind=Kind.DAILY_SUMMARY,
        severity=Severity.INFO,
        state=State.NOTICE,
        source="attestation",
        subject=str(day),
        at=now,
        title=f"{day} is safe: {good} of {destinations} replicas are good; {others}",
        facts={"missing days": str(missing), "days below policy": str(below)},
    )


def short_lived_tokens(bare: Mapping[str, tuple[str, str]], now: datetime) -> list[Event]:
    """A destination that lives on a bare access token, which expires within hours whatever its owner does.

    Args:
        bare: the variable that holds it, and how long such tokens live, by destination.
        now: with a zone.
    """
    return [
        Event(
            id=event_id(Kind.CREDENTIAL_EXPIRING, name, now),
            kind=Kind.CREDENTIAL_EXPIRING,
            severity=Severity.WARNING,
            state=State.FIRING,
            source=name,
            at=now,
            title=f"the access token of {name} is about to expire",
            error_class="credentials",
            cause=f"{variable} holds a bare access token, which lives {lifetime}",
            retry_helps=False,
            hint=f"put a refresh token or a service account's key into {variable}, see docs/destinations",
        )
        for name, (variable, lifetime) in bare.items()
    ]

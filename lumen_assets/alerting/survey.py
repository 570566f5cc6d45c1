"""What is wrong with days and replicas now, read from what is recorded of them: the same state, the same events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.reading import OpenIncident
from lumen_assets.days import KST, days_between, parse_day
from lumen_assets.texts import counted
from lumen_assets.verification import Attested, Drill, Finding, Verdict, Verification, restore_command


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


def days_below_policy(attested: Mapping[date, Attested], unattested: Collection[date], now: datetime) -> list[Event]:
    """A day whose newest attestation counted fewer good replicas than the policy asks for, or was never made.

    Args:
        attested: the newest attestation by day.
        unattested: days that are frozen, or frozen anew, and whose attestation did not follow.
        now: with a zone.
    """
    below = {day: found for day, found in attested.items() if not found.met and day not in unattested}
    events = [
        _below_policy(
            day,
            now,
            error_class="policy",
            title=f"{day} has {counted(found.good, 'good replica')}, {found.required} are required",
            cause=f"its newest attestation counted {found.good} of the {found.required} good replicas that the policy "
            "asks for",
            hint="repair it from a good replica; `lumen status` shows which are not",
        )
        for day, found in below.items()
    ]
    events += [
        _below_policy(
            day,
            now,
            error_class="unattested",
            title=f"{day} is frozen and was never attested",
            cause="its run ended before its replicas were verified and counted, or the attestation did not start",
            hint="verify it, put what is missing and attest it, which is what a repair does",
        )
        for day in unattested
    ]
    return sorted(events, key=lambda event: event.subject)


def _below_policy(day: date, now: datetime, *, error_class: str, title: str, cause: str, hint: str) -> Event:
    return Event(
        id=event_id(Kind.DAY_BELOW_POLICY, day, now),
        kind=Kind.DAY_BELOW_POLICY,
        severity=Severity.CRITICAL,
        state=State.FIRING,
        source="attestation",
        subject=str(day),
        at=now,
        title=title,
        error_class=error_class,
        cause=cause,
        hint=hint,
        command=f"lumen repair {day}",
    )


def inputs_changed(changed: Mapping[date, Sequence[str]], now: datetime) -> list[Event]:
    """A frozen day whose inputs changed since.

    Args:
        changed: the names of the inputs, by day.
        now: with a zone.
    """
    return [
        Event(
            id=event_id(Kind.INPUTS_CHANGED, day, *names, now),
            kind=Kind.INPUTS_CHANGED,
            severity=Severity.WARNING,
            state=State.FIRING,
            source="archive",
            subject=str(day),
            at=now,
            title=f"inputs of {day} changed after it was frozen",
            error_class="late",
            cause=f"{', '.join(names)}: its part of that day is not what is in the archive",
            retry_helps=False,
            hint="freeze it again, which makes a new revision and keeps the old one; or put the input right",
            command=f"lumen daily --day {day}",
        )
        for day, names in changed.items()
    ]


def days_with_few_rows(few: Mapping[date, tuple[int, float]], min_coverage: float, now: datetime) -> list[Event]:
    """A day that is frozen with fewer rows than it should have: said once, and again if it is frozen with others.

    Args:
        few: its rows, and how many were expected, by day.
        min_coverage: share of those that it should have.
        now: with a zone.
    """
    return [
        Event(
            id=event_id(Kind.FEW_ROWS, day, rows),
            kind=Kind.FEW_ROWS,
            severity=Severity.WARNING if rows else Severity.CRITICAL,
            state=State.NOTICE,
            source="report",
            subject=str(day),
            at=now,
            title=f"{day} has {rows / expected:.1%} of its rows" if rows else f"{day} has no rows",
            error_class="coverage",
            cause=f"{rows:,} of {expected:,.0f} rows that its rate promises; {min_coverage:.0%} are expected at least",
            retry_helps=False,
            hint="see its report for gaps and lines that were left out; if rows come later, freeze it again",
            command=f"lumen daily --day {day}",
        )
        for day, (rows, expected) in few.items()
    ]


def drills(
    done: Sequence[Drill],
    standing: Mapping[tuple[date, int], Mapping[str, Verification]],
    first_attested: datetime | None,
    overdue: timedelta,
    now: datetime,
) -> list[Event]:
    """A restore drill that failed, until its replica is proven good again; the last one, if it could not be made; and
    that no good one was made in time.

    Args:
        done: every drill, oldest first.
        standing: the verdict that stands, by day and revision, then by destination.
        first_attested: when there was first something to drill; None if there is nothing.
        overdue: time without a good drill that is allowed.
        now: with a zone.
    """
    newest = {(found.day, found.destination): found for found in done if found.good is not None}
    events = [
        _failed_drill(found)
        for found in newest.values()
        if not found.good and not _good_since(standing.get((found.day, found.revision), {}), found)
    ]
    since = max((found.at for found in done if found.good), default=first_attested)
    if since is not None and now - since > overdue:
        last = done[-1].detail if done and done[-1].good is None else ""
        events.append(
            Event(
                id=event_id(Kind.DRILL, "overdue", since),
                kind=Kind.DRILL,
                severity=Severity.WARNING,
                state=State.FIRING,
                source="drill",
                at=since + overdue,
                title=f"no restore drill has succeeded for {(now - since).days} days",
                error_class="overdue",
                cause=f"the last one could not be made: {last}" if last else "none was made",
                hint="make one; see whether the schedule `drill` is on",
                command="lumen drill",
            )
        )
    elif done and done[-1].good is None:
        events.append(_drill_not_made(done[-1]))
    return events


def _good_since(replicas: Mapping[str, Verification], drill: Drill) -> bool:
    found = replicas.get(drill.destination)
    return found is not None and found.verdict.accepted and found.at > drill.at


def _drill_not_made(found: Drill) -> Event:
    return Event(
        id=event_id(Kind.DRILL, "not made", found.day, found.destination, found.at),
        kind=Kind.DRILL,
        severity=Severity.WARNING,
        state=State.FIRING,
        source=found.destination,
        subject=str(found.day),
        at=found.at,
        title=f"the restore drill of {found.day} from {found.destination} could not be made",
        error_class="unreachable",
        cause=found.detail,
        retry_helps=True,
        hint="see whether the destination answers; the next drill counts this replica as not drilled",
        command=f"lumen drill --day {found.day} --destination {found.destination}",
    )


def _failed_drill(found: Drill) -> Event:
    return Event(
        id=event_id(Kind.DRILL, found.day, found.destination, found.at),
        kind=Kind.DRILL,
        severity=Severity.CRITICAL,
        state=State.FIRING,
        source=found.destination,
        subject=str(found.day),
        at=found.at,
        title=f"the restore drill of {found.day} from {found.destination} failed",
        error_class="drill",
        cause=found.detail,
        retry_helps=False,
        hint="put the replica again from a good copy; then drill it again",
        command=f"lumen repair {found.day}",
    )


_SEVERITY = {Verdict.MISMATCH: Severity.CRITICAL, Verdict.MISSING: Severity.CRITICAL}


def replicas_not_good(
    standing: Mapping[tuple[date, int], Mapping[str, Verification]], destinations: Collection[str], ui_url: str
) -> list[Event]:
    """A replica that is neither good nor removed on purpose, of any revision; not of destinations that are gone.

    Args:
        standing: the verdict that stands on each replica, by day and revision, then by destination.
        destinations: those that are configured.
        ui_url: where the UI is, for links.
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
            run_url=f"{ui_url.rstrip('/')}/assets/verification/{found.destination}?partition={found.day}",
            facts={
                "level": found.level.value,
                "revision": str(found.revision),
                "restore the newest good revision": restore_command(found.day, standing) or "none is known",
            },
        )
        for of_replica in standing.values()
        for found in of_replica.values()
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


def proved_good(
    open_incidents: Iterable[OpenIncident],
    newest: Mapping[date, Mapping[str, Verification]],
    attested: Mapping[date, Attested],
    revisions: Mapping[date, int],
    destinations: Collection[str],
    now: datetime,
) -> list[Event]:
    """What failed in a run and was made good without one: by ``lumen repair``, or since its destination is gone.

    A replica of the newest revision that is MATCH or removed on purpose proves the assets of its day and destination;
    an attestation of it within the policy, the runs of that day. What failed later than the proof stays open.

    Args:
        open_incidents: of the outbox.
        newest: the standing verdicts on the newest revision, by day and destination.
        attested: the newest attestation by day.
        revisions: the newest revision that is frozen, by day.
        destinations: those that are configured.
        now: with a zone.
    """
    events = []
    for incident in open_incidents:
        if incident.kind not in (Kind.MATERIALIZATION_FAILED, Kind.RUN_FAILED):
            continue
        asset, _, destination = incident.source.partition("/")
        of_destination = asset in ("replica", "verification") and destination != ""
        if of_destination and destination not in destinations:
            events.append(_good(incident, "", now, f"{destination} is not configured any more"))
            continue
        for subject in incident.subjects:
            try:
                day = parse_day(subject)
            except ValueError:
                continue
            revision, verdict, count = revisions.get(day, 0), newest.get(day, {}).get(destination), attested.get(day)
            if of_destination and verdict and verdict.verdict.accepted and verdict.revision >= revision:
                events.append(_good(incident, subject, verdict.at, f"its replica is {verdict.verdict}"))
            elif incident.source in _ATTESTED and count and count.met and (count.revision or 0) >= revision:
                events.append(_good(incident, subject, count.at, f"{count.good} good replicas were counted"))
    return events


_ATTESTED = ("attestation", "attest", "repair", "daily")
"""The asset and the jobs whose failure for a day is over when that day is attested."""


def _good(incident: OpenIncident, subject: str, at: datetime, why: str) -> Event:
    return Event(
        id=event_id("proved good", incident.key, incident.since, subject, at),
        kind=incident.kind,
        severity=Severity.INFO,
        state=State.RESOLVED,
        source=incident.source,
        subject=subject,
        at=at,
        title=f"{incident.source} is good again{f' for {subject}' if subject else ''}: {why}",
    )


def given_up_and_there(
    open_incidents: Iterable[OpenIncident], existing: Collection[date], now: datetime
) -> list[Event]:
    """Days that were given up and are frozen by now; the sensor that gave them up may have been turned off since."""
    return [
        _good(incident, subject, now, "it is frozen")
        for incident in open_incidents
        if incident.kind is Kind.GIVEN_UP
        for subject in incident.subjects
        if parse_day(subject) in existing
    ]


def all_is_well(day: date, good: int, destinations: int, *, missing: int, below: int, now: datetime) -> Event:
    """The daily summary: said once for each day, when that day has been attested within the policy."""
    rest = [
        f"{counted(missing, 'day')} missing" if missing else "",
        f"{counted(below, 'day')} below policy" if below else "",
    ]
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

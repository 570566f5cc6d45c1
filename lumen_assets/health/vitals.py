"""The numbers behind the gauges, from the ledger and the index of this machine: no destination is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from lumen_assets import __version__
from lumen_assets.alerting.events import Kind
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.days import days_between, yesterday
from lumen_assets.health.due import newest_due, unattested
from lumen_assets.health.gauges import Vitals
from lumen_assets.health.proofs import Installation
from lumen_assets.report.numbers import with_few_rows
from lumen_assets.verification import Drill, Verdict, Verification

UNVERIFIED: Final = "UNVERIFIED"
"""What a replica counts as that no verdict was made on: no verdict at all, so none of the four."""


def vitals(
    installation: Installation,
    *,
    now: datetime | None = None,
    outbox: Outbox | None = None,
) -> Vitals:
    """Gather the numbers.

    Args:
        now: with a zone; default: the clock.
        outbox: the outbox of the alerts; None leaves its gauges out.

    Raises:
        LumenError: if the ledger or the outbox cannot be read.
    """
    now = now or datetime.now(UTC)
    configuration, ledger = installation.settings.configuration, installation.ledger
    first, last = configuration.start_date, yesterday(now)
    attested = ledger.newest_attestations(first, last)
    frozen = installation.frozen_revisions()
    due_last = newest_due(configuration, now)
    due = list(days_between(first, due_last)) if due_last else []
    existing = installation.existing_days()
    depth = outbox.depth(now) if outbox else None
    never = unattested(frozen, attested, now)
    met = {day for day, found in attested.items() if found.met}
    drills, newest = ledger.drills(), ledger.newest(first, last)
    incidents = outbox.open_incidents() if outbox else ()
    return Vitals(
        version=__version__,
        last_success=ledger.last_success(),
        days_below_policy=len((attested.keys() - met) | never),
        days_inputs_changed=len(installation.frozen_inputs.changed()),
        days_few_rows=len(
            with_few_rows(installation.frozen_numbers(first, last), configuration.sources.telemetry.min_coverage)
        ),
        days_missing=sum(day not in existing for day in due),
        backfill_backlog_days=sum(day not in met for day in due),
        replicas=_replicas(list(configuration.destinations), frozen, newest),
        outbox_depth={name: waiting.messages for name, waiting in depth.items()} if depth else None,
        outbox_oldest_age_seconds={name: waiting.oldest.total_seconds() for name, waiting in depth.items()}
        if depth
        else None,
        incidents_open=Counter(incident.severity for incident in incidents) if outbox else None,
        days_given_up=sum(len(one.subjects) for one in incidents if one.kind is Kind.GIVEN_UP) if outbox else None,
        retention_done={name: at for name, at in ledger.retention_done().items() if name in configuration.destinations},
        drill_age_seconds=max((now - found.at).total_seconds(), 0.0) if (found := _last_good(drills)) else None,
        drilled=_drilled(drills, newest),
    )


def _last_good(drills: Sequence[Drill]) -> Drill | None:
    return next((found for found in reversed(drills) if found.good), None)


def _drilled(drills: Sequence[Drill], newest: Mapping[date, Mapping[str, Verification]]) -> dict[str, float]:
    """The share of the replicas that are MATCH which a drill restored at some time, by destination."""
    good = {(found.day, found.destination) for found in drills if found.good}
    there = [
        (day, name)
        for day, of_day in newest.items()
        for name, found in of_day.items()
        if found.verdict is Verdict.MATCH
    ]
    total, done = Counter(name for _, name in there), Counter(name for _, name in good.intersection(there))
    return {name: done[name] / count for name, count in total.items()}


def _replicas(
    destinations: list[str],
    frozen: Mapping[date, tuple[int, datetime]],
    newest: Mapping[date, Mapping[str, Verification]],
) -> dict[str, dict[str, int]]:
    """Every verdict is counted, 0 too, so that an alert on one ends."""
    revisions = {day: revision for day, (revision, _) in frozen.items()}
    days = revisions.keys() | newest.keys()
    counted = {}
    for name in destinations:
        counts = Counter(_verdict(newest.get(day, {}).get(name), revisions.get(day)) for day in days)
        counted[name] = {kind: counts[kind] for kind in (*(verdict.value for verdict in Verdict), UNVERIFIED)}
    return counted


def _verdict(found: Verification | None, revision: int | None) -> str:
    """The verdict that stands on the day's newest revision; one on an older revision says nothing of it."""
    if found is None or (revision is not None and found.revision < revision):
        return UNVERIFIED
    return found.verdict.value

"""What is on record of days and replicas, compared with what the outbox holds open; without Dagster."""

from __future__ import annotations

from datetime import datetime, time

from lumen_assets.alerting import survey
from lumen_assets.alerting.events import Kind
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.days import yesterday
from lumen_assets.health.due import newest_due, unattested
from lumen_assets.workspace import Workspace


def look_at_days(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    """Days that are missing, or below policy; and that yesterday is safe."""
    configuration = workspace.settings.configuration
    alerts = configuration.alerts
    start, last = configuration.start_date, yesterday(now)
    attested = workspace.ledger.newest_attestations(start, last)
    never = {day for day in unattested(workspace.frozen_revisions(), attested, now) if start <= day <= last}
    deadline = time.fromisoformat(alerts.deadline)
    existing = workspace.existing_days()
    missing = survey.days_missing(start, newest_due(configuration, now), existing, deadline)
    below = survey.days_below_policy(attested, never, now)
    outbox.reconcile(Kind.DAY_MISSING, missing, now)
    outbox.reconcile(Kind.DAY_BELOW_POLICY, below, now)
    outbox.record(survey.given_up_and_there(outbox.open_incidents(), existing, now), now)
    newest = attested.get(last)
    if alerts.daily_summary and newest is not None and newest.met and last not in never:
        total = len(configuration.destinations)
        summary = survey.all_is_well(last, newest.good, total, missing=len(missing), below=len(below), now=now)
        outbox.record([summary], now)


def look_at_replicas(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    """Replicas that are not good, and what their verdicts prove to be over."""
    configuration = workspace.settings.configuration
    destinations, start, last = list(configuration.destinations), configuration.start_date, yesterday(now)
    standing = workspace.ledger.standing(start, last)
    ui_url = configuration.alerts.ui_url
    outbox.reconcile(Kind.REPLICA_NOT_GOOD, survey.replicas_not_good(standing, destinations, ui_url), now)
    good = survey.proved_good(
        outbox.open_incidents(),
        workspace.ledger.newest(start, last),
        workspace.ledger.newest_attestations(start, last),
        {day: revision for day, (revision, _) in workspace.frozen_revisions().items()},
        destinations,
        now,
    )
    outbox.record(good, now)

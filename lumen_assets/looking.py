"""What is on record of days and replicas, compared with what the outbox holds open; without Dagster."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

from lumen_assets.alerting import survey
from lumen_assets.alerting.events import Kind
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.days import yesterday
from lumen_assets.health.due import newest_due, unattested
from lumen_assets.report.numbers import with_few_rows
from lumen_assets.workspace import Workspace

_LATELY: Final = timedelta(days=6)
"""Before yesterday: days that were backfilled longer after they were over are not spoken of for their few rows."""


def look_at_days(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    """Days that are missing, below policy, or lately have few rows; and that yesterday is safe."""
    workspace.take_over()  # before days count as missing
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
    wanted = configuration.sources.telemetry.min_coverage
    few = with_few_rows(workspace.frozen_numbers(max(start, last - _LATELY), last), wanted)
    rows = {day: (found.rows, found.expected_rows) for day, found in few.items()}
    outbox.record(survey.days_with_few_rows(rows, wanted, now), now)
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


def look_at_inputs(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    """Frozen days whose inputs changed, as far as was looked."""
    changed = workspace.frozen_inputs.changed()
    outbox.reconcile(Kind.INPUTS_CHANGED, survey.inputs_changed(changed, now), now)


def look_at_drills(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    """Restore drills that failed, could not be made, or are overdue."""
    ledger, configuration = workspace.ledger, workspace.settings.configuration
    first = min((found.at for found in ledger.newest_attestations(date.min, date.max).values()), default=None)
    overdue = timedelta(days=configuration.drill.overdue_days)
    standing = ledger.standing(configuration.start_date, yesterday(now))
    outbox.reconcile(Kind.DRILL, survey.drills(ledger.drills(), standing, first, overdue, now), now)

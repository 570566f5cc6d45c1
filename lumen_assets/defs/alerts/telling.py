"""From Dagster to the outbox, and from there to people: shared by the sensors and by ``lumen daily``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import sqlalchemy as sa

from lumen_assets.alerting import survey
from lumen_assets.alerting.delivery import Delivered, deliver
from lumen_assets.alerting.events import Kind
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.days import yesterday
from lumen_assets.defs.alerts.instance import backfills_failed, not_ticking, runs_stuck
from lumen_assets.defs.alerts.runs import events_of_run
from lumen_assets.health.due import newest_due
from lumen_assets.workspace import Workspace


def open_outbox(instance: dg.DagsterInstance, workspace: Workspace) -> Outbox:
    """The outbox: beside the instance's own tables where that is on Postgres, else a file under ``LUMEN_HOME``."""
    url = getattr(instance.event_log_storage, "postgres_url", None)
    return workspace.outbox(sa.make_url(url) if url else None)


def look(workspace: Workspace, instance: dg.DagsterInstance, outbox: Outbox, names: frozenset[str] | None) -> None:
    """Compare what is wrong now with what the outbox holds open: what began is opened, what ended is closed.

    Args:
        workspace: the installation.
        instance: its Dagster instance.
        outbox: where it goes.
        names: of the sensors and schedules that must tick; None where that is not looked at.
    """
    now = datetime.now(UTC)
    configuration = workspace.settings.configuration
    alerts = configuration.alerts
    deadline = time.fromisoformat(alerts.deadline)
    start, last = configuration.start_date, yesterday(now)
    attestations = workspace.ledger.newest_attestations(start, last)
    missing = survey.days_missing(start, newest_due(configuration, now), workspace.existing_days(), deadline)
    below = survey.days_below_policy(attestations, now)
    standing = [found for of_day in workspace.ledger.standing(start, last).values() for found in of_day.values()]
    replicas = survey.replicas_not_good(standing, list(configuration.destinations))
    outbox.reconcile(Kind.DAY_MISSING, missing, now)
    outbox.reconcile(Kind.DAY_BELOW_POLICY, below, now)
    outbox.reconcile(Kind.REPLICA_NOT_GOOD, replicas, now)
    outbox.reconcile(Kind.CREDENTIAL_EXPIRING, survey.short_lived_tokens(workspace.settings.bare_tokens, now), now)
    stuck = runs_stuck(instance, now, after=timedelta(minutes=alerts.stuck_minutes), ui_url=alerts.ui_url)
    outbox.reconcile(Kind.RUN_STUCK, stuck, now)
    if names is not None:
        outbox.reconcile(Kind.NOT_TICKING, not_ticking(instance, now, names), now)
    outbox.record(backfills_failed(instance, now, ui_url=alerts.ui_url), now)
    good, required = attestations.get(last, (0, 1))
    if alerts.daily_summary and good >= required:
        total = len(configuration.destinations)
        outbox.record([survey.all_is_well(last, good, total, missing=len(missing), below=len(below), now=now)], now)


def send(workspace: Workspace, outbox: Outbox, *, seconds: float, at_once: bool = False) -> Delivered:
    """Send what is due.

    Args:
        workspace: the installation.
        outbox: what is to be sent.
        seconds: no message is begun after so long.
        at_once: whether a new incident does not wait for more of its kind, since nothing more is to come.
    """
    return deliver(outbox, workspace.channels, lambda: datetime.now(UTC), seconds=seconds, at_once=at_once)


def tell(workspace: Workspace, instance: dg.DagsterInstance, run_ids: Iterable[str], *, seconds: float) -> Delivered:
    """Record what runs of this process came to, and how things are, and send it: there may be no daemon that does."""
    outbox = open_outbox(instance, workspace)
    for run_id in run_ids:
        run = instance.get_run_by_id(run_id)
        if run is not None:
            now = datetime.now(UTC)
            outbox.record(events_of_run(instance, run, now, ui_url=workspace.settings.configuration.alerts.ui_url), now)
    look(workspace, instance, outbox, names=None)
    return send(workspace, outbox, seconds=seconds, at_once=True)

"""From Dagster to the outbox, and from there to people: shared by the sensors and by ``lumen daily``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import sqlalchemy as sa

from lumen_assets.alerting import survey
from lumen_assets.alerting.delivery import Delivered, deliver
from lumen_assets.alerting.events import Kind
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.defs.alerts.instance import backfills_failed, not_ticking, runs_stuck
from lumen_assets.defs.alerts.runs import events_of_run
from lumen_assets.distribution import targets
from lumen_assets.distribution.telling import TOLD_FOR, doubtful, undelivered
from lumen_assets.looking import look_at_days, look_at_drills, look_at_inputs, look_at_replicas
from lumen_assets.workspace import Workspace


def open_outbox(instance: dg.DagsterInstance, workspace: Workspace) -> Outbox:
    """The outbox: beside the instance's own tables where that is on Postgres, else a file under ``LUMEN_HOME``."""
    url = getattr(instance.event_log_storage, "postgres_url", None)
    return workspace.outbox(sa.make_url(url) if url else None)


def look(workspace: Workspace, instance: dg.DagsterInstance, outbox: Outbox) -> None:
    """Compare what is wrong now with what the outbox holds open: what began is opened, what ended is closed.

    Each part is looked at whatever becomes of the others.

    Raises:
        Exception: of the first part that could not be looked at, when the others are done.
    """
    now = datetime.now(UTC)
    all_of_them(
        partial(look_at_days, workspace, outbox, now),
        partial(look_at_replicas, workspace, outbox, now),
        partial(look_at_inputs, workspace, outbox, now),
        partial(look_at_drills, workspace, outbox, now),
        partial(_look_at_deliveries, workspace, outbox, now),
        partial(_look_at_tokens, workspace, outbox, now),
        partial(_look_at_runs, workspace, instance, outbox, now),
    )


def look_at_ticks(instance: dg.DagsterInstance, outbox: Outbox, names: frozenset[str]) -> None:
    """The same of the ticks of sensors and schedules.

    Args:
        instance: the Dagster instance.
        outbox: where it goes.
        names: of those that must tick.
    """
    now = datetime.now(UTC)
    outbox.reconcile(Kind.NOT_TICKING, not_ticking(instance, now, names), now)


def all_of_them(*parts: Callable[[], object]) -> None:
    """Call each, though others fail; then raise what the first raised that did."""
    errors: list[Exception] = []
    for part in parts:
        try:
            part()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _look_at_deliveries(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    lately = workspace.deliveries.since(now - TOLD_FOR)
    to = targets(workspace.settings.configuration)
    outbox.reconcile(Kind.REPORT_NOT_DELIVERED, undelivered(lately, to), now)
    outbox.record(doubtful(lately, now), now)


def _look_at_tokens(workspace: Workspace, outbox: Outbox, now: datetime) -> None:
    outbox.reconcile(Kind.CREDENTIAL_EXPIRING, survey.short_lived_tokens(workspace.settings.bare_tokens, now), now)


def _look_at_runs(workspace: Workspace, instance: dg.DagsterInstance, outbox: Outbox, now: datetime) -> None:
    alerts = workspace.settings.configuration.alerts
    stuck = runs_stuck(instance, now, after=timedelta(minutes=alerts.stuck_minutes), ui_url=alerts.ui_url)
    outbox.reconcile(Kind.RUN_STUCK, stuck, now)
    outbox.record(backfills_failed(instance, now, ui_url=alerts.ui_url), now)


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
    """Record what runs of this process came to, and how things are, and send it: there may be no daemon that does.

    Raises:
        Exception: of the first part that could not be looked at, when what could be is sent.
    """
    outbox = open_outbox(instance, workspace)
    delivered = Delivered(0, {})

    def deliver_all() -> None:
        nonlocal delivered
        delivered = send(workspace, outbox, seconds=seconds, at_once=True)

    all_of_them(
        *(partial(record_run, workspace, instance, run_id) for run_id in run_ids),
        partial(look, workspace, instance, outbox),
        deliver_all,
    )
    return delivered


def record_run(workspace: Workspace, instance: dg.DagsterInstance, run_id: str) -> None:
    """Record what a run came to, to be sent when people are told; doing so again changes nothing."""
    run = instance.get_run_by_id(run_id)
    if run is not None:
        now = datetime.now(UTC)
        ui_url = workspace.settings.configuration.alerts.ui_url
        open_outbox(instance, workspace).record(events_of_run(instance, run, now, ui_url=ui_url), now)

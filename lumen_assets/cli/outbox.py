"""The outbox of the alerts, and telling people, for commands: where only cron runs them, nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.markup import escape

from lumen_assets.alerting.delivery import Delivered, deliver
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.errors import LumenError
from lumen_assets.looking import look_at_days, look_at_drills, look_at_replicas
from lumen_assets.workspace import Workspace

TELLING_SECONDS: Final = 20.0
"""No message is begun after so long."""


def outbox_of(workspace: Workspace) -> Outbox:
    """The outbox that the installation's sensors use: a file, or where the Dagster instance is on Postgres, there.

    Dagster, which is slow to import, is asked only where its settings name Postgres.
    """
    try:
        on_postgres = "postgres" in (workspace.settings.dagster_home / "dagster.yaml").read_text("utf-8")
    except FileNotFoundError:
        on_postgres = False
    if not on_postgres:
        return workspace.outbox()
    from lumen_assets.defs.alerts.telling import open_outbox
    from lumen_assets.defs.storage import open_instance_in

    with open_instance_in(workspace.settings.dagster_home) as instance:
        return open_outbox(instance, workspace)


def tell_verdicts(workspace: Workspace) -> dict[str, str]:
    """Put what is on record of days, replicas and drills into the outbox and send what is due; see ``said_of``."""

    def tell() -> Delivered:
        outbox, now = outbox_of(workspace), datetime.now(UTC)
        look_at_days(workspace, outbox, now)
        look_at_replicas(workspace, outbox, now)
        look_at_drills(workspace, outbox, now)
        return deliver(outbox, workspace.channels, lambda: datetime.now(UTC), seconds=TELLING_SECONDS, at_once=True)

    return said_of(tell)


def said_of(tell: Callable[[], Delivered]) -> dict[str, str]:
    """Tell people, and say what became of it, by channel; what is not taken now stays for the next time.

    That it cannot be told is said on stderr and raises nothing: what the command came to is what counts.
    """
    try:
        done = tell()
    except Exception as error:
        why = str(error) if isinstance(error, LumenError) else f"unexpected {type(error).__name__}: please report it"
        Console(stderr=True).print(f"[yellow]alerts[/]: {escape(why)}", soft_wrap=True, highlight=False)
        return {"outbox": why}
    return {
        name: f"{one.sent} sent" + (f", {one.failed} tries failed: {one.last}" if one.failed else "")
        for name, one in done.channels.items()
    }

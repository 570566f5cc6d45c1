"""The outbox of the alerts, for commands that need no Dagster otherwise."""

from __future__ import annotations

from lumen_assets.alerting.outbox import Outbox
from lumen_assets.workspace import Workspace


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
    import dagster as dg

    from lumen_assets.defs.alerts.telling import open_outbox

    with dg.DagsterInstance.from_config(str(workspace.settings.dagster_home)) as instance:
        return open_outbox(instance, workspace)

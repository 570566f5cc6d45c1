"""What is at hand is done before what has to be waited for."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from lumen_assets.definitions import build_defs
from lumen_assets.replication.local import LocalStore
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

DESTINATIONS = "destinations:\n  box: {type: dropbox, folder: /A}\n  here: {type: local, path: copies/here}\n"


def started(workspace: Workspace, job: str) -> list[str]:
    with dg.DagsterInstance.ephemeral() as instance:
        key = None if job == "rolling_verification" else str(LAST_DAY)
        result = build_defs(workspace).resolve_job_def(job).execute_in_process(instance=instance, partition_key=key)
    return [str(event.step_key) for event in result.all_events if event.is_step_start]


def test_local_destinations_come_before_providers_however_they_are_configured(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation", configuration=DESTINATIONS)
    stores = {name: LocalStore(name, tmp_path / name, create=True) for name in ("box", "here")}
    workspace = Workspace(installation.settings, stores)
    assert started(workspace, "daily")[-4:] == [
        "replica__here",
        "verification__here",
        "replica__box",
        "verification__box",
    ]
    assert started(workspace, "repair") == ["repair_at_here", "repair_at_box"]
    assert started(workspace, "rolling_verification") == ["read_due_at_here", "read_due_at_box"]


def test_steps_that_use_a_provider_are_in_its_pool(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation", configuration=DESTINATIONS)
    definitions = build_defs(installation.workspace)
    pools = {
        node.name: node.definition.pool
        for job in ("repair", "rolling_verification")
        for node in definitions.resolve_job_def(job).nodes
    }
    assert pools == {
        "repair_at_box": "dropbox",
        "repair_at_here": "local",
        "read_due_at_box": "dropbox",
        "read_due_at_here": "local",
    }

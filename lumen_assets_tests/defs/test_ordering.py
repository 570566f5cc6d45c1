"""What is at hand is done before what has to be waited for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.definitions import build_defs
from lumen_assets.replication.local import LocalStore
from lumen_assets.workspace import Workspace
from lumen_assets_tests.defs.daemon import assets_of_days
from lumen_assets_tests.installation import LAST_DAY, Installation

DESTINATIONS = "destinations:\n  box: {type: dropbox, folder: /A}\n  here: {type: local, path: copies/here}\n"
UI = "__ASSET_JOB"
"""What a run is of that was started from the asset graph."""


def started(workspace: Workspace, job: str, assets: Sequence[dg.AssetKey] | None = None) -> list[str]:
    with dg.DagsterInstance.ephemeral() as instance:
        key = None if job == "rolling_verification" else str(LAST_DAY)
        definition = build_defs(workspace).resolve_job_def(job)
        result = definition.execute_in_process(instance=instance, partition_key=key, asset_selection=assets)
    return [str(event.step_key) for event in result.all_events if event.is_step_start]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    installation = Installation.make(tmp_path / "installation", configuration=DESTINATIONS)
    stores = {name: LocalStore(name, tmp_path / name, create=True) for name in ("box", "here")}
    return Workspace(installation.settings, stores)


def test_local_destinations_come_before_providers_however_they_are_configured(workspace: Workspace) -> None:
    assert [step for step in started(workspace, "daily") if "here" in step or "box" in step] == [
        "replica__here",
        "verification__here",
        "replica__box",
        "verification__box",
    ]
    assert started(workspace, "repair") == ["repair_at_here", "repair_at_box"]
    assert started(workspace, "rolling_verification") == ["read_due_at_here", "read_due_at_box"]


@pytest.mark.parametrize("job", ["daily", UI])
def test_what_looks_at_the_replicas_comes_when_all_are_verified(workspace: Workspace, job: str) -> None:
    steps = started(workspace, job, assets_of_days(build_defs(workspace)) if job == UI else None)
    looking = {"attestation", "archive_copies"} if job == UI else {"attestation", "archive_copies", "drill_age"}
    verified = max(number for number, step in enumerate(steps) if step.startswith("verification"))
    assert looking <= set(steps[verified:])


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

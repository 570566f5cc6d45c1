"""The definitions as a code server loads them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from lumen_assets.definitions import build_defs
from lumen_assets_tests.installation import Installation


def test_everything_that_dagster_loads_can_be_loaded_together(tmp_path: Path) -> None:
    workspace = Installation.make(tmp_path / "installation", days=1).workspace
    definitions = build_defs(workspace)
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    repository.load_all_definitions()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {"daily", "attest", "repair", "rolling_verification", "retention", "late_data", "restore_drill"} <= jobs
    assert all(definition.description for definition in (*repository.schedule_defs, *repository.sensor_defs))
    assert not (workspace.settings.home / "archive").exists(), "loading makes and reads nothing"

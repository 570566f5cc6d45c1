"""The health check in the daily job: it warns, and the job succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

import lumen_assets.defs.health as health_module
from lumen_assets.days import yesterday
from lumen_assets.definitions import build_defs
from lumen_assets.health import Finding
from lumen_assets_tests.health.servers import dead_port
from lumen_assets_tests.installation import Installation


def run(
    installation: Installation, day: date, assets: Sequence[str] | None = None, metrics_url: str | None = None
) -> dg.ExecuteInProcessResult:
    workspace = installation.workspace
    workspace.settings = workspace.settings.model_copy(update={"metrics_url": metrics_url})
    with dg.DagsterInstance.ephemeral() as instance:
        return (
            build_defs(workspace)
            .resolve_job_def("daily")
            .execute_in_process(
                instance=instance,
                partition_key=str(day),
                asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
            )
        )


def evaluation(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "health"]
    return found


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "installation", days=2, last_day=yesterday())


def test_it_warns_and_the_whole_day_is_done(installation: Installation) -> None:
    with dead_port() as port:
        result = run(installation, yesterday(), metrics_url=f"http://127.0.0.1:{port}/metrics")
    assert result.success
    found = evaluation(result)
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    said = f"metrics: http://127.0.0.1:{port}/metrics: Connection refused; is the exporter running there?"
    assert found.description == said
    assert found.metadata["fail"].value == [said]
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert {"telemetry", "archive", "verification/here", "verification/there"} <= made


def test_it_passes_in_the_first_run_of_all(installation: Installation) -> None:
    found = evaluation(run(installation, yesterday(), ["telemetry"]))
    assert found.passed, found.description


def test_runs_of_other_days_skip_it(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "healthcheck", lambda *_, **__: pytest.fail("looked"))
    found = evaluation(run(installation, yesterday() - timedelta(days=1), ["telemetry"]))
    assert found.passed
    assert "skipped" in str(found.description)


def test_a_fault_of_the_check_is_a_warning_without_its_text(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> list[Finding]:
        raise RuntimeError("canary")

    monkeypatch.setattr(health_module, "healthcheck", breaks)
    result = run(installation, yesterday(), ["telemetry"])
    assert result.success
    found = evaluation(result)
    assert (found.passed, found.description) == (False, "health: unexpected RuntimeError")


def test_a_part_of_the_day_without_telemetry_runs_no_check(installation: Installation) -> None:
    run_of_report = run(installation, yesterday(), ["report"])
    assert run_of_report.success
    assert [one.check_name for one in run_of_report.get_asset_check_evaluations()] == ["coverage"]

"""The asset checks, in real runs."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from lumen_assets.definitions import build_defs
from lumen_assets.defs.checks import coverage_result, freshness
from lumen_assets.report import build_report
from lumen_assets.settings import Configuration
from lumen_assets_tests.installation import LAST_DAY, RATE_HZ, Installation
from lumen_assets_tests.report.scenes import at, configuration, frame, telemetry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("made"))
    installation.json("daily", "--day", str(LAST_DAY))
    return installation


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(made.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def evaluated(
    installation: Installation, job: str, check: str, *, success: bool = True, **more: object
) -> dg.AssetCheckEvaluation:
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(installation.workspace)
            .resolve_job_def(job)
            .execute_in_process(instance=instance, partition_key=str(LAST_DAY), raise_on_error=False, **more)  # type: ignore[arg-type]
        )
    assert result.success is success, "a check stops nothing"
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == check]
    assert found.severity is dg.AssetCheckSeverity.WARN or found.passed
    return found


@pytest.mark.parametrize(("wanted", "passed"), [(0.9, True), (0.99, False)])
def test_the_coverage_of_the_day_is_judged(installation: Installation, wanted: float, passed: bool) -> None:
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace(f"rate_hz: {RATE_HZ}", f"rate_hz: {RATE_HZ}, min_coverage: {wanted}"))
    selection = [dg.AssetKey("telemetry"), dg.AssetKey("report")]
    found = evaluated(installation, "daily", "coverage", asset_selection=selection)
    assert found.asset_key == dg.AssetKey("report")
    assert found.passed is passed
    assert found.description == f"8,223 of 8,640 rows, 95.2%; {wanted:.0%} are expected at least"


def test_a_signal_that_has_few_values_is_named_though_the_record_is_whole() -> None:
    moments = [at("00:00:00") + timedelta(seconds=10 * i) for i in range(8640)]
    names = ("phase_diff", "entropy_rate", "creative_band", "risk_band", "own")
    columns = {name: [0.1 if i < 360 or name == "risk_band" else None for i in range(8640)] for name in names}
    wanted = configuration(rate_hz=0.1)
    found = coverage_result(build_report(telemetry(rows=frame(moments, columns)), None, wanted), wanted)
    assert not found.passed
    assert found.description == (
        "8,640 of 8,640 rows, 100.0%; 90% are expected at least. phase_diff: 4.2% of its values. "
        "entropy_rate: 4.2% of its values. creative_band: 4.2% of its values"
    )
    assert found.metadata["phase_diff: coverage"].value == pytest.approx(1 / 24)


def test_the_copies_of_a_good_day_are_good(installation: Installation) -> None:
    found = evaluated(installation, "attest", "copies")
    assert found.asset_key == dg.AssetKey("archive")
    assert (found.passed, found.description) == (True, f"{LAST_DAY}: here, and MATCH at every destination")


def test_a_copy_that_is_bad_or_gone_is_named(installation: Installation) -> None:
    installation.archive_at("there", LAST_DAY).unlink()
    installation.json("verify", str(LAST_DAY), exit_code=1)
    found = evaluated(installation, "attest", "copies")
    assert not found.passed
    assert str(found.description).startswith("there: MISSING, ")
    (installation.home / "archive" / str(LAST_DAY) / f"lumen-{LAST_DAY}-r1.tar.zst.tink").write_bytes(b"")
    found = evaluated(installation, "attest", "copies", success=False)  # the attestation wants the archive too
    assert not found.passed
    assert str(found.description).startswith("here: ")


def test_the_newest_revision_is_the_one_that_must_be_there(installation: Installation) -> None:
    metrics = installation.data_root / "logs" / "metrics.csv"
    text = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(text[:-40]))
    installation.json("daily", "--day", str(LAST_DAY), "--until", "freeze")
    found = evaluated(installation, "attest", "copies")
    assert (found.passed, found.description) == (False, "here: r2 was not verified; there: r2 was not verified")


@pytest.mark.parametrize(
    ("at", "deadline", "window"),
    [("09:05", "12:00", timedelta(hours=3)), ("22:00", "03:00", timedelta(hours=5, minutes=5))],
)
def test_an_attestation_is_expected_from_the_start_of_the_run_to_the_deadline(
    at: str, deadline: str, window: timedelta
) -> None:
    configuration = Configuration.model_validate({"schedule": {"at": at}, "alerts": {"deadline": deadline}})
    policy = freshness(configuration)
    hour, minute = deadline.split(":")
    assert policy == dg.FreshnessPolicy.cron(f"{int(minute)} {int(hour)} * * *", window, "Asia/Seoul")

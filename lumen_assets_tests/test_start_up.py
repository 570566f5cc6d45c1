"""What processes load: modules that they have no use for are most of what somebody waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumen_assets_tests.installation import LAST_DAY, PUBLIC_TEST_KEY, Installation

ROOT = Path(__file__).parent.parent


RUN = """
import atexit, runpy, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def loaded_by(module: str, *arguments: object, **environment: str) -> set[str]:
    """The modules that ``python -m module`` has loaded when it ends."""
    command = [sys.executable, "-c", RUN, module, *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_a_report_from_a_file_is_made_with_what_it_needs(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)

    loaded = loaded_by("benchmarks.report", "--child", "report", LAST_DAY, **installation.environment)

    assert list(installation.home.rglob("*.pdf"))
    assert {"polars", "numpy", "reportlab", "pydantic"} < loaded
    assert not loaded & {"sqlalchemy", "dagster", "requests", "urllib.request", "ssl", "asyncio", "rich", "click"}
    assert not loaded & {f"lumen_assets.{name}" for name in ("state", "telemetry.sample", "report.periods")}


def test_archives_are_made_and_read_without_settings_and_reports(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("ts\n")
    archive = tmp_path / "a"
    for command in (
        ("create", tmp_path / "data", "--output", archive),
        ("verify", archive),
        ("extract", archive, "--to", tmp_path / "out"),
    ):
        loaded = loaded_by("lumen_assets.cli", "archive", *command, LUMEN_ARCHIVE_KEY=PUBLIC_TEST_KEY)
        assert "cryptography" in loaded
        assert not loaded & {"pydantic", "yaml", "rich", "sqlalchemy", "polars", "numpy", "reportlab", "dagster"}


@pytest.mark.parametrize(
    "command", ["doctor", "healthcheck", "repair", "report", "restore", "send", "status", "verify"]
)
def test_commands_begin_without_what_reads_and_draws(command: str) -> None:
    loaded = loaded_by("lumen_assets.cli", command, "--help")
    assert f"lumen_assets.cli.{command}" in loaded
    assert not loaded & {"polars", "numpy", "reportlab", "dagster", "requests", "botocore"}


def test_looking_opens_no_ledger_before_it_is_asked_for() -> None:
    assert "sqlalchemy" not in loaded_by("lumen_assets.cli", "status", "--help")


def test_loading_the_settings_builds_no_validator_of_a_part_by_itself() -> None:
    program = (
        "import lumen_assets.settings as s; s.load_settings({}); "
        "print([name for name in ('Alerts', 'CatchUp', 'Retention', 'Distribution', 'S3Folder')"
        " if getattr(s, name).__pydantic_complete__])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_said_at_once() -> None:
    loaded = loaded_by("lumen_assets.cli", "--version")
    assert "click" in loaded
    assert not loaded & {"rich", "pydantic", "cryptography", "yaml"}

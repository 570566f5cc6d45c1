"""``lumen demo``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lumen_assets.cli import main
from lumen_assets.telemetry.model import SAMPLE_MARK


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("LUMEN_DATA_ROOT", "LUMEN_CONFIG", "LUMEN_ARCHIVE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["demo", "--rate", "0.1", "--last-day", "2025-11-22", *arguments])

    return invoke


def test_writes_the_sample_folder_and_says_that_it_is_sample_data(run, tmp_path):
    result = run("--days", "2")
    assert result.exit_code == 0, result.output
    assert SAMPLE_MARK in result.output
    assert "2025-11-21 to 2025-11-22" in result.output
    first = (tmp_path / "home" / "sample" / "logs" / "metrics.csv").read_text("utf-8").splitlines()[0]
    assert SAMPLE_MARK in first


def test_again_writes_nothing(run):
    run()
    before = json.loads(run("--json").stdout)
    assert before["written"] == []
    assert json.loads(run("--json").stdout) == before


def test_json_is_all_there_is_on_stdout(run, tmp_path):
    result = run("--days", "1", "--to", str(tmp_path / "elsewhere"), "--json")
    answer = json.loads(result.stdout)
    assert answer["written"] == ["2025-11-22"]
    assert answer["sample"] is True
    assert answer["folder"] == str(tmp_path / "elsewhere")
    assert answer["files"]["logs/metrics.csv"] == (tmp_path / "elsewhere/logs/metrics.csv").stat().st_size


def test_refuses_a_folder_with_real_data(run, tmp_path):
    real = tmp_path / "real" / "logs" / "metrics.csv"
    real.parent.mkdir(parents=True)
    real.write_text("ts,phase_diff\n2025-11-22T00:00:00+09:00,0.1\n")
    result = run("--to", str(tmp_path / "real"))
    assert result.exit_code == 1
    assert "logs/metrics.csv" in result.output
    assert real.read_text() == "ts,phase_diff\n2025-11-22T00:00:00+09:00,0.1\n"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["logs"]


@pytest.mark.parametrize("arguments", [("--days", "0"), ("--rate", "0"), ("--last-day", "22 November")])
def test_wrong_options_are_usage_errors(run, arguments):
    assert run(*arguments).exit_code == 2


def test_a_data_root_that_does_not_exist_yet_is_made(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LUMEN_DATA_ROOT", str(tmp_path / "new"))
    assert run("--days", "1").exit_code == 0
    assert (tmp_path / "new" / "logs" / "metrics.csv").is_file()

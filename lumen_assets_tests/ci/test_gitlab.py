"""The scripts of ``.gitlab-ci.yml``, each job on a fresh checkout, as GitLab's runner calls them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from lumen_assets.days import yesterday
from lumen_assets_tests.alerting.receiver import Server
from lumen_assets_tests.ci.runner import ROOT, checkout
from lumen_assets_tests.installation import Installation


class Runner:
    """Runs jobs; GitLab puts the values of variables in place in one another before."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text("utf-8"))
        self.variables = variables
        self.jobs = 0

    def run(self, job: str, source: str, **variables: str) -> tuple[str, str, Path]:
        """What became of a job, what it printed, and its checkout."""
        self.jobs += 1
        project = self.folder / f"job-{self.jobs}"
        project.mkdir()
        checkout(project, installed=True)
        shown = {name: given["value"] for name, given in self.pipeline["variables"].items()}
        own = {
            name: value.replace("$CI_PROJECT_DIR", str(project))
            for name, value in self.pipeline[".lumen"]["variables"].items()
        }
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(project / "HOME"), "CI_PIPELINE_SOURCE": source, "CI_JOB_NAME": job,
            "CI_JOB_URL": "https://gitlab.example.com/job/1", **shown, **own, **self.variables, **variables,
        }  # fmt: skip
        parts = {**self.pipeline[".lumen"], **self.pipeline[job]}
        main = self._bash(project, [*parts["before_script"], *parts["script"]], environment)
        status = "success" if main.returncode == 0 else "failed"
        after = self._bash(project, parts["after_script"], {**environment, "CI_JOB_STATUS": status})
        return status, main.stdout + main.stderr + after.stdout + after.stderr, project

    @staticmethod
    def _bash(project: Path, lines: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-eo", "pipefail", "-c", "\n".join(lines)]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_the_day_and_its_verification_on_other_machines(tmp_path: Path) -> None:
    hook = Server()
    for name in "ab":
        (tmp_path / name).mkdir()
    newest = yesterday()
    configuration = f"destinations: {{a: {{type: local, path: {tmp_path}/a}}, b: {{type: local, path: {tmp_path}/b}}}}"
    inputs = Installation.make(tmp_path / "inputs", days=1, last_day=newest, configuration=configuration)
    settings = (inputs.root / "lumen.yaml").read_text("utf-8")
    (inputs.root / "lumen.yaml").write_text(settings.replace("2026-02-01", str(newest)))
    given = {name: inputs.environment[name] for name in ("LUMEN_CONFIG", "LUMEN_DATA_ROOT", "LUMEN_ARCHIVE_KEY")}
    runner = Runner(tmp_path, {**given, "LUMEN_SPREAD_MINUTES": "0", "LUMEN_ALERT_URL": hook.url})
    status, log, project = runner.run("daily", "schedule")
    assert status == "success", log
    assert "✅ **Attestation: 2 of 2 replicas good, 2 required.**" in (project / "summary.md").read_text()
    for path in runner.pipeline["daily"]["artifacts"]["paths"]:
        assert (project / path).exists()
    assert runner.run("verify", "schedule")[0] == "success"
    assert not any(b"in CI" in request.body for request in hook.received)
    (tmp_path / "a" / str(newest) / f"lumen-{newest}-r1.tar.zst.tink").write_bytes(b"")
    status, log, project = runner.run("verify", "web", FROM=str(newest), LEVEL="digest")
    assert status == "failed", log
    assert "❌ MISMATCH" in (project / "summary.md").read_text()
    assert any(b"Lumen verify failed in CI" in request.body for request in hook.received)
    status, log, _ = runner.run("daily", "web", LUMEN_ARCHIVE_KEY="")
    assert status == "failed"
    assert "LUMEN_ARCHIVE_KEY is not set" in log
    hook.close()

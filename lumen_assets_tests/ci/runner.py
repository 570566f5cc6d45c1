"""The workflows of ``.github`` run on this machine by ``act``, each on a fresh checkout with an empty home.

Three actions are GitHub's own and come from there, so they are replaced: the checkout is the copy that ``act`` works
in, the Python is the one of the tests, and artifacts go into a folder.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lumen_assets_tests.replication.private_network import PrivateNetwork

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = ROOT / ".github" / "workflows"
_STEPS: Final = {
    "actions/setup-python": "true",
    "actions/upload-artifact": '[ ! -d "$FROM" ] || cp -r "$FROM" "$ARTIFACTS/$NAME"',
}
_IDENTITY: Final = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")


def program(name: str) -> str:
    """A program of the packages that the tests need."""
    return str(Path(sys.executable).with_name(name))


def checkout(folder: Path, *, installed: bool) -> None:
    """The work tree as it is, as a repository of one commit.

    Args:
        folder: made.
        installed: whether ``lumen`` is that of the tests' own Python, and ``make setup`` installs nothing.
    """
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]:
        if (ROOT / name).exists():  # or it is deleted, and that is not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    for command in (["init", "--quiet"], ["add", "--all"], [*_IDENTITY, "commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    if installed:
        binaries = folder / ".venv" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "lumen").write_text(
            f'#!/bin/sh\nPYTHONPATH="$(dirname "$0")/../.." exec {sys.executable} -m lumen_assets.cli "$@"\n'
        )
        (binaries / "python").write_text("#!/bin/sh\n")  # `pip install`, and nothing is installed
        for path in binaries.iterdir():
            path.chmod(0o755)
        for compiled in (ROOT / "lumen_assets").rglob("__pycache__"):  # or each machine compiles it all for two seconds
            shutil.copytree(compiled, folder / compiled.relative_to(ROOT), dirs_exist_ok=True)


@dataclass(frozen=True)
class Ran:
    """What became of a workflow: whether it succeeded, what it said, and the artifacts that it uploaded."""

    succeeded: bool
    log: str
    artifacts: Path

    def result_of(self, step: str) -> str | None:
        """``success``, ``failure``, or None if the step did not run."""
        found = re.search(rf"(Success|Failure) - Main {re.escape(step)} \[", self.log)
        return found[1].lower() if found else None


@dataclass
class Runner:
    """Runs workflows in a private network.

    Attributes:
        folder: everything is below it, each run in a folder of its own.
        network: where they run.
        variables: ``vars`` of the repository.
        secrets: its secrets.
        environment: of the machine, besides PATH and HOME.
        installed: as ``checkout`` takes it.
    """

    folder: Path
    network: PrivateNetwork
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    environment: Mapping[str, str]
    installed: bool
    runs: int = 0

    def run(self, workflow: str, event: str, payload: Mapping[str, Any], *, seconds: float = 240) -> Ran:
        """Run a workflow on a machine that has never seen anything."""
        self.runs += 1
        folder = self.folder / f"runner-{self.runs}"
        source, home, artifacts = folder / "checkout", folder / "home", folder / "artifacts"
        for made in (source, home, artifacts):
            made.mkdir(parents=True)
        checkout(source, installed=self.installed)
        (folder / "event.json").write_text(json.dumps(payload))
        for name, values in (("vars", self.variables), ("secrets", self.secrets)):
            lines = [f"{key}='{value}'\n" for key, value in values.items()]
            (folder / name).write_text("".join(lines))
        command = [
            program("act"), event, "--directory", str(source), "--workflows", f".github/workflows/{workflow}",
            "--eventpath", str(folder / "event.json"), "--var-file", str(folder / "vars"),
            "--secret-file", str(folder / "secrets"), "--platform", "ubuntu-24.04=-self-hosted",
            "--use-gitignore=false", "--no-cache-server", "--pull=false", *self._replaced(source, folder),
        ]  # fmt: skip
        environment = {**self.environment, "HOME": str(home), "ARTIFACTS": str(artifacts)}
        done = self.network.run(*command, environment=environment, seconds=seconds)
        return Ran(done.returncode == 0, done.stdout + done.stderr, artifacts)

    def _replaced(self, source: Path, folder: Path) -> list[str]:
        """The options that put a folder of ours in the place of each action."""
        options = []
        for path in (source / ".github" / "workflows").iterdir():
            for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
                for used in {step["uses"] for step in job["steps"] if "uses" in step}:
                    name = used.partition("@")[0]
                    if name not in _STEPS:
                        continue
                    action = folder / "actions" / name
                    action.mkdir(parents=True, exist_ok=True)
                    (action / "action.yml").write_text(_action(_STEPS[name]))
                    options += ["--local-repository", f"{used}={action}"]
        return options


def _action(script: str) -> str:
    inputs = {"FROM": "path", "NAME": "name"}
    step = {"shell": "bash", "run": script, "env": {key: f"${{{{ inputs.{value} }}}}" for key, value in inputs.items()}}
    return yaml.safe_dump(
        {
            "name": "replaced",
            "description": "in place of GitHub's own",
            "inputs": {value: {"description": value} for value in inputs.values()},
            "runs": {"using": "composite", "steps": [step]},
        }
    )

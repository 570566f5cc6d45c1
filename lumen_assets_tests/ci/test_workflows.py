"""The workflows themselves: valid, linted, pinned, and agreeing with what the documents say must be set."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lumen_assets.environment import ENVIRONMENT, FOREIGN_SECRETS, SECRETS
from lumen_assets_tests.ci.runner import ROOT, WORKFLOWS, program

FILES = sorted(WORKFLOWS.glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
LINTERS = {
    "schema": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    "actionlint": ["actionlint", "-shellcheck", "shellcheck"],
    "zizmor": ["zizmor", "--offline", "--no-progress", "--no-config"],
}
SPOILED = {
    "schema": ("    runs-on:", "    run-on:"),
    "actionlint": ('"${options[@]}"', "$options ${{ steps.nothing.outputs.x }}"),
    "zizmor": ('"$((RANDOM % (60 * MINUTES + 1)))"', "${{ inputs.day }}"),
}


def lint(linter: str, *files: Path) -> subprocess.CompletedProcess[str]:
    name, *options = LINTERS[linter]
    return subprocess.run([program(name), *options, *files], capture_output=True, text=True, check=False, cwd=ROOT)


def jobs(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(file.read_text("utf-8"))["jobs"].values())


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_nothing(linter: str) -> None:
    done = lint(linter, *FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_what_is_wrong(linter: str, tmp_path: Path) -> None:
    old, new = SPOILED[linter]
    text = (WORKFLOWS / "lumen_daily.yml").read_text("utf-8")
    assert old in text
    spoiled = tmp_path / ".github" / "workflows" / "lumen_daily.yml"
    spoiled.parent.mkdir(parents=True)
    spoiled.write_text(text.replace(old, new))
    assert lint(linter, spoiled).returncode != 0


def test_the_pipeline_of_gitlab_is_valid(tmp_path: Path) -> None:
    schema = [program("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
    assert subprocess.run([*schema, GITLAB], capture_output=True, check=False).returncode == 0
    spoiled = tmp_path / "gitlab-ci.yml"
    spoiled.write_text(GITLAB.read_text("utf-8").replace("    expire_in:", "    expires:"))
    assert subprocess.run([*schema, spoiled], capture_output=True, check=False).returncode != 0


def test_the_scripts_of_gitlab_are_sound() -> None:
    pipeline = yaml.safe_load(GITLAB.read_text("utf-8"))
    for name in (".lumen", "daily", "verify"):
        for part in ("before_script", "script", "after_script"):
            script = "\n".join(pipeline[name].get(part, []))
            done = subprocess.run(
                ["shellcheck", "--shell=bash", "-"], input=script, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_workflow_may_do_is_little_and_bounded(file: Path) -> None:
    text = file.read_text("utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]
    for job in jobs(file):
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 360
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
    for step in (step for job in jobs(file) for step in job["steps"]):
        assert "${{" not in step.get("run", ""), "an input is a value of the environment, never shell text"
        if "uses" in step or step.get("name") == "Set up":
            assert "env" not in step, "no secret for code that is not ours"


def test_images_are_pinned_by_digest_and_a_day_is_made_by_a_python_that_the_tests_run_on() -> None:
    tests, *_ = jobs(WORKFLOWS / "test.yml")
    tested = {found["image"]: found["python"] for found in tests["strategy"]["matrix"]["include"]}
    for image, python in tested.items():
        assert re.fullmatch(rf"docker\.io/library/python:{python}\.\d+-bookworm@sha256:[0-9a-f]{{64}}", image)
    assert tests["container"]["image"] == "${{ matrix.image }}"
    text = GITLAB.read_text("utf-8")
    assert set(re.findall(r"image: (.*)", text)) <= tested.keys()
    for file in FILES:
        assert set(re.findall(r'python-version: "(.*)"', file.read_text("utf-8"))) <= set(tested.values())


def test_every_variable_of_the_environment_is_handed_on() -> None:
    """Besides those of machines that stay: DAGSTER_HOME is made in LUMEN_HOME, and no worker waits for runs."""
    text = (WORKFLOWS / "lumen_daily.yml").read_text("utf-8")
    wanted = {*ENVIRONMENT, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    wanted -= {"DAGSTER_HOME", "LUMEN_REDIS_URL"}
    handed = dict(re.findall(r"^ {10}(\w+): \$\{\{ (\w+)\.", text, re.MULTILINE))
    assert wanted <= handed.keys()
    secret = {*SECRETS, *FOREIGN_SECRETS} & handed.keys()
    assert {handed[name] for name in secret} == {"secrets"}


def test_the_document_names_everything_that_can_be_set() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    for file in FILES:
        named = set(re.findall(r"\b(?:vars|secrets)\.(\w+)", file.read_text("utf-8")))
        assert not [name for name in named if f"`{name}`" not in text]


def test_both_pipelines_call_the_same_commands() -> None:
    def calls(text: str) -> set[str]:
        return set(re.findall(r"\.venv/bin/lumen ([a-z]+ ?(?:--last \d+ [\w-]+)?)", text))

    github = "".join(file.read_text("utf-8") for file in FILES)
    assert calls(GITLAB.read_text("utf-8")) == calls(github)

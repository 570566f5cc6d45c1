"""Imports point one way: defs → domain packages → libraries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lumen_assets

ROOT = Path(lumen_assets.__file__).parent
DOMAIN = ["telemetry", "report", "archive", "replication", "verification", "alerting", "health", "retention"]
DOMAIN += ["grafana", "distribution"]
MODULES = sorted(path for package in DOMAIN for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_domain_packages_know_neither_dagster_nor_what_is_above_them(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] not in ("dagster", "dagster_aws"), name
        assert not name.startswith(("lumen_assets.defs", "lumen_assets.cli", "lumen_assets.definitions")), name
        assert not name.startswith("lumen_assets.workspace"), name


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > len(DOMAIN)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_and_secrets_are_read_from_the_environment(path: Path) -> None:
    if path.parent in (ROOT / "settings", ROOT / "environment"):
        return
    source = path.read_text(encoding="utf-8")
    assert "os.getenv" not in source
    assert "environ.get" not in source
    for line in source.splitlines():
        if "os.environ" in line:  # set for Dagster, or handed on to a process with something added: not read
            assert line.strip().startswith(('os.environ["DAGSTER_HOME"] = ', "environment = {**os.environ, ")), line

"""The settings under ``deploy`` for several machines: Dagster accepts them, and they close the traps that are known."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from lumen_assets.settings.environment import ENVIRONMENT

DEPLOY = Path(__file__).parents[2] / "deploy"
FOREIGN = {"LUMEN_REDIS_URL"}
"""Variables of these settings that only Dagster and Celery read."""


def launcher_configuration(data: ConfigurableClassData) -> Mapping[str, Any]:
    """The launcher's settings, as Dagster reads them from the environment."""
    module = __import__(data.module_name, fromlist=[data.class_name])
    schema = resolve_to_config_type(getattr(module, data.class_name).config_type())
    result = process_config(schema, yaml.safe_load(data.config_yaml))
    assert result.success, result.errors
    assert result.value is not None
    return result.value


@pytest.fixture
def instance_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(configuration: str) -> InstanceRef:
        for name in re.findall(r"env: (\w+)", configuration):
            monkeypatch.setenv(name, f"value of {name}")
        (tmp_path / "dagster.yaml").write_text(configuration)
        return InstanceRef.from_dir(str(tmp_path))

    return load


@pytest.fixture(scope="module")
def helm() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
    return values


def documents(helm: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is set of the instance, by where it is deployed."""
    files = {name: yaml.safe_load((DEPLOY / name / "dagster.yaml").read_text()) for name in ("celery", "ecs")}
    return {**files, "kubernetes": helm["additionalInstanceConfig"]}


def test_what_each_needs_so_that_a_lost_run_comes_back(helm: dict[str, Any]) -> None:
    for name, settings in documents(helm).items():
        monitoring, retries = settings["run_monitoring"], settings["run_retries"]
        assert monitoring["enabled"], name
        assert 0 < monitoring["max_runtime_seconds"] <= 3600, name
        assert monitoring["free_slots_after_run_end_seconds"] > 0, name
        assert monitoring["max_resume_run_attempts"] == 0, name
        assert (retries["enabled"], retries["retry_on_asset_or_op_failure"]) == (True, False), name
        assert retries["max_retries"] > 0, name
        assert settings["concurrency"]["runs"]["max_concurrent_runs"] > 0, name


def test_celery(instance_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "celery" / "dagster.yaml").read_text()
    reference = instance_of(text)
    settings = launcher_configuration(reference.run_launcher_data)
    redis = "value of LUMEN_REDIS_URL"
    assert (settings["broker"], settings["backend"]) == (redis, redis)  # not rpc://
    workers = runpy.run_path(str(DEPLOY / "celery" / "dagster_celery_config.py"))
    assert (workers["broker_url"], workers["result_backend"]) == (redis, redis)
    assert workers["broker_transport_options"] == settings["config_source"]["broker_transport_options"]
    longest = yaml.safe_load(text)["run_monitoring"]["max_runtime_seconds"]
    assert workers["broker_transport_options"]["visibility_timeout"] >= 2 * longest
    assert (workers["worker_prefetch_multiplier"], workers["task_acks_late"]) == (1, True)


def test_ecs(instance_of: Any) -> None:
    reference = instance_of((DEPLOY / "ecs" / "dagster.yaml").read_text())
    settings = launcher_configuration(reference.run_launcher_data)
    assert settings["secrets_tag"] is None
    secrets = {secret["name"]: secret["valueFrom"] for secret in settings["secrets"]}
    assert secrets.keys() <= ENVIRONMENT.keys()
    assert all(value == f"value of {name}_ARN" for name, value in secrets.items())
    assert not secrets.keys() & set(settings["env_vars"]), "no secret in a task's definition"


def test_kubernetes(helm: dict[str, Any], instance_of: Any) -> None:
    instance_of(yaml.safe_dump(helm["additionalInstanceConfig"]))
    launcher = helm["runLauncher"]
    assert launcher["type"] == "K8sRunLauncher"
    assert launcher["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]["backoffLimit"] == 0
    daemon = helm["dagsterDaemon"]  # else the chart would write these a second time
    assert not any(daemon[name]["enabled"] for name in ("runCoordinator", "runMonitoring", "runRetries"))
    [code] = helm["dagster-user-deployments"]["deployments"]
    assert code["includeConfigInLaunchedRuns"]["enabled"]
    assert code["image"] == daemon["image"] == helm["dagsterWebserver"]["image"]
    assert {mount["name"] for mount in code["volumeMounts"]} == {volume["name"] for volume in code["volumes"]}
    assert code["resources"] == launcher["config"]["k8sRunLauncher"]["resources"], "the chart gives the code's to a run"
    assert code["env"].keys() <= ENVIRONMENT.keys()
    assert code["env"]["LUMEN_HOME"] in {mount["mountPath"] for mount in code["volumeMounts"]}


def test_kubernetes_gives_secrets_by_name_only(helm: dict[str, Any]) -> None:
    [code] = helm["dagster-user-deployments"]["deployments"]
    assert code["envSecrets"] == [{"name": "lumen"}]
    assert not helm["generatePostgresqlPasswordSecret"]
    assert "postgresqlPassword" not in helm["postgresql"]
    assert helm["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_the_image_for_several_machines_has_what_they_need() -> None:
    lock = (DEPLOY.parent / "requirements" / "fleet.txt").read_text()
    for package in ("dagster-celery==", "dagster-k8s==", "dagster-aws==", "dagster-postgres==", "redis=="):
        assert f"\n{package}" in lock, package
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text()
    fleet = dockerfile.split("FROM base AS fleet")[1].split("FROM base")[0]
    assert "ENTRYPOINT" not in fleet


def test_the_pages_name_every_variable() -> None:
    for name in ("celery", "kubernetes", "ecs"):
        page = (DEPLOY / name / "README.md").read_text()
        assert "LUMEN_STATE_URL" in page, name
        named = {found.removesuffix("_ARN") for found in re.findall(r"\bLUMEN_[A-Z_]+\b", page)}
        assert named <= ENVIRONMENT.keys() | FOREIGN, name

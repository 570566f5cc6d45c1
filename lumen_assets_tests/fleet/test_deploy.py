"""The settings under ``deploy`` for several machines: Dagster accepts them, and they close the traps that are known."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.validate import ParamValidator
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

import lumen_assets
from lumen_assets.defs.celery_workers import RedisRunLauncher
from lumen_assets.defs.shared_storage import SharedStorage
from lumen_assets.environment import ENVIRONMENT
from lumen_assets.errors import SettingsError
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

DEPLOY = Path(__file__).parents[2] / "deploy"
SHIPPED: dict[str, Any] = yaml.safe_load((Path(lumen_assets.__file__).parent / "dagster.yaml").read_text())
"""What one machine has, and the documents speak of."""


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
        assert retries == SHIPPED["run_retries"], name
        assert settings["concurrency"]["runs"]["max_concurrent_runs"] > 0, name


def test_a_lost_run_is_started_again_as_often_as_the_documents_say() -> None:
    assert SHIPPED["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
    docs = DEPLOY.parent / "docs"
    assert "started again by Dagster, at most twice" in (docs / "days.md").read_text()
    assert "started again at most twice" in (docs / "operations.md").read_text()


def test_ticks_are_forgotten_everywhere_as_on_one_machine(helm: dict[str, Any]) -> None:
    assert {name: settings["retention"] for name, settings in documents(helm).items()} == dict.fromkeys(
        documents(helm), SHIPPED["retention"]
    )


REDIS = "redis://:password-of-redis@127.0.0.1:6379/0"


@pytest.fixture(params=["variable", "file"])
def redis_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if request.param == "variable":
        monkeypatch.setenv("LUMEN_REDIS_URL", REDIS)
        return
    (tmp_path / "url").write_text(f"{REDIS}\n")
    monkeypatch.setenv("LUMEN_REDIS_URL_FILE", str(tmp_path / "url"))


@pytest.mark.usefixtures("redis_url")
def test_celery(instance_of: Any) -> None:
    text = (DEPLOY / "celery" / "dagster.yaml").read_text()
    launcher = instance_of(text).run_launcher_data.rehydrate(RedisRunLauncher)
    settings = launcher.app_args()
    assert (settings["broker"], settings["backend"]) == (REDIS, REDIS)  # not rpc://
    workers = runpy.run_path(str(DEPLOY / "celery" / "dagster_celery_config.py"))
    assert (workers["broker_url"], workers["result_backend"]) == (REDIS, REDIS)
    assert workers["broker_transport_options"] == settings["config_source"]["broker_transport_options"]
    longest = yaml.safe_load(text)["run_monitoring"]["max_runtime_seconds"]
    assert workers["broker_transport_options"]["visibility_timeout"] >= 2 * longest
    assert (workers["worker_prefetch_multiplier"], workers["task_acks_late"]) == (1, True)


def test_what_is_missing_is_named_and_no_address_is_repeated(instance_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = instance_of((DEPLOY / "celery" / "dagster.yaml").read_text())
    with pytest.raises(SettingsError, match="LUMEN_REDIS_URL_FILE"):
        reference.run_launcher_data.rehydrate(RedisRunLauncher)
    with pytest.raises(SettingsError, match="LUMEN_STATE_URL_FILE"):
        reference.storage_data.rehydrate(SharedStorage)
    monkeypatch.setenv("LUMEN_STATE_URL", "mysql://lumen:canary-password@127.0.0.1/lumen")
    with pytest.raises(SettingsError, match="LUMEN_STATE_URL: it is an address of mysql") as caught:
        reference.storage_data.rehydrate(SharedStorage)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("where", ["celery", "ecs"])
def test_the_storage_is_the_postgres_of_a_file_too(
    where: str, instance_of: Any, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = postgres.new_database()  # it says postgresql://, which SQLAlchemy 2.1 takes for psycopg 3
    (tmp_path / "state").write_text(f"{address}\n")
    monkeypatch.setenv("LUMEN_STATE_URL_FILE", str(tmp_path / "state"))
    reference = instance_of((DEPLOY / where / "dagster.yaml").read_text())
    storage = reference.storage_data.rehydrate(SharedStorage)
    assert storage.run_storage.get_runs() == []
    assert postgres.password not in str(reference.to_dict())
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        part.dispose()


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
    assert not helm["retention"]["enabled"]
    [code] = helm["dagster-user-deployments"]["deployments"]
    assert code["includeConfigInLaunchedRuns"]["enabled"]
    assert code["image"] == daemon["image"] == helm["dagsterWebserver"]["image"]
    assert {mount["name"] for mount in code["volumeMounts"]} == {volume["name"] for volume in code["volumes"]}
    assert code["resources"] == launcher["config"]["k8sRunLauncher"]["resources"], "the chart gives the code's to a run"
    assert code["env"].keys() <= ENVIRONMENT.keys()
    assert code["env"]["LUMEN_HOME"] in {mount["mountPath"] for mount in code["volumeMounts"]}


def test_every_container_of_kubernetes_is_hardened(helm: dict[str, Any]) -> None:
    [code] = helm["dagster-user-deployments"]["deployments"]
    launcher = helm["runLauncher"]["config"]["k8sRunLauncher"]
    run = launcher["runK8sConfig"]["podSpecConfig"]
    for part in (code, helm["dagsterDaemon"], helm["dagsterWebserver"]):
        assert part["podSecurityContext"] == run["securityContext"]
        assert part["securityContext"] == launcher["securityContext"]
        assert {"name": "tmp", "mountPath": "/tmp"} in part["volumeMounts"]  # noqa: S108
        assert {mount["name"] for mount in part["volumeMounts"]} == {volume["name"] for volume in part["volumes"]}
    pod, container = run["securityContext"], launcher["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["seccompProfile"]["type"]) == (True, 10001, "RuntimeDefault")
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_container_of_ecs_is_hardened() -> None:
    container = json.loads((DEPLOY / "ecs" / "container.json").read_text())
    assert container["user"] == "10001:10001"
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["containerPath"] for mount in container["mountPoints"]} == {"/tmp", "/var/lib/lumen"}  # noqa: S108
    model = boto3.session.Session().client("ecs", region_name="eu-west-1").meta.service_model
    shape = model.shape_for("RegisterTaskDefinitionRequest")
    task = {"family": "lumen", "containerDefinitions": [{"name": "run", "image": "lumen-assets", **container}]}
    assert not ParamValidator().validate(task, shape).has_errors()


def test_kubernetes_gives_secrets_by_name_only(helm: dict[str, Any]) -> None:
    [code] = helm["dagster-user-deployments"]["deployments"]
    assert code["envSecrets"] == [{"name": "lumen"}]
    assert not helm["generatePostgresqlPasswordSecret"]
    assert "postgresqlPassword" not in helm["postgresql"]
    assert helm["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_the_pages_name_every_variable() -> None:
    for name in ("celery", "kubernetes", "ecs"):
        page = (DEPLOY / name / "README.md").read_text()
        assert "LUMEN_STATE_URL" in page, name
        named = {found.removesuffix("_ARN") for found in re.findall(r"\bLUMEN_[A-Z_]+\b", page)}
        assert named <= ENVIRONMENT.keys(), name


def test_the_chart_is_that_of_the_dagster_in_the_image() -> None:
    lock = (DEPLOY.parent / "requirements" / "fleet.txt").read_text()
    [version] = re.findall(r"^dagster==([\d.]+)", lock, re.MULTILINE)
    for name in ("README.md", "values.yaml"):
        text = (DEPLOY / "kubernetes" / name).read_text()
        assert re.findall(r"helm install lumen dagster/dagster --version ([\d.]+) -f values.yaml", text) == [version], (
            name
        )


def test_a_worker_is_started_alike_everywhere() -> None:
    page = re.findall(r"^ *(celery -A .*)$", (DEPLOY / "celery" / "README.md").read_text(), re.MULTILINE)
    unit = re.findall(
        r"^ExecStart=/opt/lumen/bin/(.*)$", (DEPLOY / "celery" / "lumen-worker.service").read_text(), re.MULTILINE
    )
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]["worker"]["command"]
    assert unit == [f"{page[0]} --loglevel WARNING".replace("%", "%%")]  # systemd reads %% as %
    assert " ".join(compose) == f"{page[0]} --loglevel WARNING"

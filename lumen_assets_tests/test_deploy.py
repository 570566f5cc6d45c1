"""What is under ``deploy``: rules that fire when they should, and a dashboard of gauges that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lumen_assets.health import GAUGES

DEPLOY = Path(__file__).parent.parent / "deploy"
NAMES = {gauge.name for gauge in GAUGES}
LABELS = {gauge.name: set(gauge.labels) for gauge in GAUGES}


def promtool(*arguments: str | Path) -> str:
    found = subprocess.run(
        ["promtool", *map(str, arguments)], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def gauges_in(text: str) -> set[str]:
    return set(re.findall(r"\blumen_\w+", text))


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus" / "lumen-alerts.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEPLOY / "grafana" / "lumen.json").read_text("utf-8"))
    return content


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_rules_are_valid_and_fire_when_they_should(rules: list[dict[str, Any]]) -> None:
    assert f"{len(rules)} rules found" in promtool("check", "rules", "lumen-alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", "lumen-alerts.test.yml")


def test_every_rule_is_tested_for_firing_and_for_silence(rules: list[dict[str, Any]]) -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "lumen-alerts.test.yml").read_text("utf-8"))["tests"]
    cases = [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]]
    for rule in rules:
        assert {(rule["alert"], True), (rule["alert"], False)} <= set(cases)


def test_rules_name_only_gauges_that_exist(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        assert gauges_in(rule["expr"]) <= NAMES, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description", "action"} == set(rule["annotations"])


def test_the_documentation_names_every_gauge_and_rule(rules: list[dict[str, Any]]) -> None:
    text = (DEPLOY.parent / "docs" / "health.md").read_text("utf-8")
    assert gauges_in(text) >= NAMES
    assert {rule["alert"] for rule in rules} <= set(re.findall(r"\bLumen[A-Z]\w+", text))


def test_the_dashboard_shows_every_gauge_and_no_other(dashboard: dict[str, Any]) -> None:
    assert gauges_in(" ".join(expressions(dashboard))) == NAMES


def test_the_dashboards_queries_are_valid(dashboard: dict[str, Any], tmp_path: Path) -> None:
    found = expressions(dashboard)
    rules = [{"record": f"x:{number}", "expr": text} for number, text in enumerate(found)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")


def test_legends_name_labels_that_the_gauges_have(dashboard: dict[str, Any]) -> None:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            (name,) = gauges_in(target["expr"])
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= LABELS[name] | {"job", "instance"}, panel["title"]


def test_the_dashboard_can_be_imported(dashboard: dict[str, Any]) -> None:
    datasource, job = dashboard["templating"]["list"]
    assert (datasource["type"], datasource["query"], datasource["name"]) == ("datasource", "prometheus", "datasource")
    assert job["name"] == "job"
    assert dashboard["schemaVersion"] >= 36  # data sources by uid
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    uid = {"type": "prometheus", "uid": "${datasource}"}
    places = []
    for panel in panels:
        assert panel["datasource"] == uid
        assert all(target["datasource"] == uid for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["description"]
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"]
        places += [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
    assert len(set(places)) == len(places)  # no panel covers another

"""A backfill from the UI with days in its middle that fail: exactly those are failed or missing, in the UI too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_assets.days import days_between, yesterday
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.ui.running import Ui, running_ui
from lumen_assets_tests.waiting import until

DAYS = 12
ASSETS = (
    ["telemetry"],
    ["grafana_snapshot"],
    ["report"],
    ["report_pdf"],
    ["archive"],
    ["replica", "here"],
    ["replica", "there"],
    ["verification", "here"],
    ["verification", "there"],
    ["attestation"],
    ["distribution"],
)
LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename ... on LaunchBackfillSuccess { backfillId } }
}
"""
STATUSES = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { assetPartitionStatuses {
    ... on TimePartitionStatuses { ranges { status startKey endKey } } } } }
}
"""


def statuses(ui: Ui, key: list[str]) -> Mapping[str, str]:
    """MATERIALIZED or FAILED by partition, as the UI colours them; the others are missing."""
    node = ui.graphql(STATUSES, key={"path": key})["assetNodeOrError"]
    found = {}
    for item in node["assetPartitionStatuses"]["ranges"]:
        first, last = (yesterday().fromisoformat(item[name]) for name in ("startKey", "endKey"))
        found |= {str(day): item["status"] for day in days_between(first, last)}
    return found


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_days_that_fail_in_the_middle_of_a_backfill(tmp_path: Path) -> None:
    last = yesterday()
    days = [last - timedelta(days=offset) for offset in range(DAYS)][::-1]
    bad, not_there = {days[4], days[7]}, days[9]
    installation = Installation.make(tmp_path / "installation", days=DAYS + 1, last_day=last)
    for day in bad:
        (installation.home / "controls" / "reports" / f"report_{day}.md").mkdir(parents=True)
    (installation.home / "copies" / "there").mkdir(parents=True)
    (installation.home / "copies" / "there" / str(not_there)).write_text("a file where a folder has to be")
    with running_ui(installation, {}) as ui:
        began = time.monotonic()
        launched = ui.graphql(
            LAUNCH,
            params={
                "assetSelection": [{"path": key} for key in ASSETS],
                "partitionNames": [str(day) for day in days],
                "title": "twelve days",
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def status() -> str:
            query = "{ partitionBackfillsOrError { ... on PartitionBackfills { results { status } } } }"
            return str(ui.graphql(query)["partitionBackfillsOrError"]["results"][0]["status"])

        until(lambda: status().startswith("COMPLETED"), "the backfill to end", 1200)
        seconds = time.monotonic() - began
        assert status() == "COMPLETED_FAILED"
        good = {str(day): "MATERIALIZED" for day in days if day not in bad}
        for key in ASSETS:
            before = key in (["telemetry"], ["grafana_snapshot"])  # what comes after it was planned, and is red too
            expected = good | {str(day): "MATERIALIZED" if before else "FAILED" for day in bad}
            if key[-1] == "there":
                expected |= {str(not_there): "FAILED"}
            if key == ["attestation"]:  # where a destination failed, in a run that follows
                until(lambda: statuses(ui, ["attestation"])[str(not_there)] == "MATERIALIZED", "the attestation")
            assert statuses(ui, key) == expected, key
        frozen = {path.name for path in (installation.home / "archive").iterdir() if path.is_dir()}
        assert frozen & {str(day) for day in days} == set(good)

        shown = installation.json("status", "--from", str(days[0]), "--to", str(last), exit_code=1)["days"]
        assert {day for day, found in shown.items() if found["attestation"] and found["attestation"]["ok"]} == (
            set(good) - {str(not_there)}
        )
        told = installation.workspace.outbox().open_incidents  # and no attestation fails for want of an archive

        def failed() -> dict[str, set[str]]:
            return {one.source: set(one.subjects) for one in told() if one.kind == "materialization_failed"}

        until(lambda: len(failed()) == 2, "the failures to be recorded")
        assert failed() == {"report": {str(day) for day in bad}, "replica/there": {str(not_there)}}
        query = "{ runsOrError { ... on Runs { results { jobName tags { key value } } } } }"
        runs = ui.graphql(query)["runsOrError"]["results"]
        tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs if run["jobName"] == "attest"]
        assert [of_run["dagster/partition"] for of_run in tags] == [str(not_there)], "the others in their day's run"
    print(f"{DAYS} days in {seconds:.0f} s: {60 * DAYS / seconds:.1f} days a minute")

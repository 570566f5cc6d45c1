"""An operator in the Dagster UI: sees the graph, materializes a day from the button, reads what was proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lumen_assets.days import yesterday
from lumen_assets_tests.arguments import watched_arguments
from lumen_assets_tests.installation import PUBLIC_TEST_KEY, Installation
from lumen_assets_tests.ui.browser import keep, open_page
from lumen_assets_tests.ui.running import Ui, running_ui
from lumen_assets_tests.waiting import until

TOKENS = {"GDRIVE_TOKEN": "ya29.canary-drive-token-canary", "DROPBOX_TOKEN": "sl.canary-dropbox-token-canary"}
ASSETS = ["archive", "attestation", "grafana_snapshot", "here", "report", "report_pdf", "telemetry", "there"]


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    installation = Installation.make(tmp_path_factory.mktemp("ui"), last_day=yesterday())
    with running_ui(installation, TOKENS) as started:
        yield started


@pytest.fixture
def page() -> Iterator[Page]:
    with open_page() as opened:
        yield opened


def test_it_listens_on_loopback_only(ui: Ui) -> None:
    port = int(ui.url.rpartition(":")[2])
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    addresses = {address.split(":")[0] for address in listening if int(address.split(":")[1], 16) == port}
    assert addresses == {"0100007F"}


def test_a_day_is_materialized_from_the_button_and_attested(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/asset-groups")
    for group in ("archive", "replication", "report", "telemetry", "verification"):
        page.get_by_text(group, exact=True).first.dblclick()
    for asset in ASSETS:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    keep(page, "graph")
    page.get_by_role("button", name="Materialize all").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Launch runs to materialize {ui.assets} assets")).to_be_visible()
    dialog.get_by_text("Latest", exact=True).click()
    keep(page, "launch")
    dialog.get_by_role("button", name="Launch backfill").click()  # weeks and months have other partitions

    def ended() -> bool:
        query = "{ partitionBackfillsOrError { ... on PartitionBackfills { results { status } } } }"
        backfills = ui.graphql(query)["partitionBackfillsOrError"]["results"]
        return bool(backfills) and all(backfill["status"].startswith("COMPLETED") for backfill in backfills)

    with watched_arguments() as arguments:
        until(ended, "the backfill to end", 150)
    assert any(b"lumen_assets.definitions" in line for line in arguments)  # those of the daemon and its servers
    assert any(b"lumen_assets.defs.preloaded" in line for line in arguments), "its runs are forked"
    secrets = [PUBLIC_TEST_KEY, *TOKENS.values()]
    assert not [secret for secret in secrets for line in arguments if secret.encode() in line]
    day = str(yesterday())
    status = ui.installation.json("status", "--from", day, "--to", day)["days"][day]
    assert {name: item["verdict"] for name, item in status["replicas"].items()} == {"here": "MATCH", "there": "MATCH"}
    assert status["attestation"] == {"good": 2, "required": 2, "ok": True}


def test_the_metadata_shows_what_was_proven(ui: Ui, page: Page) -> None:
    day = str(yesterday())
    page.goto(f"{ui.url}/assets/report?view=overview")
    expect(page.get_by_text(day).first).to_be_visible()
    page.get_by_text("[Show Markdown]").click()
    preview = page.get_by_role("dialog")
    expect(preview.get_by_text("위상차").first).to_be_visible()
    keep(page, "report")
    page.goto(f"{ui.url}/assets/attestation?view=overview")
    expect(page.get_by_role("row").filter(has_text="good").first).to_contain_text("2")
    keep(page, "attestation")
    page.goto(f"{ui.url}/assets/verification/here?view=overview")
    expect(page.get_by_role("row").filter(has_text="verdict").first).to_contain_text("MATCH")
    expect(page.get_by_role("row").filter(has_text="level").first).to_contain_text("members")
    keep(page, "verification")


def test_the_day_run_by_the_command_is_on_the_same_instance(ui: Ui) -> None:
    found = ui.installation.json("daily", "--day", str(yesterday()))
    query = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
    runs = {run["runId"]: run for run in ui.graphql(query)["runsOrError"]["results"]}
    (run_id,) = found["runs"].values()
    assert runs[run_id] == {"runId": run_id, "jobName": "daily", "status": "SUCCESS"}
    assert found["archive"]["created"] is False

"""Everything that ``compose.yaml`` starts, as plain processes: who logs in backfills three days and sees them green."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import requests
from playwright.sync_api import Error, expect

from lumen_assets.days import yesterday
from lumen_assets.telemetry import write_sample
from lumen_assets_tests.arguments import watched_arguments
from lumen_assets_tests.containers.composed import Composed, composed, composed_postgres
from lumen_assets_tests.containers.test_compose import UPGRADE
from lumen_assets_tests.ui.browser import keep, open_page
from lumen_assets_tests.waiting import until

DAYS = 3
RATE_HZ = 0.1
CANARIES: Mapping[str, str] = {
    "aws_credentials": "[default]\naws_access_key_id = AKIACANARY\naws_secret_access_key = canary-aws-key-canary\n",
    "GDRIVE_TOKEN": "ya29.canary-drive-token-canary",
    "DROPBOX_TOKEN": "sl.canary-dropbox-token-canary",
    "LUMEN_ALERT_URL": "http://127.0.0.1:9/canary-alert-url-canary",
    "LUMEN_ALERT_SECRET": "canary-alert-secret-canary",
    "SMTP_PASS": "canary-mail-password-canary",
    "GRAFANA_TOKEN": "glsa_canary-grafana-token-canary",
}
STATUSES = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { assetPartitionStatuses {
    ... on TimePartitionStatuses { ranges { status startKey endKey } } } } }
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    first = yesterday() - timedelta(days=DAYS - 1)
    settings = tmp_path_factory.mktemp("settings") / "lumen.yaml"
    settings.write_text(
        f"start_date: {first}\nsources: {{telemetry: {{rate_hz: {RATE_HZ}}}}}\n"
        "schedule: {enabled: false}\ncatch_up: {enabled: false}\n"
    )
    with composed(settings, CANARIES) as services, composed_postgres(services):
        write_sample(services.path("/data"), last_day=yesterday(), days=DAYS, rate_hz=RATE_HZ)
        for name in ("worker", "daemon", "proxy"):
            services.start(name)
        yield services


def secrets_of(services: Composed) -> dict[str, str]:
    """Every secret, and what is in it that is one by itself."""
    found = {name: services.secret(name) for name in (*services.document["secrets"], "ui_password")}
    found["redis_conf"] = found["redis_conf"].partition(" ")[2]
    found["aws_credentials"] = "canary-aws-key-canary"
    found["LUMEN_ALERT_URL"] = "canary-alert-url-canary"
    return found


def graphql(services: Composed, query: str, **variables: Any) -> Any:
    content = {"query": query, "variables": variables}
    answer = requests.post(f"{services.url}/graphql", json=content, auth=services.login, timeout=30)
    answer.raise_for_status()
    return answer.json()["data"]


def green(services: Composed, key: list[str]) -> set[str]:
    """Partitions that the UI shows as materialized."""
    ranges = graphql(services, STATUSES, key={"path": key})["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
    days = [str(yesterday() - timedelta(days=back)) for back in range(DAYS)]
    good = [item for item in ranges if item["status"] == "MATERIALIZED"]
    return {day for day in days for item in good if item["startKey"] <= day <= item["endKey"]}


def handshake(services: Composed, headers: Mapping[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", services.ports[8080], timeout=10)
    connection.request("GET", "/graphql", headers={**UPGRADE, "Sec-WebSocket-Protocol": "graphql-ws", **headers})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_who_logs_in_backfills_three_days_and_no_secret_is_anywhere(served: Composed) -> None:
    for path in ("/", "/graphql", "/asset-groups", "/server_info"):
        assert requests.get(f"{served.url}{path}", timeout=10).status_code == 401, path
    assert handshake(served, {}) == 401
    login = requests.Request("GET", served.url, auth=served.login).prepare().headers["Authorization"]
    assert handshake(served, {"Authorization": login}) == 101
    with watched_arguments() as arguments:
        with open_page() as page, pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
            page.goto(served.url)
        user, password = served.login
        with open_page(http_credentials={"username": user, "password": password}) as page:
            page.goto(f"{served.url}/asset-groups")
            page.get_by_role("button", name="Materialize all").first.click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_text("All", exact=True).first.click()
            keep(page, "compose-launch")
            dialog.get_by_role("button", name="Launch").last.click()
            until(lambda: len(green(served, ["attestation"])) == DAYS, "three attested days", 400)
            page.goto(f"{served.url}/assets/verification/here?view=partitions")
            expect(page.get_by_text(f"Materialized ({DAYS})")).to_be_visible()
            keep(page, "compose-partitions")
    days = {str(yesterday() - timedelta(days=back)) for back in range(DAYS)}
    for key in (["report_pdf"], ["archive"], ["replica", "there"], ["verification", "there"]):
        assert green(served, key) == days
    for name in served.document["services"]:
        assert served.healthy(name), name
    assert sorted(path.name for path in served.path("/etc/lumen/dagster").iterdir()) == ["dagster.yaml"], "only read"
    written = {
        "arguments": b"\n".join(arguments),
        "database": dump(served),
        **{str(path): path.read_bytes() for path in served.logs.iterdir()},
        **{str(path): path.read_bytes() for path in served.path("/data").rglob("*") if path.is_file()},
        **{str(path): path.read_bytes() for path in served.path("/var/lib/lumen").rglob("*") if path.is_file()},
    }
    assert b"lumen_assets.definitions" in written["arguments"]
    assert written["database"].count(b"Celery task has been forwarded to the broker") >= DAYS, "workers made them"
    for name, secret in secrets_of(served).items():
        assert not [place for place, content in written.items() if secret.encode() in content], name


def dump(services: Composed) -> bytes:
    """The whole database: runs with their configuration, events, alerts, verdicts."""
    password = services.secret("postgres_password")
    command = ["pg_dump", "-h", "127.0.0.1", "-p", str(services.ports[5432]), "-U", "lumen", "lumen"]
    done = subprocess.run(command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, check=True)
    return done.stdout

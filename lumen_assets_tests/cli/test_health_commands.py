"""``lumen healthcheck``, ``lumen gauges``, ``lumen demo --exporter`` and what ``lumen doctor`` shares with them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from lumen_assets.days import yesterday
from lumen_assets.health.clock import time_sources
from lumen_assets.settings import Settings
from lumen_assets.telemetry.model import SAMPLE_MARK
from lumen_assets_tests.health.servers import answer, dead_port, serving
from lumen_assets_tests.health.test_gauges import samples
from lumen_assets_tests.installation import PUBLIC_TEST_KEY, Installation


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that has done yesterday."""
    installation = Installation.make(tmp_path_factory.mktemp("installation"), days=1, last_day=yesterday())
    installation.json("daily", "--day", str(yesterday()))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


@contextmanager
def command(installation: Installation, *arguments: str) -> Iterator[str]:
    """A serving command as a process of its own, on a free port; where it serves."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lumen_assets.cli", *arguments],
        env={**os.environ, **installation.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        yield line[line.index("http://") :].strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def names(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines]


def failing(installation: Installation, *arguments: str, **environment: str) -> list[str]:
    """What a health check that fails says."""
    found = installation.json("healthcheck", *arguments, exit_code=1, **environment)
    assert list(found) == ["pass", "fail"]
    assert all(isinstance(line, str) for line in [*found["pass"], *found["fail"]])
    lines: list[str] = found["fail"]
    return lines


def test_all_is_well(installation: Installation) -> None:
    with command(installation, "demo", "--days", "1", "--exporter", "127.0.0.1:0") as url:
        environment = {"LUMEN_METRICS_URL": url, "LUMEN_REPORT_MD": str(installation.settings.reports_folder)}
        found = installation.json("healthcheck", **environment)
        shown = installation.lumen("healthcheck", **environment)
    assert found["fail"] == []
    assert names(found["pass"]) == [
        "metrics",
        "report",
        "LUMEN_HOME",
        "disk",
        "inputs",
        "archive key",
        "clock",
        "destination here",
        "destination there",
        "attestation",
    ]
    assert any(f"agrees with {url}" in line for line in found["pass"])
    assert shown.exit_code == 0
    assert shown.stdout.count("✓") == len(found["pass"])


def test_the_exporter_has_the_newest_row_and_the_gateway(installation: Installation) -> None:
    with command(installation, "demo", "--days", "1", "--exporter", "127.0.0.1:0") as url, urlopen(url) as response:  # noqa: S310 - our own
        page = response.read()
    found = {name: value for (name,), value in samples(page).items()}
    rows = (installation.data_root / "logs" / "metrics.csv").read_text("utf-8").splitlines()
    header = next(row for row in rows if row.startswith("ts,")).split(",")
    newest = dict(zip(header, rows[-1].split(","), strict=True))
    del newest["ts"], newest["ion_mock_mode"]  # the latter says true or false
    expected = {f"lumen_{name}": float(value) for name, value in newest.items() if value}
    assert len(expected) >= 4
    assert expected.items() <= found.items()
    assert found["lumen_gateway_status"] == 3  # resonating
    assert set(found) == {*(f"lumen_{name}" for name in header if name != "ts"), "lumen_gateway_status"}
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    problems = checked.stderr.decode().splitlines()
    assert [line.split()[0] for line in problems] == ["lumen_ion_response_time_ms"]  # the contract's name for it


def test_the_exporter_serves_sample_data_only(installation: Installation, tmp_path: Path) -> None:
    real = tmp_path / "real" / "logs" / "metrics.csv"
    real.parent.mkdir(parents=True)
    real.write_text("ts,phase_diff\n2025-11-22T00:00:00+09:00,0.1\n")
    result = installation.lumen("demo", "--to", tmp_path / "real", "--exporter", "127.0.0.1:0")
    assert result.exit_code == 1
    assert SAMPLE_MARK not in result.output


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], ("127.0.0.1", 9108)),
        (["127.0.0.1:1234"], ("127.0.0.1", 1234)),
        ([":1234"], ("127.0.0.1", 1234)),
        (["[::1]:1234"], ("::1", 1234)),
    ],
)
def test_the_exporters_address_may_be_chosen(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, arguments: list[str], address: tuple[str, int]
) -> None:
    served = []
    monkeypatch.setattr("lumen_assets.cli.demo.serve_page", lambda where, *_: served.append(where))
    assert installation.lumen("demo", "--days", "1", "--exporter", *arguments, "--json").exit_code == 0
    assert served == [address]


@pytest.mark.parametrize("address", ["9108", "127.0.0.1:", "127.0.0.1:99999", "a:b"])
def test_what_is_no_address_is_a_usage_error(installation: Installation, address: str) -> None:
    assert installation.lumen("gauges", "--serve", address).exit_code == 2


def test_a_port_that_is_taken_is_said(installation: Installation) -> None:
    with serving(answer()) as server:
        result = installation.lumen("gauges", "--serve", f":{server.port}")
    assert result.exit_code == 2
    assert "Choose another port" in result.stderr


# --- what a health check finds ------------------------------------------------------------------------------


def test_a_dead_port_is_found(installation: Installation) -> None:
    with dead_port() as port:
        (line,) = failing(installation, LUMEN_METRICS_URL=f"http://127.0.0.1:{port}/metrics")
    assert line.startswith(f"metrics: http://127.0.0.1:{port}/metrics: Connection refused")


def test_html_with_200_is_found(installation: Installation) -> None:
    with serving(answer("<html>welcome</html>", content_type="text/html; charset=utf-8")) as server:
        (line,) = failing(installation, LUMEN_METRICS_URL=server.url)
    assert "a page of HTML" in line


def test_a_slow_drip_is_found(installation: Installation) -> None:
    with serving(answer(), drip=0.2) as server:
        (line,) = failing(installation, LUMEN_METRICS_URL=server.url)
    assert "no whole answer within 5 s" in line


def test_a_redirect_is_found(installation: Installation) -> None:
    with serving(answer("", status="301 Moved Permanently", headers=["Location: http://127.0.0.1/"])) as server:
        (line,) = failing(installation, LUMEN_METRICS_URL=server.url)
    assert "redirects (HTTP 301)" in line


def test_a_stale_report_is_found(installation: Installation) -> None:
    stale = installation.root / "report_2026-02-01.md"
    stale.write_text("# old\n")
    (line,) = failing(installation, LUMEN_REPORT_MD=str(stale))
    assert line.startswith("report: ")
    assert "which is due" in line


def test_a_wrong_key_is_found(installation: Installation) -> None:
    other = installation.lumen("key", "new").stdout.split()[0]
    lines = failing(installation, LUMEN_ARCHIVE_KEY=other)
    assert names(lines) == ["archive key"]
    assert other not in str(lines)


def test_a_wrong_key_is_found_by_what_the_destinations_hold(installation: Installation) -> None:
    shutil.rmtree(installation.home / "archive")
    other = installation.lumen("key", "new").stdout.split()[0]
    assert names(failing(installation, LUMEN_ARCHIVE_KEY=other)) == ["archive key"]
    assert names(failing(installation, LUMEN_ARCHIVE_KEY="")) == ["archive key"]
    assert not (installation.home / "keys").exists()


def test_a_clock_that_is_a_day_off_is_found(installation: Installation) -> None:
    with serving(lambda: answer(date=datetime.now(UTC) - timedelta(days=1))) as server:
        (line,) = failing(installation, LUMEN_METRICS_URL=server.url)
    assert line.startswith("clock: it is 1 day")
    assert "ahead of" in line


def test_a_full_disk_is_found(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1

    monkeypatch.setattr("lumen_assets.health.machine.shutil.disk_usage", lambda folder: Usage)
    assert names(failing(installation)) == ["disk"]


def test_destinations_that_do_not_answer_are_found(installation: Installation) -> None:
    with dead_port() as port:
        with (installation.root / "lumen.yaml").open("a") as file:
            file.write(
                "destinations:\n  here: {type: local, path: copies/here}\n"
                f"  disk: {{type: local, path: {installation.root}/unplugged}}\n"
                f"  cloud: {{type: s3, bucket: bucket, region: x, endpoint_url: 'http://127.0.0.1:{port}'}}\n"
            )
        credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        lines = failing(installation, **credentials)
    assert names(lines) == ["destination disk", "destination cloud"]
    assert "there is no folder" in lines[0]
    assert "no answer within" not in lines[1]


def test_an_operator_with_cron_only_is_not_told_of_the_ui(installation: Installation) -> None:
    assert "ui" not in names(installation.json("healthcheck")["pass"])
    with dead_port() as port:
        with (installation.root / "lumen.yaml").open("a") as file:
            file.write(f"alerts: {{ui_url: 'http://127.0.0.1:{port}'}}\n")
        assert names(failing(installation)) == ["ui"]


def test_the_ui_is_looked_at_where_it_is_asked_for(installation: Installation) -> None:
    found = installation.lumen("healthcheck", "--ui")
    assert "ui: 127.0.0.1:3000" in found.stdout


def test_wrong_settings_fail_the_check(installation: Installation) -> None:
    (installation.root / "lumen.yaml").write_text("policy: {required_replicas: 0}\n")
    (line,) = failing(installation)
    assert line.startswith("setting policy.required_replicas: ")
    found = installation.json("doctor", exit_code=2)
    assert [item["name"] for item in found["findings"]] == ["setting policy.required_replicas"]


def test_before_the_first_day_the_check_says_that_nothing_is_proven(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "installation", days=1, last_day=yesterday())
    (line,) = failing(installation)
    assert line.startswith("attestation: no day has been attested yet")


# --- gauges -------------------------------------------------------------------------------------------------


def test_gauges_are_printed_written_and_served_alike(installation: Installation, tmp_path: Path) -> None:
    printed = installation.lumen("gauges")
    assert printed.exit_code == 0
    found: dict[Any, float] = samples(printed.stdout.encode())
    assert found["lumen_replicas", "here", "MATCH"] == 1
    assert found["lumen_partitions_below_policy",] == 0
    assert ("lumen_last_success_timestamp_seconds",) in found
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=printed.stdout.encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
    path = tmp_path / "lumen.prom"
    assert installation.lumen("gauges", "--output", path).exit_code == 0
    assert path.read_text() == printed.stdout
    with command(installation, "gauges", "--serve", "127.0.0.1:0") as url, urlopen(url) as response:  # noqa: S310 - our own
        assert response.read().decode() == printed.stdout


def test_gauges_go_one_way(installation: Installation, tmp_path: Path) -> None:
    assert installation.lumen("gauges", "--output", tmp_path / "x", "--serve", ":0").exit_code == 2


def test_gauges_into_a_folder_that_is_not_there(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "no" / "such"
    missing = installation.lumen("gauges", "--output", folder / "x.prom")
    assert missing.exit_code == 1
    said = " ".join(missing.output.split())
    assert f"could not write into the folder {folder}: No such file or directory. make it" in said
    assert ".tmp" not in said


# --- secrets ------------------------------------------------------------------------------------------------


def test_no_secret_is_in_any_output(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_hand(settings: Settings) -> list[str]:
        return [url for url in time_sources(settings) if "127.0.0.1" in url]  # no test leaves this machine

    monkeypatch.setattr("lumen_assets.health.clock.time_sources", at_hand)
    with (installation.root / "lumen.yaml").open("a") as file:
        file.write(
            "destinations:\n  here: {type: local, path: copies/here}\n  box: {type: dropbox, folder: /x}\n"
            "  drive: {type: gdrive, folder: x}\n  cloud: {type: s3, bucket: bucket, endpoint_url: 'http://127.0.0.1:9'}\n"
            "alerts: {apprise: [CHAT], dead_man_url: DEAD_MAN}\n"
        )
    with serving(answer("canary-body", status="500 canary-status")) as server:
        environment = {
            "LUMEN_METRICS_URL": f"http://user:canary-a@127.0.0.1:{server.port}/metrics?token=canary-b",
            "LUMEN_ALERT_URL": "https://hooks.example.org/canary-c",
            "LUMEN_ALERT_SECRET": "canary-d",
            "DROPBOX_TOKEN": '{"refresh_token": "canary-e"}',
            "GDRIVE_TOKEN": '{"type": "canary-f"}',
            "AWS_ACCESS_KEY_ID": "canary-g",
            "AWS_SECRET_ACCESS_KEY": "canary-h",
            "CHAT": "slack://canary-i",
            "DEAD_MAN": "https://canary-j",
        }
        for arguments in (["healthcheck"], ["healthcheck", "--json"], ["doctor"], ["doctor", "--json"], ["gauges"]):
            result = installation.lumen(*arguments, **environment)
            assert "canary" not in result.output, arguments
            assert PUBLIC_TEST_KEY.rstrip("=") not in result.output
            assert "Traceback" not in result.output
            if arguments[0] != "gauges":
                assert "HTTP 500" in result.stdout

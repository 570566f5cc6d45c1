"""The other checks, each against what it is there to find."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from lumen_assets.days import KST
from lumen_assets.health import machine, proofs
from lumen_assets.health.clock import clock, time_sources
from lumen_assets.health.due import due_at, newest_due
from lumen_assets.health.findings import Check, Finding, look_at
from lumen_assets.settings import Configuration
from lumen_assets.verification import Attestation
from lumen_assets_tests.health.servers import answer, dead_port, serving
from lumen_assets_tests.installation import Installation

DAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=KST)
"""When the ninth of March is due."""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "installation", days=1)


def attested(installation: Installation, day: date, good: int = 2) -> None:
    found = Attestation(day=day, revision=1, good=good, destinations=2, required=2, verdicts={})
    installation.workspace.ledger.record_attestation(found, NOON.astimezone(UTC))


# --- side by side -------------------------------------------------------------------------------------------


def test_looks_are_made_side_by_side_and_told_in_order() -> None:
    first_waits = Event()

    def second() -> Finding:
        first_waits.set()
        return Finding("b", ok=True, detail="")

    def first() -> Finding:
        assert first_waits.wait(30)
        return Finding("a", ok=True, detail="")

    assert [found.name for found in look_at([Check("a", first), Check("b", second)], within=60)] == ["a", "b"]


def test_a_look_that_hangs_is_not_good_and_holds_nobody() -> None:
    release = Event()

    def hangs() -> Finding:
        release.wait(60)
        return Finding("mount", ok=True, detail="late")

    checks = [Check("mount", hangs), Check("quick", lambda: Finding("quick", ok=True, detail="here"))]
    mount, quick = look_at(checks, within=0.5)
    release.set()
    assert (mount.ok, mount.detail) == (False, "no answer within 0.5 s")
    assert quick.ok


def test_a_look_that_hangs_does_not_keep_the_process() -> None:
    program = (
        "import threading\n"
        "from lumen_assets.health import Check, look_at\n"
        "print(look_at([Check('mount', threading.Event().wait)], within=0.1))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no answer within 0.1 s" in done.stdout


def test_what_nobody_expected_is_not_good_and_not_repeated() -> None:
    def breaks() -> Finding:
        raise RuntimeError("the key is canary")

    (found,) = look_at([Check("x", breaks)], within=10)
    assert (found.ok, found.detail) == (False, "unexpected RuntimeError")


def test_a_finding_is_one_line() -> None:
    assert str(Finding("a", ok=False, detail="b\nc", fix="d")) == "a: b c; d"
    assert str(Finding("a", ok=True, detail="b", fix="d")) == "a: b"


# --- due ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "deadline", "due"),
    [
        ("09:05", "12:00", datetime(2026, 3, 10, 12, 0, tzinfo=KST)),
        ("23:00", "02:00", datetime(2026, 3, 11, 2, 0, tzinfo=KST)),
        ("11:56", "12:00", datetime(2026, 3, 11, 12, 0, tzinfo=KST)),  # the spread may move the start past it
    ],
)
def test_a_day_is_due_at_the_first_deadline_after_its_start(at: str, deadline: str, due: datetime) -> None:
    configuration = Configuration.model_validate({"schedule": {"at": at}, "alerts": {"deadline": deadline}})
    assert due_at(DAY, configuration) == due
    assert newest_due(configuration, due) == DAY
    assert newest_due(configuration, due - timedelta(seconds=1)) == DAY - timedelta(days=1)


def test_no_day_before_the_first_is_due() -> None:
    configuration = Configuration(start_date=DAY)
    assert newest_due(configuration, NOON) == DAY
    assert newest_due(configuration, NOON - timedelta(seconds=1)) is None


# --- report -------------------------------------------------------------------------------------------------


def write(path: Path, written: datetime = NOON, text: str = "# x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (written.timestamp(), written.timestamp()))
    return path


@pytest.mark.parametrize(("now", "ok"), [(NOON, True), (NOON + timedelta(days=1), False)])
def test_a_folder_is_as_fresh_as_its_newest_report(tmp_path: Path, now: datetime, ok: bool) -> None:
    write(tmp_path / "report_2026-03-08.md", NOON + timedelta(days=1))  # made again later
    write(tmp_path / "report_2026-03-09.md")
    write(tmp_path / "report_2027-01-01.md")  # a clock was wrong once
    write(tmp_path / "README.md", NOON + timedelta(days=1))
    found = proofs.report(tmp_path, Configuration(), now)
    assert found.ok is ok
    assert "report_2026-03-09.md" in found.detail
    assert ("older than 2026-03-10, which is due" in found.detail) is not ok


@pytest.mark.parametrize(("written", "ok"), [("2026-03-10T00:00", True), ("2026-03-09T23:59", False)])
def test_a_file_without_a_day_must_be_written_after_the_day(tmp_path: Path, written: str, ok: bool) -> None:
    path = write(tmp_path / "latest.md", datetime.fromisoformat(written).replace(tzinfo=KST))
    assert proofs.report(path, Configuration(), NOON).ok is ok
    assert proofs.report(tmp_path, Configuration(), NOON).ok is ok


@pytest.mark.parametrize("what", ["no such file", "empty file", "empty folder", "from the future", "of a day to come"])
def test_what_is_no_report_is_not_good(tmp_path: Path, what: str) -> None:
    path = tmp_path / "report_2026-03-09.md"
    match what:
        case "empty file":
            write(path, text="")
        case "empty folder":
            path = tmp_path / "folder"
            path.mkdir()
        case "from the future":
            path = write(tmp_path / "latest.md", NOON + timedelta(hours=1))
        case "of a day to come":
            path = write(tmp_path / "report_2026-03-11.md")
        case _:
            pass
    assert not proofs.report(path, Configuration(), NOON).ok


def test_nothing_is_expected_of_the_day_that_is_under_way(tmp_path: Path) -> None:
    path = write(tmp_path / "report_2026-03-08.md")
    assert not proofs.report(path, Configuration(), NOON).ok
    assert proofs.report(path, Configuration(), NOON, underway=DAY).ok
    assert not proofs.report(path, Configuration(), NOON, underway=DAY + timedelta(days=1)).ok


# --- attestation --------------------------------------------------------------------------------------------


def test_the_last_attestation_is_as_new_as_it_should_be(installation: Installation) -> None:
    workspace = installation.workspace
    assert not proofs.attestation(workspace, NOON).ok  # unknown is never success
    assert proofs.attestation(workspace, NOON, underway=DAY).ok  # but the first day is being made
    attested(installation, DAY)
    assert proofs.attestation(workspace, NOON).ok
    late = proofs.attestation(workspace, NOON + timedelta(days=1))
    assert not late.ok
    assert late.detail == "the newest is of 2026-03-09, but 2026-03-10 was due at 2026-03-11 12:00 KST"
    assert proofs.attestation(workspace, NOON + timedelta(days=1), underway=DAY + timedelta(days=1)).ok


def test_an_attestation_below_policy_is_not_good(installation: Installation) -> None:
    attested(installation, DAY, good=1)
    found = proofs.attestation(installation.workspace, NOON)
    assert (found.ok, found.detail) == (False, "2026-03-09: 1 good replica, 2 required")


# --- machine ------------------------------------------------------------------------------------------------


def test_a_full_disk_is_found_with_the_folder(installation: Installation) -> None:
    good = machine.disk(installation.settings, lambda folder: 5 << 30)
    assert good.ok
    full = machine.disk(installation.settings, lambda folder: (1 << 30) - 1)
    assert not full.ok
    assert str(installation.root) in full.fix


def test_a_home_that_may_not_be_written_is_found(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert machine.home(installation.settings).ok
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write everywhere
    found = machine.home(installation.settings)
    assert not found.ok
    assert "Permission denied" in found.detail


def test_the_ui_answers_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert machine.ui(f"http://127.0.0.1:{server.getsockname()[1]}/x").ok
    with dead_port() as port:
        found = machine.ui(f"http://user:canary@127.0.0.1:{port}")
    assert not found.ok
    assert "Connection refused" in found.detail
    assert "canary" not in str(found)
    assert not machine.ui("http://x:canary/").ok


# --- clock --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "ok"), [(timedelta(days=1), False), (timedelta(hours=-9), False), (timedelta(), True)])
def test_the_clock_is_compared_with_a_servers(installation: Installation, off: timedelta, ok: bool) -> None:
    now = datetime.now(UTC)
    with serving(answer(date=now + off, status="403 Forbidden")) as server:
        settings = installation.settings.model_copy(update={"metrics_url": f"{server.url}?token=canary"})
        found = clock(settings, now)
    assert found.ok is ok
    assert f"http://127.0.0.1:{server.port}/metrics" in found.detail
    assert "canary" not in str(found)
    assert server.requests[0].startswith(b"HEAD ")
    assert ("behind" in found.detail) == (off > timedelta())


def test_a_clock_without_a_server_is_only_plausible(installation: Installation) -> None:
    with dead_port() as port:
        settings = installation.settings.model_copy(update={"metrics_url": f"http://127.0.0.1:{port}/"})
        found = clock(settings, datetime.now(UTC))
    assert found.ok
    assert "no server at hand" in found.detail


@pytest.mark.parametrize("date_header", ["soon", "Mon, 32 Nov 2026 06:58:23 GMT", "Mon, 23 Nov 2026 06:58:23 -0000"])
def test_a_date_that_is_none_is_not_compared(installation: Installation, date_header: str) -> None:
    reply = b"HTTP/1.1 200 OK\r\nDate: " + date_header.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    with serving(reply) as server:
        settings = installation.settings.model_copy(update={"metrics_url": server.url})
        assert "no server at hand" in clock(settings, datetime.now(UTC)).detail


def test_the_destinations_servers_say_the_time_first() -> None:
    destinations = {
        "disk": {"type": "local", "path": "/mnt"},
        "seoul": {"type": "s3", "bucket": "bucket", "region": "ap-northeast-2"},
        "own": {"type": "s3", "bucket": "bucket", "endpoint_url": "https://s3.example.org"},
        "box": {"type": "dropbox", "folder": "/x"},
        "drive": {"type": "gdrive", "folder": "x"},
    }

    class Settings:
        configuration = Configuration.model_validate({"destinations": destinations})
        metrics_url = "http://127.0.0.1:9108/metrics"

    assert time_sources(Settings()) == [  # type: ignore[arg-type]
        "https://s3.ap-northeast-2.amazonaws.com/",
        "https://s3.example.org",
        "https://api.dropboxapi.com/",
    ]

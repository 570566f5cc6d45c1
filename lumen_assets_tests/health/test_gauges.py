"""The gauges: the numbers behind them, their text, and the ways to Prometheus."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lumen_assets import __version__
from lumen_assets.alerting.events import Severity
from lumen_assets.archive import IndexEntry
from lumen_assets.days import KST
from lumen_assets.errors import PermanentError
from lumen_assets.health import GAUGES, Vitals, exposition, vitals
from lumen_assets.health.serving import MetricsServer
from lumen_assets.health.textfile import write_textfile
from lumen_assets.verification import Attestation, Level, Verdict, Verification
from lumen_assets.verification.verdicts import Finding
from lumen_assets_tests.installation import Installation

DAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=KST)

ALL = Vitals(
    version="1.2.3",
    last_success=datetime(2026, 3, 10, 0, 5, tzinfo=UTC),
    days_below_policy=1,
    days_missing=2,
    backfill_backlog_days=3,
    replicas={"here": {"MATCH": 4, "MISMATCH": 0}, '한 "글"\n': {"MATCH": 5}},
    outbox_depth={"mail": 6},
    outbox_oldest_age_seconds={"mail": 7.5},
    incidents_open={Severity.CRITICAL: 8},
    days_inputs_changed=10,
    days_few_rows=12,
    days_given_up=11,
    retention_done={"here": datetime(2026, 3, 9, 0, 5, tzinfo=UTC)},
    drill_age_seconds=9.0,
    drilled={"here": 0.5},
)
NOTHING = Vitals("1", None, 0, 0, 0, {})


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    """Every number, by the gauge's name and its label values."""
    families = text_string_to_metric_families(page.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "installation", days=1, configuration="policy: {required_replicas: 2}")


# --- text ---------------------------------------------------------------------------------------------------


def test_every_gauge_is_there_with_its_number() -> None:
    found = samples(exposition(ALL))
    assert {name for name, *_ in found} == {gauge.name for gauge in GAUGES}
    assert found["lumen_last_success_timestamp_seconds",] == ALL.last_success.timestamp()  # type: ignore[union-attr]
    assert found["lumen_partitions_below_policy",] == 1
    assert found["lumen_partitions_missing",] == 2
    assert found["lumen_backfill_backlog_partitions",] == 3
    assert found["lumen_replicas", "here", "MATCH"] == 4
    assert found["lumen_replicas", '한 "글"\n', "MATCH"] == 5
    assert found["lumen_outbox_depth", "mail"] == 6
    assert found["lumen_outbox_oldest_age_seconds", "mail"] == 7.5
    assert [found["lumen_incidents_open", severity] for severity in ("info", "warning", "critical")] == [0, 0, 8]
    assert found["lumen_drill_age_seconds",] == 9
    assert found["lumen_drilled_ratio", "here"] == 0.5
    assert found["lumen_partitions_inputs_changed",] == 10
    assert found["lumen_partitions_few_rows",] == 12
    assert found["lumen_partitions_given_up",] == 11
    assert found["lumen_retention_last_success_timestamp_seconds", "here"] == 1773014700
    assert found["lumen_build_info", "1.2.3"] == 1


def test_what_is_not_known_is_absent_and_never_made_up() -> None:
    assert {name for name, *_ in samples(exposition(NOTHING))} == {
        "lumen_partitions_below_policy",
        "lumen_partitions_missing",
        "lumen_partitions_inputs_changed",
        "lumen_partitions_few_rows",
        "lumen_backfill_backlog_partitions",
        "lumen_build_info",
    }
    assert b"lumen_drill" not in exposition(NOTHING)


@pytest.mark.parametrize("numbers", [ALL, NOTHING])
def test_promtool_has_nothing_to_say(numbers: Vitals) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition(numbers), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# --- numbers ------------------------------------------------------------------------------------------------


def attested(installation: Installation, day: date, good: int, at: datetime) -> None:
    found = Attestation(day=day, revision=1, good=good, destinations=2, required=2, verdicts={})
    installation.workspace.ledger.record_attestation(found, at.astimezone(UTC))


def verified(installation: Installation, day: date, destination: str, verdict: Verdict, revision: int = 1) -> None:
    finding = Finding.INTACT if verdict is Verdict.MATCH else Finding.MISSING
    installation.workspace.ledger.record(
        Verification(day, revision, destination, Level.MEMBERS, verdict, finding, "", 0, NOON.astimezone(UTC))
    )


def frozen(installation: Installation, day: date, revision: int = 1) -> None:
    path = installation.settings.archive_folder / "index.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(IndexEntry(day, revision, "m", "c", "a", 1, ()).to_line())


def test_an_installation_that_has_done_nothing_says_so(installation: Installation) -> None:
    found = vitals(installation.workspace, now=NOON)
    days = (DAY - date(2026, 2, 1)).days + 1
    assert (found.version, found.last_success) == (__version__, None)
    assert (found.days_missing, found.days_below_policy, found.backfill_backlog_days) == (days, 0, days)
    assert vitals(installation.workspace, now=NOON - timedelta(seconds=1)).days_missing == days - 1
    assert (found.outbox_depth, found.incidents_open, found.drill_age_seconds) == (None, None, None)
    assert not (installation.home / "verification").exists()  # looking makes nothing


def test_days_are_counted_by_what_became_of_them(installation: Installation) -> None:
    days = (DAY - date(2026, 2, 1)).days + 1
    frozen(installation, DAY)
    attested(installation, DAY, 2, NOON)
    frozen(installation, DAY - timedelta(days=1))
    attested(installation, DAY - timedelta(days=1), 1, NOON)
    frozen(installation, DAY - timedelta(days=2))  # not attested
    attested(installation, DAY - timedelta(days=3), 2, NOON)  # elsewhere frozen, here only verified
    found = vitals(installation.workspace, now=NOON)
    assert (found.days_missing, found.days_below_policy, found.backfill_backlog_days) == (days - 4, 2, days - 2)


def test_a_success_is_of_the_newest_good_day_and_counts_once(installation: Installation) -> None:
    ledger = installation.workspace.ledger
    first = NOON - timedelta(hours=3)
    attested(installation, DAY, 1, first - timedelta(minutes=5))
    assert ledger.last_success() is None
    attested(installation, DAY, 2, first)
    assert ledger.last_success() == first
    attested(installation, DAY, 2, first + timedelta(days=2))  # the rolling verification attests it again
    attested(installation, DAY - timedelta(days=9), 2, first + timedelta(days=2))  # a backfill
    attested(installation, DAY + timedelta(days=1), 1, first + timedelta(days=2))
    assert ledger.last_success() == first
    attested(installation, DAY + timedelta(days=1), 2, first + timedelta(days=2))
    assert ledger.last_success() == first + timedelta(days=2)


def test_replicas_are_counted_by_the_verdict_on_the_newest_revision(installation: Installation) -> None:
    frozen(installation, DAY)
    verified(installation, DAY, "here", Verdict.MATCH)
    verified(installation, DAY, "there", Verdict.MISSING)
    before = DAY - timedelta(days=1)
    frozen(installation, before)
    frozen(installation, before, revision=2)
    verified(installation, before, "here", Verdict.MATCH, revision=1)
    verified(installation, before, "there", Verdict.MATCH, revision=2)
    verified(installation, DAY, "gone", Verdict.MATCH)  # no destination any more
    assert vitals(installation.workspace, now=NOON).replicas == {
        "here": {"MATCH": 1, "MISMATCH": 0, "MISSING": 0, "UNVERIFIABLE": 0, "REMOVED": 0, "UNVERIFIED": 1},
        "there": {"MATCH": 1, "MISMATCH": 0, "MISSING": 1, "UNVERIFIABLE": 0, "REMOVED": 0, "UNVERIFIED": 0},
    }


def test_a_ledger_that_cannot_be_read_gives_no_numbers(installation: Installation) -> None:
    attested(installation, DAY, 2, NOON)
    path = installation.home / "verification" / "verdicts.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(PermanentError, match="ledger"):
        vitals(installation.workspace, now=NOON)


# --- textfile -----------------------------------------------------------------------------------------------


def test_the_textfile_is_whole_readable_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "textfiles" / "lumen.prom"
    path.parent.mkdir()
    before = os.umask(0o077)
    try:
        for page in (b"one 1\n", b"two 2\n"):
            write_textfile(path, page)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two 2\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_textfile_that_fails_leaves_the_old_one_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "textfiles" / "lumen.prom"
    path.parent.mkdir()
    path.write_bytes(b"old 1\n")
    seen = []

    def full(descriptor: int) -> None:
        seen.extend(item.name for item in path.parent.iterdir() if item != path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_textfile(path, b"new 1\n")
    assert len(seen) == 1
    assert not seen[0].endswith(".prom")  # the collector would read it
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b"old 1\n"


# --- endpoint -----------------------------------------------------------------------------------------------


class Page:
    """Counts how often it is made."""

    def __init__(self) -> None:
        self.made = 0
        self.fails = False

    def __call__(self) -> bytes:
        self.made += 1
        if self.fails:
            raise PermanentError(action="read", subject="canary", cause="canary", error_class="state")
        return f"made {self.made}\n".encode()


@pytest.mark.parametrize(("kept", "pages"), [(3600.0, [b"made 1\n", b"made 1\n"]), (-1.0, [b"made 1\n", b"made 2\n"])])
def test_a_page_is_kept_for_a_while(kept: float, pages: list[bytes]) -> None:
    page = Page()
    with MetricsServer("127.0.0.1", 0, page, kept_seconds=kept) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        found = []
        for _ in pages:
            with urlopen(server.url, timeout=30) as response:  # noqa: S310 - our own
                assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                found.append(response.read())
        server.shutdown()
    assert found == pages


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 501), ("DELETE", "/metrics", 501)],
)
def test_only_getting_metrics_is_answered(method: str, path: str, status: int) -> None:
    with MetricsServer("127.0.0.1", 0, Page()) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(server.url.replace("/metrics", path), method=method), timeout=30)  # noqa: S310 - our own
        caught.value.close()
        server.shutdown()
    assert caught.value.code == status


def test_a_page_that_cannot_be_made_is_an_error_without_its_text() -> None:
    page = Page()
    page.fails = True
    with MetricsServer("127.0.0.1", 0, page) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(HTTPError) as caught:
            urlopen(server.url, timeout=30)  # noqa: S310 - our own
        with caught.value:
            assert (caught.value.code, b"canary" in caught.value.read()) == (500, False)
        server.shutdown()

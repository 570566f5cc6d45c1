"""A report into a folder at a destination: what was sent stays sent."""

from __future__ import annotations

import shutil
from pathlib import Path

from lumen_assets.distribution.frozen import SUFFIXES, FrozenReport
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, folder_target
from lumen_assets.distribution.putting import put_report
from lumen_assets.replication.local import LocalStore
from lumen_assets_tests.report.scenes import DAY


def put(report: FrozenReport, root: Path, folder: Path) -> Delivery:
    ledger = DeliveryLedger(folder / "deliveries.sqlite")
    put_report(report, "reports", LocalStore("here", root), ledger)
    return ledger.of(DAY, report.revision)[folder_target("here")]


def test_what_was_sent_stays_sent_where_a_later_run_finds_the_destination_down(report, tmp_path) -> None:
    root = tmp_path / "there"
    root.mkdir()
    sent = put(report, root, tmp_path)
    assert sent.state is State.SENT
    shutil.rmtree(root)
    root.write_text("no folder")
    assert put(report, root, tmp_path) == sent


def test_what_failed_is_sent_once_the_destination_is_there(report, tmp_path) -> None:
    root = tmp_path / "there"
    root.write_text("no folder")
    failed = put(report, root, tmp_path)
    assert failed.state is State.FAILED
    assert failed.detail
    root.unlink()
    root.mkdir()
    assert put(report, root, tmp_path).state is State.SENT
    assert len(list((root / "reports").rglob("report_*"))) == len(SUFFIXES)


def test_what_was_sent_and_replaced_since_is_told(report, tmp_path) -> None:
    root = tmp_path / "there"
    root.mkdir()
    assert put(report, root, tmp_path).state is State.SENT
    next((root / "reports").rglob("report_*.md")).write_text("something else")
    replaced = put(report, root, tmp_path)
    assert (replaced.state, replaced.error_class) == (State.FAILED, "conflict")

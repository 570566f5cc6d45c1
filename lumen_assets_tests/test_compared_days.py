"""The days that a report is compared with: as they were frozen, and the same again however the day is made again."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.report.files import load_report
from lumen_assets.report.model import TargetRange
from lumen_assets.report.numbers import DayNumbers, SignalNumbers, numbers_of
from lumen_assets.report.numbers_ledger import NumbersLedger
from lumen_assets_tests.installation import LAST_DAY, Installation


def day_numbers(day: date, mean: float = 0.01, share: float = 1.0) -> DayNumbers:
    """A day of one signal."""
    target = TargetRange(None, 0.05)
    signal = SignalNumbers("위상차", "", target, "down", 100, mean, mean, mean / 2, mean * 2, share)
    return DayNumbers(day, False, 43_000, 43_200, 1, 60.0, 2, {"crit": 0, "warn": 1, "info": 0}, {"phase_diff": signal})


def earlier(count: int) -> list[date]:
    return [LAST_DAY - timedelta(days=1 + back) for back in range(count)]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A day that is frozen and at a destination outside of its machine; eight days were frozen before it."""
    root = tmp_path_factory.mktemp("frozen")
    copies = "destinations: {a: {type: local, path: ../copies/a}, b: {type: local, path: ../copies/b}}"
    installation = Installation.make(root / "installation", configuration=copies)
    for day in earlier(8):
        installation.workspace.numbers.record(day_numbers(day))
    assert installation.json("daily", "--day", str(LAST_DAY))["archive"]["revision"] == 1
    return installation


@pytest.fixture
def machine(frozen: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(frozen.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def files(installation: Installation) -> dict[str, bytes]:
    folder = installation.home / "controls" / "reports"
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"report_{LAST_DAY}.*"))}


def frozen_again(installation: Installation) -> tuple[int, Any]:
    revision = installation.json("daily", "--day", str(LAST_DAY), "--until", "freeze")["archive"]["revision"]
    report = json.loads(files(installation)[f"report_{LAST_DAY}.json"])
    return revision, [day["day"] for day in report["history"]]


def test_a_report_is_compared_with_the_days_frozen_before_it(frozen: Installation) -> None:
    report = load_report(frozen.settings.reports_folder, LAST_DAY)
    assert [past.day for past in report.history] == sorted(earlier(8))
    assert "unusual_mean" in [finding.kind for finding in report.findings]
    assert frozen.workspace.numbers.between(LAST_DAY, LAST_DAY) == [numbers_of(report)]


def test_days_that_are_frozen_later_change_nothing_of_it(machine: Installation) -> None:
    before = files(machine)
    for day in earlier(12):
        machine.workspace.numbers.record(day_numbers(day, mean=0.02))
    assert frozen_again(machine) == (1, [str(day) for day in sorted(earlier(8))])
    assert files(machine) == before


@pytest.mark.parametrize("lost", ["controls", "day-numbers", ""])
def test_nor_does_a_machine_that_knows_nothing_of_them(machine: Installation, lost: str) -> None:
    before = files(machine)
    shutil.rmtree(machine.home / lost)
    assert frozen_again(machine) == (1, [str(day) for day in sorted(earlier(8))])
    assert files(machine) == before


def test_other_telemetry_is_compared_with_what_is_frozen_by_then(machine: Installation) -> None:
    for day in earlier(9):
        machine.workspace.numbers.record(day_numbers(day))
    metrics = machine.data_root / "logs" / "metrics.csv"
    lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[-2000]
    metrics.write_text("".join(lines), encoding="utf-8")
    assert frozen_again(machine) == (2, [str(day) for day in sorted(earlier(9))])


def test_numbers_are_kept_by_day_and_the_last_ones_hold(tmp_path: Path) -> None:
    ledger = NumbersLedger(tmp_path / "numbers.sqlite")
    assert ledger.history(LAST_DAY) == ()
    for day in [*earlier(40), LAST_DAY]:
        ledger.record(day_numbers(day))
    ledger.record(day_numbers(earlier(1)[0], mean=0.03))
    history = ledger.history(LAST_DAY)
    assert [past.day for past in history] == sorted(earlier(28))
    assert [past.signals["phase_diff"].mean for past in history[-2:]] == [0.01, 0.03]
    assert ledger.between(LAST_DAY, LAST_DAY) == [day_numbers(LAST_DAY)]

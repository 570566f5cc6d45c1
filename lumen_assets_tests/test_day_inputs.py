"""What was read of a day is used again as the day before the next one, and only while its inputs are what they were."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lumen_assets import telemetry
from lumen_assets.report import DayReport, build_report, write_report
from lumen_assets.report.before import DayBefore, before_by_telemetry
from lumen_assets.telemetry import DaySlice, DayTelemetry
from lumen_assets.telemetry.lines import SETTLED
from lumen_assets.telemetry.roots import DataRoot
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

BEFORE = LAST_DAY - timedelta(days=1)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation.make(tmp_path, days=3)
    age(made)
    return made


def age(installation: Installation) -> None:
    """Let the inputs be as old as inputs are that nobody writes to."""
    for path in installation.data_root.rglob("*"):
        if time.time() - path.stat().st_mtime < SETTLED:
            os.utime(path, (time.time() - 60, time.time() - 60))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The days that were read, and those that were described, in order."""
    told: list[str] = []
    real_read, real_describe = telemetry.read_day, telemetry.describe_day

    def read_day(cut: DaySlice, files) -> DayTelemetry:
        told.append(f"read {cut.day}")
        return real_read(cut, files)

    def describe_day(root: DataRoot, day, **options):
        told.append(f"described {day}")
        return real_describe(root, day, **options)

    monkeypatch.setattr(telemetry, "read_day", read_day)
    monkeypatch.setattr(telemetry, "describe_day", describe_day)
    return told


def make(workspace: Workspace, day) -> DayTelemetry:
    """What the steps of a day read; returns the day before."""
    workspace.inputs.read(workspace.inputs.cut(day))
    workspace.inputs.read(workspace.inputs.sliced(day))
    return workspace.inputs.read_day_before(day)


def append_late_row(installation: Installation) -> None:
    with (installation.data_root / "logs" / "metrics.csv").open("a") as file:
        file.write(f"{BEFORE}T12:00:00.123+09:00,0.5,0.5,0.5,0.5,0.5,20.0,false,0.5\n")


def remove_row_of_before(installation: Installation) -> None:
    path = installation.data_root / "logs" / "metrics.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if line.startswith(f"{BEFORE}T12".encode()))
    del lines[number]
    path.write_bytes(b"".join(lines))


def test_a_day_is_read_once_for_itself_and_for_the_next_one(installation: Installation, read: list[str]) -> None:
    workspace = installation.workspace
    make(workspace, BEFORE)
    before = make(workspace, LAST_DAY)
    assert read == [f"read {day}" for day in (BEFORE, BEFORE - timedelta(days=1), LAST_DAY)]
    assert before.day == BEFORE
    assert before.rows.equals(installation.workspace.inputs.read_day_before(LAST_DAY).rows)


def test_inputs_that_grew_are_looked_at_again(installation: Installation, read: list[str]) -> None:
    workspace = installation.workspace
    make(workspace, BEFORE)
    with (installation.data_root / "logs" / "metrics.csv").open("a") as file:
        file.write(f"{LAST_DAY}T23:59:59.999+09:00,0.5,0.5,0.5,0.5,0.5,20.0,false,0.5\n")
    make(workspace, LAST_DAY)
    assert read[2:] == [f"read {LAST_DAY}", f"described {BEFORE}"]  # its part is what it was


def test_the_day_before_is_read_again_where_it_changed(installation: Installation, read: list[str]) -> None:
    workspace = installation.workspace
    make(workspace, BEFORE)
    height = workspace.inputs.read(workspace.inputs.sliced(BEFORE)).rows.height
    remove_row_of_before(installation)
    before = make(workspace, LAST_DAY)
    assert before.rows.height == height - 1
    assert f"described {BEFORE}" in read


def test_a_change_that_times_do_not_show_is_seen_all_the_same(installation: Installation) -> None:
    """The same size, within one tick of the clock: such a file is never trusted by its times."""
    workspace = installation.workspace
    path = installation.data_root / "logs" / "metrics.csv"
    content = path.read_bytes()
    first = f"{BEFORE}T00:00:10.000+09:00".encode()
    assert content.count(first) == 1
    os.utime(path)
    make(workspace, BEFORE)
    status = path.stat()
    path.write_bytes(content.replace(first, first.replace(b"10.000", b"10.001")))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = make(workspace, LAST_DAY)
    assert before.rows["ts"].dt.millisecond().to_list().count(1) == 1


def test_a_described_day_is_what_is_cut(installation: Installation) -> None:
    append_late_row(installation)
    for day in (BEFORE, LAST_DAY, LAST_DAY + timedelta(days=1)):
        assert installation.workspace.inputs.describe(day) == installation.workspace.inputs.cut(day).inputs


def report_of(workspace: Workspace, day: date, before: DayBefore | None) -> DayReport:
    return build_report(workspace.inputs.read(workspace.inputs.cut(day)), before, workspace.settings.configuration)


@pytest.fixture
def reported(installation: Installation) -> Installation:
    """The day before has a report; a rule changes right after midnight."""
    path = installation.data_root / "controls" / "rules_history.jsonl"
    with path.open("a") as file:
        change = {"ts": f"{LAST_DAY}T00:00:10+09:00", "actor": "a", "rule": "r", "old": "1", "new": "2"}
        file.write(json.dumps(change) + "\n")
    age(installation)
    workspace = installation.workspace
    before = report_of(workspace, BEFORE, workspace.inputs.day_before(BEFORE))
    write_report(before, workspace.settings.reports_folder)
    return installation


def test_the_report_of_the_day_before_says_the_same_as_its_telemetry(reported: Installation, read: list[str]) -> None:
    workspace = reported.workspace
    by_telemetry = before_by_telemetry(workspace.inputs.read_day_before(LAST_DAY), workspace.settings.configuration)
    del read[:]
    workspace = reported.workspace
    by_report = workspace.inputs.day_before(LAST_DAY)
    assert read == [f"described {BEFORE}"]
    assert by_telemetry is not None
    assert by_report is not None
    assert by_report.levels == by_telemetry.levels
    assert by_report.levels["phase_diff"].share_on_target is not None
    first, second = (report_of(workspace, LAST_DAY, before) for before in (by_report, by_telemetry))
    assert first == second
    assert f"read {BEFORE}" in read, "for the half minute before midnight"


def test_a_report_of_other_telemetry_or_targets_tells_nothing(reported: Installation, read: list[str]) -> None:
    (reported.root / "lumen.yaml").write_text(
        (reported.root / "lumen.yaml").read_text()
        + "signals: {phase_diff: {label: {ko: 위, en: p}, target: {max: 0.5}, good: down}}\n"
    )
    reported.workspace.inputs.day_before(LAST_DAY)
    assert read == [f"described {BEFORE}", f"read {BEFORE}"]


def test_a_report_from_before_the_telemetry_changed_tells_nothing(reported: Installation, read: list[str]) -> None:
    remove_row_of_before(reported)
    reported.workspace.inputs.day_before(LAST_DAY)
    assert read == [f"described {BEFORE}", f"read {BEFORE}"]


def test_a_slice_that_somebody_wrote_to_is_read_over(installation: Installation) -> None:
    workspace = installation.workspace
    cut = workspace.inputs.cut(BEFORE)
    path = cut.folder / "logs" / "metrics.csv"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert workspace.inputs.sliced(BEFORE) == cut
    assert path.read_bytes() == content, "and cut anew"

"""Rows that arrive for a day that is frozen: seen, told, and a new revision when the day is made again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.definitions import build_defs
from lumen_assets.errors import PermanentError
from lumen_assets.late_data import RECENT, FrozenFrom, FrozenInputs, changed_inputs, days_to_look_at, inputs_of
from lumen_assets.report.files import load_report
from lumen_assets.telemetry.model import InputSlice
from lumen_assets_tests.installation import LAST_DAY, Installation

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(
        tmp_path_factory.mktemp("made"), days=3, configuration="verify: {full_read_days: 1}"
    )
    for offset in range(2):
        installation.json("daily", "--day", str(LAST_DAY - timedelta(days=offset)))
    return installation


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(made.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


def look(installation: Installation, tags: dict[str, str] | None = None) -> dg.AssetCheckEvaluation:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(installation.workspace).resolve_job_def("late_data")
        result = job.execute_in_process(instance=instance, tags=tags)
    (found,) = result.get_asset_check_evaluations()
    assert (found.asset_key, found.check_name) == (dg.AssetKey("archive"), "inputs")
    return found


def late_row(installation: Installation, day: date) -> None:
    """A row of the day, put behind its last one."""
    metrics = installation.data_root / "logs" / "metrics.csv"
    lines = metrics.read_text().splitlines(keepends=True)
    (last,) = [number for number, line in enumerate(lines) if line.startswith(f"{day}")][-1:]
    lines.insert(last + 1, lines[last])
    metrics.write_text("".join(lines))


def test_nothing_changed_is_found_unchanged_though_inputs_that_are_not_of_a_day_did(installation: Installation) -> None:
    (installation.data_root / "gateway_activation.yaml").write_text("phase: another\n")
    with (installation.data_root / "logs" / "metrics.csv").open("a") as file:
        file.write("")
    found = look(installation)
    assert (found.passed, found.metadata["looked_at"].value) == (True, 2)


def append_noon(installation: Installation, day: date) -> int:
    """The rows of the day's noon come as from a logger that was offline: they lie where the file ends. How many."""
    metrics = installation.data_root / "logs" / "metrics.csv"
    lines = metrics.read_text().splitlines(keepends=True)
    noon = [number for number, line in enumerate(lines) if line.startswith(f"{day}T12:")]
    late = lines[noon[0] : noon[-1] + 1]
    metrics.write_text("".join([*lines[: noon[0]], *lines[noon[-1] + 1 :], *late]))
    return len(late)


def findings(made: dict[str, Any], day: date) -> dict[str, str]:
    """The text by kind."""
    return {finding.kind: finding.text for finding in load_report(Path(made["report"]).parent, day).findings}


def test_rows_that_a_logger_appends_days_later_count_in_their_day(tmp_path: Path) -> None:
    """The day is told at once, made again it has them, on any machine, and the day on which they came tells of them."""
    day = LAST_DAY - timedelta(days=1)
    installation = Installation.make(tmp_path / "one", days=3, configuration="verify: {full_read_days: 1}")
    metrics = installation.data_root / "logs" / "metrics.csv"
    whole = metrics.read_bytes()
    late = append_noon(installation, day)
    appended = metrics.read_bytes()
    metrics.write_bytes(b"".join(appended.splitlines(keepends=True)[:-late]))
    for each in (day, LAST_DAY):
        installation.json("daily", "--day", str(each))
    rows = load_report(installation.settings.reports_folder, day).recording.rows
    assert "gaps" in findings(installation.json("daily", "--day", str(day)), day)
    metrics.write_bytes(appended)
    assert look(installation).description == f"{day}: logs/metrics.csv; {LAST_DAY}: logs/metrics.csv"
    made = installation.json("daily", "--day", str(day))
    assert (made["archive"]["revision"], load_report(installation.settings.reports_folder, day).recording.rows) == (
        2,
        rows + late,
    )
    made = installation.json("daily", "--day", str(LAST_DAY))
    assert f"{day} ({late})" in findings(made, LAST_DAY)["late_rows"]
    assert look(installation).passed
    numbers = load_report(installation.settings.reports_folder, day)
    other = Installation.make(tmp_path / "two", days=3)
    (other.data_root / "logs" / "metrics.csv").write_bytes(appended)
    other.json("daily", "--day", str(day))
    assert load_report(other.settings.reports_folder, day) == numbers, (
        "a machine that knows nothing of what came before"
    )
    (other.data_root / "logs" / "metrics.csv").write_bytes(whole)
    other.json("daily", "--day", str(day))
    in_time = load_report(other.settings.reports_folder, day)
    assert in_time.signals == numbers.signals
    assert in_time.recording == numbers.recording


def test_rows_later_than_what_is_looked_for_are_told_until_the_setting_is_raised(tmp_path: Path) -> None:
    day = LAST_DAY - timedelta(days=2)
    installation = Installation.make(tmp_path, days=3)
    append_noon(installation, day)
    settings = tmp_path / "lumen.yaml"
    before = settings.read_text()
    for late_days, kind, there in ((1, "other_days", False), (2, "late_rows", True)):
        settings.write_text(before.replace("sources: {", f"sources: {{late_days: {late_days}, "))
        told = findings(installation.json("daily", "--day", str(LAST_DAY)), LAST_DAY)
        assert str(day) in told[kind]
        assert ("gaps" in findings(installation.json("daily", "--day", str(day)), day)) is not there


def test_rows_that_arrive_late_are_told_until_the_day_is_frozen_again(installation: Installation) -> None:
    day = LAST_DAY - timedelta(days=1)
    late_row(installation, day)
    found = look(installation)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == f"{day}: logs/metrics.csv"
    installation.json("daily", "--day", str(LAST_DAY))  # another day, and what is told of this one
    (incident,) = [one for one in installation.workspace.outbox().open_incidents() if one.kind == "inputs_changed"]
    assert incident.subjects == (str(day),)
    made = installation.json("daily", "--day", str(day))
    assert (made["archive"]["revision"], made["archive"]["created"]) == (2, True)
    assert look(installation).passed
    assert "inputs_changed" not in {one.kind for one in installation.workspace.outbox().open_incidents()}


def test_the_run_of_a_day_repeats_what_is_known(installation: Installation) -> None:
    """A backfill from the UI has the checks in each of its runs."""
    run_of_a_day = {"dagster/partition": str(LAST_DAY)}
    late_row(installation, LAST_DAY)
    assert look(installation, run_of_a_day).passed, "not looked at"
    assert not look(installation).passed
    assert not look(installation, run_of_a_day).passed


TOMORROW = LAST_DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [
        ("controls/other.jsonl", "", '{{"ts": "{}T12:00:00+09:00"}}\n'),
        ("logs/other.csv", "ts,a\n", "{}T12:00:00+09:00,1\n"),
    ],
)
def test_a_file_that_comes_and_goes_is_told_of_the_days_that_it_has_lines_of(
    installation: Installation, name: str, header: str, line: str
) -> None:
    """As one that is begun each month."""
    settings = installation.root / "lumen.yaml"
    settings.write_text(
        settings.read_text().replace("sources: {", "sources: {extra: ['controls/*.jsonl', 'logs/*.csv'], ")
    )
    path = installation.data_root / name
    path.write_text(header + line.format(TOMORROW))
    assert look(installation).passed
    path.write_text(header + line.format(LAST_DAY) + line.format(TOMORROW))
    assert look(installation).description == f"{LAST_DAY}: {name}"
    for offset in range(2):
        installation.json("daily", "--day", str(LAST_DAY - timedelta(days=offset)))
    assert look(installation).passed
    path.unlink()
    assert look(installation).description == f"{LAST_DAY}: {name}"


def test_files_without_timestamps_are_not_compared(installation: Installation) -> None:
    """They are not by day: what is written to one would be told of every day."""
    app = installation.data_root / "controls" / "app.jsonl"
    app.write_text('{"time": "2026-03-09T12:00:00+09:00"}\n')
    assert look(installation).passed
    installation.json("daily", "--day", str(LAST_DAY))
    with app.open("a") as file:
        file.write('{"time": "2026-03-09T12:00:01+09:00"}\n')
    assert look(installation).passed


def test_a_file_that_loses_its_timestamps_is_told_of_the_days_that_had_lines_of_it(installation: Installation) -> None:
    """As one that is emptied by mistake."""
    (installation.data_root / "controls" / "rules_history.jsonl").write_text("")
    assert "controls/rules_history.jsonl" in str(look(installation).description)


def test_an_input_that_is_gone_is_no_longer_what_was_frozen(installation: Installation) -> None:
    names = sorted((installation.data_root / "controls").glob("*.jsonl"))
    assert names
    names[0].unlink()
    assert f"controls/{names[0].name}" in str(look(installation).description)


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 60)), unique_by=lambda item: item[0], min_size=1, max_size=80
    )
)
def test_every_day_is_looked_at_within_the_month_and_recent_ones_each_day(days: list[tuple[int, int]]) -> None:
    today = date(2026, 3, 10)
    known = {
        today - timedelta(days=age): FrozenFrom(today - timedelta(days=age), 1, {}, NOW - timedelta(days=ago), ())
        for age, ago in days
    }
    recent = {day for day in known if today - day <= RECENT}
    seen: set[date] = set()
    for offset in range(MONTH.days):
        chosen = days_to_look_at(known.values(), today, MONTH)
        assert recent <= set(chosen)
        seen |= set(chosen)
        for day in chosen:
            known[day] = FrozenFrom(day, 1, {}, NOW + timedelta(days=offset + 1), ())
    assert seen == known.keys()


def test_an_input_that_appears_empty_is_no_change() -> None:
    assert changed_inputs({"a": "1"}, {"a": "1", "b": ""}) == ()
    assert changed_inputs({"a": "1", "b": ""}, {"a": "1", "b": "2"}) == ("b",)
    assert changed_inputs({"a": "1"}, {}) == ("a",)


def test_a_header_alone_is_nothing_of_the_day_and_was_recorded_by_its_digest_before() -> None:
    header = InputSlice("extra", "a.csv", True, 100, (5, 5), 5, "1", preamble=5)
    lines, gone = replace(header, size=9, sha256="2"), replace(header, present=False)
    nothing, something, absent = (inputs_of([item]) for item in (header, lines, gone))
    assert changed_inputs(nothing, absent) == changed_inputs(absent, nothing) == ()
    assert changed_inputs(nothing, inputs_of([replace(header, size=6, preamble=6, sha256="3")])) == ()
    assert changed_inputs(nothing, something) == changed_inputs(something, nothing) == ("a.csv",)
    assert changed_inputs({"a.csv": "1"}, nothing) == ()
    assert changed_inputs({"a.csv": "2"}, nothing) == ("a.csv",)


def test_a_day_that_was_frozen_again_meanwhile_is_not_spoken_of_by_the_look_before(tmp_path: Path) -> None:
    inputs = FrozenInputs(tmp_path / "inputs.sqlite")
    assert (inputs.known(), inputs.look(LAST_DAY, {"a": "2"}, NOW)) == ((), ())
    inputs.record(LAST_DAY, 1, {"a": "1"}, NOW)
    before = inputs.known

    def frozen_again() -> object:
        known = before()
        inputs.record(LAST_DAY, 2, {"a": "2"}, NOW)
        return known

    inputs.known = frozen_again  # type: ignore[method-assign, assignment]
    assert inputs.look(LAST_DAY, {"a": "2"}, NOW) == ("a",)
    inputs.known = before  # type: ignore[method-assign]
    assert inputs.changed() == {}


def test_a_record_that_is_damaged_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "inputs.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(PermanentError, match="move it away"):
        FrozenInputs(tmp_path / "inputs.sqlite").changed()

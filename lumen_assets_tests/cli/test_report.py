"""``lumen report``: weeks and months without the UI, on the instance that it shows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lumen_assets.days import days_between
from lumen_assets.defs.day_runs import open_instance
from lumen_assets.report.periods import last_over
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.report.period_scenes import MONTH, WEEK, lively_days

SUNDAY = date(2026, 3, 8)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """February and March 2026 were frozen, but for the 4th of March, as ``period_scenes`` has them."""
    made = Installation.make(tmp_path_factory.mktemp("report") / "installation", days=1)
    for numbers in (*lively_days(MONTH.before), *lively_days(MONTH, without=4, shift=0.014)):
        made.workspace.numbers.record(numbers)
    return made


def materialized(installation: Installation, asset: str) -> set[str]:
    with open_instance(installation.workspace) as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


@pytest.mark.parametrize(
    ("kind", "name", "first", "last", "missing", "asset", "before"),
    [
        ("week", "2026-W10", "2026-03-02", "2026-03-08", ["2026-03-04"], "weekly_report", "2026-W09"),
        ("month", "2026-03", "2026-03-01", "2026-03-31", ["2026-03-04"], "monthly_report", "2026-02"),
        ("month", "2026-02", "2026-02-01", "2026-02-28", [], "monthly_report", None),
    ],
)
def test_a_period_is_made_and_the_ui_shows_it(
    installation: Installation,
    kind: str,
    name: str,
    first: str,
    last: str,
    missing: list[str],
    asset: str,
    before: str | None,
) -> None:
    found = installation.json("report", kind, name)
    assert (found["ok"], found["kind"], found["period"], found["first"], found["last"]) == (
        True,
        kind,
        name,
        first,
        last,
    )
    assert (found["missing"], found["compared_with"], found["failures"]) == (missing, before, {})
    base = installation.settings.reports_folder / f"{kind}_{name}"
    assert [Path(found[key]) for key in ("report", "pdf", "numbers")] == [
        base.with_suffix(suffix) for suffix in (".md", ".pdf", ".json")
    ]
    report: dict[str, Any] = json.loads(base.with_suffix(".json").read_text("utf-8"))
    assert found["findings"] == report["findings"]
    assert ("worsened" in [finding["kind"] for finding in found["findings"]]) == (before is not None)
    assert found["days"] == len(report["days"])
    assert first in materialized(installation, asset)
    (run_id,) = found["runs"].values()
    with open_instance(installation.workspace) as instance:
        assert instance.get_run_by_id(run_id).is_success  # type: ignore[union-attr]


def test_people_read_the_files_and_the_findings_the_worst_first(installation: Installation) -> None:
    result = installation.lumen("report", "week", WEEK.name)
    assert result.exit_code == 0, result.output
    base = installation.settings.reports_folder / "week_2026-W10"
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "week           2026-W10, 2026-03-02 to 2026-03-08 KST",
        "days           6 of 7 frozen",
        f"report         {base}.md",
        f"PDF            {base}.pdf",
        f"numbers        {base}.json",
    ]
    assert lines[5] == "✗ 7일 가운데 1일이 동결되지 않았습니다: 2026-03-04."
    assert any(line.startswith("• 위상차가 전주보다 나빠졌습니다: ") for line in lines)
    assert lines[-1] == "2026-W09와 비교했습니다. 그 기간에 동결된 날은 7일입니다."
    assert "✓ weekly_report" in result.stderr


@pytest.mark.parametrize("kind", ["week", "month"])
def test_the_default_is_the_last_one_that_is_over(installation: Installation, kind: Any) -> None:
    asked = last_over(kind, datetime.now(UTC)), last_over(kind, datetime.now(UTC) + timedelta(hours=1))
    found = installation.json("report", kind)
    assert found["period"] in {period.name for period in asked}
    assert [finding["kind"] for finding in found["findings"]] == ["no_days"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["week", "2026-W05"], "the first week is 2026-W06"),
        (["month", "2026-01"], "it is before start_date, 2026-02-03"),
        (["week", "2099-W10"], "it is not over yet in KST"),
        (["month", "2099-03"], "its last day is 2099-03-31"),
        (["week", "2026-03"], "'2026-03' is not a week in the form YYYY-Www"),
        (["month", "2026-W10"], "'2026-W10' is not a month in the form YYYY-MM"),
        (["month", "2026-13"], "'2026-13' is not a month"),
        (["year"], "No such command"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(tmp_path: Path, arguments: list[str], says: str) -> None:
    installation = Installation.make(tmp_path / "i", days=1)
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("start_date: 2026-02-01", "start_date: 2026-02-03"))
    result = installation.lumen("report", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (installation.home / "dagster").exists(), "no instance was asked"


def test_what_failed_is_said(tmp_path: Path) -> None:
    font = tmp_path / "none.ttf"
    font.write_text("no font")
    installation = Installation.make(tmp_path / "i", days=1, configuration=f"report: {{font: {font}}}")
    found = installation.json("report", "week", WEEK.name, exit_code=1)
    assert (found["ok"], found["report"], found["findings"]) == (False, None, [])
    assert "not a TrueType" in found["failures"]["weekly_report"]
    result = installation.lumen("report", "week", WEEK.name)
    assert result.exit_code == 1
    assert "✗ weekly_report: " in result.stdout


def test_from_telemetry_to_the_report_of_a_week(tmp_path: Path) -> None:
    """Four days of a week and four of the one before, frozen for real; the week's numbers are those of its days."""
    installation = Installation.make(tmp_path / "i", days=12, last_day=SUNDAY)
    first, last = date(2026, 2, 26), date(2026, 3, 5)
    assert installation.json("backfill", "--from", str(first), "--to", str(last))["ok"]
    found = installation.json("report", "week", WEEK.name)
    assert (found["compared_with"], found["missing"], found["sample"]) == (
        "2026-W09",
        ["2026-03-06", "2026-03-07", "2026-03-08"],
        True,
    )
    folder = installation.settings.reports_folder
    report = json.loads((folder / "week_2026-W10.json").read_text("utf-8"))
    days = [json.loads((folder / f"report_{day}.json").read_text("utf-8")) for day in days_between(WEEK.first, last)]
    longest = [day["recording"]["longest_gaps"][:1] or [None] for day in days]
    assert [day["longest_gap"] for day in report["days"]] == [gap for (gap,) in longest]
    for signal in report["signals"]:
        of_days = [next(one for one in day["signals"] if one["name"] == signal["name"]) for day in days]
        count = sum(one["values"]["count"] for one in of_days)
        assert (signal["count"], signal["days"]) == (count, 4)
        assert signal["lowest"] == min(one["values"]["minimum"] for one in of_days)
        if signal["target"]:
            on_target = sum(one["share_on_target"] * one["values"]["count"] for one in of_days)
            assert signal["share_on_target"] == pytest.approx(on_target / count)
        assert signal["change"]["days"] == 4

"""Weekly and monthly reports, made by real runs."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pypdf
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from lumen_assets.days import KST, days_between
from lumen_assets.definitions import build_defs
from lumen_assets.defs.periods import is_of_a_period, period_job, period_schedule
from lumen_assets.defs.under_way import runs_under_way
from lumen_assets.report.periods import last_over
from lumen_assets.settings import Schedule
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.test_compared_days import day_numbers

MONDAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Every day of February and March 2026 up to the 15th is frozen, but for Thursday the 5th."""
    made = Installation.make(tmp_path_factory.mktemp("periods") / "installation", days=1)
    numbers = made.workspace.numbers
    for day in days_between(date(2026, 2, 1), date(2026, 3, 15)):
        if day != date(2026, 3, 5):
            numbers.record(day_numbers(day, mean=day.day / 1000, share=1 - day.day / 100))
    return made


def make(installation: Installation, job: str, key: str) -> tuple[dg.ExecuteInProcessResult, Any]:
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(installation.workspace)
            .resolve_job_def(job)
            .execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
        )
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert is_of_a_period(run)
    (made,) = result.get_asset_materialization_events() if result.success else (None,)
    return result, made and made.materialization.metadata


def test_a_week_with_a_day_missing(installation: Installation) -> None:
    report, markdown = made_twice(installation, "weekly", "2026-03-02", "week_2026-W10", missing=["2026-03-05"])
    assert len(report["days"]) == 6
    assert "2026-03-05" in markdown
    (signal,) = report["signals"]
    assert (signal["best"]["day"], signal["worst"]["day"]) == ("2026-03-02", "2026-03-08")
    assert signal["share_on_target"] == pytest.approx(1 - (2 + 3 + 4 + 6 + 7 + 8) / 600)


def test_a_week_is_held_against_the_one_before(installation: Installation) -> None:
    """23 February to 1 March: means 0.023 to 0.028 and 0.001, shares 0.77 to 0.72 and 0.99."""
    report, markdown = made_twice(installation, "weekly", "2026-03-02", "week_2026-W10", missing=["2026-03-05"])
    assert report["before"] == {
        "compared": True,
        "days": 7,
        "period": {"first": "2026-02-23", "kind": "week", "last": "2026-03-01"},
    }
    (signal,) = report["signals"]
    assert (signal["median"], signal["change"]["median"]) == (0.005, 0.025)
    assert signal["change"]["mad"] == pytest.approx(0.002)
    assert signal["change"]["median_improved"]
    assert signal["change"]["share_on_target"] == pytest.approx(1 - (23 + 24 + 25 + 26 + 27 + 28 + 1) / 700)
    assert [finding["kind"] for finding in report["findings"]] == ["missing", "gaps", "risks", "improved"]
    assert "위상차가 전주보다 좋아졌습니다: 하루 평균의 중앙값 0.0250 → 0.0050 (차이 -0.0200, MAD 0.0020)" in markdown
    assert "2026-W09와 비교했습니다" in markdown


def test_a_month(installation: Installation) -> None:
    report, markdown = made_twice(installation, "monthly", "2026-02-01", "month_2026-02", missing=[])
    assert len(report["days"]) == 28
    assert report["before"]["days"] == 0
    assert report["signals"][0]["change"] is None
    assert "앞선 기간 2026-01에 동결된 날이 없어 비교하지 않았습니다." in markdown


def made_twice(
    installation: Installation, job: str, key: str, name: str, *, missing: list[str]
) -> tuple[dict[str, Any], str]:
    """The JSON and the Markdown of a period, whose files are the same when it is made again."""
    _, metadata = make(installation, job, key)
    base = installation.settings.reports_folder / name
    assert metadata["missing"].value == missing
    markdown, pdf = Path(metadata["path"].value), Path(metadata["pdf"].value)
    assert (markdown, pdf) == (base.with_suffix(".md"), base.with_suffix(".pdf"))
    document = pypdf.PdfReader(pdf)
    assert name.split("_")[1] in str(document.metadata and document.metadata.title)
    titles = ["먼저 볼 것", "한눈에 보기", "신호", "날마다의 목표 내 비율", "날마다의 평균", "날짜별", "계산 방법"]
    assert [str(entry.title) for entry in document.outline if "비교" not in str(entry.title)] == titles
    drawn = [f"{name}_-shares-1.svg", f"{name}_phase_diff.svg"]
    assert re.findall(r"!\[.*\]\(assets/(.*)\)", markdown.read_text("utf-8")) == drawn
    files = [
        *(base.with_suffix(suffix) for suffix in (".md", ".pdf", ".json")),
        *(base.parent / "assets" / n for n in drawn),
    ]
    first = [path.read_bytes() for path in files]
    stale = base.parent / "assets" / f"{name}_gone.svg"
    stale.write_text("x")
    make(installation, job, key)
    assert [path.read_bytes() for path in files] == first
    assert not stale.exists()
    report: dict[str, Any] = json.loads(first[2])
    assert metadata["days"].value == len(report["days"])
    assert metadata["findings"].value == [finding["text"] for finding in report["findings"]]
    assert (metadata["numbers"].value, metadata["figures"].value) == (str(files[2]), len(drawn))
    return report, first[0].decode()


def test_the_partitions_are_those_that_are_over(installation: Installation) -> None:
    repository = build_defs(installation.workspace).get_repository_def()
    graph = repository.asset_graph
    weekly = graph.get(dg.AssetKey("weekly_report")).partitions_def
    monthly = graph.get(dg.AssetKey("monthly_report")).partitions_def
    assert weekly is not None
    assert monthly is not None
    now = datetime(2026, 3, 15, 23, 59, tzinfo=KST)
    with dg.partition_loading_context(now):
        assert weekly.get_partition_keys()[0] == "2026-01-26", "the week of start_date"
        assert weekly.get_partition_keys()[-1] == "2026-03-02"
        assert monthly.get_partition_keys() == ["2026-02-01"]
    with dg.partition_loading_context(now + timedelta(minutes=1)):
        assert weekly.get_partition_keys()[-1] == "2026-03-09"


def test_a_period_that_goes_on_has_no_partition(installation: Installation) -> None:
    running = last_over("month", datetime.now(KST)).last + timedelta(days=1)
    with pytest.raises(dg.DagsterUnknownPartitionError):
        make(installation, "monthly", str(running))


@pytest.mark.parametrize(
    ("kind", "at", "tick", "key"),
    [
        ("week", "09:05", datetime(2026, 3, 9, 11, 5, tzinfo=KST), "2026-03-02"),
        ("week", "23:00", datetime(2026, 3, 10, 1, 0, tzinfo=KST), "2026-03-02"),
        ("month", "09:05", datetime(2026, 3, 1, 11, 5, tzinfo=KST), "2026-02-01"),
        ("month", "23:00", datetime(2026, 3, 2, 1, 0, tzinfo=KST), "2026-02-01"),
    ],
)
def test_the_schedules_ask_after_the_daily_run_of_the_last_day(kind: Any, at: str, tick: datetime, key: str) -> None:
    schedule = period_schedule(kind, Schedule(at=at), period_job(kind))
    assert schedule.execution_timezone == "Asia/Seoul"
    ticks = schedule_execution_time_iterator(
        (tick - timedelta(hours=1)).timestamp(), str(schedule.cron_schedule), "Asia/Seoul"
    )
    assert next(ticks) == tick
    request = schedule(dg.build_schedule_context(scheduled_execution_time=tick))
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == (key, key)


def test_a_run_of_a_week_is_none_of_its_monday(installation: Installation) -> None:
    """Else the day would count as under way, and a failed week as a failed attempt at it."""
    job = build_defs(installation.workspace).resolve_job_def("weekly")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(job, tags={"dagster/partition": str(MONDAY)})
        assert not run.is_finished
        assert runs_under_way(instance) == {}

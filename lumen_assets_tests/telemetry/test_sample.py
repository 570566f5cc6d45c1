"""Sample data: deterministic, append-only, consistent in itself, and marked in every file."""

from __future__ import annotations

import multiprocessing
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.telemetry import DayTelemetry, TelemetryFile, cut_day, ensure_sample, read_day, write_sample
from lumen_assets.telemetry.model import SAMPLE_MARK
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets.telemetry.sample import is_sample_file
from lumen_assets.telemetry.sample_plan import plan_day

LAST = date(2025, 11, 22)
EXTRA = ("gateway_activation.yaml", "controls/*.jsonl", "logs/rules_effects.csv")
KINDS = {
    "bad_number",
    "bad_timestamp",
    "blank",
    "duplicate_timestamp",
    "other_day",
    "repeated_header",
    "torn",
}


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def read(root: Path, day: date) -> DayTelemetry:
    files = [TelemetryFile("logs/metrics.csv")]
    return read_day(cut_day(FolderRoot(root), day, root.parent / f"{day}", telemetry=files, extra=EXTRA), files)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Three days at 5 Hz."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    assert ensure_sample(folder, last_day=LAST) == tuple(LAST - timedelta(days=n) for n in (2, 1, 0))
    return folder


def test_writing_in_one_go_or_day_by_day_gives_the_same_bytes(tmp_path):
    write_sample(tmp_path / "a", last_day=LAST, days=4, rate_hz=0.5)
    for day in (3, 2, 2, 1, 0):
        ensure_sample(tmp_path / "b", last_day=LAST - timedelta(days=day), days=1, rate_hz=0.5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert write_sample(tmp_path / "a", last_day=LAST, days=9, rate_hz=0.5) == ()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    write_sample(tmp_path / "c", last_day=LAST, days=4, rate_hz=0.5, seed=1)
    assert contents(tmp_path / "c") != contents(tmp_path / "a")


def test_what_somebody_appended_stays(tmp_path):
    ensure_sample(tmp_path, last_day=LAST, days=1, rate_hz=0.1)
    path = tmp_path / "logs/metrics.csv"
    with path.open("ab") as file:
        file.write(b"2025-11-22T23:59:59")
    before = path.read_bytes()
    ensure_sample(tmp_path, last_day=LAST + timedelta(days=1), days=2, rate_hz=0.1)
    assert path.read_bytes().startswith(before + b"\n2025-11-23T00:00:00.000+09:00,")


def _ensure(root: Path) -> None:
    ensure_sample(root, last_day=LAST, days=2, rate_hz=0.5)


def test_two_at_once_write_each_day_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_ensure, args=(tmp_path / "a",)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    _ensure(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_every_file_says_that_it_is_sample_data(root):
    assert len(contents(root)) == 6
    for name, content in contents(root).items():
        lines = content.decode().splitlines()
        if name.endswith(".jsonl"):
            assert all('"sample": true' in line for line in lines if line.endswith("}"))
        else:
            assert SAMPLE_MARK in lines[0]
        assert is_sample_file(root / name)


@pytest.mark.parametrize("back", [0, 1, 2])
def test_a_day_has_its_rows_and_the_dirt_of_real_files(root, back):
    day = LAST - timedelta(days=back)
    found = read(root, day)
    silence = plan_day(20251023, day).silence
    assert found.rows.height == 432_000 - (round((silence[1] - silence[0]) * 5) if silence else 0)
    assert found.sample
    assert found.gateway_status == "resonating"
    metrics = next(item for item in found.inputs if item.role == "telemetry")
    assert set(metrics.rejected) == KINDS
    assert set(metrics.notes) == {"clock_backwards", "empty_cells", "nan_cells"}
    assert found.rows["ts"].is_sorted()
    assert found.rows["ts"].is_unique().all()
    assert 3 <= len(found.rule_changes) <= 6
    assert found.quotes
    assert found.risks


def test_recorded_effects_are_those_that_the_rows_show(root):
    found = read(root, LAST)
    columns = {"phase": "phase_diff", "entropy": "entropy_rate", "creative": "creative_band", "risk": "risk_band"}
    for change, effect in zip(found.rule_changes, found.effects, strict=True):
        assert (change.at, change.rule, change.old, change.new) == (effect.at, effect.rule, effect.old, effect.new)
        since = (pl.col("ts") - pl.lit(change.at).dt.convert_time_zone("UTC")).dt.total_microseconds() / 1e6
        for name, column in columns.items():
            before, after = (found.rows.filter(since.is_between(*w))[column].mean() for w in ((-30, -1), (1, 30)))
            assert effect.deltas[name] == pytest.approx(after - before, abs=1e-5)
        planned = next(c for c in plan_day(20251023, LAST).changes if c.rule == change.rule)
        largest = max(planned.effects, key=lambda signal: abs(planned.effects[signal]))
        short = next(name for name, column in columns.items() if column == largest)
        assert abs(effect.deltas[short]) > 0.006


def test_at_a_low_rate_effects_are_not_measured(tmp_path):
    ensure_sample(tmp_path, last_day=LAST, days=1, rate_hz=0.2)
    found = read(tmp_path, LAST)
    assert found.rows.height > 17_000
    assert all(delta is None for effect in found.effects for delta in effect.deltas.values())


@pytest.mark.parametrize("name", ["logs/metrics.csv", "controls/quotes_bank.jsonl", "gateway_activation.yaml"])
def test_a_data_root_in_use_is_refused(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"ts": "2025-11-22T00:00:00+09:00"}\n' if name.endswith("jsonl") else "gateway: x\nts,a\n")
    with pytest.raises(PermanentError, match=name.replace(".", r"\.")):
        ensure_sample(tmp_path, last_day=LAST)
    assert list(contents(tmp_path)) == [name]

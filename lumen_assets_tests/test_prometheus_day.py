"""A day from a Prometheus, the whole way: reported, frozen, kept when the server forgets, made again without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from lumen_assets.days import day_bounds
from lumen_assets.errors import PermanentError
from lumen_assets.telemetry import write_sample
from lumen_assets_tests.installation import LAST_DAY, RATE_HZ, Installation
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.prometheus_server import fill, running_prometheus

START = int(day_bounds(LAST_DAY)[0].timestamp())
GAP = range(600, 640)
MINUTES = [minute for minute in range(1440) if minute not in GAP]
ONLY_UP = LAST_DAY - timedelta(days=3)
MORNING = "and on() (hour() < 6)"


def phase(minute: int) -> float:
    return round(0.02 + minute % 11 * 0.004, 6)


def samples() -> Iterator[str]:
    yield "# TYPE lumen_phase_diff gauge"
    yield from (f"lumen_phase_diff {phase(n)} {START + 60 * n}" for n in MINUTES)
    yield "# TYPE lumen_events counter"
    yield from (f"lumen_events_total {n if n < 700 else n - 700} {START + 60 * n}" for n in range(1440))
    yield "# TYPE up gauge"
    yield from (f"up 1 {int(day_bounds(ONLY_UP)[0].timestamp()) + 300 * n}" for n in range(288))
    yield f"up 1 {START + 60 * 86400}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prometheus") / "data"
    fill(folder, samples())
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, port: int) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installation"))
    write_sample(made.data_root, last_day=LAST_DAY, days=1, rate_hz=RATE_HZ)
    configure(made, port)
    return made


def configure(installation: Installation, port: int, suffix: str = "", **queries: str) -> None:
    queries = queries or {
        "phase_diff": f"last_over_time(lumen_phase_diff[30s]) {suffix}",
        "events": f"rate(lumen_events_total[5m]) {suffix}",
    }
    telemetry = {"type": "prometheus", "url": f"http://127.0.0.1:{port}", "queries": queries, "step": "1m"}
    signals = {"phase_diff": {"label": {"ko": "위상차", "en": "phase difference"}, "target": {"max": 0.05}}}
    settings = {"start_date": "2026-02-01", "sources": {"telemetry": telemetry}, "signals": signals}
    (installation.root / "lumen.yaml").write_text(json.dumps({**settings, "catch_up": {"enabled": False}}))


def model_of(made: dict[str, Any]) -> dict[str, Any]:
    model = json.loads(Path(made["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    assert isinstance(model, dict)
    return model


def telemetry_of(model: dict[str, Any]) -> dict[str, Any]:
    [item] = [item for item in model["inputs"] if item["role"] == "telemetry"]
    assert isinstance(item, dict)
    return item


def test_a_day_from_a_server_until_long_after_it_forgot_it(
    installation: Installation, data: Path, port: int, tmp_path: Path
) -> None:
    with running_prometheus(data, port=port):
        made = installation.json("daily", "--day", str(LAST_DAY))
        assert made["attestation"]["ok"]
        _is_the_day_that_the_server_has(model_of(made))
        _says_what_was_asked(model_of(made), port)
        inputs = installation.workspace.inputs
        [again] = [item for item in inputs.cut(LAST_DAY).inputs if item.role == "telemetry"]
        assert again.sha256 == telemetry_of(model_of(made))["sha256"]
        assert inputs.read(inputs.cut(ONLY_UP)).rows.height == 0, "the server was there, and had nothing of it"
        _less_of_it_is_refused(installation, port)
        assert installation.workspace.look_for_late_data() == 1
        assert installation.workspace.frozen_inputs.changed() == {}
        [seen] = [item for item in installation.json("doctor")["findings"] if item["name"] == "inputs"]
        assert seen["detail"] == f"Prometheus at http://127.0.0.1:{port}: 2 signals, no value now of phase_diff, events"
    with running_prometheus(data, port=port, keeps="15d"):
        failed = installation.lumen("daily", "--day", str(LAST_DAY))
        assert failed.exit_code == 1
        said = " ".join(failed.output.split())
        assert "it has 0.0% of the day now, and 100.0% of it is frozen, which stays as it is" in said
        with pytest.raises(PermanentError, match="it has nothing of the day"):
            installation.workspace.inputs.cut(LAST_DAY - timedelta(days=1))
    assert installation.json("verify", str(LAST_DAY))["ok"]
    _is_made_again_from_its_archive(installation, Path(made["report"]), tmp_path)


def test_a_signal_that_is_zero_where_there_is_nothing_hides_no_loss(tmp_path: Path, port: int) -> None:
    """``… or vector(0)`` has a value at every step of a day of which the server knows nothing, too."""
    installation, day = Installation(tmp_path / "installation"), str(LAST_DAY)
    installation.data_root.mkdir(parents=True)
    zero = "sum(increase(lumen_events_total[5m])) or vector(0)"
    phase_diff = "last_over_time(lumen_phase_diff[30s])"

    def says(**queries: str) -> str:
        configure(installation, port, **queries)
        failed = installation.lumen("daily", "--day", day)
        assert failed.exit_code == 1, failed.output
        assert f"`lumen daily --day {day} --fewer-rows`" in " ".join(failed.output.split())
        return " ".join(failed.output.split())

    fill(tmp_path / "prometheus" / "data", samples())
    with running_prometheus(tmp_path / "prometheus" / "data", port=port):
        configure(installation, port, phase_diff=phase_diff, zero=zero)
        made = installation.json("daily", "--day", day)
        assert model_of(made)["recording"]["coverage"] == 1
        share = len(MINUTES) / 1440
        lost = f"phase_diff has values for {share - 0.75:.1%} of the day now, and {share:.1%} of it are frozen"
        assert lost in says(phase_diff=f"{phase_diff} {MORNING}", zero=zero)
        assert "phase_diff has values for 0.0% of the day now" in says(phase_diff="nothing", zero=zero)
        assert "phase_diff: frozen of the day, and asked for no more" in says(phase=phase_diff, zero=zero)
        made = installation.json("daily", "--day", day, "--fewer-rows")
        assert (made["archive"]["revision"], made["attestation"]["ok"]) == (2, True)
    with running_prometheus(tmp_path / "prometheus" / "data", port=port, keeps="15d"):
        assert "it has nothing of the day" in says(phase=phase_diff, zero=zero)
        assert "it has nothing of the day" in says(zero=zero, phase="vector(1)")
        with pytest.raises(PermanentError, match="it has nothing of the day"):
            installation.workspace.inputs.cut(LAST_DAY - timedelta(days=1))
    assert installation.json("verify", day)["ok"]


def _is_the_day_that_the_server_has(model: dict[str, Any]) -> None:
    phase_diff, events = model["signals"]
    assert (phase_diff["name"], events["name"]) == ("phase_diff", "events")
    assert phase_diff["values"]["count"] == len(MINUTES)
    assert phase_diff["values"]["mean"] == pytest.approx(fmean(phase(minute) for minute in MINUTES))
    assert (events["values"]["count"], events["values"]["minimum"] >= 0) == (1439, True), "a rate needs two values"
    assert events["values"]["mean"] == pytest.approx(1 / 60, rel=0.01)
    item = telemetry_of(model)
    assert (item["name"], item["rows"], item["rejected"]) == ("logs/prometheus.csv", 1440, {})
    assert item["notes"] == {"empty_cells": len(GAP) + 1}
    assert model["rule_effects"], "the ledgers are those of the data root"


def _says_what_was_asked(model: dict[str, Any], port: int) -> None:
    [source] = model["sources"]
    assert (source["file"], source["server"], source["step"]) == (
        "logs/prometheus.csv",
        f"http://127.0.0.1:{port}",
        "1m",
    )
    assert {query["signal"]: query["expression"] for query in source["queries"]} == {
        "phase_diff": "last_over_time(lumen_phase_diff[30s])",
        "events": "rate(lumen_events_total[5m])",
    }


def _less_of_it_is_refused(installation: Installation, port: int) -> None:
    configure(installation, port, MORNING)
    with pytest.raises(PermanentError, match=r"it has 25\.0% of the day now, and 100\.0% of it is frozen"):
        installation.workspace.inputs.cut(LAST_DAY)
    configure(installation, port)


def _is_made_again_from_its_archive(installation: Installation, report: Path, tmp_path: Path) -> None:
    installation.json("restore", str(LAST_DAY), "--to", tmp_path / "restored")
    [configuration] = (tmp_path / "restored").rglob("configuration/lumen.yaml")
    environment = {
        "LUMEN_DATA_ROOT": str(configuration.parents[1]),
        "LUMEN_CONFIG": str(configuration),
        "LUMEN_HOME": str(tmp_path / "elsewhere"),
    }
    again = installation.json("daily", "--day", str(LAST_DAY), "--until", "report", **environment)
    assert Path(again["report"]).read_bytes() == report.read_bytes()
    text = (configuration.parents[1] / "logs" / "prometheus.csv").read_text(encoding="utf-8")
    assert "# events = rate(lumen_events_total[5m])\nts,phase_diff,events\n" in text
    assert "127.0.0.1" not in configuration.read_text(encoding="utf-8")

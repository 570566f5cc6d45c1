"""A day from two CSV files and a Prometheus at once: each with its own rate, all in one report and archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance

from lumen_assets.days import day_bounds
from lumen_assets.errors import LumenError, PermanentError, SettingsError
from lumen_assets.report.files import load_report
from lumen_assets.telemetry import write_sample
from lumen_assets_tests.installation import LAST_DAY, RATE_HZ, Installation
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.prometheus_server import fill, running_prometheus

BEFORE = LAST_DAY - timedelta(days=1)
DAYS = (BEFORE, LAST_DAY)
GAP = range(700, 730)
BOILER = "logs/boiler.csv"


def load(day: date, minute: int) -> float:
    return round(0.25 + minute % 7 * 0.125 + DAYS.index(day), 3)


def boiler(day: date, minute: int) -> float:
    return 70 + minute % 5 + 2 * DAYS.index(day)


def boiler_lines() -> Iterator[str]:
    yield "time,boiler_c,phase_diff"
    for day in DAYS:
        for minute in range(1440):
            if day == BEFORE or minute not in GAP:
                moment = day_bounds(day)[0] + timedelta(minutes=minute)
                yield f"{moment.isoformat()},{boiler(day, minute)},{minute}"


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prometheus") / "data"
    moments = [(day, n, int(day_bounds(day)[0].timestamp()) + 60 * n) for day in DAYS for n in range(1440)]
    lines = [f"machine_load {load(day, n)} {moment}" for day, n, moment in moments]
    fill(folder, ["# TYPE machine_load gauge", *lines, "# TYPE up gauge", f"up 1 {moments[-1][2] + 60 * 86400}"])
    return folder


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, port: int) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installation"))
    write_sample(made.data_root, last_day=LAST_DAY, days=2, rate_hz=RATE_HZ)
    (made.data_root / BOILER).write_text("".join(f"{line}\n" for line in boiler_lines()))
    configure(made, port)
    return made


def configure(installation: Installation, port: int, **beside: object) -> None:
    queries = {"load": "last_over_time(machine_load[30s])"}
    server = {"type": "prometheus", "url": f"http://127.0.0.1:{port}", "queries": queries, "step": "1m"}
    plant = {"path": BOILER, "timestamp": "time", "rate_hz": 1 / 60, "min_coverage": 0.99}
    label = {"ko": "보일러 온도", "en": "boiler temperature"}
    settings = {
        "start_date": "2026-02-01",
        "catch_up": {"enabled": False},
        "sources": {"telemetry": {"rate_hz": RATE_HZ}, "beside": {"plant": plant, "machine": server, **beside}},
        "signals": {"plant.boiler_c": {"label": label, "unit": "°C", "target": {"min": 60, "max": 80}}},
        "report": {"language": "en"},
    }
    (installation.root / "lumen.yaml").write_text(json.dumps(settings))


def by_name(model: dict[str, Any]) -> dict[str, Any]:
    return {signal["name"]: signal for signal in model["signals"]}


def test_two_files_and_a_server_are_one_day(
    installation: Installation, data: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_prometheus(data, port=port):
        installation.json("daily", "--day", str(BEFORE))
        made = installation.json("daily", "--day", str(LAST_DAY))
        assert made["attestation"]["ok"]
        report = Path(made["report"])
        model = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
        _has_all_signals(model)
        _tells_of_the_gap_of_one(model, report.read_text(encoding="utf-8"))
        _the_check_warns_of_it(installation, monkeypatch)
        [seen] = [item for item in installation.json("doctor")["findings"] if item["name"] == "inputs"]
        assert seen["detail"].count("bytes, last written") == 2
        assert f"Prometheus at http://127.0.0.1:{port}: 1 signal" in seen["detail"]
        _the_same_without_the_report_of_the_day_before(installation, tmp_path / "fresh", report)
        _late_rows_are_found_in_the_files_alone(installation)
    with running_prometheus(data, port=port, keeps="15d"):
        inputs = installation.workspace.inputs
        with pytest.raises(PermanentError, match=r"it has 0\.0% of the day now, and 100\.0% of it is frozen"):
            inputs.cut(LAST_DAY)
        younger = inputs.read(inputs.cut(BEFORE - timedelta(days=1)))
        assert [rows.height for rows in younger.beside] == [0, 0], "a day before the server was set up"
    _is_made_again_from_its_archive(installation, report, tmp_path)


def _has_all_signals(model: dict[str, Any]) -> None:
    signals, minutes = by_name(model), [n for n in range(1440) if n not in GAP]
    assert next(iter(signals)) == "plant.boiler_c", "what is configured comes first"
    assert list(signals)[-2:] == ["plant.phase_diff", "machine.load"]
    temperature, of_plant, of_machine = signals["plant.boiler_c"], signals["plant.phase_diff"], signals["machine.load"]
    assert (temperature["label"], temperature["share_on_target"]) == ("boiler temperature", 1)
    assert temperature["values"]["mean"] == pytest.approx(fmean(boiler(LAST_DAY, n) for n in minutes))
    assert temperature["coverage"] == of_plant["coverage"] == pytest.approx(len(minutes) / 1440)
    assert temperature["mean_change"] == pytest.approx(
        fmean(boiler(LAST_DAY, n) for n in minutes) - fmean(boiler(BEFORE, n) for n in range(1440))
    )
    assert of_plant["values"]["maximum"] == 1439, "not that of the other file"
    assert (of_machine["values"]["count"], of_machine["coverage"]) == (1440, 1)
    assert of_machine["mean_change"] == pytest.approx(1)
    assert signals["phase_diff"]["values"]["count"] > 1440
    assert model["recording"]["rate_hz"] == RATE_HZ
    measured = model["rule_effects"][0]["measured"]
    assert list(measured) == [*sorted(signals)], "of all signals, those too slow for it included"
    assert measured["machine.load"] is None
    roles = {item["name"]: item["role"] for item in model["inputs"]}
    telemetry = [name for name, role in roles.items() if role == "telemetry"]
    assert telemetry == ["logs/boiler.csv", "logs/metrics.csv", "logs/prometheus/machine.csv"]


def _tells_of_the_gap_of_one(model: dict[str, Any], text: str) -> None:
    plant, machine = model["beside"]["plant"], model["beside"]["machine"]
    assert (plant["rows"], plant["gap_count"], plant["silent_seconds"]) == (1410, 1, 31 * 60)
    assert (machine["rows"], machine["gap_count"], machine["coverage"]) == (1440, 0, 1)
    [told] = [finding["text"] for finding in model["findings"] if finding["kind"] == "beside"]
    assert told == "Coverage of plant, which is read beside the record: 97.9%. Silences: 1 (31 min in all)."
    assert "| plant | 1,410 of 1,440" in text
    assert "| machine | 1,440 of 1,440" in text


def _the_check_warns_of_it(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(installation.home / "dagster"))
    with DagsterInstance.get() as instance:
        entries = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    found = [entry.asset_check_evaluation for entry in entries]
    newest = next(one for one in found if one is not None and one.check_name == "coverage")
    assert newest.passed is False
    assert "plant: 1,410 of 1,440 rows, 97.9%; 99% are expected at least" in (newest.description or "")
    assert "machine: 1,440 of 1,440 rows, 100.0%" in (newest.description or "")


def _the_same_without_the_report_of_the_day_before(installation: Installation, home: Path, report: Path) -> None:
    """The day before is read from the inputs then, those of the server included."""
    again = installation.json("daily", "--day", str(LAST_DAY), "--until", "report", LUMEN_HOME=str(home))
    assert Path(again["report"]).read_bytes() == report.read_bytes()


def _late_rows_are_found_in_the_files_alone(installation: Installation) -> None:
    assert _changed(installation) == {}
    path = installation.data_root / BOILER
    content = path.read_text()
    path.write_text(content + f"{LAST_DAY}T23:59:30+09:00,71,5\n")
    assert _changed(installation) == {LAST_DAY: (BOILER,)}
    path.write_text(content)
    assert _changed(installation) == {}


def _changed(installation: Installation) -> dict[date, tuple[str, ...]]:
    workspace = installation.workspace
    for _ in DAYS:
        assert workspace.look_for_late_data() == 1, "of days as old as these"
    return workspace.frozen_inputs.changed()


def _is_made_again_from_its_archive(installation: Installation, report: Path, tmp_path: Path) -> None:
    installation.json("restore", str(LAST_DAY), "--to", tmp_path / "restored")
    [configuration] = (tmp_path / "restored").rglob("configuration/lumen.yaml")
    sources = yaml.safe_load(configuration.read_text(encoding="utf-8"))["sources"]["beside"]
    assert [source["type"] for source in sources.values()] == ["csv", "csv"]
    assert "127.0.0.1" not in configuration.read_text(encoding="utf-8")
    environment = {
        "LUMEN_DATA_ROOT": str(configuration.parents[1]),
        "LUMEN_CONFIG": str(configuration),
        "LUMEN_HOME": str(tmp_path / "elsewhere"),
    }
    again = installation.json("daily", "--day", str(LAST_DAY), "--until", "report", **environment)
    made, frozen = (load_report(Path(path).parent, LAST_DAY) for path in (again["report"], report))
    assert [(one.name, one.values, one.curve) for one in made.signals] == [
        (one.name, one.values, one.curve) for one in frozen.signals
    ]
    assert (made.recording, made.beside) == (frozen.recording, frozen.beside)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=1)
    configure(installation, 1)
    settings = json.loads((tmp_path / "lumen.yaml").read_text())
    del settings["sources"]["beside"]["machine"]
    (tmp_path / "lumen.yaml").write_text(json.dumps(settings))
    with pytest.raises(LumenError, match=r"boiler\.csv: there is no such file"):
        installation.workspace.inputs.cut(LAST_DAY)
    doctor = installation.lumen("doctor")
    assert "there is no" in doctor.output
    assert "sources.beside.plant.path" in " ".join(doctor.output.split())


def test_a_day_of_which_only_what_is_beside_has_rows_is_not_empty(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=1)
    (installation.data_root / BOILER).write_text("".join(f"{line}\n" for line in boiler_lines()))
    configure(installation, 1)
    settings = json.loads((tmp_path / "lumen.yaml").read_text())
    del settings["sources"]["beside"]["machine"]
    (tmp_path / "lumen.yaml").write_text(json.dumps(settings))
    (installation.data_root / "logs" / "metrics.csv").write_text("ts,phase_diff\n")
    made = installation.json("daily", "--day", str(BEFORE), "--until", "report")
    model = json.loads(Path(made["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    kinds = [finding["kind"] for finding in model["findings"]]
    assert "gaps" in kinds
    assert "empty" not in kinds
    assert by_name(model)["plant.boiler_c"]["values"]["count"] == 1440


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"Plant 2": {"path": "b.csv"}}, "a name is made of a-z"),
        ({"again": {"path": "logs/metrics.csv"}}, "logs/metrics.csv is read twice"),
        ({"again": {"path": f"./{BOILER}"}}, f"{BOILER} is read twice"),
        ({"other": {"type": "prometheus", "url": "http://elsewhere:9090", "queries": {"a": "b"}}}, "the same url"),
        ({"odd": {"type": "excel"}}, "sources.beside.odd.type: there is no such type"),
        ({"odd": {"path": "a.csv", "rate": 1}}, "sources.beside.odd.rate: there is no such setting"),
    ],
)
def test_sources_that_cannot_be_read_side_by_side_are_refused(
    tmp_path: Path, beside: dict[str, object], said: str
) -> None:
    installation = Installation(tmp_path)
    installation.data_root.mkdir()
    configure(installation, 1, **beside)
    with pytest.raises(SettingsError) as caught:
        _ = installation.settings
    assert said in str(caught.value)


def test_two_signals_of_one_name_are_told(tmp_path: Path) -> None:
    """A column of the first file may be called as one of the second is."""
    installation = Installation.make(tmp_path, days=1)
    (installation.data_root / "logs" / "b.csv").write_text(f"ts,a\n{LAST_DAY}T12:00:00+09:00,1\n")
    (installation.data_root / "logs" / "metrics.csv").write_text(f"ts,b.a\n{LAST_DAY}T12:00:00+09:00,1\n")
    settings = {"start_date": "2026-02-01", "sources": {"beside": {"b": {"path": "logs/b.csv"}}}}
    (tmp_path / "lumen.yaml").write_text(json.dumps(settings))
    failed = installation.lumen("daily", "--day", str(LAST_DAY), "--until", "report")
    assert failed.exit_code == 1
    assert "two sources have a signal called b.a" in " ".join(failed.output.split())

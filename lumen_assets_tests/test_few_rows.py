"""A day that was frozen with few rows, or none, is safe, and is not taken for a good one."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from lumen_assets.days import yesterday
from lumen_assets.health.vitals import vitals
from lumen_assets_tests.alerting.receiver import server
from lumen_assets_tests.installation import LAST_DAY, RATE_HZ, Installation

ALERTS = "alerts: {group_wait_seconds: 0, deadline: '12:00', daily_summary: false}"


def keep_rows(installation: Installation, day: date, share: float) -> None:
    """Leave so many of the day's rows, the first ones."""
    metrics = installation.data_root / "logs" / "metrics.csv"
    lines = metrics.read_text().splitlines(keepends=True)
    of_day = [number for number, line in enumerate(lines) if line.startswith(f"{day}T")]
    gone = set(of_day[round(len(of_day) * share) :])
    metrics.write_text("".join(line for number, line in enumerate(lines) if number not in gone))


@pytest.mark.parametrize(("share", "says", "severity"), [(0.4, "has 40.", "warning"), (0.0, "has no rows", "critical")])
def test_it_is_told_once_and_seen_wherever_a_day_is_looked_at(
    tmp_path: Path, share: float, says: str, severity: str
) -> None:
    day = yesterday()
    before = day - timedelta(days=1)
    installation = Installation.make(tmp_path, last_day=day, days=2, configuration=ALERTS)
    text = (tmp_path / "lumen.yaml").read_text()
    (tmp_path / "lumen.yaml").write_text(text.replace("start_date: 2026-02-01", f"start_date: {before}"))
    keep_rows(installation, day, share)
    with server() as receiver:
        environment = {"LUMEN_ALERT_URL": receiver.url}
        found = installation.json("backfill", "--workers", "1", **environment)
        assert found["ok"], "it is frozen, and its replicas are good"
        assert list(found["few_rows"]) == [str(day)]
        assert found["few_rows"][str(day)] == pytest.approx(share, abs=0.01)
        told = [request.body.decode() for request in receiver.received]
        installation.json("verify", str(day), **environment)
        assert len(receiver.received) == len(told)
    (alert,) = [one for one in told if says in one]
    assert severity in alert
    assert str(before) not in alert
    status = installation.json("status")
    assert [status["days"][str(each)]["few_rows"] for each in (before, day)] == [False, True]
    assert f"1 of 2 days have few rows: {day}" in installation.lumen("status").stdout
    assert vitals(installation.workspace).days_few_rows == 1


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_what_is_frozen_never_gives_way_to_fewer_rows(tmp_path: Path, share: float) -> None:
    installation = Installation.make(tmp_path, days=2)
    day = LAST_DAY - timedelta(days=1)
    for each in (day, LAST_DAY):
        installation.json("daily", "--day", str(each))
    keep_rows(installation, day, share)
    failed = installation.lumen("daily", "--day", str(day))
    said = " ".join(failed.output.split())
    assert failed.exit_code == 1
    assert f"it has {share * 8640:,.0f} rows of the day now, and 8,640 are frozen" in said
    assert "Trying again does not help." in said
    assert not list((installation.home / "slices").glob(f"{day}*")), "nobody goes on with what was cut"
    archived = installation.json("verify", str(day))
    assert (archived["ok"], {item["revision"] for item in archived["verdicts"]}) == (True, {1})
    made = installation.json("daily", "--day", str(day), "--fewer-rows")
    assert (made["archive"]["revision"], made["attestation"]["ok"]) == (2, True)


def test_nor_to_a_column_without_its_values(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=2)
    for each in (LAST_DAY - timedelta(days=1), LAST_DAY):
        installation.json("daily", "--day", str(each))
    metrics = installation.data_root / "logs" / "metrics.csv"
    header, *lines = metrics.read_text().splitlines(keepends=True)
    while header.startswith("#"):
        header, *lines = lines
    column = header.strip().split(",").index("entropy_rate")
    kept = [line.split(",") for line in lines]
    whole = [",".join(cells) for cells in kept]
    metrics.write_text(header.replace("entropy_rate", "entropy") + "".join(whole))
    failed = installation.lumen("daily", "--day", str(LAST_DAY))
    said = " ".join(failed.output.split())
    frozen = re.search(r"entropy_rate has 0 values of the day now, and (8,\d\d\d) are frozen, which stay", said)
    assert frozen
    for cells in kept:
        if len(cells) > column and cells[0].startswith(f"{LAST_DAY}T1"):
            cells[column] = ""
    metrics.write_text(header + "".join(",".join(cells) for cells in kept))
    failed = installation.lumen("daily", "--day", str(LAST_DAY))
    assert failed.exit_code == 1
    said = " ".join(failed.output.split())
    assert re.search(rf"entropy_rate has 4,\d\d\d values of the day now, and {frozen[1]} are frozen", said)
    assert {item["revision"] for item in installation.json("verify", str(LAST_DAY))["verdicts"]} == {1}
    made = installation.json("daily", "--day", str(LAST_DAY), "--fewer-rows")
    assert made["archive"]["revision"] == 2


def test_nor_to_a_day_without_one_of_its_sources(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=2)
    configuration = tmp_path / "lumen.yaml"
    beside = "sources: {beside: {plant: {path: logs/plant.csv, rate_hz: 0.01}}, "
    configuration.write_text(configuration.read_text().replace("sources: {", beside))
    rows = "".join(f"{LAST_DAY}T{hour:02}:00:00+09:00,{hour}\n" for hour in range(24))
    (installation.data_root / "logs" / "plant.csv").write_text(f"ts,boiler_c\n{rows}")
    installation.json("daily", "--day", str(LAST_DAY))
    metrics = installation.data_root / "logs" / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("entropy_rate", "plant.entropy"))  # no column of the plant's
    installation.json("daily", "--day", str(LAST_DAY), "--fewer-rows")
    assert installation.json("daily", "--day", str(LAST_DAY))["archive"]["revision"] == 2, "nothing is missing"
    configuration.write_text(configuration.read_text().replace("plant:", "works:"))
    failed = installation.lumen("daily", "--day", str(LAST_DAY))
    said = " ".join(failed.output.split())
    assert failed.exit_code == 1
    assert "sources.beside.plant: it is configured no more, and values of boiler_c are frozen" in said
    assert "bring sources.beside.plant back" in said
    assert installation.json("daily", "--day", str(LAST_DAY), "--fewer-rows")["archive"]["revision"] == 3


def test_the_refusal_names_a_few_columns_and_what_the_settings_cost(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=2)
    metrics, settings = installation.data_root / "logs" / "metrics.csv", tmp_path / "lumen.yaml"
    names = [f"c{number}" for number in range(8)]
    rows = [f"{LAST_DAY}T{n // 60:02}:{n % 60:02}:00+09:00,{'OK' if n % 3 == 0 else n}{',1' * 8}" for n in range(1440)]

    def says() -> str:
        failed = installation.lumen("daily", "--day", str(LAST_DAY))
        assert failed.exit_code == 1
        return " ".join(failed.output.split())

    metrics.write_text("\n".join([f"ts,status,{','.join(names)}", *rows, ""]))
    installation.json("daily", "--day", str(LAST_DAY))
    metrics.write_text("\n".join([f"ts,status,{','.join(name.upper() for name in names)}", *rows, ""]))
    said = says()
    cause = "; ".join(f"{name} has 0 values of the day now, and 1,440 are frozen" for name in names[:3])
    assert f"{cause}; and 5 more, which stay as they are. bring its columns back. `lumen repair" in said
    metrics.write_text("\n".join([f"ts,status,{','.join(names)}", *rows, ""]))
    text = settings.read_text()
    settings.write_text(f"{text}\nsignals: {{status: {{label: {{ko: 상태, en: status}}}}}}\n")
    said = says()
    assert "it has 960 rows of the day now, and 1,440 are frozen, which stay as they are. bring its rows back; " in said
    assert (
        "480 rows are left out now for cells that are no numbers in columns of `signals` (status came into them" in said
    )
    assert "take out of `signals` what is no signal, or mend these cells. `lumen repair" in said
    settings.write_text(text)
    made = installation.json("daily", "--day", str(LAST_DAY))
    assert made["archive"]["revision"] == 1, "nothing is missing"


@pytest.mark.parametrize("kept", [0.4, 0.0])
def test_the_day_s_own_command_says_it_in_every_form(tmp_path: Path, kept: float) -> None:
    installation = Installation.make(tmp_path, days=2)
    keep_rows(installation, LAST_DAY, kept)
    lines = (installation.data_root / "logs" / "metrics.csv").read_text().count(f"\n{LAST_DAY}T")
    summary = tmp_path / "summary.md"
    found = installation.json("daily", "--day", str(LAST_DAY), "--summary", summary)
    share = found["few_rows"][str(LAST_DAY)]
    assert share == pytest.approx(lines / (86_400 * RATE_HZ), abs=0.001), "a line or two are left out"
    says = f"{LAST_DAY}: {share:.2%} of those expected" if kept else f"{LAST_DAY}: none"
    assert f"**Few rows** in {says}." in summary.read_text()
    assert f"few rows       {says}\n" in installation.lumen("daily", "--day", str(LAST_DAY)).stdout
    before = str(LAST_DAY - timedelta(days=1))
    assert installation.json("daily", "--day", before)["few_rows"] == {}
    assert "few rows" not in installation.lumen("daily", "--day", before, "--summary", summary).stdout
    assert summary.read_text().count("Few rows") == 1


def test_nor_does_what_another_machine_froze_since_this_one_looked_around(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    places = ", ".join(f"{name}: {{type: local, path: {tmp_path}/{name}}}" for name in "ab")
    north, south = (
        Installation.make(tmp_path / name, days=2, configuration=f"destinations: {{{places}}}")
        for name in ("north", "south")
    )
    day = LAST_DAY - timedelta(days=1)
    south.json("daily", "--day", str(LAST_DAY))
    north.json("daily", "--day", str(day))
    keep_rows(south, day, 0)
    failed = south.lumen("daily", "--day", str(day))
    assert failed.exit_code == 1
    assert "it has 0 rows of the day now, and 8,640 are frozen" in " ".join(failed.output.split())
    assert sorted(path.name for path in (tmp_path / "a" / str(day)).iterdir() if path.is_dir()) == []

"""The demo exporter's values."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.telemetry.exporter import exporter_page, newest_values
from lumen_assets.telemetry.gauges import gauge_name
from lumen_assets.telemetry.reading import GATEWAY_STATES

HEADER = "ts,phase_diff,risk_band\n"


def values(tmp_path: Path, text: str) -> dict[str, float]:
    path = tmp_path / "metrics.csv"
    path.write_text(text, encoding="utf-8")
    return newest_values(path)


def test_the_newest_row_counts(tmp_path: Path) -> None:
    rows = "2026-03-09T00:00:00+09:00,0.1,0.2\n2026-03-09T00:00:01+09:00,0.3,0.4\n"
    assert values(tmp_path, "\ufeff# a comment\n" + HEADER + rows) == {"phase_diff": 0.3, "risk_band": 0.4}


@pytest.mark.parametrize(
    "dirt",
    [
        "2026-03-09T00:00:01+09:00,9.9,9",  # torn: no newline behind it
        "2026-03-09T00:00:01+09:00,NaN,\n",
        "2026-03-09T00:00:01+09:00,9.9\n",
        "no time,9.9,9.9\n",
        HEADER,
        "\n",
        '2026-03-09T00:00:01+09:00,"9.9,9\n',
    ],
)
def test_dirt_leaves_a_value_as_it_was(tmp_path: Path, dirt: str) -> None:
    good = "2026-03-09T00:00:00+09:00,0.1,0.2\n"
    assert values(tmp_path, HEADER + good + dirt) == {"phase_diff": 0.1, "risk_band": 0.2}


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    rows = "".join(f"2026-03-09T00:00:00+09:00,{number},\n" for number in range(20_000))
    old = "2026-03-08T00:00:00+09:00,0,0.5\n"
    assert values(tmp_path, HEADER + old + rows) == {"phase_diff": 19_999}


def test_a_file_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no header"):
        values(tmp_path, "1,2,3\n")
    with pytest.raises(PermanentError, match="no such file"):
        newest_values(tmp_path / "none.csv")


@pytest.mark.parametrize("status", [*GATEWAY_STATES, "nonsense", None])
def test_the_gateways_status_is_its_number(tmp_path: Path, status: str | None) -> None:
    values(tmp_path, HEADER + "2026-03-09T00:00:00+09:00,0.1,0.2\n")
    if status:
        (tmp_path / "gateway_activation.yaml").write_text(f"gateway:\n  status: {status}\n")
    number = GATEWAY_STATES.index(status) if status in GATEWAY_STATES else 0
    assert f"\nlumen_gateway_status {number}.0\n" in exporter_page(tmp_path, "metrics.csv").decode()


def test_columns_become_valid_names(tmp_path: Path) -> None:
    assert gauge_name("phase_diff") == "lumen_phase_diff"
    assert gauge_name("위상 a-b") == "lumen____a_b"
    values(tmp_path, "ts,gateway_status,a-b,a_b\n2026-03-09T00:00:00+09:00,7,1,2\n")
    page = exporter_page(tmp_path, "metrics.csv").decode()
    assert page.count("\nlumen_gateway_status ") == 1
    assert page.count("\nlumen_a_b ") == 1

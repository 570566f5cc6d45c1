"""Where telemetry came from and how it was read, as a report tells it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lumen_assets.report import DayReport, build_report, render_markdown
from lumen_assets.report.provenance import Query, TelemetrySource
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import Asked
from lumen_assets_tests.report.scenes import HOSTILE, frame, reading, telemetry

SUM = 'sum by (job) (\n  rate(x_total{job="a|b"}[1m])\n) # of all'
ASKED = Asked("https://prometheus.example:9090", "15s", (("phase_diff", "avg(lumen_phase_diff)"), ("x", SUM)))


def report(language: str, inputs: dict[str, Asked | None], **sources: Any) -> DayReport:
    wanted = Configuration.model_validate({"report": {"language": language}, "sources": sources})
    read = tuple(reading(name, "telemetry", asked=asked) for name, asked in inputs.items())
    beside = tuple(frame([]) for _ in wanted.sources.beside)
    return build_report(telemetry(inputs=read, beside=beside), None, wanted)


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def test_what_a_prometheus_was_asked_is_there_word_for_word():
    server = {"type": "prometheus", "url": "http://other", "queries": {"phase_diff": "avg(lumen_phase_diff)"}}
    found = report("en", {"logs/prometheus.csv": ASKED}, telemetry=server)
    queries = (Query("phase_diff", "avg(lumen_phase_diff)"), Query("x", SUM.replace("\n  ", "\n")))
    assert found.sources == (
        TelemetrySource("", "logs/prometheus.csv", "ts", "iso", "", ASKED.server, ASKED.step, queries),
    )
    assert DayReport.from_json(found.to_json()) == found
    text = render_markdown(found)
    address = "https&#58;//prometheus.example:9090"
    assert row("the day's own", "logs/prometheus.csv", f"Prometheus at {address}, every 15s") in text
    assert row("phase_diff", "avg(lumen_phase_diff)") in text
    assert row("x", r'sum by (job) (<br>rate(x_total\{job="a\|b"\}\[1m\])<br>) # of all') in text


def test_it_says_all_that_a_report_is_made_from():
    """Not the day's slices alone: docs/decisions/0010 and 0013."""
    for language, needed in {
        "ko": ("아래 조각", "설정", "전날의 수치", "지난 28일", "Grafana 그림"),
        "en": ("slices below", "settings", "the day before", "the last 28 days", "pictures from Grafana"),
    }.items():
        text = render_markdown(report(language, {}))
        (said,) = [line for line in text.splitlines() if needed[0] in line]
        assert all(word in said for word in needed)
        assert "nothing else" not in text


def test_made_again_from_the_archive_it_says_the_same():
    """There the settings name the file."""
    server = {"type": "prometheus", "url": "http://other", "queries": {"x": "y"}, "step": "15s"}
    file = {"path": "logs/prometheus.csv", "rate_hz": 1 / 15}
    made = [report("ko", {"logs/prometheus.csv": ASKED}, telemetry=source) for source in (server, file)]
    assert made[0].to_json() == made[1].to_json()


def test_rows_of_before_say_that_the_server_is_not_known():
    found = report("en", {"logs/metrics.csv": replace(ASKED, server="")})
    assert "Prometheus, every 15s (its address was not recorded)" in render_markdown(found)


@pytest.mark.parametrize(
    ("settings", "korean", "english"),
    [
        ({}, "ts 열: ISO 8601, UTC와의 차이가 적힌 것만", "column ts: ISO 8601 with an offset"),
        (
            {"timestamp": "time", "timestamp_offset": "+09:00"},
            "time 열: ISO 8601, UTC와의 차이가 없으면 +09:00으로 봄",
            "column time: ISO 8601, taken as +09:00 where there is no offset",
        ),
        ({"timestamp_form": "unix_s"}, "ts 열: 1970년(UTC)부터의 초", "column ts: seconds since 1970 UTC"),
        ({"timestamp_form": "unix_ms"}, "ts 열: 1970년(UTC)부터의 밀리초", "column ts: milliseconds since 1970 UTC"),
    ],
)
def test_how_the_times_of_a_file_were_read(settings: dict[str, str], korean: str, english: str):
    beside = {"plant": {"path": "./logs/boiler.csv", **settings}}
    names: dict[str, Asked | None] = {"logs/metrics.csv": None, "logs/boiler.csv": None}
    assert row("plant", "logs/boiler.csv", f"CSV 파일, 시각은 {korean}") in render_markdown(
        report("ko", names, beside=beside)
    )
    text = render_markdown(report("en", names, beside=beside))
    assert row("plant", "logs/boiler.csv", f"CSV file, times in {english}") in text
    assert "PromQL" not in text


def test_signals_beside_are_called_as_in_the_report():
    beside = {"machine": {"type": "prometheus", "url": "http://other", "queries": {"load": "up"}}}
    asked = Asked("", "15s", (("load", "up"),))
    found = report("en", {"logs/prometheus/machine.csv": asked}, beside=beside)
    assert [source.queries for source in found.sources] == [(), (Query("machine.load", "up"),)]


@pytest.mark.parametrize(
    ("rate_hz", "korean", "english"),
    [
        (None, None, None),
        (1 / 60, "1분마다 값 1개", "a value every 1 min"),
        (0.4, "초당 값 0.4개", "0.4 values a second"),
        (2.5, "초당 값 2.5개", "2.5 values a second"),
    ],
)
def test_a_signal_s_own_rate_is_there(rate_hz: float | None, korean: str | None, english: str | None):
    for language, title, shown in (
        ("ko", "기대 기록 빈도: 위상차", korean),
        ("en", "Expected rate of phase difference", english),
    ):
        wanted = Configuration.model_validate({"report": {"language": language}}).model_dump()
        wanted["signals"]["phase_diff"]["rate_hz"] = rate_hz
        text = render_markdown(build_report(telemetry(), None, Configuration.model_validate(wanted)))
        assert (row(title, str(shown)) in text, title in text) == (shown is not None, shown is not None)


def test_no_expression_does_harm():
    asked = Asked("", "15s", (("x", HOSTILE),))
    text = report("en", {"logs/metrics.csv": asked}).to_json()
    assert not any(ord(character) < 32 for character in text.removesuffix("\n"))
    assert "<script>" not in render_markdown(report("en", {"logs/metrics.csv": asked}))

"""A day from a real Prometheus: filled with a past day by promtool, and one that scrapes, with restarts in between."""

from __future__ import annotations

import csv
import html
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
import requests
from pydantic import SecretStr

from lumen_assets.days import day_bounds, day_of
from lumen_assets.errors import PermanentError
from lumen_assets.report import DayReport, build_report, report_path, write_pdf, write_report
from lumen_assets.settings import Configuration, PrometheusLogin, PrometheusTelemetry
from lumen_assets.settings.configuration import Sources
from lumen_assets.telemetry import Prometheus, TelemetryFile, cut_day, read_day
from lumen_assets.telemetry.exporter import exporter_page
from lumen_assets.telemetry.metrics_csv import read_metrics
from lumen_assets.telemetry.prometheus import Answered
from lumen_assets.telemetry.roots import FolderRoot, WithFile
from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.prometheus_server import PASSWORD, USER, Running, fill, running_prometheus
from lumen_assets_tests.waiting import until

DAY = date(2026, 3, 9)
START = int(day_bounds(DAY)[0].timestamp())
STEPS = 5760
SILENT = range(1000, 1100)
RESTART = 3000


def phase(step: int) -> float:
    return round(0.01 + step % 7 * 0.001 + 1e-6 * step, 9)


def events(step: int) -> int:
    """A counter that starts again."""
    return 3 * (step + 40 if step < RESTART else step - RESTART)


def samples() -> Iterator[str]:
    """Every 15 s, from five minutes before the day to five minutes after it."""
    steps = range(-20, STEPS + 20)
    yield "# TYPE lumen_phase_diff gauge"
    yield from (f"lumen_phase_diff {phase(n)} {START + 15 * n}" for n in steps if n not in SILENT)
    yield "# TYPE lumen_events counter"
    yield from (f"lumen_events_total {events(n)} {START + 15 * n}" for n in steps)
    yield "# TYPE lumen_odd gauge"
    odd = {10: "NaN", 11: "+Inf", 12: "-Inf", 13: "1e-09"}
    yield from (f"lumen_odd {odd.get(n, '0.5')} {START + 15 * n}" for n in range(40))
    yield "# TYPE lumen_pod gauge"
    yield from (f'lumen_pod{{pod="a"}} 1 {START + 15 * n}' for n in range(100))
    yield from (f'lumen_pod{{pod="b"}} 2 {START + 15 * n}' for n in range(5000, 5100))
    yield "# TYPE up gauge"
    yield f"up 1 {START - 5 * 86400 + 36_360}"
    yield from (f"up 1 {START - 2 * 86400 + 300 * n}" for n in range(288))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "data"
    fill(folder, samples())
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Running]:
    with running_prometheus(data) as running:
        yield running


@pytest.fixture(scope="module")
def strict_server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same with TLS and a password, which loads at most so many samples for a query."""
    folder = tmp_path_factory.mktemp("strict")
    shutil.copytree(data, folder / "data", ignore=shutil.ignore_patterns("lock", "queries.active"))
    options = ["--query.max-samples=2000"]
    with running_prometheus(folder / "data", *options, authority=Authority(folder)) as running:
        yield running


def settings_of(server: Running, step: str = "15s", **queries: str) -> PrometheusTelemetry:
    return PrometheusTelemetry(type="prometheus", url=server.url, queries=queries, step=step, ca_file=server.ca_file)


def source(server: Running, step: str = "15s", login: PrometheusLogin | None = None, **queries: str) -> Prometheus:
    return Prometheus(settings_of(server, step, **queries), login or PrometheusLogin())


def rows(server: Prometheus, tmp_path: Path, day: date = DAY) -> list[dict[str, str]]:
    file = tmp_path / "day.csv"
    server.write_day(day, file)
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def second(row: dict[str, str]) -> float:
    return datetime.fromisoformat(row["ts"]).timestamp() - START


def test_every_value_of_the_day_is_there_once_and_none_of_others(server: Running, tmp_path: Path) -> None:
    found = rows(source(server, phase="last_over_time(lumen_phase_diff[10s])"), tmp_path)
    assert [(second(row), float(row["phase"])) for row in found] == [
        (15 * n, phase(n)) for n in range(STEPS) if n not in SILENT
    ]
    assert found[0]["ts"] == "2026-03-09T00:00:00.000+09:00"


def test_how_much_of_a_day_a_server_had_of_each_signal(server: Running, tmp_path: Path) -> None:
    asked = source(server, phase="last_over_time(lumen_phase_diff[10s])", zero="sum(lumen_odd) or vector(0)")
    found = asked.write_day(DAY, tmp_path / "day.csv")
    assert found.values == {"phase": pytest.approx(1 - len(SILENT) / STEPS), "zero": pytest.approx(1, abs=0.001)}
    assert (found.coverage, found.measured) == (1, True)
    unknown = asked.write_day(DAY - timedelta(days=9), tmp_path / "day.csv")
    assert unknown == Answered(coverage=1, values={"phase": 0, "zero": 1}, measured=False)
    assert not source(server, phase="nothing").write_day(DAY, tmp_path / "day.csv").measured


def test_a_plain_selector_lasts_for_the_servers_look_back(server: Running, tmp_path: Path) -> None:
    found = rows(source(server, phase="lumen_phase_diff"), tmp_path)
    carried = len(found) - (STEPS - len(SILENT))
    assert carried in (19, 20), "five minutes; what is just as old counts before Prometheus 3"


def test_counters_are_raw_or_as_rate_and_increase_say(server: Running, tmp_path: Path) -> None:
    queries = {"raw": "lumen_events_total", "rate": "rate(lumen_events_total[1m])"}
    found = rows(source(server, **queries), tmp_path)
    raw = [int(row["raw"]) for row in found]
    assert raw == [events(n) for n in range(STEPS)]
    assert raw[RESTART] < raw[RESTART - 1]
    rates = {round(float(row["rate"]), 9) for row in found}
    assert max(rates) == pytest.approx(0.2)
    assert min(rates) > 0.1, "a restart is no negative rate"


def test_a_day_of_more_points_than_a_query_may_give(server: Running, tmp_path: Path) -> None:
    found = rows(source(server, "3s", events="lumen_events_total"), tmp_path)
    assert len(found) == 28_800
    assert [int(row["events"]) for row in found] == [events(n // 5) for n in range(28_800)]


def test_what_is_no_number_is_an_empty_cell(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    source(server, odd="lumen_odd", events="lumen_events_total < 240").write_day(DAY, file)
    found = read_metrics(file, DAY)
    assert found.rows.columns == ["ts", "odd", "events"]
    assert found.rows["odd"].to_list()[9:14] == [0.5, None, None, None, 1e-9]
    assert (found.rejections.counts, set(found.notes)) == ({}, {"empty_cells"})
    assert len(rows(source(server, odd="lumen_odd"), tmp_path)) in (40 - 3 + 19, 40 - 3 + 20), "no row without a value"


def test_the_file_says_what_was_asked_and_is_the_same_each_time(server: Running, tmp_path: Path) -> None:
    asked = source(server, b="lumen_odd *\n  2", a="nothing_of_that_name")
    for name in ("one.csv", "two.csv"):
        asked.write_day(DAY, tmp_path / name)
    text = (tmp_path / "one.csv").read_text(encoding="utf-8").splitlines()
    assert text[0] == f"# From Prometheus at {server.url}, every 15s. Empty: no value, NaN or an infinity."
    assert text[1:5] == ["# b = lumen_odd *", "#      2", "# a = nothing_of_that_name", "ts,b,a"]
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("lumen_pod", "signal: its expression gives 2 series, which differ in pod"),
        ('{__name__=~"lumen_odd|lumen_phase_diff"}', "2 series, which differ in __name__"),
        ("lumen_pod{", "parse error: unexpected end of input"),
        ('"text"', 'invalid expression type "string"'),
        ("lumen_odd[5m]", 'invalid expression type "range vector"'),
    ],
)
def test_an_expression_that_gives_no_column_is_a_clear_error(
    server: Running, tmp_path: Path, query: str, said: str
) -> None:
    with pytest.raises(PermanentError, match=r"queries\.signal") as caught:
        source(server, signal=query).write_day(DAY, tmp_path / "x")
    assert said in str(caught.value)
    assert caught.value.error_class == "configuration"


def test_several_series_may_be_made_one(server: Running, tmp_path: Path) -> None:
    found = rows(source(server, pod="max without(pod) (last_over_time(lumen_pod[10s]))"), tmp_path)
    assert [row["pod"] for row in found] == ["1"] * 100 + ["2"] * 100


def test_a_day_without_samples_is_told_from_one_that_the_server_does_not_have(server: Running) -> None:
    found = source(server, phase="lumen_phase_diff")
    assert found.was_there(DAY - timedelta(days=2))
    assert found.was_there(DAY - timedelta(days=5)), "once, at 10:06"
    assert not found.was_there(DAY - timedelta(days=4))
    assert not found.was_there(DAY - timedelta(days=1))
    assert not found.was_there(DAY - timedelta(days=20))


def test_what_is_too_much_for_one_query_is_asked_in_parts_over_tls_with_a_password(
    server: Running, strict_server: Running, tmp_path: Path
) -> None:
    queries = {"phase": "lumen_phase_diff", "rate": "rate(lumen_events_total[1m])"}
    login = PrometheusLogin(user=USER, password=SecretStr(PASSWORD))
    found = rows(source(strict_server, login=login, **queries), tmp_path)
    assert found == rows(source(server, **queries), tmp_path)
    with pytest.raises(PermanentError, match=r"too many samples.*queries\.much"):
        rows(source(strict_server, login=login, much="sum_over_time(lumen_phase_diff[20h])"), tmp_path)


def test_a_wrong_password_and_an_unknown_authority_are_told(strict_server: Running, tmp_path: Path) -> None:
    login = PrometheusLogin(user=USER, password=SecretStr("canary-5ecre7-canary"))
    with pytest.raises(PermanentError, match="PROMETHEUS_PASSWORD") as caught:
        source(strict_server, login=login, phase="lumen_phase_diff").write_day(DAY, tmp_path / "x")
    assert (caught.value.error_class, caught.value.cause[:8]) == ("credentials", "HTTP 401")
    assert "canary" not in str(caught.value)
    strange = PrometheusTelemetry(type="prometheus", url=strict_server.url, queries={"a": "b"})
    with pytest.raises(PermanentError, match=r"certificate cannot be verified.*sources\.telemetry\.ca_file"):
        Prometheus(strange, login).write_day(DAY, tmp_path / "x")


def report_of(rows: Path, day: date, settings: PrometheusTelemetry) -> DayReport:
    """The report of a day from what was asked, as it is made once the day is over."""
    files = [TelemetryFile("logs/prometheus.csv")]
    root = WithFile(FolderRoot(rows.parent), files[0].path, rows)
    cut = cut_day(root, day, rows.parent / "slices" / str(day), telemetry=files, extra=())
    return build_report(read_day(cut, files), None, Configuration(sources=Sources(telemetry=settings)))


class Gauge:
    """Telemetry that grows by a row at every scrape: the value says which one it was.

    Attributes:
        served: when each value was given out, in seconds since 1970 UTC.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.served: dict[float, float] = {}
        file.write_text("ts,phase_diff\n")

    def move(self) -> None:
        value = (len(self.served) + 1) / 16  # exact in binary, and as text
        self.served[value] = time.time()
        with self._file.open("a") as lines:
            lines.write(f"{datetime.now(UTC).isoformat()},{value}\n")


class Exporter:
    """The demo exporter, started and stopped."""

    def __init__(self, gauge: Gauge, root: Path, port: int) -> None:
        self.scraped = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gauge.move()
                outer.scraped += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(exporter_page(root, "metrics.csv"))

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def wait(self, scrapes: int) -> None:
        wanted = self.scraped + scrapes
        until(lambda: self.scraped > wanted, "scrapes")

    def stop(self) -> float:
        """Returns when it was stopped."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        return time.time()


def raw_samples(server: Running, selector: str) -> list[tuple[float, float]]:
    """What a server has of a series, as it was scraped: when, in seconds since 1970 UTC, and the value."""
    answer = requests.get(f"{server.url}/api/v1/query", params={"query": f"{selector}[1d]"}, timeout=10).json()
    [series] = answer["data"]["result"]
    return [(float(moment), float(value)) for moment, value in series["values"]]


def second_of(row: dict[str, str]) -> float:
    """Seconds since 1970 UTC."""
    return datetime.fromisoformat(row["ts"]).timestamp()


def _the_gauge_is_as_scraped(
    gauge: Gauge, raw: list[tuple[float, float]], found: list[dict[str, str]], reports: list[DayReport]
) -> None:
    """Rows and reports against the server's own samples, and these against what the exporter gave out when."""
    assert all(abs(gauge.served[value] - moment) < 1 for moment, value in raw)
    assert all(row["gauge"] in (row["exact"], "") for row in found if row["exact"])
    _each_row_has_the_last_sample_of_its_step(raw, found)
    _each_minute_is_that_of_its_samples(found, reports)


def _each_row_has_the_last_sample_of_its_step(raw: list[tuple[float, float]], found: list[dict[str, str]]) -> None:
    """``last_over_time(…[200ms])`` by hand; before Prometheus 3 what is just 200 ms old counts, too."""
    rows = {round(5 * second_of(row)): row["exact"] for row in found}
    seen = 0
    for step in range(round(5 * raw[0][0]) - 5, round(5 * raw[-1][0]) + 6):
        moment = step / 5
        reaches = ([v for at, v in raw if moment - reach < at <= moment] for reach in (0.1999, 0.2001))
        expected = {values[-1] if values else None for values in reaches}
        told = rows.get(step, "")
        assert (float(told) if told else None) in expected, moment
        seen += bool(told)
    assert seen > 15


def _each_minute_is_that_of_its_samples(found: list[dict[str, str]], reports: list[DayReport]) -> None:
    """The curves have the extremes and the mean of each minute of the clock in Seoul."""
    minutes: defaultdict[datetime, list[float]] = defaultdict(list)
    for row in found:
        if row["exact"]:
            moment = datetime.fromtimestamp(second_of(row), timezone(timedelta(hours=9)))
            minutes[moment.replace(second=0, microsecond=0)].append(float(row["exact"]))
    told = {}
    for report in reports:
        [curve] = [signal.curve for signal in report.signals if signal.name == "exact"]
        for number, (lowest, mean, highest) in enumerate(
            zip(curve.minimum, curve.mean, curve.maximum, strict=True) if curve else ()
        ):
            if mean is not None:
                told[day_bounds(report.day)[0] + timedelta(minutes=number)] = (lowest, mean, highest)
    assert told.keys() == minutes.keys()
    for minute, values in minutes.items():
        assert told[minute] == (min(values), pytest.approx(fmean(values)), max(values))


def _each_is_there_to_read(report: DayReport, folder: Path, settings: PrometheusTelemetry) -> None:
    """As people get it: Markdown, a figure a signal and the PDF, with the expressions that the server was asked."""
    write_report(report, folder)
    pdf = report_path(folder, report.day, ".pdf")
    write_pdf(report, pdf)
    printed = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout
    texts = (report_path(folder, report.day, ".md").read_text(), printed)
    signals = {signal.name: signal for signal in report.signals}
    for name, query in settings.queries.items():
        [figure] = folder.rglob(str(signals[name].figure))
        assert f">{name}</text>" in figure.read_text()
        for text in texts:
            assert name in text
            assert "".join(query.split()) in "".join(html.unescape(text).replace("\\", "").split())


def test_a_server_that_scrapes_itself_and_the_demo_exporter_with_restarts_in_between(tmp_path: Path) -> None:
    """First the exporter stops for a while, then the server. A server scrapes five seconds after its start."""
    began = day_of(datetime.now(UTC))
    ports = free_ports(2)
    gauge = Gauge(tmp_path / "metrics.csv")
    exporter = Exporter(gauge, tmp_path, ports[1])
    try:
        with running_prometheus(tmp_path / "data", port=ports[0], scraped=[ports[1]]) as running:
            exporter.wait(5)
            stopped = exporter.stop()
            time.sleep(1.5)
            exporter, started = Exporter(gauge, tmp_path, ports[1]), time.time()
            exporter.wait(5)
            running.stop()
            down = time.time()
        time.sleep(1)
        with running_prometheus(tmp_path / "data", port=ports[0], scraped=[ports[1]]) as running:
            up = time.time()
            exporter.wait(8)
            own = f'prometheus_tsdb_head_samples_appended_total{{type="float",instance="127.0.0.1:{ports[0]}"}}'
            if not Prometheus(settings_of(running, own=own), PrometheusLogin()).look()["own"]:
                own = own.replace('type="float",', "")  # as it was in older ones
            settings = settings_of(
                running,
                "200ms",
                gauge="lumen_phase_diff",
                exact="last_over_time(lumen_phase_diff[200ms])",
                counter=own,
                rate=f"rate({own}[2s])",
            )
            asked = Prometheus(settings, PrometheusLogin())
            until(lambda: asked.look() == dict.fromkeys(settings.queries, 1), "a scrape of just now")
            exporter.stop()
            time.sleep(0.5)  # what was being scraped is there
            raw = raw_samples(running, "lumen_phase_diff")
            found, reports = [], []
            for day in sorted({began, day_of(datetime.now(UTC))}):
                found += rows(asked, tmp_path, day)
                reports.append(report_of(tmp_path / "day.csv", day, settings))
    finally:
        exporter.stop()

    def moments(signal: str, after: float, before: float) -> list[float]:
        all_of_them = [second_of(row) for row in found if row[signal]]
        return [moment for moment in all_of_them if after < moment < before]

    _the_gauge_is_as_scraped(gauge, raw, found, reports)
    assert moments("gauge", stopped - 2, stopped)
    assert not moments("gauge", stopped + 0.6, started), "stale at once"
    assert moments("gauge", down + 0.6, up), "carried on by the look-back"
    assert not moments("exact", down + 0.6, up), "and not where that is not wanted"
    counter = [float(row["counter"]) for row in found if row["counter"]]
    assert sum(later < earlier for earlier, later in pairwise(counter)) == 1, "raw, the restart is seen"
    rates = [float(row["rate"]) for row in found if row["rate"]]
    assert rates
    assert min(rates) >= 0
    for signal in settings.queries:
        values = [float(row[signal]) for row in found if row[signal]]
        told = [one.values for report in reports for one in report.signals if one.name == signal and one.values]
        assert sum(one.count for one in told) == len(values)
        assert (min(one.minimum for one in told), max(one.maximum for one in told)) == (min(values), max(values))
    for report in reports:
        _each_is_there_to_read(report, tmp_path, settings)

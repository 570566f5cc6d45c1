"""What goes wrong between a day and its Prometheus: the right kind of error, nothing lost, no login told."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
from dagster import DagsterInstance

from lumen_assets.day_inputs import DayInputs
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.telemetry import prometheus_api
from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.receiver import Received, Say, Server, server
from lumen_assets_tests.arguments import watched_arguments
from lumen_assets_tests.installation import LAST_DAY, Installation

TOKEN, PASSWORD = "canary-prometheus-token-01", "canary/prometheus+password-02"
PATH = "canary-prometheus-path-03"
LOGIN = base64.b64encode(f"lumen:{PASSWORD}".encode()).decode()
AS_JSON = {"Content-Type": "application/json"}


@dataclass
class Prometheus:
    """Answers as one does; from the second signal on with ``fault``, where there is one."""

    fault: Say | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Received) -> Say:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        self.asked.append(form["query"])
        if self.fault and form["query"] != "first":
            return self.fault
        if request.target.endswith("/query"):
            return self._say("vector", {"metric": {}, "value": [1.0, "0.02"]})
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        return self._say("matrix", {"metric": {}, "values": [[moment, "0.02"] for moment in moments]})

    def _say(self, kind: str, series: object) -> Say:
        answer = {"status": "success", "data": {"resultType": kind, "result": [series]}}
        return Say(200, AS_JSON, json.dumps(answer).encode())


def refusal(status: int, **said: str) -> Say:
    return Say(status, AS_JSON, json.dumps({"status": "error", **said}).encode())


def configured(root: Path, url: str, ca_file: Path | None = None) -> Installation:
    telemetry = {"type": "prometheus", "url": url, "step": "1m", "queries": {"a": "first", "b": "second"}}
    if ca_file:
        telemetry["ca_file"] = str(ca_file)
    installation = Installation.make(root, days=1)
    settings = {"start_date": "2026-02-01", "sources": {"telemetry": telemetry}, "catch_up": {"enabled": False}}
    (root / "lumen.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return installation


def says_again(request: Received) -> Say:
    """Refuses, and says the login again, in whatever form."""
    given = request.headers["authorization"]
    secret = PASSWORD if given.startswith("Basic") else TOKEN
    return refusal(401, error=f"{given} {secret} {quote(secret, safe='')} {request.headers}")


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def inputs(tmp_path: Path, receiver: Server) -> DayInputs:
    return configured(tmp_path / "installation", receiver.url).workspace.inputs


@pytest.mark.parametrize(
    ("fault", "kind", "error_class"),
    [
        (refusal(401), PermanentError, "credentials"),
        (refusal(500, error="no"), TransientError, "provider"),
        (b"HTTP/1.1 2", TransientError, "network"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{", TransientError, "provider"),
        (Say(200, {"Content-Type": "text/html"}, b"<html>Sign in"), TransientError, "provider"),
        (Say(200, AS_JSON, b'{"status": "success", "data": {"result'), TransientError, "provider"),
        (refusal(422, errorType="execution", error="too many samples"), PermanentError, "configuration"),
        (refusal(400, errorType="bad_data", error="parse error"), PermanentError, "configuration"),
    ],
    ids=["401", "500", "slow", "slow body", "HTML", "truncated", "too many samples", "400"],
)
def test_a_fault_in_the_middle_is_of_the_right_kind_and_nothing_is_lost(
    inputs: DayInputs,
    receiver: Server,
    monkeypatch: pytest.MonkeyPatch,
    fault: Say | bytes,
    kind: type[LumenError],
    error_class: str,
) -> None:
    receiver.say = Prometheus()
    before = inputs.cut(LAST_DAY)
    files = {path: path.read_bytes() for path in before.folder.parent.rglob("*") if path.is_file()}
    if isinstance(fault, bytes):
        monkeypatch.setattr(prometheus_api, "_WHOLE_DAY", replace(prometheus_api._WHOLE_DAY, total=0.5))
        fault = receiver.drip(fault)
    broken = receiver.say = Prometheus(fault)
    with pytest.raises(kind) as caught:
        inputs.cut(LAST_DAY)
    assert caught.value.error_class == error_class
    assert broken.asked[:2] == ["first", "second"]
    assert {path: path.read_bytes() for path in before.folder.parent.rglob("*") if path.is_file()} == files
    receiver.say = Prometheus()
    assert inputs.cut(LAST_DAY) == before


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (422, {"errorType": "execution", "error": "query processing would load too many samples into memory"}),
        (503, {"errorType": "timeout", "error": "query timed out in expression evaluation"}),
    ],
)
def test_what_is_too_much_at_a_time_is_asked_in_halves(
    inputs: DayInputs, receiver: Server, status: int, said: dict[str, str]
) -> None:
    receiver.say = Prometheus()
    whole = inputs.cut(LAST_DAY)
    answer, parts, limit = Prometheus(), list[int](), 400

    def up_to_the_limit(request: Received) -> Say:
        form = {name: float(values[0]) for name, values in parse_qs(request.body.decode()).items() if name != "query"}
        parts.append(round((form["end"] - form["start"]) / form["step"]) + 1)
        return answer(request) if parts[-1] <= limit else refusal(status, **said)

    receiver.say = up_to_the_limit
    assert inputs.cut(LAST_DAY) == whole
    of_day = [1440, 720, 360, 360, 720, 360, 360]
    assert parts == [*of_day, *of_day, 288], "and whether it scraped that day, as all values are one"
    parts.clear()
    limit = 0
    with pytest.raises(TransientError if status == 503 else PermanentError, match=r"queries\.a"):
        inputs.cut(LAST_DAY)
    assert parts == [1440, 720, 360, 180, 90, 45, 22, 11, 5, 2, 1], "down to one point, and no further"


def test_a_certificate_of_an_unknown_authority_is_permanent_and_nothing_is_asked(tmp_path: Path) -> None:
    known, unknown = (tmp_path / name for name in ("known", "unknown"))
    known.mkdir()
    unknown.mkdir()
    with server(Authority(unknown).server_context("127.0.0.1")) as strange:
        url = strange.url.replace("http:", "https:")
        installation = configured(tmp_path / "installation", url, Authority(known).ca)
        with pytest.raises(PermanentError, match=r"cannot be verified.*sources\.telemetry\.ca_file") as caught:
            installation.workspace.inputs.cut(LAST_DAY)
        assert (caught.value.error_class, strange.received) == ("configuration", [])


@pytest.mark.parametrize(
    "login", [{"PROMETHEUS_TOKEN": TOKEN}, {"PROMETHEUS_USER": "lumen", "PROMETHEUS_PASSWORD": PASSWORD}, {}]
)
@pytest.mark.parametrize(
    ("host", "is_elsewhere"),
    [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)],  # noqa: S104 - this machine, without saying so
)
def test_a_login_that_goes_over_a_network_without_tls_is_told(
    tmp_path: Path, receiver: Server, host: str, is_elsewhere: bool, login: dict[str, str]
) -> None:
    receiver.say = Prometheus()
    installation = configured(tmp_path / "installation", receiver.url.replace("127.0.0.1", host))
    (found,) = [one for one in installation.json("doctor", **login)["findings"] if one["name"] == "inputs"]
    told = is_elsewhere and bool(login)
    assert (found["ok"], found["warning"]) == (True, told)
    assert found["fix"] == ("use https in sources.telemetry.url" if told else "")
    for text in (found["detail"], " ".join(installation.lumen("healthcheck", **login).output.split())):
        assert ("the login goes there over http" in text) == told


def test_no_login_gets_out(
    tmp_path: Path, receiver: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that is refused, and one that works, with either login. The address has a path that may be one, too."""
    caplog.set_level(logging.DEBUG)
    installation = configured(tmp_path / "installation", f"{receiver.url}/{PATH}")
    by_token = {"PROMETHEUS_TOKEN": TOKEN}
    by_password = {"PROMETHEUS_USER": "lumen", "PROMETHEUS_PASSWORD": PASSWORD}
    outputs = []
    with watched_arguments() as arguments:
        for given in (by_token, by_password):
            receiver.say = says_again
            refused = installation.lumen("daily", "--day", str(LAST_DAY), **given)
            assert (refused.exit_code, "401" in refused.output) == (1, True), refused.output
            receiver.say = Prometheus()
            made = installation.lumen("daily", "--day", str(LAST_DAY), "--until", "freeze", **given)
            assert made.exit_code == 0, made.output
            outputs += [refused.output, made.output, installation.lumen("doctor", **given).output]
    sent = [request.headers["authorization"] for request in receiver.received]
    assert set(sent) == {f"Bearer {TOKEN}", f"Basic {LOGIN}"}
    installation.json("restore", str(LAST_DAY), "--to", tmp_path / "restored")
    rows = (tmp_path / "restored" / "data" / "logs" / "prometheus.csv").read_text(encoding="utf-8")
    assert rows.startswith(f"# From Prometheus at {receiver.url}, every 1m.")
    monkeypatch.setenv("DAGSTER_HOME", str(installation.home / "dagster"))
    with DagsterInstance.get() as instance:
        runs = [f"{run} {run.run_config} {run.tags}" for run in instance.get_runs()]
        events = [str(entry) for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert len(events) > 20
    files = (path for path in tmp_path.rglob("*") if path.is_file() and path != installation.root / "lumen.yaml")
    places = {str(path): path.read_bytes() for path in files}
    texts = {"the log": caplog.text, "outputs": str(outputs), "events": str(events), "runs": str(runs)}
    places |= {name: text.encode() for name, text in texts.items()} | {"arguments": b" ".join(arguments)}
    for canary in (TOKEN, PASSWORD, LOGIN, PATH):
        forms = {canary.encode(), quote(canary, safe="").encode(), base64.b64encode(canary.encode())}
        assert [place for place, content in places.items() if any(form in content for form in forms)] == []

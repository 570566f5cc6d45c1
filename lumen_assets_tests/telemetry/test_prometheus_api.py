"""What a server may answer besides what it should, and what is said of it. Not what a real one can be made to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.settings import PrometheusLogin
from lumen_assets.telemetry.prometheus_api import MAX_BODY, PrometheusApi, Series, TimedOutError, TooMuchError
from lumen_assets_tests.alerting.receiver import Say, Server, server

TOKEN = "canary-5ecre7-token"  # noqa: S105
LOGIN = PrometheusLogin(token=SecretStr(TOKEN))


@pytest.fixture
def prometheus() -> Iterator[Server]:
    with server() as running:
        yield running


def said(content: object, status: int = 200, **headers: str) -> Say:
    return Say(status, {"Content-Type": "application/json", **headers}, json.dumps(content).encode())


def matrix(*series: dict[str, Any], **more: object) -> Say:
    return said({"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more})


def ask(prometheus: Server, login: PrometheusLogin = LOGIN) -> list[Series]:
    return PrometheusApi(f"{prometheus.url}/behind", login, None).query_range("phase", "a > 1", 1_500, 61_500, 15_000)


def refused(prometheus: Server, say: Say) -> LumenError:
    prometheus.say = say
    with pytest.raises(LumenError) as caught:
        ask(prometheus)
    assert TOKEN not in str(caught.value)
    return caught.value


def test_what_is_asked_and_how(prometheus: Server) -> None:
    prometheus.say = matrix({"metric": {"a": "b"}, "values": [[1.5, "0.1"], [16.5, "NaN"]]})
    assert ask(prometheus) == [Series({"a": "b"}, [(1.5, "0.1"), (16.5, "NaN")])]
    (request,) = prometheus.received
    assert (request.method, request.target) == ("POST", "/behind/api/v1/query_range")
    assert request.body == b"query=a+%3E+1&start=1.500&end=61.500&step=15.000"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_without_a_login_none_is_sent(prometheus: Server) -> None:
    prometheus.say = matrix()
    assert ask(prometheus, PrometheusLogin()) == []
    assert "authorization" not in prometheus.received[0].headers


@pytest.mark.parametrize(
    ("say", "kind", "error_class", "words"),
    [
        (said({}, 503), TransientError, "provider", "HTTP 503"),
        (said({"status": "error", "error": "query timed out"}, 503), TransientError, "provider", "query timed out"),
        (said({"errorType": "timeout", "error": "query timed out"}, 503), TimedOutError, "provider", "queries.phase"),
        (said({}, 429), TransientError, "throttle", "HTTP 429"),
        (said({}, 401), PermanentError, "credentials", "PROMETHEUS_TOKEN"),
        (Say(403, {"Content-Type": "text/html"}, b"<p>no"), PermanentError, "credentials", "HTTP 403"),
        (said({}, 404), PermanentError, "configuration", "sources.telemetry.url"),
        (said({"status": "error", "error": "parse error"}, 400), PermanentError, "configuration", "queries.phase"),
        (said({"status": "error", "error": f"{TOKEN} is bad"}, 422), PermanentError, "configuration", "[secret] is"),
        (Say(302, {"Location": "https://elsewhere.example"}), PermanentError, "configuration", "redirects"),
        (Say(200, {}, b"<html>starting"), TransientError, "provider", "no whole answer of Prometheus"),
        (Say(200, {}, b'{"status": "success", "data": {"resul'), TransientError, "provider", "no whole answer"),
        (said([1]), TransientError, "provider", "no whole answer"),
        (said({"status": "success"}), TransientError, "provider", "no whole answer"),
        (matrix({"metric": {}, "values": [[2, "many"]]}), TransientError, "provider", "no whole answer"),
        (matrix({"metric": {}, "values": [[1.4, "1"]]}), TransientError, "provider", "other times than were asked for"),
        (matrix({"metric": {}, "values": [[99, "1"]]}), TransientError, "provider", "other times than were asked for"),
        (matrix({"metric": {}, "histograms": [[1, {}]]}), PermanentError, "configuration", "gives histograms"),
        (matrix(warnings=["a part did not answer"]), TransientError, "provider", "a part did not answer"),
        (said({"status": "error", "errorType": "execution", "error": "too many samples"}, 422), TooMuchError, "", ""),
        (Say(200, {}, b" " * (MAX_BODY + 10)), TooMuchError, "configuration", "more than 16,777,216 bytes"),
    ],
)
def test_answers_that_are_none(
    prometheus: Server, say: Say, kind: type[LumenError], error_class: str, words: str
) -> None:
    error = refused(prometheus, say)
    assert type(error) is kind
    assert error.error_class.startswith(error_class)
    assert words in str(error)


def test_how_long_a_busy_server_wants_us_to_wait(prometheus: Server) -> None:
    error = refused(prometheus, said({}, 429, **{"Retry-After": "7"}))
    assert isinstance(error, TransientError)
    assert error.retry_after == 7


def test_notes_on_an_expression_are_no_doubt_about_its_answer(prometheus: Server) -> None:
    prometheus.say = matrix(warnings=["PromQL warning: bucket label missing"], infos=["PromQL info: not a counter"])
    assert ask(prometheus) == []


def test_nobody_who_listens_is_transient() -> None:
    with server() as gone:
        pass
    with pytest.raises(TransientError, match="no connection") as caught:
        ask(gone)
    assert caught.value.error_class == "network"


def test_a_scalar_and_a_vector_now(prometheus: Server) -> None:
    api = PrometheusApi(prometheus.url, LOGIN, None)
    prometheus.say = said({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "2"]}})
    assert api.query("phase", "2") == [Series({}, [(1.5, "2")])]
    result = [{"metric": {"a": "b"}, "value": [1.5, "2"]}]
    prometheus.say = said({"status": "success", "data": {"resultType": "vector", "result": result}})
    assert api.query("phase", "a") == [Series({"a": "b"}, [(1.5, "2")])]

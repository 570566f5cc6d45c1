"""The part of Prometheus' HTTP API that is asked here, with our errors: https://prometheus.io/docs/prometheus/latest/querying/api/

Other servers that speak it (Thanos, Mimir, VictoriaMetrics) are asked the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import Limits, Receiver, Reply, exchange, named, refusal
from lumen_assets.settings import PrometheusLogin
from lumen_assets.texts import Masker, visible

MAX_BODY: Final = 16 << 20
"""Bytes; the 11,000 points of one series have about half a million."""

_WHOLE_DAY: Final = Limits(read=130, total=180, body=MAX_BODY + 1)
"""A query may take two minutes, unless the server is told otherwise (``--query.timeout``)."""

_LOOK: Final = Limits(connect=3, read=5, total=8, body=MAX_BODY + 1)
_SAID: Final = 300
_ANNOTATION: Final = "PromQL "
_NO_ANSWER: Final = "it answers with HTTP {} and what is no whole answer of Prometheus"


@dataclass(frozen=True)
class Series:
    """A series of an answer.

    Attributes:
        labels: what tells it apart.
        points: seconds since 1970 UTC, and the value as it was written.
    """

    labels: Mapping[str, str]
    points: list[tuple[float, str]]


class TooMuchError(PermanentError):
    """The server, or we, take no answer of that size: less may be asked for at a time."""


class TimedOutError(TransientError):
    """The server gave a query up, since it is busy or it is too much for its time: less may be asked at a time."""


class PrometheusApi:
    """A server.

    Args:
        url: what ``/api/v1`` is below.
        login: what it knows us by.
        ca_file: the certificate of its authority, where the system does not have it.
        setting: where it stands in ``lumen.yaml``, for messages.
    """

    def __init__(
        self, url: str, login: PrometheusLogin, ca_file: Path | None, setting: str = "sources.telemetry"
    ) -> None:
        self._url, self._setting = url, setting
        self._login = login
        secrets = [secret.get_secret_value() for secret in (login.token, login.password) if secret is not None]
        self._masked = Masker([*secrets, *login.header.values()])
        self._receiver = Receiver(
            what="Prometheus",
            address=f"{setting}.url",
            secret="PROMETHEUS_TOKEN, or PROMETHEUS_USER and PROMETHEUS_PASSWORD",  # noqa: S106 - names
            secrets=secrets,
            action="read telemetry from",
            authority=f"{setting}.ca_file",
            ca_file=ca_file,
        )

    def query_range(self, name: str, query: str, start_ms: int, end_ms: int, step_ms: int) -> list[Series]:
        """The series of an expression at ``start_ms`` and every step from there on, up to ``end_ms`` included.

        Args:
            name: the signal, for messages.
            start_ms, end_ms: milliseconds since 1970 UTC.

        Raises:
            TooMuchError: if that is too much at a time.
            TimedOutError: if it may be.
            TransientError: if the server does not answer, is busy, or says that its answer is not whole.
            PermanentError: if it does not know us, or takes no such expression.
        """
        times = {"start": _seconds(start_ms), "end": _seconds(end_ms), "step": _seconds(step_ms)}
        found = self._ask("query_range", name, {"query": query, **times}, _WHOLE_DAY)
        moments = [1000 * moment for series in found for moment, _ in series.points]
        if moments and not start_ms - 0.5 < min(moments) <= max(moments) < end_ms + 0.5:
            raise self._strange(f"it answers for {name} with other times than were asked for")
        return found

    def query(self, name: str, query: str) -> list[Series]:
        """The series of an expression now; raises as ``query_range``."""
        return self._ask("query", name, {"query": query}, _LOOK)

    @property
    def shown(self) -> str:
        """The server in words, without what may be secret."""
        return named(self._receiver, self._url)

    def _ask(self, what: str, name: str, form: Mapping[str, str], limits: Limits) -> list[Series]:
        reply = exchange(
            "POST",
            f"{self._url}/api/v1/{what}",
            receiver=self._receiver,
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", **self._login.header},
            limits=limits,
        )
        if len(reply.body) > MAX_BODY:
            cause = f"it answers {name} with more than {MAX_BODY:,} bytes"
            raise TooMuchError(**self._about(name, cause))
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = None
        answer = answer if isinstance(answer, dict) else {}
        if not 200 <= reply.status < 300 or answer.get("status") != "success":
            self._refused(reply, name, answer)
        self._require_whole(name, answer.get("warnings"))
        try:
            return _series(answer["data"])
        except _HistogramError:
            cause = f"{name}: its expression gives histograms, not numbers"
            raise PermanentError(**self._about(name, cause)) from None
        except (LookupError, TypeError, ValueError):
            raise self._strange(_NO_ANSWER.format(reply.status)) from None

    def _refused(self, reply: Reply, name: str, answer: Mapping[str, Any]) -> NoReturn:
        said = self._clean(answer.get("error", ""))
        if answer.get("errorType") == "execution" and "too many samples" in said:
            raise TooMuchError(**self._about(name, f"{name}: {said}"))
        if answer.get("errorType") == "timeout":
            raise TimedOutError(
                action=self._receiver.action,
                subject=self.shown,
                cause=f"{name}: {said} (HTTP {reply.status})",
                error_class="provider",
                hint=f"see its --query.timeout, and {self._setting}.queries.{name}",
            )
        if reply.status in (400, 422) and said:
            raise PermanentError(**self._about(name, f"{name}: {said} (HTTP {reply.status})"))
        if 200 <= reply.status < 300:
            raise self._strange(_NO_ANSWER.format(reply.status))
        raise refusal(
            reply.status,
            reply.headers.get("Retry-After", ""),
            receiver=self._receiver,
            subject=self.shown,
            now=datetime.now(UTC),
            said=said,
        )

    def _require_whole(self, name: str, warnings: object) -> None:
        """Refuse what a part of the server's storage did not answer for; notes on the expression say no such thing."""
        said = [self._clean(text) for text in warnings or ()] if isinstance(warnings, list) else []
        serious = [text for text in said if not text.startswith(_ANNOTATION)]
        if serious:
            raise TransientError(
                action=self._receiver.action,
                subject=self.shown,
                cause=f"it says that its answer for {name} may not be whole: {serious[0]}",
                error_class="provider",
            )

    def _about(self, name: str, cause: str) -> dict[str, str]:
        """What an error says that correcting the expression ends."""
        return {
            "action": self._receiver.action,
            "subject": self.shown,
            "cause": cause,
            "error_class": "configuration",
            "hint": f"correct {self._setting}.queries.{name}",
        }

    def _strange(self, cause: str) -> LumenError:
        """An answer that breaks off, or is none of Prometheus: what a proxy says while the server starts."""
        return TransientError(
            action=self._receiver.action,
            subject=self.shown,
            cause=cause,
            error_class="provider",
            hint=f"if that stays so, correct {self._setting}.url: /api/v1 must be below it",
        )

    def _clean(self, text: object) -> str:
        return " ".join(visible(self._masked(str(text))).split())[:_SAID]


class _HistogramError(ValueError):
    """Native histograms, which are no numbers."""


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}"


def _series(data: Any) -> list[Series]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return [Series({}, [_point(result)])]
    if any("histogram" in item or "histograms" in item for item in result):
        raise _HistogramError
    if kind == "vector":
        return [Series(dict(item["metric"]), [_point(item["value"])]) for item in result]
    if kind == "matrix":
        return [Series(dict(item["metric"]), [_point(point) for point in item["values"]]) for item in result]
    raise ValueError(kind)


def _point(point: Any) -> tuple[float, str]:
    moment, value = point
    float(value)
    return float(moment), str(value)

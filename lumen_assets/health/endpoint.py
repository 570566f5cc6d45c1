"""``LUMEN_METRICS_URL``: whether the gateway's exporter answers with the gauges that are expected of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from lumen_assets.errors import LumenError
from lumen_assets.health.findings import Finding
from lumen_assets.health.http import Answer, ask, shown
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.gauges import GATEWAY_GAUGE, gauge_name

NAME = "metrics"
_GAUGE_TYPES = ("gauge", "unknown", "untyped")


def metrics_endpoint(url: str, configuration: Configuration, *, within: float = 5.0) -> Finding:
    """200, valid Prometheus text, and in it a number for every configured signal and the gateway's status."""
    where = shown(url)
    try:
        answer = ask(url, within=within)
    except LumenError as error:
        fix = "is the exporter running there?" if error.retry_helps else "correct LUMEN_METRICS_URL"
        return Finding(NAME, ok=False, detail=f"{where}: {error.cause}", fix=fix)
    problem = _unusable(answer)
    if problem:
        return Finding(NAME, ok=False, detail=f"{where}: {problem}", fix="correct LUMEN_METRICS_URL or the exporter")
    try:
        gauges = _gauges(answer.body.decode("utf-8"))
    except (ValueError, IndexError):  # the parser's and the decoder's; their text may repeat what was sent
        return Finding(NAME, ok=False, detail=f"{where}: not in the Prometheus text format", fix="point it at /metrics")
    expected = [*map(gauge_name, configuration.signals), GATEWAY_GAUGE]
    absent = [name for name in expected if name not in gauges]
    without = [name for name in expected if name in gauges and not any(map(math.isfinite, gauges[name]))]
    if absent or without:
        said = [f"{name} is missing" for name in absent] + [f"{name} has no number" for name in without]
        return Finding(NAME, ok=False, detail=f"{where}: {', '.join(said)}", fix="see what feeds the exporter")
    return Finding(NAME, ok=True, detail=f"{where}: {len(expected)} of {len(expected)} expected gauges")


def _unusable(answer: Answer) -> str:
    if answer.status in (301, 302, 303, 307, 308):
        return f"it redirects (HTTP {answer.status}), which is not followed"
    if answer.status != 200:
        return f"HTTP {answer.status}"
    if answer.content_type in ("text/html", "application/xhtml+xml"):
        return "a page of HTML, not metrics"
    return ""


def _gauges(text: str) -> dict[str, list[float]]:
    """The values of every gauge, by its name.

    Raises:
        ValueError, IndexError: if ``text`` is not valid.
    """
    return {
        family.name: _values(sample.value for sample in family.samples)
        for family in text_string_to_metric_families(text)
        if family.type in _GAUGE_TYPES and family.samples
    }


def _values(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values]

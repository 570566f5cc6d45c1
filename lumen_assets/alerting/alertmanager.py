"""Alertmanager, by its API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.

An alert there *is* its labels. So those that say which incident it is are the same from its first message to its last.
The severity is a label too, because routes are made by it, and it may rise: then the alert with the old severity is
resolved in the same request that fires the new one, and what is resolved is whatever Alertmanager has of the incident.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from lumen_assets.alerting.events import Severity, State
from lumen_assets.alerting.messages import Message
from lumen_assets.errors import PermanentError
from lumen_assets.http import Limits, Receiver, send

SERVICE: Final = "lumen"

NOTICE_LASTS: Final = timedelta(days=1)

LONGEST_TEXT: Final = 8000
"""Characters of an annotation."""

LARGEST_LIST: Final = 1 << 20
"""Bytes that are read of the alerts of one incident: at most one a severity."""

_RECEIVER: Final = Receiver("Alertmanager", "alerts.alertmanager", "the user and password in alerts.alertmanager")


class AlertmanagerChannel:
    """Posts messages as alerts that fire until they are resolved.

    Args:
        url: its base address, with a path if it has one.
        repeat: how often an incident that lasts is said again; twice that after the last time, it counts as resolved.
        limits: of one request.
    """

    name = "alertmanager"

    def __init__(self, url: SecretStr, repeat: timedelta, *, limits: Limits | None = None) -> None:
        self._url = url
        self._repeat = repeat
        self._limits = limits or Limits()

    def send(self, message: Message, now: datetime) -> str:
        """See ``Channel.send``."""
        alert = self._alert(message, now)
        there = [] if message.state is State.NOTICE else self._severities(message, now)
        alerts = [_ended(alert, severity, message.at) for severity in there if severity != message.severity]
        # What is resolved is what is there: a severity that never fired would be news of its own.
        if message.state is not State.RESOLVED or message.severity in there or not alerts:
            alerts.append(alert)
        body = json.dumps(alerts, ensure_ascii=False).encode("utf-8", "replace")
        answer = send(
            "POST",
            self._address("/api/v2/alerts"),
            receiver=_RECEIVER,
            now=now,
            body=body,
            headers={"Content-Type": "application/json"},
            limits=self._limits,
        )
        return f"HTTP {answer.status}"

    def _alert(self, message: Message, now: datetime) -> dict[str, Any]:
        ends = {
            State.FIRING: now + 2 * self._repeat,
            State.RESOLVED: max(message.at, message.since),
            State.NOTICE: now + NOTICE_LASTS,
        }[message.state]
        newest = message.events[-1] if message.events else None
        links = [event.run_url for event in message.events if event.run_url.startswith(("http://", "https://"))]
        said = {
            "title": message.title,
            "text": message.text(),
            "command": newest.command if newest else "",
            "run": links[-1] if links else "",
        }
        return {
            "labels": {**identity(message), "severity": str(message.severity)},
            "annotations": {name: text[:LONGEST_TEXT] for name, text in said.items() if text},
            "startsAt": message.since.isoformat(),
            "endsAt": ends.isoformat(),
            **({"generatorURL": quote(links[-1], safe=":/?#[]@!$&'()*+,;=%")} if links else {}),
        }

    def _severities(self, message: Message, now: datetime) -> list[str]:
        """Those that the incident has an alert with there."""
        filters = "&".join(
            f"filter={quote(f'{name}={_quoted(value)}', safe='')}" for name, value in identity(message).items()
        )
        limits = Limits(self._limits.connect, self._limits.read, self._limits.total, LARGEST_LIST)
        address = self._address("/api/v2/alerts", filters)
        try:
            alerts = json.loads(send("GET", address, receiver=_RECEIVER, now=now, limits=limits).body)
            severities = {alert["labels"]["severity"] for alert in alerts}
        except (ValueError, KeyError, TypeError):
            cause = "what answers is not an Alertmanager with the API v2"
        else:
            return sorted(severities.intersection(Severity))
        raise PermanentError(
            action="read",
            subject="the alerts of the incident",
            cause=cause,
            error_class="configuration",
            hint="correct alerts.alertmanager: the base address, without /api/v2",
        )

    def _address(self, path: str, query: str = "") -> str:
        with contextlib.suppress(ValueError):  # sending to what is no address says so
            parts = urlsplit(self._url.get_secret_value())
            return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, query, ""))
        return self._url.get_secret_value()


def identity(message: Message) -> dict[str, str]:
    """The labels that say which incident it is; those of a notice are like no other's. None is empty.

    An empty label is none, and a filter by one finds what does not have it.
    """
    labels = {
        "alertname": str(message.kind),
        "service": SERVICE,
        "source": message.source,
        "error_class": message.error_class,
        "notice": message.id if message.state is State.NOTICE else "",
    }
    return {name: text.encode("utf-8", "replace").decode() for name, text in labels.items() if text}


def _quoted(value: str) -> str:
    """As a matcher has it: other escapes than these it does not know."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _ended(alert: Mapping[str, Any], severity: str, at: datetime) -> dict[str, Any]:
    starts = datetime.fromisoformat(alert["startsAt"])
    return {**alert, "labels": {**alert["labels"], "severity": severity}, "endsAt": max(at, starts).isoformat()}

"""Whether Grafana would give pictures, and the mail server take reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from lumen_assets.alerting.headers import address
from lumen_assets.alerting.smtp import SmtpClient
from lumen_assets.distribution.mail import SETTING
from lumen_assets.grafana.rendering import receiver_of
from lumen_assets.health.findings import Finding
from lumen_assets.http import is_readable_on_the_way, send
from lumen_assets.settings import GrafanaServer, MailServer
from lumen_assets.texts import counted

WITHIN = 15.0
"""Seconds."""


def grafana(server: GrafanaServer, now: datetime) -> Finding:
    """Whether the token may view the dashboard. Nothing is drawn.

    Raises:
        TransientError, PermanentError: if it may not, or Grafana does not answer.
    """
    receiver = replace(receiver_of(server), address="GRAFANA_BASE and GRAFANA_DASHBOARD_UID", action="ask")
    headers = {"Authorization": f"Bearer {server.token.get_secret_value()}"}
    send("GET", f"{server.base}/api/dashboards/uid/{server.uid}", receiver=receiver, now=now, headers=headers)
    what = counted(len(server.panels), "panel") if server.panels else "all of it"
    detail = f"the token may view the dashboard {server.uid}; asked for: {what}"
    if not is_readable_on_the_way(server.base):
        return Finding("Grafana", ok=True, detail=detail)
    detail += "; it goes there over http, which who is on the way can read"
    return Finding("Grafana", ok=True, detail=detail, fix="use https in GRAFANA_BASE", warning=True)


def mail(server: MailServer, to: tuple[str, ...]) -> Finding:
    """Whether the server can be logged in to, over TLS that is right, and the addresses are some. Nothing is sent.

    Raises:
        TransientError, PermanentError: if not.
    """
    address(server.sender, "SMTP_FROM")
    for one in to:
        address(one, SETTING)
    with SmtpClient(server, SETTING).session(WITHIN):
        return Finding(
            "report mail", ok=True, detail=f"{server.host} would take it for {counted(len(to), 'recipient')}"
        )

"""Servers that the environment names: the one that takes our mail, and Grafana."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr

from lumen_assets.environment.values import base_problem
from lumen_assets.settings.configuration import Configuration

_OF_GRAFANA: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
"""What a uid, a slug and a panel's id are made of."""


class MailServer(BaseModel):
    """The server that takes our mail.

    Attributes:
        port: 465 is TLS from the start; on any other one STARTTLS is asked for, and nothing is sent without it unless
            the server is this machine.
        user: None: no login.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    host: str
    port: int
    user: str | None
    password: SecretStr | None
    sender: str


class GrafanaServer(BaseModel):
    """The Grafana that draws pictures for the report.

    Attributes:
        base: its address, without a slash at the end.
        uid, slug: of the dashboard.
        panels: ids, in order; empty: the whole dashboard.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    base: str
    token: SecretStr
    uid: str
    slug: str
    panels: tuple[str, ...]


def mail_server(
    configuration: Configuration, values: Mapping[str, str | None], password: SecretStr | None, problems: list[str]
) -> MailServer | None:
    """The mail server, if there is one; what is wrong goes to ``problems``."""
    host = values["SMTP_HOST"]
    if host is None:
        lists = {
            "alerts.mail.to": configuration.alerts.mail.to,
            "distribution.mail.to": configuration.distribution.mail.to,
        }
        problems.extend(
            f"SMTP_HOST: {name} has addresses but no server is set: set it, or empty the list"
            for name, addresses in lists.items()
            if addresses
        )
        return None
    port, sender = values["SMTP_PORT"] or "587", values["SMTP_FROM"] or values["SMTP_USER"]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        problems.append("SMTP_PORT: must be a port, 1 to 65535")
        return None
    if sender is None or "@" not in sender:
        problems.append("SMTP_FROM: must be the sender's address, as SMTP_USER is none")
        return None
    return MailServer(host=host, port=int(port), user=values["SMTP_USER"], password=password, sender=sender)


def grafana_server(
    values: Mapping[str, str | None], token: SecretStr | None, problems: list[str]
) -> GrafanaServer | None:
    """Grafana, if there is one; what is wrong goes to ``problems``."""
    base, uid = values["GRAFANA_BASE"], values["GRAFANA_DASHBOARD_UID"]
    if base is None:
        return None
    wrong = [f"GRAFANA_BASE: {problem}"] if (problem := base_problem(base)) else []
    missing = {"GRAFANA_TOKEN": token, "GRAFANA_DASHBOARD_UID": uid}
    wrong += [
        f"{name}: is needed where GRAFANA_BASE is set: set it, or unset GRAFANA_BASE"
        for name, value in missing.items()
        if value is None
    ]
    slug = values["GRAFANA_DASHBOARD_SLUG"] or uid
    panels = (values["GRAFANA_PANEL_IDS"] or "").replace(",", " ").split()
    names: dict[str, list[str | None]] = {
        "GRAFANA_DASHBOARD_UID": [uid],
        "GRAFANA_DASHBOARD_SLUG": [slug],
        "GRAFANA_PANEL_IDS": [*panels],
    }
    wrong += [
        f"{name}: may have letters, digits, - and _ alone: copy it from the address of the dashboard or panel"
        for name, given in names.items()
        if not all(_OF_GRAFANA.fullmatch(one or "x") for one in given)
    ]
    if len(set(panels)) < len(panels):
        wrong.append("GRAFANA_PANEL_IDS: a panel stands there twice: name each once")
    problems.extend(wrong)
    if wrong or token is None or uid is None or slug is None:
        return None
    return GrafanaServer(base=base.rstrip("/"), token=token, uid=uid, slug=slug, panels=tuple(panels))

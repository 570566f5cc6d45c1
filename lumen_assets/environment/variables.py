"""The environment's variables, each also as ``NAME_FILE`` with the path of a file that holds the value.

A secret may also be kept by AWS: ``NAME_AWS`` names it there, see ``stored``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lumen_assets.errors import SettingsError

ENVIRONMENT: Final = {
    "LUMEN_CONFIG": "path of lumen.yaml (default: lumen.yaml in the working folder, else the shipped defaults)",
    "LUMEN_DATA_ROOT": "folder with the inputs, or s3://BUCKET/PREFIX (default: sample data under LUMEN_HOME)",
    "LUMEN_HOME": "folder for the outputs (default: lumen in the XDG data folder)",
    "DAGSTER_HOME": "folder of the Dagster instance (default: dagster in LUMEN_HOME)",
    "LUMEN_STATE_URL": "a Postgres that several machines share what they remember in (default: files in LUMEN_HOME)",
    "LUMEN_REDIS_URL": "the Redis through which Celery's workers get their runs (default: none: there are no workers)",
    "PROMETHEUS_TOKEN": "telemetry from a Prometheus: a bearer token",
    "PROMETHEUS_USER": "telemetry from a Prometheus: the user, for basic authentication",
    "PROMETHEUS_PASSWORD": "telemetry from a Prometheus: its password",
    "GDRIVE_TOKEN": "Google Drive: an access token, or a service-account or refresh-token JSON",
    "DROPBOX_TOKEN": "Dropbox: an access token, or a JSON with refresh_token, app_key and app_secret",
    "LUMEN_ARCHIVE_KEY": "32 bytes in base64; several, with commas, are a keyring: the first makes new archives",
    "LUMEN_ALERT_URL": "the webhook that alerts are posted to",
    "LUMEN_ALERT_SECRET": "what they are signed with; several, with commas: the first is the newest, all sign",
    "SMTP_HOST": "mail: the server",
    "SMTP_PORT": "mail: its port (default: 587; 465 is TLS from the start, any other STARTTLS)",
    "SMTP_USER": "mail: the user; unset: no login",
    "SMTP_PASS": "mail: the password",
    "SMTP_FROM": "mail: the sender (default: SMTP_USER)",
    "GRAFANA_BASE": "Grafana: its address, for pictures in the report (default: none are asked for)",
    "GRAFANA_TOKEN": "Grafana: a service account's token that may view the dashboard",
    "GRAFANA_DASHBOARD_UID": "Grafana: the dashboard, the part of its address behind /d/",
    "GRAFANA_DASHBOARD_SLUG": "Grafana: the part behind that, which Grafana does not read (default: the uid)",
    "GRAFANA_PANEL_IDS": "Grafana: the panels, with commas (default: the whole dashboard, to its end, in one picture)",
    "LUMEN_METRICS_URL": "health check: an endpoint with metrics in the Prometheus format",
    "LUMEN_REPORT_MD": "health check: a file or folder that must exist and be fresh",
}
"""Every variable that is read, with its meaning. Besides: those that ``alerts`` names in ``lumen.yaml``."""

SECRETS: Final = frozenset(
    {
        "LUMEN_ARCHIVE_KEY",
        "LUMEN_STATE_URL",
        "LUMEN_REDIS_URL",
        "PROMETHEUS_TOKEN",
        "PROMETHEUS_PASSWORD",
        "GDRIVE_TOKEN",
        "DROPBOX_TOKEN",
        "LUMEN_ALERT_URL",
        "LUMEN_ALERT_SECRET",
        "SMTP_PASS",
        "GRAFANA_TOKEN",
    }
)
"""Those of them that hold a secret. An address is one where it has a password, or whoever has it may post."""

FOREIGN_SECRETS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Secrets that libraries read by themselves; looked at only so that no message ever repeats them."""


def environment_value(environ: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """The value of a variable, or of the file that ``NAME_FILE`` names; what is wrong with it goes to ``problems``."""
    direct, path = environ.get(name), environ.get(f"{name}_FILE")
    if direct and path:
        problems.append(f"{name}: set twice, as {name} and as {name}_FILE: unset one of them")
        return None
    if direct:
        return direct
    if not path:
        return None
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(f"{name}_FILE: {path} cannot be read ({reason}): give the path of a file with the value")
        return None
    if not value:
        problems.append(f"{name}_FILE: {path} is empty: put the value in it or unset the variable")
        return None
    return value


def read_secret(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """One secret, and nothing else read; None if it is not set.

    Raises:
        SettingsError: if it is set twice, its file cannot be read, or what names it at AWS names nothing.
        LumenError: if AWS is named and it cannot be had from there.
    """
    problems: list[str] = []
    environ = os.environ if environ is None else environ
    if environ.get(f"{name}_AWS"):
        from lumen_assets.environment.stored import environment_secret  # Pydantic, and then boto3

        secret = environment_secret(environ, name, problems)
        value = secret.get_secret_value() if secret else None
    else:
        value = environment_value(environ, name, problems)
    if problems:
        raise SettingsError(subject=name, problems=problems)
    return value


def require_secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """The same, where nothing goes on without it.

    Raises:
        SettingsError: if it is not set, or as of ``read_secret``.
        LumenError: as of ``read_secret``.
    """
    value = read_secret(name, environ)
    if value is None:
        problem = f"{name}: is not set: give it, or the path of a file that holds it as {name}_FILE"
        raise SettingsError(subject=name, problems=[problem])
    return value

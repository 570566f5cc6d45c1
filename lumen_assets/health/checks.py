"""Which checks ``lumen healthcheck`` and ``lumen doctor`` are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from lumen_assets.environment.stored import StoredSecret
from lumen_assets.errors import LumenError, SettingsError
from lumen_assets.health import distribution, machine, proofs, telling
from lumen_assets.health.clock import clock
from lumen_assets.health.endpoint import metrics_endpoint
from lumen_assets.health.findings import Check, Finding, look_at
from lumen_assets.health.inputs import inputs
from lumen_assets.health.proofs import Installation
from lumen_assets.settings import Settings
from lumen_assets.settings.alerts import Alerts

HEALTH_SECONDS: Final = 15.0
"""For all checks of the health check together; each request of theirs is given less."""

DOCTOR_SECONDS: Final = 60.0
"""The doctor may wait longer: somebody watches."""

_DEFAULT_UI: Final = Alerts().ui_url


def healthcheck(installation: Installation, *, ui: bool = False, underway: date | None = None) -> list[Finding]:
    """Make every check of the health check, side by side, in 15 seconds at most.

    Args:
        ui: look at the UI also where ``alerts.ui_url`` is the default: an installation that cron runs has none.
        underway: the day that a run is working on at the moment; nothing is expected of it yet.
    """
    return look_at(health_checks(_trying_once(installation), ui=ui, underway=underway), within=HEALTH_SECONDS)


def doctor(installation: Installation) -> list[Finding]:
    """Make every check of the doctor, side by side."""
    return look_at(doctor_checks(_trying_once(installation)), within=DOCTOR_SECONDS)


def health_checks(installation: Installation, *, ui: bool = False, underway: date | None = None) -> list[Check]:
    """What has to be true for the next day to be done and the last one to have been."""
    settings = installation.settings
    configuration, url, path = settings.configuration, settings.metrics_url, settings.report_md
    checks = []
    if url:
        checks.append(Check("metrics", lambda: metrics_endpoint(url, configuration)))
    if path:
        checks.append(Check("report", lambda: proofs.report(path, configuration, _now(), underway)))
    if ui or configuration.alerts.ui_url != _DEFAULT_UI:
        checks.append(Check("ui", lambda: machine.ui(configuration.alerts.ui_url)))
    return [
        *checks,
        Check("LUMEN_HOME", lambda: machine.home(settings)),
        Check("disk", lambda: machine.disk(settings)),
        *_stored_secrets(settings),
        Check("inputs", lambda: inputs(settings)),
        Check("archive key", lambda: proofs.archive_key(installation)),
        Check("clock", lambda: clock(settings, _now())),
        *_destinations(installation),
        Check("attestation", lambda: proofs.attestation(installation, _now(), underway)),
    ]


def doctor_checks(installation: Installation) -> list[Check]:
    """What has to be true for a day to be done at all."""
    settings = installation.settings
    configuration, url = settings.configuration, settings.metrics_url
    endpoint = [Check("metrics", lambda: metrics_endpoint(url, configuration))] if url else []
    return [
        Check("configuration", lambda: _configuration(settings)),
        *_stored_secrets(settings),
        Check("archive key", lambda: proofs.archive_key(installation)),
        Check("inputs", lambda: inputs(settings)),
        *endpoint,
        Check("LUMEN_HOME", lambda: machine.home(settings)),
        Check("disk", lambda: machine.disk(settings)),
        Check("clock", lambda: clock(settings, _now())),
        Check("font", lambda: machine.font(settings)),
        Check("state", lambda: proofs.state(installation)),
        *_destinations(installation),
        Check("alerts", lambda: telling.channels(settings)),
        *_of_the_report(settings),
    ]


def wrong_settings(error: SettingsError) -> list[Finding]:
    """A finding a wrong setting."""
    found = []
    for problem in error.problems:
        name, _, rest = problem.partition(": ")
        found.append(Finding(f"setting {name}", ok=False, detail=rest))
    return found


def _destinations(installation: Installation) -> list[Check]:
    def check(name: str) -> Check:
        return Check(f"destination {name}", lambda: proofs.destination(installation, name))

    return [check(name) for name in installation.settings.configuration.destinations]


def _of_the_report(settings: Settings) -> list[Check]:
    """Grafana and mail, where the report is to have the one and to go by the other."""
    server, smtp, to = settings.grafana, settings.smtp, settings.configuration.distribution.mail.to
    checks = []
    if server is not None:
        checks.append(Check("Grafana", lambda: distribution.grafana(server, _now())))
    if smtp is not None and to:
        checks.append(Check("report mail", lambda: distribution.mail(smtp, to)))
    return checks


def _stored_secrets(settings: Settings) -> list[Check]:
    def check(secret: StoredSecret) -> Check:
        return Check(f"secret {secret.name}", lambda: proofs.stored_secret(secret))

    return [check(secret) for secret in settings.given_secrets if isinstance(secret, StoredSecret)]


def _configuration(settings: Settings) -> Finding:
    source = settings.configuration_file or "the defaults that ship"
    if settings.configuration.dry_run:
        said = f"{source}: valid, but dry_run is set: nothing is uploaded, sent or removed"
        return Finding("configuration", ok=False, detail=said, fix="set dry_run to false when you are done")
    return Finding("configuration", ok=True, detail=f"{source}: valid")


def _trying_once(installation: Installation) -> Installation:
    """The installation without retries, its stores opened now: the providers' libraries want one thread for that."""
    try:
        return installation.trying_once()
    except LumenError:  # each destination's check meets it again, and says it
        return installation


def _now() -> datetime:
    return datetime.now(UTC)

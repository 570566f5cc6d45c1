"""``lumen.yaml`` and the environment, read once, as one object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from lumen_assets.environment.stored import environment_secret
from lumen_assets.environment.values import PROBLEM_IN, address_problem, nothing_wrong
from lumen_assets.environment.variables import (
    ENVIRONMENT,
    FOREIGN_SECRETS,
    SECRETS,
    environment_value,
)
from lumen_assets.errors import LumenError, SettingsError
from lumen_assets.settings.alerts import Alerts
from lumen_assets.settings.configuration import Configuration
from lumen_assets.settings.destinations import LocalDestination
from lumen_assets.settings.inputs import PrometheusLogin, S3Folder, data_root, prometheus_login
from lumen_assets.settings.parts import with_parts
from lumen_assets.settings.servers import GrafanaServer, MailServer, grafana_server, mail_server


class Settings(BaseModel):
    """``lumen.yaml`` and the environment together.

    Attributes:
        configuration: what ``lumen.yaml`` says.
        configuration_file: where it was found; None for the defaults that ship.
        home: ``LUMEN_HOME``, absolute.
        data_root: ``LUMEN_DATA_ROOT``, absolute; if it is not set the sample data's folder, or with telemetry from a
            Prometheus a folder that need not be there.
        sample: whether ``data_root`` is the sample data's folder.
        prometheus: what the Prometheus of ``sources`` knows us by.
        dagster_home: the instance's folder, absolute.
        archive_key: ``LUMEN_ARCHIVE_KEY`` as given; None if it is not set.
        state_url: ``LUMEN_STATE_URL``, the Postgres that several machines share; None if it is not set.
        gdrive_token: ``GDRIVE_TOKEN`` as given; None if it is not set.
        dropbox_token: ``DROPBOX_TOKEN`` as given; None if it is not set.
        alert_url: ``LUMEN_ALERT_URL``; None if it is not set.
        alert_secret: ``LUMEN_ALERT_SECRET`` as given; None if it is not set.
        smtp: the mail server; None if ``SMTP_HOST`` is not set.
        grafana: what draws pictures for the report; None if ``GRAFANA_BASE`` is not set.
        apprise_urls: the addresses of ``alerts.apprise``, in its order.
        alertmanager_url: the address of ``alerts.alertmanager``.
        dead_man_url: the address of ``alerts.dead_man_url``.
        metrics_url: ``LUMEN_METRICS_URL``; None if it is not set.
        report_md: ``LUMEN_REPORT_MD``, absolute; None if it is not set.
        given_secrets: every secret, whoever uses it.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    configuration: Configuration
    configuration_file: Path | None
    home: Path
    data_root: Path | S3Folder
    sample: bool
    prometheus: PrometheusLogin = PrometheusLogin.model_construct()
    dagster_home: Path
    archive_key: SecretStr | None
    state_url: SecretStr | None = None
    gdrive_token: SecretStr | None = None
    dropbox_token: SecretStr | None = None
    alert_url: SecretStr | None = None
    alert_secret: SecretStr | None = None
    smtp: MailServer | None = None
    grafana: GrafanaServer | None = None
    apprise_urls: tuple[SecretStr, ...] = ()
    alertmanager_url: SecretStr | None = None
    dead_man_url: SecretStr | None = None
    metrics_url: str | None = None
    report_md: Path | None = None
    given_secrets: tuple[SecretStr, ...] = ()

    def dry(self) -> Settings:
        """The same settings for a dry run."""
        return self.model_copy(update={"configuration": self.configuration.model_copy(update={"dry_run": True})})

    @property
    def reports_folder(self) -> Path:
        """``controls/reports``: a Markdown, PDF and model file a day, and the figures."""
        return self.home / "controls" / "reports"

    @property
    def archive_folder(self) -> Path:
        """``archive``: a folder a frozen day, and the index."""
        return self.home / "archive"

    @property
    def slices_folder(self) -> Path:
        """``telemetry``: the days' slices while they are worked on."""
        return self.home / "telemetry"

    @property
    def chunk_days_file(self) -> Path:
        """What is known of the days of the inputs' parts: a cache."""
        return self.slices_folder / "chunk_days.json"

    @property
    def content_configuration(self) -> str:
        """The settings that shape a day's content, as YAML: what is frozen with it.

        Left out is what does not change it: when it runs, where replicas go, how they are checked, how inputs are
        reached. So a new destination makes no new revision of old days, and no path of a machine gets into an archive.
        Signals keep their order, the report's: so a day can be made again from what is in its archive. There telemetry
        from a Prometheus is a CSV file, which says in its comments what was asked.
        """
        content = self.configuration.model_dump(
            mode="json",
            include={
                "timezone": True,
                "sources": {"telemetry", "beside", "extra", "late_days"},
                "signals": True,
                "report": {"language", "title"},
            },
        )
        files = self.configuration.sources.as_files()
        for name in self.configuration.sources.servers:
            place = content["sources"]["beside"] if name else content["sources"]
            place[name or "telemetry"] = files[name].model_dump(mode="json")
        return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)

    @property
    def secrets(self) -> frozenset[SecretStr]:
        """Every secret that is known, and its parts: for taking them out of texts, and for nothing else.

        Those that AWS keeps are fetched for it. One that cannot be had now is not among them.
        """
        return frozenset(with_parts(self.given_secrets))

    @property
    def bare_tokens(self) -> dict[str, tuple[str, str]]:
        """The destinations that live on a bare access token: the variable that holds it, and how long it lives."""
        forms = {
            "gdrive": ("GDRIVE_TOKEN", self.gdrive_token, "an hour"),
            "dropbox": ("DROPBOX_TOKEN", self.dropbox_token, "four hours"),
        }
        bare = {}
        for name, destination in self.configuration.destinations.items():
            variable, token, lifetime = forms.get(destination.type, ("", None, ""))
            with suppress(LumenError):  # one that AWS does not give: what needs it says so
                if token is not None and not token.get_secret_value().lstrip().startswith("{"):
                    bare[name] = (variable, lifetime)
        return bare

    def local_path(self, destination: LocalDestination) -> Path:
        """The absolute folder of a local destination."""
        return self.home / destination.path.expanduser()

    @property
    def sessions_folder(self) -> Path:
        """``uploads``: what is remembered of unfinished uploads, a folder a destination."""
        return self.home / "uploads"


def _find_configuration(chosen: str | None, working_folder: Path, problems: list[str]) -> Path | None:
    if chosen:
        path = working_folder / chosen
        if not path.is_file():
            problems.append(f"LUMEN_CONFIG: {path} is not a file: give the path of a lumen.yaml or unset the variable")
            return None
        return path
    path = working_folder / "lumen.yaml"
    return path if path.is_file() else None


def _problem(error: Any) -> str:
    """One line of a validation error: the setting, what is wrong, the fix. Values are not repeated."""
    location = [str(part) for part in error["loc"]]
    kind = {("destinations",): 2, ("sources", "telemetry"): 2, ("sources", "beside"): 3}
    for front, at in kind.items():
        if tuple(location[: len(front)]) == front:
            del location[at : at + 1]  # which of its types it is
    where = ".".join(location) or "lumen.yaml"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such setting: remove it or correct its spelling"
    if error["type"] == "missing":
        return f"{where}: is needed: add it"
    if error["type"] == "union_tag_invalid":
        return f"{where}.type: there is no such type: use one of {error['ctx']['expected_tags']}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice instead of dropping the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _parse(text: str, source: str, problems: list[str]) -> Configuration | None:
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}" if mark else ""
        problems.append(f"{source}: not valid YAML{place} ({error.problem}): correct it")
        return None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        problems.append(f"{source}: must be settings with names, not a {type(content).__name__}")
        return None
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        problems.extend(_problem(item) for item in error.errors(include_url=False, include_input=False))
        return None


def _existing_parent(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _machine_problems(
    configuration: Configuration, home: Path, inputs: Path | S3Folder, working_folder: Path
) -> list[str]:
    """What is wrong with settings on this machine: paths that hide each other, a font that is not there."""
    problems = []
    if configuration.start_date > datetime.now(UTC).date():
        problems.append(f"start_date: {configuration.start_date} has not come yet: choose a day that is over")
    font = configuration.report.font
    if font and not (working_folder / font.expanduser()).is_file():
        problems.append(f"report.font: {font} is not a file: give the path of a TrueType font, or remove it")
    taken = {"the archive": home / "archive", "the reports": home / "controls"}
    if isinstance(inputs, Path):
        taken["the inputs"] = inputs
    for name, destination in configuration.destinations.items():
        if not isinstance(destination, LocalDestination):
            continue
        path = home / destination.path.expanduser()
        setting = f"destinations.{name}.path"
        if path.resolve() == home.resolve():
            problems.append(f"{setting}: it is LUMEN_HOME itself: name a folder in it, or better on another disk")
        for what, other in taken.items():
            mine, theirs = path.resolve(), other.resolve()
            if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
                problems.append(f"{setting}: {path} and {what} ({other}) are not apart: give it a folder of its own")
        taken[f"destination {name}"] = path
    return problems


def _addresses(alerts: Alerts, environ: Mapping[str, str], problems: list[str]) -> dict[str, SecretStr]:
    """The addresses that ``alerts`` uses, by how it names them: as they are, or by their variable."""
    single = {"alerts.alertmanager": alerts.alertmanager, "alerts.dead_man_url": alerts.dead_man_url}
    uses = [*(("alerts.apprise", name) for name in alerts.apprise), *single.items()]
    addresses = {}
    for setting, name in uses:
        if name is None:
            continue
        wrong: list[str] = []
        address = SecretStr(name) if "://" in name else environment_secret(environ, name, wrong, address_problem)
        problems.extend(f"{setting}: {problem}" for problem in wrong)
        if address is not None:
            addresses[name] = address
        elif not wrong:
            problems.append(f"{setting}: the environment variable {name} is not set: set it or correct the name")
    return addresses


def _secrets(environ: Mapping[str, str], problems: list[str]) -> dict[str, SecretStr]:
    """Those that are set, by their variables; ``problems`` is also told of names that no secret has."""
    given = {
        name: environment_secret(environ, name, problems, PROBLEM_IN.get(name, nothing_wrong))
        for name in sorted(SECRETS)
    }
    for name in ENVIRONMENT:
        if name not in SECRETS and environ.get(f"{name}_AWS"):
            problems.append(f"{name}_AWS: only secrets are looked up, and this is none: set {name}")
    if given["LUMEN_STATE_URL"] is not None and given["LUMEN_ARCHIVE_KEY"] is None:
        problems.append(
            "LUMEN_ARCHIVE_KEY: is needed where LUMEN_STATE_URL is set, or each machine makes a key of its own: "
            "`lumen key new` on one of them, and set it on all"
        )
    return {name: secret for name, secret in given.items() if secret is not None}


def default_configuration_text() -> str:
    """The commented ``lumen.yaml`` that ships; ``lumen`` runs on it where there is no other."""
    return files("lumen_assets").joinpath("lumen.yaml").read_text(encoding="utf-8")


def load_settings(
    environ: Mapping[str, str] | None = None, working_folder: Path | None = None, *, inputs_exist: bool = True
) -> Settings:
    """Read and validate everything that can be set.

    Args:
        environ: the environment; default: the process's.
        working_folder: where ``lumen.yaml`` is looked for; default: the process's.
        inputs_exist: whether ``LUMEN_DATA_ROOT`` must be there already.

    Raises:
        SettingsError: naming every wrong setting, the problem and the fix; never a secret.
    """
    environ = os.environ if environ is None else environ
    working_folder = working_folder or Path.cwd()
    problems: list[str] = []

    values = {name: environment_value(environ, name, problems) for name in ENVIRONMENT if name not in SECRETS}
    secrets = _secrets(environ, problems)
    path = _find_configuration(values["LUMEN_CONFIG"], working_folder, problems)
    try:
        text = path.read_text(encoding="utf-8-sig") if path else default_configuration_text()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read ({type(error).__name__}): it must be readable UTF-8 text")
        text = ""
    configuration = _parse(text, str(path or "lumen.yaml"), problems)

    user_data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "share")
    home = working_folder / Path(values["LUMEN_HOME"] or Path(user_data) / "lumen").expanduser()
    if not _existing_parent(home).is_dir():
        problems.append(f"LUMEN_HOME: {home} is not, and cannot be, a folder: choose another")
    given, sources = values["LUMEN_DATA_ROOT"], (configuration or Configuration()).sources
    inputs = data_root(given, sources, home, working_folder, problems)
    if given and inputs_exist and isinstance(inputs, Path) and not inputs.is_dir():
        problems.append(
            f"LUMEN_DATA_ROOT: {inputs} is not a folder: create it, correct the path, or unset it for sample data"
        )
    prometheus = prometheus_login(sources, values, secrets, working_folder, problems)
    if configuration is not None:
        problems.extend(_machine_problems(configuration, home, inputs, working_folder))
        addresses = _addresses(configuration.alerts, environ, problems)
        smtp = mail_server(configuration, values, secrets.get("SMTP_PASS"), problems)
        grafana = grafana_server(values, secrets.get("GRAFANA_TOKEN"), problems)
    if problems or configuration is None:
        raise SettingsError(
            subject=f"the settings ({path or 'shipped lumen.yaml'} and the environment)", problems=problems
        )
    foreign = (SecretStr(value) for name in FOREIGN_SECRETS if (value := environ.get(name)))
    alerts = configuration.alerts
    return Settings(
        configuration=configuration,
        configuration_file=path,
        home=home,
        data_root=inputs,
        sample=given is None and sources.telemetry.type == "csv",
        prometheus=prometheus,
        dagster_home=working_folder / Path(values["DAGSTER_HOME"] or home / "dagster").expanduser(),
        archive_key=secrets.get("LUMEN_ARCHIVE_KEY"),
        state_url=secrets.get("LUMEN_STATE_URL"),
        gdrive_token=secrets.get("GDRIVE_TOKEN"),
        dropbox_token=secrets.get("DROPBOX_TOKEN"),
        alert_url=secrets.get("LUMEN_ALERT_URL"),
        alert_secret=secrets.get("LUMEN_ALERT_SECRET"),
        smtp=smtp,
        grafana=grafana,
        apprise_urls=tuple(addresses[name] for name in alerts.apprise),
        alertmanager_url=addresses.get(alerts.alertmanager or ""),
        dead_man_url=addresses.get(alerts.dead_man_url or ""),
        metrics_url=values["LUMEN_METRICS_URL"],
        report_md=working_folder / values["LUMEN_REPORT_MD"] if values["LUMEN_REPORT_MD"] else None,
        given_secrets=(*secrets.values(), *addresses.values(), *foreign),
    )

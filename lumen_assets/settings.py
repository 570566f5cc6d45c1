"""``lumen.yaml`` and the environment, read once, as one typed, validated object.

The only reader of the environment. Nothing is read at import: call ``load_settings``.
Names of variables: see ``ENVIRONMENT``; each also works as ``NAME_FILE`` with the path of a file that holds the
value, as container secrets are mounted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from lumen_assets.errors import SettingsError

ENVIRONMENT: Final = {
    "LUMEN_CONFIG": "path of lumen.yaml (default: lumen.yaml in the working folder, else the shipped defaults)",
    "LUMEN_DATA_ROOT": "folder with the inputs (default: sample data under LUMEN_HOME)",
    "LUMEN_HOME": "folder for the outputs (default: lumen in the XDG data folder)",
    "DAGSTER_HOME": "folder of the Dagster instance (default: dagster in LUMEN_HOME)",
    "GDRIVE_TOKEN": "Google Drive: an access token, or a service-account or refresh-token JSON",
    "DROPBOX_TOKEN": "Dropbox: an access token, or a JSON with refresh_token, app_key and app_secret",
    "LUMEN_ARCHIVE_KEY": "32 bytes in base64; several, with commas, are a keyring: the first makes new archives",
}
"""Every variable that is read, with its meaning."""

_SECRETS: Final = {"LUMEN_ARCHIVE_KEY", "GDRIVE_TOKEN", "DROPBOX_TOKEN"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("must be a path under LUMEN_DATA_ROOT, without '..'")
    return path


RelativePath = Annotated[str, AfterValidator(_relative)]


class Schedule(_Section):
    """When the daily job runs, in KST."""

    at: str = Field("09:05", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="time of day, HH:MM, KST")
    spread_minutes: int = Field(
        5, ge=0, le=5, description="the start is moved by up to this many minutes either way, the same for a given day"
    )
    enabled: bool = Field(True, description="whether the schedule is on when the deployment starts")

    @model_validator(mode="after")
    def _stays_within_the_day(self) -> Schedule:
        hours, minutes = map(int, self.at.split(":"))
        if not self.spread_minutes <= hours * 60 + minutes < 24 * 60 - self.spread_minutes:
            raise ValueError("the spread would move the start past midnight: choose another time or a smaller spread")
        return self


class CsvTelemetry(_Section):
    """Telemetry from an append-only CSV file."""

    type: Literal["csv"] = "csv"
    path: RelativePath = Field("logs/metrics.csv", description="path under LUMEN_DATA_ROOT")
    rate_hz: float = Field(5, gt=0, le=1000, description="rows a second that are expected")


class Sources(_Section):
    """What a day is made of."""

    telemetry: CsvTelemetry = CsvTelemetry()
    extra: tuple[RelativePath, ...] = Field(
        ("gateway_activation.yaml", "controls/*.jsonl", "logs/rules_effects.csv"),
        description="further inputs to freeze, as glob patterns; by day where they have timestamps",
    )


class Label(_Section):
    """A name in the languages of the report."""

    ko: str = Field(min_length=1, description="Korean")
    en: str = Field(min_length=1, description="English")


class Target(_Section):
    """The range that a signal should be in; at least one bound."""

    min: float | None = Field(None, allow_inf_nan=False, description="lowest good value")
    max: float | None = Field(None, allow_inf_nan=False, description="highest good value")

    @model_validator(mode="after")
    def _has_a_bound(self) -> Target:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be below max")
        return self


class Signal(_Section):
    """How a numeric column is named and judged."""

    label: Label = Field(description="name in the report")
    unit: str = Field("", description="unit shown behind values")
    target: Target | None = Field(None, description="target range")
    good: Literal["up", "down"] | None = Field(None, description="direction that is an improvement")


def _default_signals() -> dict[str, Signal]:
    def signal(ko: str, en: str, target: Target, good: Literal["up", "down"]) -> Signal:
        return Signal(label=Label(ko=ko, en=en), target=target, good=good)

    return {
        "phase_diff": signal("위상차", "phase difference", Target(max=0.05), "down"),
        "entropy_rate": signal("엔트로피율", "entropy rate", Target(max=0.28), "down"),
        "creative_band": signal("창의 밴드", "creative band", Target(min=0.24), "up"),
        "risk_band": signal("위험 밴드", "risk band", Target(max=0.30), "down"),
    }


class Report(_Section):
    """The report's language and looks."""

    language: Literal["ko", "en"] = Field("ko", description="ko or en")
    title: str = Field("Lumen Resonance Report", min_length=1, description="title of the report")
    font: Path | None = Field(None, description="TrueType font with Korean glyphs, instead of the one that ships")


class Archive(_Section):
    """How archives are compressed."""

    level: int = Field(3, ge=1, le=19, description="Zstandard level")
    threads: int = Field(0, ge=0, le=64, description="compression threads; 0: one a core")


class LocalDestination(_Section):
    """A folder: another disk, a network mount."""

    type: Literal["local"]
    path: Path = Field(description="folder; relative paths are under LUMEN_HOME")


class S3Encryption(_Section):
    """How S3 encrypts at rest, besides our own encryption."""

    mode: Literal["AES256", "aws:kms", "aws:kms:dsse"] = Field(description="x-amz-server-side-encryption")
    key_id: str | None = Field(None, description="KMS key; default: the bucket's")


class S3Lock(_Section):
    """Object Lock retention of every object that is put."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(description="retention mode")
    days: int = Field(ge=1, description="days that nobody can delete or replace the object")


class S3Destination(_Section):
    """A bucket on Amazon S3 or any S3-compatible service. Credentials: the standard chain."""

    type: Literal["s3"]
    bucket: str = Field(min_length=3, description="bucket")
    prefix: str = Field("", description="put before every key, with a / between")
    region: str | None = Field(None, description="region; default: the standard chain's")
    endpoint_url: str | None = Field(None, description="endpoint of an S3-compatible service")

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
                raise ValueError("must be http://HOST or https://HOST, without a user or password in it")
        return url

    path_style: bool = Field(False, description="bucket in the path instead of the host name")
    storage_class: str | None = Field(None, description="storage class, as S3 names it")
    sse: S3Encryption | None = Field(None, description="encryption at rest")
    lock: S3Lock | None = Field(None, description="Object Lock retention")
    part_size_mib: int = Field(8, ge=5, le=512, description="size of the parts of a multipart upload")


class GoogleDriveDestination(_Section):
    """A folder in Google Drive. Credentials: GDRIVE_TOKEN."""

    type: Literal["gdrive"]
    folder: str = Field(min_length=1, description="path of the folder, with /; made where missing")
    drive_id: str | None = Field(None, description="shared drive; a service account needs one")


class DropboxDestination(_Section):
    """A folder in Dropbox. Credentials: DROPBOX_TOKEN."""

    type: Literal["dropbox"]
    folder: str = Field(pattern=r"^(/[^/]+)+$", description="path of the folder, from /")


Destination = Annotated[
    LocalDestination | S3Destination | GoogleDriveDestination | DropboxDestination, Field(discriminator="type")
]


def _default_destinations() -> dict[str, Destination]:
    return {
        "here": LocalDestination(type="local", path=Path("copies/here")),
        "there": LocalDestination(type="local", path=Path("copies/there")),
    }


class Policy(_Section):
    """What a day needs to be safe."""

    required_replicas: int = Field(2, ge=1, description="good replicas that every day must have")


class Verify(_Section):
    """How replicas are verified."""

    new_day_level: Literal["digest", "bytes", "members"] = Field(
        "members", description="level at which the daily job verifies the new day"
    )
    full_read_days: int = Field(
        30, ge=1, description="every replica is read back in full at least once in so many days"
    )


class Configuration(_Section):
    """All of ``lumen.yaml``."""

    timezone: Literal["Asia/Seoul"] = Field("Asia/Seoul", description="zone that a day is counted in; fixed")
    start_date: date = Field(date(2025, 10, 23), description="the first day there is")
    schedule: Schedule = Schedule()
    sources: Sources = Sources()
    signals: dict[str, Signal] = Field(default_factory=_default_signals, description="columns with a name and a target")
    report: Report = Report()
    archive: Archive = Archive()
    destinations: dict[str, Destination] = Field(
        default_factory=_default_destinations, description="where replicas live, in order of display"
    )
    policy: Policy = Policy()
    verify: Verify = Verify()

    @field_validator("destinations")
    @classmethod
    def _names_are_usable(cls, destinations: dict[str, Destination]) -> dict[str, Destination]:
        if not destinations:
            raise ValueError("at least one destination is needed")
        for name in destinations:
            if not (name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()):
                raise ValueError(f"{name!r}: a name is made of a-z, 0-9 and _")
            if name == "archive":
                raise ValueError("archive: the local archive has this name: choose another")
        return destinations

    @model_validator(mode="after")
    def _policy_can_be_met(self) -> Configuration:
        if self.policy.required_replicas > len(self.destinations):
            raise ValueError(
                f"policy.required_replicas is {self.policy.required_replicas} but there are only "
                f"{len(self.destinations)} destinations: add destinations or lower it"
            )
        return self


class Settings(BaseModel):
    """``lumen.yaml`` and the environment together.

    Attributes:
        configuration: what ``lumen.yaml`` says.
        configuration_file: where it was found; None for the defaults that ship.
        home: ``LUMEN_HOME``, absolute.
        data_root: ``LUMEN_DATA_ROOT``, absolute; the sample data's folder if it is not set.
        sample: whether ``data_root`` is the sample data's folder.
        dagster_home: the instance's folder, absolute.
        archive_key: ``LUMEN_ARCHIVE_KEY`` as given; None if it is not set.
        gdrive_token: ``GDRIVE_TOKEN`` as given; None if it is not set.
        dropbox_token: ``DROPBOX_TOKEN`` as given; None if it is not set.
    """

    model_config = ConfigDict(frozen=True)

    configuration: Configuration
    configuration_file: Path | None
    home: Path
    data_root: Path
    sample: bool
    dagster_home: Path
    archive_key: SecretStr | None
    gdrive_token: SecretStr | None = None
    dropbox_token: SecretStr | None = None

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
    def content_configuration(self) -> str:
        """The settings that shape a day's content, as YAML: what is frozen with it.

        Left out is what does not change it: when it runs, where replicas go, how they are checked. So a new destination
        makes no new revision of old days, and no path of a machine gets into an archive.
        """
        content = self.configuration.model_dump(
            mode="json",
            include={"timezone": True, "sources": True, "signals": True, "report": {"language": True, "title": True}},
        )
        return yaml.safe_dump(content, allow_unicode=True, sort_keys=True)

    def local_path(self, destination: LocalDestination) -> Path:
        """The absolute folder of a local destination."""
        return self.home / destination.path.expanduser()

    @property
    def sessions_folder(self) -> Path:
        """``uploads``: what is remembered of unfinished uploads, a folder a destination."""
        return self.home / "uploads"


def _environment_value(environ: Mapping[str, str], name: str, problems: list[str]) -> str | None:
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


def _machine_problems(configuration: Configuration, home: Path, data_root: Path, working_folder: Path) -> list[str]:
    """What is wrong with settings on this machine: paths that hide each other, a font that is not there."""
    problems = []
    if configuration.start_date > datetime.now(UTC).date():
        problems.append(f"start_date: {configuration.start_date} has not come yet: choose a day that is over")
    font = configuration.report.font
    if font and not (working_folder / font.expanduser()).is_file():
        problems.append(f"report.font: {font} is not a file: give the path of a TrueType font, or remove it")
    taken = {"the archive": home / "archive", "the reports": home / "controls", "the inputs": data_root}
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


def default_configuration_text() -> str:
    """The commented ``lumen.yaml`` that ships; ``lumen`` runs on it where there is no other."""
    return files("lumen_assets").joinpath("lumen.yaml").read_text(encoding="utf-8")


def load_settings(environ: Mapping[str, str] | None = None, working_folder: Path | None = None) -> Settings:
    """Read and validate everything that can be set.

    Args:
        environ: the environment; default: the process's.
        working_folder: where ``lumen.yaml`` is looked for; default: the process's.

    Raises:
        SettingsError: naming every wrong setting, the problem and the fix; never a secret.
    """
    environ = os.environ if environ is None else environ
    working_folder = working_folder or Path.cwd()
    problems: list[str] = []

    values = {name: _environment_value(environ, name, problems) for name in ENVIRONMENT}
    path = _find_configuration(values["LUMEN_CONFIG"], working_folder, problems)
    try:
        text = path.read_text(encoding="utf-8-sig") if path else default_configuration_text()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read ({type(error).__name__}): it must be readable UTF-8 text")
        text = ""
    configuration = _parse(text, str(path or "lumen.yaml"), problems)

    user_data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "share")
    home = working_folder / Path(values["LUMEN_HOME"] or Path(user_data) / "lumen").expanduser()
    root = values["LUMEN_DATA_ROOT"]
    data_root = working_folder / Path(root).expanduser() if root else home / "sample"
    if root and not data_root.is_dir():
        problems.append(
            f"LUMEN_DATA_ROOT: {data_root} is not a folder: create it, correct the path, or unset it for sample data"
        )
    if not _existing_parent(home).is_dir():
        problems.append(f"LUMEN_HOME: {home} is not, and cannot be, a folder: choose another")
    if configuration is not None:
        problems.extend(_machine_problems(configuration, home, data_root, working_folder))
    if problems or configuration is None:
        raise SettingsError(
            subject=f"the settings ({path or 'shipped lumen.yaml'} and the environment)", problems=problems
        )
    secrets = {name: SecretStr(value) for name, value in values.items() if value and name in _SECRETS}
    return Settings(
        configuration=configuration,
        configuration_file=path,
        home=home,
        data_root=data_root,
        sample=root is None,
        dagster_home=working_folder / Path(values["DAGSTER_HOME"] or home / "dagster").expanduser(),
        archive_key=secrets.get("LUMEN_ARCHIVE_KEY"),
        gdrive_token=secrets.get("GDRIVE_TOKEN"),
        dropbox_token=secrets.get("DROPBOX_TOKEN"),
    )


def read_archive_key(environ: Mapping[str, str] | None = None) -> SecretStr | None:
    """``LUMEN_ARCHIVE_KEY`` as given, and nothing else read; None if it is not set.

    Raises:
        SettingsError: if it is set twice, or its file cannot be read.
    """
    problems: list[str] = []
    key = _environment_value(os.environ if environ is None else environ, "LUMEN_ARCHIVE_KEY", problems)
    if problems:
        raise SettingsError(subject="LUMEN_ARCHIVE_KEY", problems=problems)
    return SecretStr(key) if key else None

"""All of ``lumen.yaml``, as a typed and validated model."""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lumen_assets.settings.alerts import TIME_OF_DAY, Alerts
from lumen_assets.settings.destinations import Destination, default_destinations
from lumen_assets.settings.distribution import Distribution
from lumen_assets.settings.retention import Retention
from lumen_assets.settings.section import Section
from lumen_assets.settings.sources import (
    CsvTelemetry,
    InputBucket,
    PrometheusTelemetry,
    RelativePath,
    Telemetry,
    rows_path,
)


def _require_plain(name: str) -> None:
    if not (name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()):
        raise ValueError(f"{name!r}: a name is made of a-z, 0-9 and _")


class Schedule(Section):
    """When the daily job runs, in KST."""

    at: str = Field("09:05", pattern=TIME_OF_DAY, description="time of day, KST")
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


class Sources(Section):
    """What a day is made of."""

    s3: InputBucket = InputBucket.model_construct()
    telemetry: Telemetry = CsvTelemetry.model_construct()
    beside: dict[str, Telemetry] = Field(
        default_factory=dict,
        description="further telemetry, by a name that its signals begin with: NAME.COLUMN",
        exclude_if=lambda beside: not beside,  # as in what was frozen before there was this setting
    )
    extra: tuple[RelativePath, ...] = Field(
        ("gateway_activation.yaml", "controls/*.jsonl", "logs/rules_effects.csv"),
        description="further inputs to freeze, as glob patterns; by day where they have timestamps",
    )
    late_days: int = Field(
        14,
        ge=0,
        le=400,
        description="days up to which a row counts in its own day though it came late, among the rows of another",
        exclude_if=lambda days: days == 14,  # as in what was frozen before there was this setting
    )
    links: Literal["follow", "refuse"] = Field(
        "follow",
        description="inputs that are symbolic links: read, and said in the report, or an error. What leads out of "
        "LUMEN_DATA_ROOT is an error either way, or not taken where a pattern finds it",
    )

    @field_validator("beside")
    @classmethod
    def _names_are_usable(cls, beside: dict[str, Telemetry]) -> dict[str, Telemetry]:
        for name in beside:
            _require_plain(name)
        return beside

    @model_validator(mode="after")
    def _sources_are_apart(self) -> Sources:
        paths = [PurePosixPath(source.path) for source in self.as_files().values()]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f"{path} is read twice as telemetry: give each source a path of its own")
        if len({(server.url, server.ca_file) for server in self.servers.values()}) > 1:
            raise ValueError(
                "there is one login, PROMETHEUS_…: all of type prometheus must have the same url and ca_file"
            )
        return self

    @property
    def by_name(self) -> dict[str, Telemetry]:
        """All telemetry; ``telemetry`` itself, which gaps and coverage of the day are counted by, first and as ""."""
        return {"": self.telemetry, **self.beside}

    @property
    def servers(self) -> dict[str, PrometheusTelemetry]:
        """Those of ``by_name`` that are on a Prometheus."""
        return {name: source for name, source in self.by_name.items() if isinstance(source, PrometheusTelemetry)}

    def as_files(self) -> dict[str, CsvTelemetry]:
        """``by_name`` as it is in a day's slice and archive."""
        return {
            name: source.as_csv(rows_path(name)) if isinstance(source, PrometheusTelemetry) else source
            for name, source in self.by_name.items()
        }


class Label(Section):
    """A name in the languages of the report."""

    ko: str = Field(min_length=1, description="Korean")
    en: str = Field(min_length=1, description="English")


class Target(Section):
    """The range that a signal should be in; at least one bound."""

    min: float | None = Field(None, allow_inf_nan=False, description="lowest good value")
    max: float | None = Field(
        None, allow_inf_nan=False, description="highest good value; may be that of min: a set point"
    )

    @model_validator(mode="after")
    def _has_a_bound(self) -> Target:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class Signal(Section):
    """How a numeric column is named and judged."""

    label: Label = Field(description="name in the report")
    unit: str = Field("", description="unit shown behind values")
    target: Target | None = Field(None, description="target range")
    good: Literal["up", "down"] | None = Field(None, description="direction that is an improvement")
    rate_hz: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="values a second that are expected of it; default: the rows of its source",
        exclude_if=lambda rate_hz: rate_hz is None,  # as in what was frozen before there was this setting
    )


def _default_signals() -> dict[str, Signal]:
    def signal(ko: str, en: str, target: Target, good: Literal["up", "down"]) -> Signal:
        return Signal(label=Label(ko=ko, en=en), target=target, good=good)

    return {
        "phase_diff": signal("위상차", "phase difference", Target(max=0.05), "down"),
        "entropy_rate": signal("엔트로피율", "entropy rate", Target(max=0.28), "down"),
        "creative_band": signal("창의 밴드", "creative band", Target(min=0.24), "up"),
        "risk_band": signal("위험 밴드", "risk band", Target(max=0.30), "down"),
    }


class GrafanaPictures(Section):
    """How Grafana draws its pictures. Where it is and what it draws: GRAFANA_BASE and the others."""

    width: int = Field(1000, ge=100, le=4000, description="width of a picture, in pixels")
    height: int = Field(
        500,
        ge=100,
        le=4000,
        description="height of a panel's picture, in pixels; the whole dashboard is as high as it is",
    )
    timeout_seconds: float = Field(60, gt=0, le=600, description="how long Grafana may take for a picture")


class Report(Section):
    """The report's language and looks."""

    language: Literal["ko", "en"] = Field("ko", description="language that it is written in")
    title: str = Field("Lumen Resonance Report", min_length=1, description="title of the report")
    font: Path | None = Field(None, description="TrueType font with Korean glyphs, instead of the one that ships")
    grafana: GrafanaPictures = GrafanaPictures.model_construct()


class Archive(Section):
    """How archives are compressed."""

    level: int = Field(1, ge=1, le=19, description="Zstandard level")
    threads: int = Field(0, ge=0, le=64, description="compression threads; 0: one a core, at most 8")


class Policy(Section):
    """What a day needs to be safe."""

    required_replicas: int = Field(2, ge=1, description="good replicas that every day must have")


class Verify(Section):
    """How replicas are verified."""

    new_day_level: Literal["digest", "bytes", "members"] = Field(
        "members", description="level at which the daily job verifies the new day"
    )
    full_read_days: int = Field(
        30, ge=1, description="every replica is read back in full at least once in so many days"
    )


class DrillSettings(Section):
    """How restoring is practised."""

    enabled: bool = Field(True, description="whether the weekly schedule is on when the deployment starts")
    overdue_days: int = Field(9, ge=1, description="days without a good drill after which it is told")


class CatchUp(Section):
    """How days that are missing, or below policy, are run by themselves."""

    enabled: bool = Field(True, description="whether the sensor is on when the deployment starts")
    order: Literal["oldest", "newest"] = Field("oldest", description="which of the missing days is run first")
    per_tick: int = Field(5, ge=1, le=100, description="days that are requested at a time, every minute")
    in_flight: int = Field(10, ge=1, le=1000, description="days that are under way at the same time at the most")
    attempts: int = Field(5, ge=1, le=100, description="attempts at a day before it is given up, loudly")
    first_wait_minutes: float = Field(
        10, gt=0, le=360, description="wait before the second attempt; it doubles with each, up to 6 hours"
    )


class Configuration(Section):
    """All of ``lumen.yaml``."""

    timezone: Literal["Asia/Seoul"] = Field("Asia/Seoul", description="zone that a day is counted in; fixed")
    start_date: date = Field(date(2025, 10, 23), description="the first day there is")
    schedule: Schedule = Schedule.model_construct()
    sources: Sources = Sources.model_construct()
    signals: dict[str, Signal] = Field(default_factory=_default_signals, description="columns with a name and a target")
    report: Report = Report.model_construct()
    archive: Archive = Archive.model_construct()
    destinations: dict[str, Destination] = Field(
        default_factory=default_destinations, description="where replicas live, in order of display"
    )
    policy: Policy = Policy.model_construct()
    verify: Verify = Verify.model_construct()
    drill: DrillSettings = DrillSettings.model_construct()
    catch_up: CatchUp = CatchUp.model_construct()
    retention: Retention = Retention.model_construct()
    alerts: Alerts = Alerts.model_construct()
    distribution: Distribution = Distribution.model_construct()
    dry_run: bool = Field(
        False, description="reports are made and archives frozen; nothing is uploaded, sent to people or removed"
    )

    @field_validator("destinations")
    @classmethod
    def _names_are_usable(cls, destinations: dict[str, Destination]) -> dict[str, Destination]:
        if not destinations:
            raise ValueError("at least one destination is needed")
        for name in destinations:
            _require_plain(name)
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

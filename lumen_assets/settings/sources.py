"""``sources.telemetry``: where the day's numbers come from."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from lumen_assets.settings.destinations import S3Connection
from lumen_assets.settings.section import Section

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_DURATION: Final = re.compile(r"(\d{1,6})(ms|s|m|h)", re.ASCII)
_OFFSET: Final = re.compile(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]", re.ASCII)
_SIGNAL: Final = re.compile(r"[^\W\d][\w.-]*")

_FOLDER_OF_PROMETHEUS: Final = "logs/prometheus"
"""In a day's archive, of the rows of a Prometheus that is read beside other telemetry."""


def relative(path: str) -> str:
    """A path, if it is one under ``LUMEN_DATA_ROOT``.

    Raises:
        ValueError: if it is none.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("must be a path under LUMEN_DATA_ROOT, without '..'")
    return path


def _milliseconds(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _step(step: str) -> str:
    if not 100 <= _milliseconds(step) <= 3_600_000:
        raise ValueError("must be a duration from 100ms to 1h, as 15s or 1m")
    return step


def _offset(offset: str) -> str:
    if not _OFFSET.fullmatch(offset):
        raise ValueError('must be an offset from UTC, as "+09:00"')
    return offset


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # brackets that do not match, a port that is no number
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be http://HOST:PORT or https://HOST/PATH, what /api/v1 is below")
    if parts.username is not None:
        raise ValueError("must be without a user or password: give them in PROMETHEUS_USER and PROMETHEUS_PASSWORD")
    return url.rstrip("/")


def _queries(queries: dict[str, str]) -> dict[str, str]:
    if not queries:
        raise ValueError("at least one is needed, as phase_diff: avg(lumen_phase_diff)")
    for name, query in queries.items():
        if not _SIGNAL.fullmatch(name) or name == "ts":
            raise ValueError(f"{name!r}: a signal's name is made of letters, digits and _ . -, and is not ts")
        if not query.strip():
            raise ValueError(f"{name}: there is no expression")
    return queries


RelativePath = Annotated[str, AfterValidator(relative)]


class CsvTelemetry(Section):
    """Telemetry from an append-only CSV file."""

    type: Literal["csv"] = "csv"
    path: RelativePath = Field("logs/metrics.csv", description="path under LUMEN_DATA_ROOT")
    timestamp: str = Field(
        "ts",
        min_length=1,
        description="name of the column that holds the timestamps",
        exclude_if=lambda name: name == "ts",  # as in what was frozen before there was this setting; the next two also
    )
    timestamp_form: Literal["iso", "unix_s", "unix_ms"] = Field(
        "iso",
        description="how they are written: ISO 8601, or as seconds or milliseconds since 1970 UTC",
        exclude_if=lambda form: form == "iso",
    )
    timestamp_offset: Annotated[str, AfterValidator(_offset)] | None = Field(
        None,
        description="offset from UTC of ISO 8601 times without one, as +09:00; default: such times are none",
        exclude_if=lambda offset: offset is None,
    )
    rate_hz: float = Field(5, gt=0, le=1000, description="rows a second that are expected")
    min_coverage: float = Field(
        0.9, ge=0, le=1, description="share of the expected rows below which the day's check warns"
    )

    @model_validator(mode="after")
    def _offset_is_of_use(self) -> CsvTelemetry:
        if self.timestamp_offset and self.timestamp_form != "iso":
            raise ValueError("timestamp_offset is for timestamp_form iso: seconds since 1970 are in UTC. Remove it")
        return self


class PrometheusTelemetry(Section):
    """Telemetry from a Prometheus server. Credentials: PROMETHEUS_TOKEN, or PROMETHEUS_USER and PROMETHEUS_PASSWORD."""

    type: Literal["prometheus"]
    url: Annotated[str, AfterValidator(_server)] = Field(description="address of the server, what /api/v1 is below")
    queries: Annotated[dict[str, str], AfterValidator(_queries)] = Field(
        description="a PromQL expression a signal, by the signal's name; each must give one series"
    )
    step: Annotated[str, AfterValidator(_step)] = Field(
        "15s", description="time between two rows, from 100ms to 1h; usually the scrape interval"
    )
    min_coverage: float = Field(
        0.9, ge=0, le=1, description="share of the expected rows below which the day's check warns"
    )
    ca_file: Path | None = Field(
        None, description="certificate of the authority that the server's is verified with; default: the system's"
    )

    @property
    def step_ms(self) -> int:
        """Milliseconds between two rows."""
        return _milliseconds(self.step)

    @property
    def rate_hz(self) -> float:
        """Rows a second that are expected."""
        return 1000 / self.step_ms

    def as_csv(self, path: str) -> CsvTelemetry:
        """The same telemetry once it was read: what a day is made from again without the server.

        Args:
            path: where its rows lie in the day's slice and archive.
        """
        return CsvTelemetry(path=path, rate_hz=self.rate_hz, min_coverage=self.min_coverage)


class InputBucket(S3Connection):
    """How the bucket of LUMEN_DATA_ROOT=s3://BUCKET/PREFIX is reached. Credentials: the standard chain."""


def _type_of(value: Any) -> Any:
    return value.get("type", "csv") if isinstance(value, dict) else getattr(value, "type", "csv")


Telemetry = Annotated[
    Annotated[CsvTelemetry, Tag("csv")] | Annotated[PrometheusTelemetry, Tag("prometheus")], Discriminator(_type_of)
]
"""A CSV file unless its ``type`` says otherwise."""


def rows_path(name: str) -> str:
    """Where the rows of a day from a Prometheus lie in its slice and its archive.

    Args:
        name: of the source in ``sources.beside``; empty for ``sources.telemetry``.
    """
    return f"{_FOLDER_OF_PROMETHEUS}/{name}.csv" if name else f"{_FOLDER_OF_PROMETHEUS}.csv"


def is_rows_path(path: str) -> bool:
    """Whether a path is one of ``rows_path``."""
    return path == rows_path("") or path.startswith(f"{_FOLDER_OF_PROMETHEUS}/")


def setting_of(name: str) -> str:
    """Where a source stands in ``lumen.yaml``, by its name in ``sources.beside``; empty for ``sources.telemetry``."""
    return f"sources.beside.{name}" if name else "sources.telemetry"

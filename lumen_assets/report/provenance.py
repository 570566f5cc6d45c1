"""Where a day's telemetry came from and how it was read, a part of the report's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from lumen_assets.report.plain_text import visible
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import InputReading, clock_of


@dataclass(frozen=True)
class Query:
    """The PromQL expression of a signal, as it was asked, with its line breaks."""

    signal: str
    expression: str


@dataclass(frozen=True)
class TelemetrySource:
    """Where telemetry came from and how it was read.

    Attributes:
        name: in ``sources.beside``; empty for the day's own telemetry.
        file: the file of its rows, one of the inputs.
        timestamp, timestamp_form, timestamp_offset: how that tells the time, as in ``sources.telemetry``.
        server: scheme, host and port of the Prometheus whose answers these rows are; None if they are of no such.
        step: time between two rows that it was asked for, as ``15s``.
        queries: what it was asked, in order of the columns.
    """

    name: str
    file: str
    timestamp: str
    timestamp_form: Literal["iso", "unix_s", "unix_ms"]
    timestamp_offset: str
    server: str | None = None
    step: str = ""
    queries: tuple[Query, ...] = ()


def telemetry_sources(inputs: Sequence[InputReading], configuration: Configuration) -> Iterator[TelemetrySource]:
    """Every source, the day's own first.

    What a Prometheus was asked is what the file of its answers says, not the settings: made again from its archive,
    where that file is all there is, a day's report says the same.
    """
    asked = {reading.name: reading.asked for reading in inputs}
    for name, file in configuration.sources.as_files().items():
        clock, path = clock_of(file), PurePosixPath(file.path).as_posix()
        source = TelemetrySource(name, visible(path), visible(clock.column), clock.form, clock.offset)
        if found := asked.get(path):
            prefix = f"{name}." if name else ""
            queries = tuple(Query(visible(f"{prefix}{column}"), _lines(query)) for column, query in found.queries)
            source = replace(source, server=found.server, step=found.step, queries=queries)
        yield source


def _lines(query: str) -> str:
    return "\n".join(map(visible, query.split("\n")))

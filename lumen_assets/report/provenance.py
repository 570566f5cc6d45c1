"""Where a day's telemetry came from, for its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from lumen_assets.report.model import Query, TelemetrySource
from lumen_assets.report.plain_text import visible
from lumen_assets.settings import Configuration
from lumen_assets.telemetry.model import InputReading, clock_of


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

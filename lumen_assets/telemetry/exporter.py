"""The demo exporter: the newest values of a data root as the gauges that a gateway's exporter has.

For sample data and for trying things out: it reads the end of the telemetry file at every scrape.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lumen_assets.errors import PermanentError
from lumen_assets.telemetry.gauges import GATEWAY_GAUGE, gauge_name
from lumen_assets.telemetry.layout import GATEWAY
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.numbers import cell_number
from lumen_assets.telemetry.preamble import csv_line_instant, csv_preamble, split_cells
from lumen_assets.telemetry.reading import GATEWAY_STATES, read_gateway

_TAIL: Final = 1 << 16


def newest_values(path: Path) -> dict[str, float]:
    """The last number of every column near the end of a telemetry CSV.

    A cell without a number leaves the value as it was, as an exporter does that sets a gauge when it has one.

    Raises:
        PermanentError: if the file is not there or has no header.
    """
    try:
        with path.open("rb", buffering=0) as file:
            source = Source(file.fileno())
            preamble = csv_preamble(source)
            tail = source.read(max(preamble.end, source.size - _TAIL), _TAIL)
    except FileNotFoundError:
        raise _unusable(path, "there is no such file") from None
    if preamble.header is None:
        raise _unusable(path, "it has no header")
    values: dict[str, float] = {}
    for line in tail.split(b"\n")[:-1]:  # the last piece is a torn line, or empty
        values |= _numbers(line, preamble.header)
    return values


def _numbers(line: bytes, header: tuple[str, ...]) -> dict[str, float]:
    if csv_line_instant(line) is None:
        return {}
    try:
        cells = split_cells(line.decode("utf-8"))
    except (UnicodeDecodeError, csv.Error):
        return {}
    if len(cells) != len(header):
        return {}
    read = ((name, cell_number(cell)[0]) for name, cell in zip(header[1:], cells[1:], strict=True))
    return {name: value for name, value in read if value is not None}


class _NewestValues(Collector):
    def __init__(self, values: dict[str, float], gateway: int) -> None:
        self._values = values
        self._gateway = gateway

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A gauge a column, and the gateway's status."""
        columns = {gauge_name(column): column for column in self._values}
        for name in sorted(columns.keys() - {GATEWAY_GAUGE}):
            column = columns[name]
            yield GaugeMetricFamily(name, f"Newest value of {column}.", value=self._values[column])
        states = ", ".join(f"{number} {state}" for number, state in enumerate(GATEWAY_STATES))
        yield GaugeMetricFamily(GATEWAY_GAUGE, f"Status of the gateway: {states}.", value=self._gateway)


def exporter_page(data_root: Path, telemetry_path: str) -> bytes:
    """The exporter's page, in the Prometheus text format.

    Raises:
        PermanentError: as ``newest_values``.
    """
    gateway = data_root / GATEWAY
    status = read_gateway(gateway)[0] if gateway.is_file() else None
    number = GATEWAY_STATES.index(status or GATEWAY_STATES[0])
    registry = CollectorRegistry()
    registry.register(_NewestValues(newest_values(data_root / telemetry_path), number))
    return generate_latest(registry)


def _unusable(path: Path, cause: str) -> PermanentError:
    return PermanentError(
        action="read the newest values of",
        subject=str(path),
        cause=cause,
        error_class="input",
        hint="`lumen demo` writes sample data",
    )

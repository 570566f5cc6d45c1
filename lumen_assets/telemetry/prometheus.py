"""A day of telemetry from a Prometheus server, as the CSV that a logger would have written.

A row a step of the KST day, from its first instant on, a column a signal. A row is there where any signal has a value;
a cell is empty where its signal has none, or NaN or an infinity. So where nothing was scraped there are no rows: a gap.
The values are those of the expression, digit by digit as the server writes them: counters that start again are
the business of ``rate()`` and ``increase()``, and how long a value counts that of the server's look-back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from lumen_assets.days import day_bounds
from lumen_assets.errors import PermanentError
from lumen_assets.http import origin
from lumen_assets.settings import PrometheusLogin, PrometheusTelemetry
from lumen_assets.telemetry.asked import opening
from lumen_assets.telemetry.instants import microseconds
from lumen_assets.telemetry.model import Asked
from lumen_assets.telemetry.prometheus_api import PrometheusApi, Series, TimedOutError, TooMuchError

POINTS: Final = 11_000
"""Points a series that Prometheus gives to one query at the most."""

_DAY_MS: Final = 86_400_000
_SCRAPED: Final = "count(up)"
_LOOK_BACK_MS: Final = 300_000
"""How long a value counts, unless the server is told otherwise: asked that often, nothing of a day is overlooked."""


@dataclass(frozen=True)
class Answered:
    """What a server had of a day.

    Attributes:
        coverage: the share of the day's steps that have a row.
        values: the share of them that have a value, by signal.
        measured: whether any signal has values that are not one and the same at every step: what an expression such as
            ``… or vector(0)`` gives of a day of which the server knows nothing, too.
    """

    coverage: float
    values: Mapping[str, float]
    measured: bool


class Prometheus:
    """The server of a source.

    Args:
        source: the settings.
        login: what it knows us by.
        setting: where the source stands in ``lumen.yaml``.
    """

    def __init__(self, source: PrometheusTelemetry, login: PrometheusLogin, setting: str = "sources.telemetry") -> None:
        self._source, self._setting = source, setting
        ca_file = source.ca_file.expanduser() if source.ca_file else None
        self._api = PrometheusApi(source.url, login, ca_file, setting)

    @property
    def shown(self) -> str:
        """The server in words, without what may be secret."""
        return self._api.shown

    def write_day(self, day: date, file: Path) -> Answered:
        """Ask for a KST day and write its CSV; the same answers give the same bytes.

        Raises:
            TransientError: if the server does not answer, is busy, or says that its answer is not whole.
            PermanentError: if it does not know us, takes no such expression, or one gives several series.
        """
        start = microseconds(day_bounds(day)[0]) // 1000
        columns = {name: self._column(name, query, start) for name, query in self._source.queries.items()}
        rows = 0
        with file.open("w", encoding="utf-8", newline="\n") as output:
            output.writelines(opening(self._asked))
            output.write(f"ts,{','.join(self._source.queries)}\n")
            for step, cells in enumerate(zip(*columns.values(), strict=True)):
                if any(cells):
                    rows += 1
                    output.write(f"{_stamp(day, step * self._source.step_ms)},{','.join(cells)}\n")
        return Answered(
            coverage=rows / self._steps,
            values={name: 1 - cells.count("") / self._steps for name, cells in columns.items()},
            measured=any(len(set(cells)) > 1 for cells in columns.values()),
        )

    def was_there(self, day: date) -> bool:
        """Whether the server has what it scraped on a KST day, from whatever target.

        Raises:
            LumenError: as ``write_day``.
        """
        last = microseconds(day_bounds(day)[1]) // 1000 - 1
        found = self._api.query_range("up", _SCRAPED, last - _DAY_MS + _LOOK_BACK_MS, last, _LOOK_BACK_MS)
        return any(series.points for series in found)

    def look(self) -> Mapping[str, int]:
        """How many values each signal has now: one, where all is well; none, where nothing was scraped lately.

        Raises:
            LumenError: as ``write_day``.
        """
        found = {name: self._api.query(name, query) for name, query in self._source.queries.items()}
        for name, series in found.items():
            self._require_one(name, series)
        return {name: len(series) for name, series in found.items()}

    @property
    def _steps(self) -> int:
        """How many there are in a day."""
        return -(-_DAY_MS // self._source.step_ms)

    @property
    def _asked(self) -> Asked:
        """What is asked for a day, without what may be secret: of the address, its origin."""
        return Asked(origin(self._source.url), self._source.step, tuple(self._source.queries.items()))

    def _column(self, name: str, query: str, start: int) -> list[str]:
        """The cells of a signal, one a step of the day; empty where it has no finite value."""
        step, count = self._source.step_ms, self._steps
        cells = [""] * count
        found: list[Series] = []
        for first in range(0, count, POINTS):
            for series in self._ask(name, query, start, first, min(POINTS, count - first)):
                found += [series] if all(series.labels != other.labels for other in found) else []
                self._require_one(name, found)
                for moment, value in series.points:
                    if math.isfinite(float(value)):
                        cells[round((moment * 1000 - start) / step)] = value
        return cells

    def _ask(self, name: str, query: str, start: int, first: int, count: int) -> list[Series]:
        """The series of so many steps, asked for in as many parts as the server's limits take."""
        step = self._source.step_ms
        begin, end = start + first * step, start + (first + count - 1) * step
        try:
            return self._api.query_range(name, query, begin, end, step)
        except (TooMuchError, TimedOutError):
            if count == 1:
                raise
        half = count // 2
        return [
            *self._ask(name, query, start, first, half),
            *self._ask(name, query, start, first + half, count - half),
        ]

    def _require_one(self, name: str, found: list[Series]) -> None:
        if len(found) <= 1:
            return
        labels = {label for series in found for label in series.labels}
        differing = sorted(label for label in labels if len({series.labels.get(label) for series in found}) > 1)
        raise PermanentError(
            action="read telemetry from",
            subject=self.shown,
            cause=f"{name}: its expression gives {len(found)} series, which differ in {', '.join(differing)}",
            error_class="configuration",
            hint=f"make it one in {self._setting}.queries.{name}: sum(…) or avg(…) of them, or "
            f'{{{differing[0]}="…"}} to take one',
        )


def _stamp(day: date, milliseconds: int) -> str:
    moment: datetime = day_bounds(day)[0] + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds")

"""The inputs of an installation, a day at a time: cut out, read, and not read again as long as nobody wrote to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from lumen_assets import telemetry
from lumen_assets.days import yesterday
from lumen_assets.durable import remove_left_over
from lumen_assets.settings import Settings
from lumen_assets.telemetry import DaySlice, DayTelemetry, InputSlice
from lumen_assets.telemetry.inputs import input_names, inputs_mark

SAMPLE_DAYS: Final = 3

_REMEMBERED: Final = 3
"""Readings: each day is read for itself, for its report, and as the day before the next one, when the one before it
still stands in front of the two."""


class DayInputs:
    """What the inputs hold of each day.

    Args:
        settings: where they are.
        locked: a lock by name, of all processes of this machine.
    """

    def __init__(self, settings: Settings, locked: Callable[[str], AbstractContextManager[None]]) -> None:
        self._settings = settings
        self._locked = locked
        self._readings: dict[Hashable, DayTelemetry] = {}
        self._cut_from: dict[date, tuple[Hashable, Hashable]] = {}

    def cut(self, day: date) -> DaySlice:
        """Cut the day out of every input, anew."""
        return self._cut(day, self._folder(day))

    def sliced(self, day: date) -> DaySlice:
        """The day's slice: the one that is there, else cut now."""
        return telemetry.load_slice(self._folder(day)) or self.cut(day)

    def forget(self, day: date) -> None:
        """Remove the day's slice: once frozen, the archive has it, and the inputs can be cut again."""
        folder = self._folder(day)
        shutil.rmtree(folder, ignore_errors=True)
        for path in (f"{folder}.json", f"{folder}.lumen.yaml", f"{folder}.grafana.json"):
            Path(path).unlink(missing_ok=True)

    def describe(self, day: date) -> tuple[InputSlice, ...]:
        """What cutting the day now would give, written nowhere."""
        self._ensure_sample()
        return telemetry.describe_day(self._settings.data_root, day, **self._sources)

    def read(self, day_slice: DaySlice) -> DayTelemetry:
        """What a day's slice holds. The last ``_REMEMBERED`` that were read are remembered by their digests."""
        key = _reading_key(day_slice.day, day_slice.inputs)
        found = self._readings.pop(key, None) or telemetry.read_day(day_slice)
        self._readings[key] = found
        while len(self._readings) > _REMEMBERED:
            del self._readings[next(iter(self._readings))]
        return found

    def read_day_before(self, day: date) -> DayTelemetry:
        """The telemetry of the day before ``day``, from the inputs, leaving nothing behind."""
        before = day - timedelta(days=1)
        if known := self._known_reading(before):
            return known
        self._settings.slices_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=self._settings.slices_folder) as folder:
            return self.read(self._cut(before, Path(folder) / before.isoformat()))

    def _known_reading(self, day: date) -> DayTelemetry | None:
        """What was read of a day, if its inputs are what they were then."""
        if day not in self._cut_from:
            return None
        mark, key = self._cut_from[day]
        if mark is None or mark != self._mark():
            key = _reading_key(day, self.describe(day))
        return self._readings.get(key)

    def _cut(self, day: date, folder: Path) -> DaySlice:
        self._ensure_sample()
        remove_left_over(self._settings.slices_folder)
        mark = self._mark()
        found = telemetry.cut_day(self._settings.data_root, day, folder, **self._sources)
        self._cut_from[day] = (mark, _reading_key(day, found.inputs))
        while len(self._cut_from) > _REMEMBERED:
            del self._cut_from[next(iter(self._cut_from))]
        return found

    def _mark(self) -> Hashable:
        names = input_names(self._settings.data_root, **self._sources)
        return inputs_mark(self._settings.data_root, names)

    @property
    def _sources(self) -> dict[str, Any]:
        sources = self._settings.configuration.sources
        return {"telemetry_path": sources.telemetry.path, "extra": sources.extra}

    def _folder(self, day: date) -> Path:
        return self._settings.slices_folder / day.isoformat()

    def _ensure_sample(self) -> None:
        sources = self._settings.configuration.sources
        if self._settings.sample:
            with self._locked("sample"):
                telemetry.ensure_sample(
                    self._settings.data_root,
                    last_day=yesterday(),
                    days=SAMPLE_DAYS,
                    rate_hz=sources.telemetry.rate_hz,
                    telemetry_path=sources.telemetry.path,
                )


def _reading_key(day: date, inputs: Sequence[InputSlice]) -> Hashable:
    return (day, *((item.name, item.role, item.present, item.sha256) for item in inputs))

"""The inputs of an installation, a day at a time: cut out, read, and not read again as long as nobody wrote to them."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lumen_assets import telemetry
from lumen_assets.days import yesterday
from lumen_assets.durable import TEMPORARY_PREFIX, remove_left_over
from lumen_assets.errors import IntegrityError, PermanentError
from lumen_assets.report import load_report
from lumen_assets.report.numbers import (
    frozen_bad_numbers,
    frozen_configured,
    frozen_coverage,
    frozen_rows,
    frozen_values,
)
from lumen_assets.report.plain_text import visible
from lumen_assets.settings import CsvTelemetry, Settings, Sources
from lumen_assets.settings.sources import rows_path, setting_of
from lumen_assets.telemetry.inputs import input_names, inputs_mark
from lumen_assets.telemetry.model import DaySlice, DayTelemetry, InputReading, InputSlice, TelemetryFile, clock_of
from lumen_assets.telemetry.roots import DataRoot, WithFile

if TYPE_CHECKING:
    from lumen_assets.report.before import DayBefore
    from lumen_assets.telemetry import Prometheus
    from lumen_assets.telemetry.prometheus import Answered

SAMPLE_DAYS: Final = 3

_REMEMBERED: Final = 3
"""Readings: each day is read for itself, for its report, and as the day before the next one, when the one before it
still stands in front of the two."""


_LOST: Final = 0.01
"""The share of a day, of its rows in a file or of a signal's values that there may be less of than what was frozen."""

_NAMED: Final = 3
"""Columns that an error names; a file may have hundreds."""


class DayInputs:
    """What the inputs hold of each day.

    Attributes:
        fewer_rows: whether a day may have fewer rows or values than what was frozen of it.

    Args:
        settings: where they are.
        locked: a lock by name, of all processes of this machine.
        frozen_report: the report, its JSON, in a day's newest archive; None for a day that is not frozen.
    """

    def __init__(
        self,
        settings: Settings,
        locked: Callable[[str], AbstractContextManager[None]],
        frozen_report: Callable[[date], str | None],
    ) -> None:
        self._settings = settings
        self._locked = locked
        self._frozen_report = frozen_report
        self.fewer_rows = False
        self._readings: dict[Hashable, DayTelemetry] = {}
        self._cut_from: dict[date, tuple[Hashable, Hashable]] = {}
        self._slices: dict[date, tuple[DaySlice, Hashable]] = {}

    def cut(self, day: date) -> DaySlice:
        """Cut the day out of every input, anew.

        Raises:
            LumenError: if an input cannot be read; also if a server no longer has the day, or there is less of it than
                what was frozen, unless ``fewer_rows`` is set.
        """
        found = self._cut(day, self._folder(day))
        self._require_rows(found)
        self._slices = {day: (found, _marks(found))}
        return found

    def sliced(self, day: date) -> DaySlice:
        """The day's slice: the one that is there, else cut now. One that this process did not cut is read over."""
        known = self._slices.get(day)
        if known and known[1] == _marks(known[0]):
            return known[0]
        return telemetry.load_slice(self._folder(day)) or self.cut(day)

    def forget(self, day: date) -> None:
        """Remove the day's slice: once frozen, the archive has it, and the inputs can be cut again."""
        folder = self._folder(day)
        shutil.rmtree(folder, ignore_errors=True)
        for path in (f"{folder}.json", f"{folder}.lumen.yaml", f"{folder}.grafana.json"):
            Path(path).unlink(missing_ok=True)

    def describe(self, day: date) -> tuple[InputSlice, ...]:
        """What cutting the day now would give, written nowhere. No server is asked: its telemetry is left out."""
        self._ensure_sample()
        return telemetry.describe_day(
            self._root, day, telemetry=self._files_there, extra=self._sources.extra, reach=self._reach
        )

    def read(self, day_slice: DaySlice) -> DayTelemetry:
        """What a day's slice holds. The last ``_REMEMBERED`` that were read are remembered by their digests."""
        key = _reading_key(day_slice.day, day_slice.inputs)
        found = self._readings.pop(key, None) or telemetry.read_day(day_slice, self.telemetry_files)
        self._readings[key] = found
        while len(self._readings) > _REMEMBERED:
            del self._readings[next(iter(self._readings))]
        return found

    def day_before(self, day: date) -> DayBefore | None:
        """What a report needs of the day before ``day``; None if that has no rows.

        Its own report tells it, where that was made of what the inputs hold now.
        """
        from lumen_assets.report.before import before_by_report, before_by_telemetry  # Polars and NumPy

        configuration, before = self._settings.configuration, day - timedelta(days=1)
        if known := self._known_reading(before):
            return before_by_telemetry(known, configuration)
        with suppress(PermanentError):  # there is none
            report = load_report(self._settings.reports_folder, before)
            found = before_by_report(
                report, self.describe(before), configuration, lambda: self.read_day_before(day).tables
            )
            if found:
                return found
        return before_by_telemetry(self.read_day_before(day), configuration)

    def read_day_before(self, day: date) -> DayTelemetry:
        """The telemetry of the day before ``day``, from the inputs, leaving nothing behind.

        Without rows where a server no longer has that day.
        """
        before = day - timedelta(days=1)
        if known := self._known_reading(before):
            return known
        self._settings.slices_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=self._settings.slices_folder) as folder:
            return self.read(self._cut(before, Path(folder) / before.isoformat(), required=False))

    def _known_reading(self, day: date) -> DayTelemetry | None:
        """What was read of a day, if its inputs are what they were then."""
        if day not in self._cut_from:
            return None
        mark, key = self._cut_from[day]
        if mark is None or mark != self._mark():
            key = _reading_key(day, self.describe(day))
        return self._readings.get(key)

    def _cut(self, day: date, folder: Path, *, required: bool = True) -> DaySlice:
        self._ensure_sample()
        self._settings.slices_folder.mkdir(parents=True, exist_ok=True)
        remove_left_over(self._settings.slices_folder)
        mark = self._mark()
        with self._asked(day, required=required) as root:
            found = telemetry.cut_day(
                root, day, folder, telemetry=self.telemetry_files, extra=self._sources.extra, reach=self._reach
            )
        self._cut_from[day] = (mark, _reading_key(day, found.inputs))
        while len(self._cut_from) > _REMEMBERED:
            del self._cut_from[next(iter(self._cut_from))]
        return found

    @contextmanager
    def _asked(self, day: date, *, required: bool) -> Iterator[DataRoot]:
        """The inputs, with what a server was asked for of the day."""
        root = self._root
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=self._settings.slices_folder) as folder:
            for number, (name, server) in enumerate(self._servers.items()):
                file = Path(folder) / f"{number}.csv"
                answered = server.write_day(day, file)
                if required and not self.fewer_rows:
                    self._require_kept(name, server, day, answered)
                root = WithFile(root, rows_path(name), file)
            yield root

    def _require_kept(self, name: str, server: Prometheus, day: date, answered: Answered) -> None:
        """Refuse a day that the server has forgotten: good rows and values are never replaced by fewer ones.

        What is beside other telemetry may be younger than that: a day without it is told of in its report.
        """
        report = self._frozen_report(day)
        coverage, frozen = answered.coverage, frozen_coverage(report).get(name) if report else None
        values = frozen_values(report).get(name, {}) if report else {}
        gone = [signal for signal in values if signal not in answered.values]
        fewer = [
            f"{name} has values for {answered.values[name]:.1%} of the day now, and {signal.coverage:.1%} of it are "
            "frozen"
            for name, signal in values.items()
            if name in answered.values and answered.values[name] < (1 - _LOST) * signal.coverage
        ]
        error_class, hint = "missing", "see how long it keeps data (--storage.tsdb.retention.time)"
        if gone:
            cause = f"{_some(gone)}: frozen of the day, and asked for no more; what is frozen stays as it is"
            error_class, hint = "configuration", f"bring back what is gone from {setting_of(name)}.queries"
        elif frozen is not None and coverage < frozen - (_LOST if coverage else 0):
            cause = f"it has {coverage:.1%} of the day now, and {frozen:.1%} of it is frozen, which stays as it is"
        elif not answered.measured and (frozen or not name) and not server.was_there(day):
            cause = "it has nothing of the day, not even of other targets (`up`): it forgot it, or did not run"
        elif fewer:
            cause = f"{_some(fewer, '; ')}, which stay as they are"
        else:
            return
        raise PermanentError(
            action="read telemetry from",
            subject=f"{server.shown} for {day}",
            cause=cause,
            error_class=error_class,
            hint=f"{hint}, and docs/sources.md for what is possible; `lumen daily --day {day} --fewer-rows` "
            "freezes the day as it is there now",
        )

    def _require_rows(self, cut: DaySlice) -> None:
        """Refuse a day that has lost rows, values or a source that are frozen: files grow, so one was started anew.

        Nothing of the slice stays: whoever goes on with the day comes here again.
        """
        report = None
        if not self.fewer_rows:
            with suppress(IntegrityError):  # damaged here: what the destinations have of it is verified
                report = self._frozen_report(cut.day)
        lost = self._lost(self.read(cut), report) if report else None
        if lost is None:
            return
        subject, cause, hint = lost
        self.forget(cut.day)
        raise PermanentError(
            action=f"take {cut.day} from",
            subject=subject,
            cause=f"{cause}, which stay as they are",
            error_class="missing",
            hint=f"{hint}. `lumen repair {cut.day}` mends the replicas of what is frozen without the inputs; "
            f"`lumen daily --day {cut.day} --fewer-rows` freezes the day as it is now",
        )

    def _lost(self, found: DayTelemetry, report: str) -> tuple[str, str, str] | None:
        """What was frozen and is no more: of what, how much, and what to do.

        Of a server it was seen when that was asked.

        Args:
            report: the frozen one, its JSON.
        """
        values, rows = frozen_values(report), frozen_rows(report)
        for source, signals in values.items():
            if signals and source not in self._sources.by_name:
                setting = setting_of(source)
                cause = f"it is configured no more, and values of {_some(list(signals))} are frozen"
                return setting, cause, f"bring {setting} back"
        read = {item.name: item for item in found.inputs}
        for file, table in zip(self.telemetry_files, found.tables, strict=True):
            if file not in self._files_there:
                continue
            frozen = rows.get(visible(file.name), 0)
            left_out = self._left_out(read[file.name], [name for name in table.columns if name != "ts"], report)
            if read[file.name].rows < (1 - _LOST) * frozen:
                cause = f"it has {read[file.name].rows:,} rows of the day now, and {frozen:,} are frozen"
                return file.name, cause, f"bring its rows back{left_out}"
            now: Counter[str] = Counter()
            for name in table.columns:
                now[visible(name.removeprefix(file.prefix))] += table[name].count()
            fewer = [
                f"{name} has {now[name]:,} values of the day now, and {signal.count:,} are frozen"
                for name, signal in values.get(file.source, {}).items()
                if now[name] < (1 - _LOST) * signal.count
            ]
            if fewer:
                return file.name, _some(fewer, "; "), f"bring its columns back{left_out}"
        return None

    def _left_out(self, read: InputReading, columns: Sequence[str], report: str) -> str:
        """What to do where more rows than before are left out, as configured columns of a file hold no numbers there.

        A column that is put into ``signals`` costs the rows in which it is text, though the file is what it was.
        """
        count = read.rejected.get("bad_number", 0)
        if not count or count <= frozen_bad_numbers(report).get(visible(read.name), 0):
            return ""
        signals, before = self._settings.configuration.signals, frozen_configured(report)
        new = [visible(name) for name in columns if name in signals and visible(name) not in before]
        since = f" ({_some(new)} came into them since)" if new else ""
        return (
            f"; {count:,} rows are left out now for cells that are no numbers in columns of `signals`{since}: take out "
            "of `signals` what is no signal, or mend these cells"
        )

    @cached_property
    def _root(self) -> DataRoot:
        return telemetry.open_root(self._settings.data_root, self._settings.configuration.sources.links)

    @cached_property
    def _reach(self) -> telemetry.Reach:
        return telemetry.Reach(self._sources.late_days, telemetry.ChunkDays(self._settings.chunk_days_file))

    @cached_property
    def _servers(self) -> dict[str, Prometheus]:
        """By the names of their sources."""
        return {
            name: telemetry.Prometheus(source, self._settings.prometheus, setting_of(name))
            for name, source in self._sources.servers.items()
        }

    @cached_property
    def telemetry_files(self) -> tuple[TelemetryFile, ...]:
        """The files of telemetry in a day's slice, what its gaps are counted by first."""
        return tuple(self._files(self._sources.by_name))

    @cached_property
    def _files_there(self) -> tuple[TelemetryFile, ...]:
        """Those that are files before a server is asked, too."""
        return tuple(self._files(self._sources.by_name.keys() - self._sources.servers.keys()))

    def _files(self, names: Collection[str]) -> Iterator[TelemetryFile]:
        signals = self._settings.configuration.signals
        for name, file in self._sources.as_files().items():
            if name in names:
                all_columns = TelemetryFile(file.path, clock_of(file), name)
                prefix = all_columns.prefix
                configured = frozenset(each.removeprefix(prefix) for each in signals if each.startswith(prefix))
                yield replace(all_columns, configured=configured)

    def _mark(self) -> Hashable:
        return inputs_mark(self._root, input_names(self._root, self._files_there, self._sources.extra))

    @property
    def _sources(self) -> Sources:
        return self._settings.configuration.sources

    def _folder(self, day: date) -> Path:
        return self._settings.slices_folder / day.isoformat()

    def _ensure_sample(self) -> None:
        source, root = self._sources.telemetry, self._settings.data_root
        if self._settings.sample and isinstance(root, Path) and isinstance(source, CsvTelemetry):
            with self._locked("sample"):
                telemetry.ensure_sample(
                    root,
                    last_day=yesterday(),
                    days=SAMPLE_DAYS,
                    rate_hz=source.rate_hz,
                    telemetry_path=source.path,
                )


def _some(names: Sequence[str], between: str = ", ") -> str:
    """The first few, and how many more there are."""
    more = len(names) - _NAMED
    return between.join([*names[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])])


def _marks(cut: DaySlice) -> Hashable:
    """What the files of a slice are known by as long as nobody writes to them; nobody but us does."""
    marks = []
    for item in cut.inputs:
        if item.present:
            status = (cut.folder / item.name).stat() if (cut.folder / item.name).is_file() else None
            marks.append((item.name, status and (status.st_ino, status.st_size, status.st_mtime_ns)))
    return tuple(marks)


def _reading_key(day: date, inputs: Sequence[InputSlice]) -> Hashable:
    return (day, *((item.name, item.role, item.present, item.sha256) for item in inputs))

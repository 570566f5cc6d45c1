"""The report's files: where they lie, reading the model back."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError
from lumen_assets.report.model import DayReport, Picture

FIGURES: Final = "assets"
"""Folder of the figures, beside the reports."""

OTHER_FIGURES: Final = 8
"""Signals that nobody configured get at most this many figures; a log with hundreds of columns stays readable."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

_State = tuple[int, int, int]

_newest: dict[Path, tuple[_State, DayReport]] = {}
"""The report that was written or loaded last, and the state of its file: the steps of a day ask for it thrice."""


def report_path(reports_folder: Path, day: date, suffix: str) -> Path:
    """``report_YYYY-MM-DD`` with ``suffix`` (``.md``, ``.json``, ``.pdf``) in the reports' folder."""
    return reports_folder / f"report_{day.isoformat()}{suffix}"


def figures_named(folder: Path, start: str) -> list[Path]:
    """The figures and pictures whose names begin with ``start``, by name; none where there is no such folder.

    By one look at the names: the folder holds those of every day.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - globbing costs ten times as much
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if name.startswith(start)]


def figure_file(report: str, signal: str) -> str:
    """``<report>_<signal>.svg``; a name that is no plain file name is replaced by its digest's start."""
    plain = signal if _PLAIN_NAME.fullmatch(signal) else f"signal-{hashlib.sha256(signal.encode()).hexdigest()[:12]}"
    return f"{report}_{plain}.svg"


def load_report(reports_folder: Path, day: date) -> DayReport:
    """The report of a day as ``write_report`` left it.

    Raises:
        PermanentError: ``input``, if it was not written or cannot be read.
    """
    path = report_path(reports_folder, day, ".json")
    try:
        state = _state(path)
        known, report = _newest.get(path) or (None, None)
        if report is None or known != state:
            report = DayReport.from_json(path.read_text(encoding="utf-8"))
            _remember(path, state, report)
    except FileNotFoundError as error:
        raise _unreadable(path, "it does not exist") from error
    except ValueError as error:
        raise _unreadable(path, "it is not a report of this version") from error
    return report


def remember(path: Path, report: DayReport) -> None:
    """What was written to ``path`` just now need not be read again."""
    _remember(path, _state(path), report)


def _remember(path: Path, state: _State, report: DayReport) -> None:
    _newest.clear()
    _newest[path] = (state, report)


def _state(path: Path) -> _State:
    """What is another one when the file is: it is always replaced, never written to."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def picture_bytes(folder: Path, picture: Picture) -> bytes:
    """A picture that a report names, from the folder of its figures.

    Raises:
        PermanentError: ``input``, if it is not there, or another one is.
    """
    path = folder / picture.file
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _unreadable(path, "it does not exist") from error
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise _unreadable(path, "it is another picture than the report was made with")
    return content


def _unreadable(path: Path, cause: str) -> PermanentError:
    return PermanentError(
        action="read the report", subject=str(path), cause=cause, error_class="input", hint="Materialize the report"
    )

"""What is frozen of a day: its inputs, its report, and the configuration that shaped them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.archive.freeze import FrozenDay
from lumen_assets.archive.keys import Keyring
from lumen_assets.archive.manifest import associated_data
from lumen_assets.archive.ranged import FileRange, extract_paths
from lumen_assets.errors import PermanentError
from lumen_assets.report.files import FIGURES, figures_named, picture_bytes
from lumen_assets.report.model import DayReport, Picture
from lumen_assets.telemetry.model import DaySlice

REPORTS: Final = "controls/reports"
CONFIGURATION: Final = "configuration/lumen.yaml"


def snapshot_payload(
    *,
    day: date,
    slice_folder: Path,
    inputs: Sequence[str],
    reports_folder: Path,
    configuration: Path,
    pictures: Sequence[Picture] = (),
) -> Mapping[str, Path]:
    """Where each file of the day's snapshot lies now, by its path in the archive's payload.

    Args:
        slice_folder: holds the day's part of every input, each under its name.
        inputs: the names of the inputs that are present.
        reports_folder: holds the day's report, PDF and figures.
        configuration: the effective configuration as a file.
        pictures: those that the report names; they lie with the figures.

    Raises:
        PermanentError: if the report, the PDF or a picture is not there, or an input has the name of a file of the
            day's own.
    """
    payload: dict[str, Path] = {}
    report = f"report_{day.isoformat()}"
    for suffix in (".md", ".json", ".pdf"):
        path = reports_folder / f"{report}{suffix}"
        if not path.is_file():
            raise PermanentError(
                action="freeze",
                subject=str(day),
                cause=f"{path} is not there",
                error_class="input",
                hint="materialize the report and its PDF first",
            )
        payload[f"{REPORTS}/{path.name}"] = path
    pdf, model = (reports_folder / f"{report}{suffix}" for suffix in (".pdf", ".json"))
    if pdf.stat().st_mtime_ns < model.stat().st_mtime_ns:
        raise _materialize_first(day, "the PDF is older than the report")
    for figure in figures_named(reports_folder / FIGURES, f"{report}_"):
        payload[f"{REPORTS}/{FIGURES}/{figure.name}"] = figure
    for picture in pictures:
        picture_bytes(reports_folder / FIGURES, picture)  # raises where it is not the report's
        payload[f"{REPORTS}/{FIGURES}/{picture.file}"] = reports_folder / FIGURES / picture.file
    payload[CONFIGURATION] = configuration
    taken = sorted(payload.keys() & set(inputs))
    if taken:
        raise PermanentError(
            action="freeze",
            subject=str(day),
            cause=f"sources.extra names {', '.join(taken)}, where the archive of this day has a file of its own",
            error_class="configuration",
            hint="take it out of sources.extra, or give the file another name",
        )
    return payload | {name: slice_folder / name for name in inputs}


def frozen_report(frozen: FrozenDay, keyring: Keyring) -> str:
    """The JSON of the report in a frozen day.

    Raises:
        PermanentError: if there is none.
        IntegrityError: if what was read is not as it was written.
    """
    day, revision = frozen.manifest.day, frozen.manifest.revision
    path = f"{REPORTS}/report_{day.isoformat()}.json"
    with tempfile.TemporaryDirectory() as folder, frozen.archive_path.open("rb") as file:
        to = Path(folder) / "report"
        name = str(frozen.archive_path)
        extract_paths(
            FileRange(file), [path], to, key=keyring, associated_data=associated_data(day, revision), name=name
        )
        return (to / path).read_text(encoding="utf-8")


def require_same_telemetry(report: DayReport, day_slice: DaySlice) -> None:
    """Refuse to freeze a report with other telemetry than it was made from.

    Raises:
        PermanentError: if an input differs.
    """
    reported = {item.name: item.sha256 for item in report.inputs if item.present}
    cut = {item.name: item.sha256 for item in day_slice.inputs if item.present}
    differing = sorted(name for name in reported.keys() | cut.keys() if reported.get(name) != cut.get(name))
    if differing:
        raise _materialize_first(day_slice.day, f"{', '.join(differing)} changed since the report was made")


def _materialize_first(day: date, cause: str) -> PermanentError:
    return PermanentError(
        action="freeze",
        subject=str(day),
        cause=cause,
        error_class="input",
        hint="materialize telemetry, report and report_pdf of the day first",
    )

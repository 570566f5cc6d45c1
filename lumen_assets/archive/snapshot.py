"""What is frozen of a day: its inputs, its report, and the configuration that shaped them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.errors import PermanentError

REPORTS: Final = "controls/reports"
CONFIGURATION: Final = "configuration/lumen.yaml"


def snapshot_payload(
    *,
    day: date,
    slice_folder: Path,
    inputs: Sequence[str],
    reports_folder: Path,
    configuration: Path,
) -> Mapping[str, Path]:
    """Where each file of the day's snapshot lies now, by its path in the archive's payload.

    Args:
        slice_folder: holds the day's part of every input, each under its name.
        inputs: the names of the inputs that are present.
        reports_folder: holds the day's report, PDF and figures.
        configuration: the effective configuration as a file.

    Raises:
        PermanentError: if the report or the PDF is not there.
    """
    payload = {name: slice_folder / name for name in inputs}
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
    for figure in sorted((reports_folder / "assets").glob(f"{report}_*")):
        payload[f"{REPORTS}/assets/{figure.name}"] = figure
    payload[CONFIGURATION] = configuration
    return payload

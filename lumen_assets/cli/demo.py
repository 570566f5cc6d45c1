"""``lumen demo``: sample data to try everything with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from lumen_assets.cli.running import DAY, json_option, print_json
from lumen_assets.cli.serving import ADDRESS, serve_page
from lumen_assets.days import yesterday
from lumen_assets.settings import CsvTelemetry, load_settings

EXPORTER: Final = "127.0.0.1:9108"
"""Where the gateway's exporter of a Lumen installation usually listens."""


@click.command()
@click.option("--days", type=click.IntRange(1, 3650), default=3, show_default=True, help="How many days.")
@click.option("--rate", type=click.FloatRange(0, 1000, min_open=True), help="Rows a second. Default: as configured.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Default: LUMEN_DATA_ROOT.")
@click.option("--last-day", type=DAY, help="The newest day. Default: yesterday KST.")
@click.option(
    "--exporter",
    is_flag=False,
    flag_value=EXPORTER,
    type=ADDRESS,
    help=f"Then serve the newest row's values as an exporter would, until Ctrl-C. Default: {EXPORTER}.",
)
@json_option
def demo(
    days: int,
    rate: float | None,
    folder: Path | None,
    last_day: date | None,
    exporter: tuple[str, int] | None,
    as_json: bool,
) -> None:
    """Write SAMPLE DATA: a data root as a real installation would leave it, dirt included.

    Deterministic; what is there is kept and only missing newer days are appended. A folder that holds anything but
    sample data is refused.
    """
    from lumen_assets.telemetry.exporter import exporter_page
    from lumen_assets.telemetry.model import SAMPLE_MARK
    from lumen_assets.telemetry.sample import DEFAULT_PATH, write_sample  # polars takes a while, and --help needs none

    settings = load_settings(inputs_exist=False)
    source = settings.configuration.sources.telemetry
    path = source.path if isinstance(source, CsvTelemetry) else DEFAULT_PATH
    place = folder or settings.data_root
    if not isinstance(place, Path):
        raise click.UsageError("sample data is written to folders: give one with --to")
    root = place.absolute()
    last_day = last_day or yesterday()
    written = write_sample(root, last_day=last_day, days=days, rate_hz=rate or source.rate_hz, telemetry_path=path)
    files = {path.relative_to(root).as_posix(): path.stat().st_size for path in sorted(root.rglob("*.*"))}
    if as_json:
        print_json(
            {"ok": True, "sample": True, "folder": str(root), "written": [str(day) for day in written], "files": files}
        )
    else:
        _print(root, written, files, SAMPLE_MARK)
    if exporter:
        serve_page(exporter, lambda: exporter_page(root, path), f"exporter of {SAMPLE_MARK}")


def _print(root: Path, written: Sequence[date], files: Mapping[str, int], mark: str) -> None:
    console = Console()
    console.print(f"[bold yellow]{mark}[/] in {root}: made up, not measured.", soft_wrap=True, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("file")
    table.add_column("bytes", justify="right")
    for name, size in files.items():
        table.add_row(name, f"{size:,}")
    console.print(table)
    there = "" if written else "nothing to write: the folder has these days, or newer ones, and is only appended to"
    console.print(there or f"days written: {written[0]} to {written[-1]}, {len(written)} in all", highlight=False)

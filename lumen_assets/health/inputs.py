"""Whether the telemetry can be had: a file, an object in a bucket, a Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from lumen_assets.health.findings import Finding
from lumen_assets.settings import CsvTelemetry, PrometheusTelemetry, S3Folder, Settings
from lumen_assets.texts import counted

_FIX: Final = "correct LUMEN_DATA_ROOT or sources.telemetry.path"


def inputs(settings: Settings) -> Finding:
    """Whether the telemetry is there and may be read.

    Raises:
        LumenError: if a service cannot be asked, or does not take what it is asked.
    """
    source, root = settings.configuration.sources.telemetry, settings.data_root
    if isinstance(source, PrometheusTelemetry):
        return _server(settings, source)
    if settings.sample:
        return Finding("inputs", ok=True, detail=f"LUMEN_DATA_ROOT is not set: sample data under {root}")
    if isinstance(root, S3Folder):
        return _object(root, source)
    return _file(root, source, settings.configuration.sources.links)


def _server(settings: Settings, source: PrometheusTelemetry) -> Finding:
    from lumen_assets.telemetry import Prometheus  # polars takes a while

    server = Prometheus(source, settings.prometheus)
    found = server.look()
    silent = [name for name, values in found.items() if not values]
    now = f"no value now of {', '.join(silent)}" if silent else "each with a value now"
    return Finding(
        "inputs",
        ok=True,
        detail=f"{server.shown}: {counted(len(found), 'signal')}, {now}",
        fix="see that their targets are scraped, and sources.telemetry.queries",
        warning=bool(silent),
    )


def _object(root: S3Folder, source: CsvTelemetry) -> Finding:
    from lumen_assets.telemetry.s3_root import S3Root  # boto3 takes a while

    inputs = S3Root(root)
    place, found = inputs.place(source.path), inputs.look(source.path)
    if found is None:
        return Finding("inputs", ok=False, detail=f"there is no {place}", fix=_FIX)
    return _there(place, found["ContentLength"], found["LastModified"])


def _file(root: Path, source: CsvTelemetry, links: Literal["follow", "refuse"]) -> Finding:
    from lumen_assets.telemetry.roots import FolderRoot  # polars takes a while

    path = root / source.path
    with FolderRoot(root, links).open(source.path) as opened:
        if opened is None:
            return Finding("inputs", ok=False, detail=f"there is no {path}", fix=_FIX)
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return _there(str(path), opened.size, written)


def _there(place: str, size: int, changed: datetime) -> Finding:
    written = f"last written {changed.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Finding("inputs", ok=True, detail=f"{place}: {size:,} bytes, {written}")

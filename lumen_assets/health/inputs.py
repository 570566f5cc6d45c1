"""Whether the telemetry can be had: a file, an object in a bucket, a Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lumen_assets.health.findings import Finding
from lumen_assets.http import is_readable_on_the_way
from lumen_assets.settings import CsvTelemetry, PrometheusTelemetry, S3Folder, Settings
from lumen_assets.settings.sources import setting_of
from lumen_assets.telemetry.model import clock_of
from lumen_assets.texts import counted

if TYPE_CHECKING:
    from lumen_assets.telemetry.lines import Source


def inputs(settings: Settings) -> Finding:
    """Whether the telemetry is there and may be read.

    Raises:
        LumenError: if a service cannot be asked, or does not take what it is asked.
    """
    found = [_look(settings, name, source) for name, source in settings.configuration.sources.by_name.items()]
    wrong = [finding for finding in found if not finding.ok or finding.warning]
    return Finding(
        "inputs",
        ok=all(finding.ok for finding in found),
        detail="; ".join(finding.detail for finding in found),
        fix="; ".join(finding.fix for finding in wrong or found if finding.fix),
        warning=any(finding.warning for finding in found),
    )


def _look(settings: Settings, name: str, source: CsvTelemetry | PrometheusTelemetry) -> Finding:
    root, setting = settings.data_root, setting_of(name)
    if isinstance(source, PrometheusTelemetry):
        return _server(settings, source, setting)
    if settings.sample and not name:
        return Finding("inputs", ok=True, detail=f"LUMEN_DATA_ROOT is not set: sample data under {root}")
    fix = f"correct LUMEN_DATA_ROOT or {setting}.path"
    if isinstance(root, S3Folder):
        return _object(root, source, fix, setting)
    return _file(root, source, settings.configuration.sources.links, fix, setting)


def _server(settings: Settings, source: PrometheusTelemetry, setting: str) -> Finding:
    from lumen_assets.telemetry import Prometheus  # polars takes a while

    server = Prometheus(source, settings.prometheus, setting)
    found = server.look()
    silent = [name for name, values in found.items() if not values]
    now = f"no value now of {', '.join(silent)}" if silent else "each with a value now"
    details = [f"{server.shown}: {counted(len(found), 'signal')}, {now}"]
    fixes = [f"see that their targets are scraped, and {setting}.queries"] if silent else []
    if settings.prometheus.is_given and is_readable_on_the_way(source.url):
        details.append("the login goes there over http, which who is on the way can read")
        fixes.append(f"use https in {setting}.url")
    return Finding("inputs", ok=True, detail="; ".join(details), fix="; ".join(fixes), warning=bool(fixes))


def _object(root: S3Folder, source: CsvTelemetry, fix: str, setting: str) -> Finding:
    from lumen_assets.telemetry.s3_root import S3Root  # boto3 takes a while

    inputs = S3Root(root)
    place, found = inputs.place(source.path), inputs.look(source.path)
    with inputs.open(source.path) as opened:
        if opened is None or found is None:
            return Finding("inputs", ok=False, detail=f"there is no {place}", fix=fix)
        return _there(place, opened, found["LastModified"], source, setting)


def _file(root: Path, source: CsvTelemetry, links: Literal["follow", "refuse"], fix: str, setting: str) -> Finding:
    from lumen_assets.telemetry.roots import FolderRoot  # polars takes a while

    path = root / source.path
    with FolderRoot(root, links).open(source.path) as opened:
        if opened is None:
            return Finding("inputs", ok=False, detail=f"there is no {path}", fix=fix)
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return _there(str(path), opened, written, source, setting)


def _there(place: str, opened: Source, changed: datetime, source: CsvTelemetry, setting: str) -> Finding:
    """Of a file that can be read: whether it has the column of timestamps, with times as they are configured."""
    from lumen_assets.telemetry.clock_look import clock_problem  # polars takes a while

    written = f"last written {changed.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    problem = clock_problem(opened, clock_of(source))
    if problem:
        fix = f"correct {setting}.timestamp, timestamp_form or timestamp_offset"
        return Finding("inputs", ok=False, detail=f"{place}: {problem}", fix=fix)
    return Finding("inputs", ok=True, detail=f"{place}: {opened.size:,} bytes, {written}")

"""Names under the archive folder and, identically, at every destination.

Revision 1 of a day is in ``YYYY-MM-DD/``, revision N in ``YYYY-MM-DD/rN/``; each holds an archive and its manifest.
"""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Final

from lumen_assets.days import parse_day

MANIFEST_NAME: Final = "snapshot.manifest.json"
REMOVAL_NAME: Final = "retention.json"
_REVISION: Final = re.compile(r"r([2-9]|[1-9][0-9]{1,5})", re.ASCII)


def revision_prefix(day: date, revision: int) -> str:
    """Where a revision's two files are: ``2026-11-21/``, ``2026-11-21/r2/``."""
    return f"{day.isoformat()}/" if revision == 1 else f"{day.isoformat()}/r{revision}/"


def archive_name(day: date, revision: int) -> str:
    """The name of an archive file."""
    return f"{base_name(day, revision)}.tar.zst.tink"


def base_name(day: date, revision: int) -> str:
    """The name of the bag inside."""
    return f"lumen-{day.isoformat()}-r{revision}"


def parse_manifest_key(key: str) -> tuple[date, int] | None:
    """Day and revision of the manifest with this key; None if it is not a manifest's."""
    *parts, last = key.split("/")
    if last != MANIFEST_NAME or not 1 <= len(parts) <= 2:
        return None
    day = _day(parts[0])
    revision = 1 if len(parts) == 1 else _revision(parts[1])
    return (day, revision) if day and revision else None


def parse_archive_key(key: str) -> tuple[date, int] | None:
    """Day and revision of the archive with this key; None if it is not an archive's."""
    folder, _, last = key.rpartition("/")
    named = parse_manifest_key(f"{folder}/{MANIFEST_NAME}")
    return named if named and last == archive_name(*named) else None


def days_frozen(archive_folder: Path) -> list[date]:
    """The days that have a folder, oldest first."""
    try:
        names = [path.name for path in archive_folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(day for name in names if (day := _day(name)))


def revision_folders(archive_folder: Path, day: date) -> dict[int, Path]:
    """The folders of a day's revisions that have a manifest, by revision, oldest first."""
    top = archive_folder / day.isoformat()
    found = {1: top}
    if top.is_dir():
        found |= {revision: path for path in top.iterdir() if (revision := _revision(path.name))}
    return {revision: found[revision] for revision in sorted(found) if (found[revision] / MANIFEST_NAME).is_file()}


def revisions_named(archive_folder: Path, day: date) -> list[int]:
    """The revisions that a day's folder seems to hold, by one look at it; whether each has a manifest is not asked."""
    try:
        names = os.listdir(f"{archive_folder}/{day}")  # noqa: PTH208 - names alone, of thousands of days
    except (FileNotFoundError, NotADirectoryError):
        return []
    first = [1] if MANIFEST_NAME in names else []
    return first + [revision for name in names if (revision := _revision(name))]


def _day(name: str) -> date | None:
    try:
        return parse_day(name)
    except ValueError:
        return None


def _revision(name: str) -> int | None:
    match = _REVISION.fullmatch(name)
    return int(match[1]) if match else None

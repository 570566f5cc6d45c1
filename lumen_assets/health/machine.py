"""What the machine must have: a folder to write to, room, a font, a port that answers."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lumen_assets.health.findings import Finding
from lumen_assets.settings import LocalDestination, Settings

LEAST_FREE: Final = 1 << 30
"""Bytes that each disk in use should have free: some ten days of 5 Hz telemetry with their copies."""

FreeBytes = Callable[[Path], int]


def home(settings: Settings) -> Finding:
    """Whether a file can be made and written in ``LUMEN_HOME``."""
    try:
        with tempfile.TemporaryFile(dir=_existing(settings.home)) as file:
            file.write(b"x")
    except OSError as error:
        return Finding(
            "LUMEN_HOME",
            ok=False,
            detail=f"{settings.home}: {error.strerror}",
            fix="make it writable or set another",
        )
    return Finding("LUMEN_HOME", ok=True, detail=f"{settings.home}: writable")


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user may still write on the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def disk(settings: Settings, free: FreeBytes = free_bytes) -> Finding:
    """Whether there is room: on the disk of ``LUMEN_HOME`` and on those of the local destinations."""
    destinations = settings.configuration.destinations.values()
    local = (settings.local_path(item) for item in destinations if isinstance(item, LocalDestination))
    disks: dict[int, Path] = {}
    for folder in map(_existing, (settings.home, *local)):
        disks.setdefault(folder.stat().st_dev, folder)
    room = {folder: free(folder) for folder in disks.values()}
    full = [folder for folder, size in room.items() if size < LEAST_FREE]
    return Finding(
        "disk",
        ok=not full,
        detail=", ".join(f"{size / 2**30:.1f} GiB free under {folder}" for folder, size in room.items()),
        fix=f"free room: less than {LEAST_FREE / 2**30:.0f} GiB is left under {', '.join(map(str, full))}",
    )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def font(settings: Settings) -> Finding:
    """Whether the report's font has Korean glyphs.

    Raises:
        LumenError: if it has none, or cannot be read.
    """
    from lumen_assets.report.fonts import typeface  # reportlab is slow to import

    face = typeface(settings.configuration.report.font)
    return Finding("font", ok=True, detail=f"{face.regular}: has Korean glyphs")


def ui(url: str, *, within: float = 3.0) -> Finding:
    """Whether something answers at the UI's host and port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return Finding("ui", ok=False, detail="alerts.ui_url is not an address", fix="correct it")
    try:
        socket.create_connection((host, port), timeout=within).close()
    except OSError as error:
        cause = "no answer" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        return Finding("ui", ok=False, detail=f"{host}:{port}: {cause}", fix="start it (`lumen ui`) or correct ui_url")
    return Finding("ui", ok=True, detail=f"{host}:{port} answers")

"""The Dagster instance's folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from lumen_assets.durable import replace_bytes


def prepare_instance(folder: Path) -> Path:
    """Make the instance's folder with our ``dagster.yaml``, unless it has one; returns ``folder``."""
    configuration = folder / "dagster.yaml"
    if not configuration.exists():
        replace_bytes(configuration, files("lumen_assets").joinpath("dagster.yaml").read_bytes())
    return folder

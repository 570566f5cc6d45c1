"""The Dagster instance's folder, and what the processes that work with it find in their environment."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from lumen_assets.durable import replace_bytes

_KEPT_MEMORY: Final = ("_RJEM_MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0")
"""For the allocator of polars (jemalloc): what comes next needs as much, and giving it back took a twelfth of a day.

What is larger than the threshold would be given back at once; 0: nothing is.
"""

_TOGETHER: Final = ("DAGSTER_EVENT_BATCH_SIZE", "1000")
"""For Dagster: what a run is going to make is written before it starts, in one transaction. Else one for each."""


def with_settings_for_runs(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with what makes runs faster, unless the user has set it."""
    return {**dict((_KEPT_MEMORY, _TOGETHER)), **environment}


def prepare_instance(folder: Path) -> Path:
    """Make the instance's folder with our ``dagster.yaml``, unless it has one; returns ``folder``."""
    configuration = folder / "dagster.yaml"
    if not configuration.exists():
        replace_bytes(configuration, files("lumen_assets").joinpath("dagster.yaml").read_bytes())
    return folder

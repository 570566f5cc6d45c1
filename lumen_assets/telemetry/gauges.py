"""The names of the gauges that a gateway's exporter has."""

from __future__ import annotations

import re
from typing import Final

GATEWAY_GAUGE: Final = "lumen_gateway_status"
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")


def gauge_name(column: str) -> str:
    """The gauge of a telemetry column: ``lumen_phase_diff``."""
    return f"lumen_{_NOT_IN_NAMES.sub('_', column)}"

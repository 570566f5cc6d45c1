"""Lumen Assets: each KST day of telemetry becomes a report, an encrypted archive and verified replicas."""

from typing import Final

__version__: Final = "0.1.0"

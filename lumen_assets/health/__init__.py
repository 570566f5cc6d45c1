"""Whether an installation is well: checks for people and monitors, and its state as gauges."""

from lumen_assets.health.checks import doctor, healthcheck, wrong_settings
from lumen_assets.health.findings import Check, Finding, look_at
from lumen_assets.health.gauges import GAUGES, Vitals, exposition
from lumen_assets.health.vitals import vitals

__all__ = [
    "GAUGES",
    "Check",
    "Finding",
    "Vitals",
    "doctor",
    "exposition",
    "healthcheck",
    "look_at",
    "vitals",
    "wrong_settings",
]

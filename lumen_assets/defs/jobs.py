"""The jobs: a day's path, and its attestation."""

from __future__ import annotations

import dagster as dg
from dagster._core.storage.tags import RETRY_STRATEGY_TAG

from lumen_assets.defs.drill import DRILL, DRILL_AGE
from lumen_assets.defs.late_data import LATE_DATA
from lumen_assets.defs.periods import PERIODS

ATTESTATION = dg.AssetKey("attestation")
_COPIES = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("archive"), "copies"))
"""Looked at with the attestation: before, there are none."""
_AGE = dg.AssetSelection.checks(DRILL_AGE)
_INPUTS = dg.AssetSelection.checks(LATE_DATA)
"""Looks at other days, in a job of its own."""


def daily_job() -> dg.UnresolvedAssetJobDefinition:
    """Everything of a day but its attestation, which must also be made where a destination failed."""
    return dg.define_asset_job(
        "daily",
        selection=dg.AssetSelection.all()
        - dg.AssetSelection.assets(ATTESTATION, DRILL, *PERIODS.values())
        - _COPIES
        - _INPUTS
        - _AGE,
        description="One KST day: telemetry, report, PDF, archive, replicas, verifications.",
        tags={RETRY_STRATEGY_TAG: "ALL_STEPS"},  # what is left of a killed run lies on the machine that it ran on
    )


def attestation_job() -> dg.UnresolvedAssetJobDefinition:
    """The attestation alone, in its own run."""
    return dg.define_asset_job(
        "attest",
        selection=dg.AssetSelection.assets(ATTESTATION) | _COPIES | _AGE,
        description="The day's verdicts counted against the policy; runs after `daily`, whether it succeeded or not.",
    )

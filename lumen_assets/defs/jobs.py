"""The jobs: a day's path, and its attestation alone."""

from __future__ import annotations

import dagster as dg
from dagster._core.storage.tags import RETRY_STRATEGY_TAG

from lumen_assets.defs.drill import DRILL, DRILL_AGE
from lumen_assets.defs.late_data import LATE_DATA
from lumen_assets.defs.periods import PERIODS

_COPIES = dg.AssetCheckKey(dg.AssetKey("archive"), "copies")
_INPUTS = dg.AssetSelection.checks(LATE_DATA)
"""Looks at other days, in a job of its own."""


def daily_job() -> dg.UnresolvedAssetJobDefinition:
    """Everything of a day; its attestation where no destination failed."""
    return dg.define_asset_job(
        "daily",
        selection=(dg.AssetSelection.all() - dg.AssetSelection.assets(DRILL, *PERIODS.values()) - _INPUTS)
        | dg.AssetSelection.checks(DRILL_AGE),
        description="One KST day: telemetry, report, PDF, archive, replicas, verifications, attestation.",
        tags={RETRY_STRATEGY_TAG: "ALL_STEPS"},  # what is left of a killed run lies on the machine that it ran on
    )


def attestation_job() -> dg.UnresolvedAssetJobDefinition:
    """The attestation alone, for a day whose own run did not get to it."""
    return dg.define_asset_job(
        "attest",
        selection=dg.AssetSelection.assets("attestation") | dg.AssetSelection.checks(_COPIES, DRILL_AGE),
        description="The day's verdicts counted against the policy; runs after a run of the day that did not come to "
        "it: a destination failed, or the run died.",
    )

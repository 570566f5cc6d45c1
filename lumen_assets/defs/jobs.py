"""The jobs: a day's path, and its attestation."""

from __future__ import annotations

import dagster as dg

ATTESTATION = dg.AssetKey("attestation")
REPAIR = dg.AssetKey("repair")
_ROLLING = dg.AssetSelection.key_prefixes("rolling_verification")


def daily_job() -> dg.UnresolvedAssetJobDefinition:
    """Everything of a day but its attestation, which must also be made where a destination failed."""
    return dg.define_asset_job(
        "daily",
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(ATTESTATION, REPAIR) - _ROLLING,
        description="One KST day: telemetry, report, PDF, archive, replicas, verifications.",
    )


def attestation_job() -> dg.UnresolvedAssetJobDefinition:
    """The attestation alone, in its own run."""
    return dg.define_asset_job(
        "attest",
        selection=dg.AssetSelection.assets(ATTESTATION),
        description="The day's verdicts counted against the policy; runs after `daily`, whether it succeeded or not.",
    )


def repair_job() -> dg.UnresolvedAssetJobDefinition:
    """The repair of a day."""
    return dg.define_asset_job(
        "repair",
        selection=dg.AssetSelection.assets(REPAIR),
        description="A day's missing or bad replicas, put again from a good copy.",
    )


def rolling_job() -> dg.UnresolvedAssetJobDefinition:
    """The rolling sample of older replicas at every destination."""
    return dg.define_asset_job(
        "rolling_verification",
        selection=_ROLLING,
        description="Older replicas read in full, a share a day.",
    )

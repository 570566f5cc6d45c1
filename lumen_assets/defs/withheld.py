"""What a dry run leaves out, said where the asset is looked at."""

from __future__ import annotations

import dagster as dg


def withhold(context: dg.AssetExecutionContext, what: str) -> None:
    """Say in the run's log, and as an observation of the asset's partition, what would have been done."""
    context.log.info("dry run, withheld: %s", what)
    context.log_event(
        dg.AssetObservation(context.asset_key, partition=context.partition_key, metadata={"dry run, withheld": what})
    )

"""What a dry run leaves out, said where the asset is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import dagster as dg

_WITHHELD: Final = "dry run, withheld"


def withhold(context: dg.AssetExecutionContext, what: str) -> None:
    """Say in the run's log, and as an observation of the asset's partition, what would have been done."""
    context.log.info("%s: %s", _WITHHELD, what)
    context.log_event(
        dg.AssetObservation(context.asset_key, partition=context.partition_key, metadata={_WITHHELD: what})
    )


def withheld_in(events: Iterable[dg.DagsterEvent]) -> dict[str, str]:
    """What a run's events say was withheld, by asset."""
    observations = [
        event.asset_observation_data.asset_observation
        for event in events
        if event.event_type_value == "ASSET_OBSERVATION"
    ]
    return {
        found.asset_key.to_user_string(): str(found.metadata[_WITHHELD].value)
        for found in observations
        if _WITHHELD in found.metadata
    }

"""The partitions: one KST day each."""

from __future__ import annotations

from datetime import date

import dagster as dg

from lumen_assets.days import parse_day
from lumen_assets.settings import Configuration


def daily_partitions(configuration: Configuration) -> dg.DailyPartitionsDefinition:
    """Every KST day from ``start_date`` on that is over."""
    return dg.DailyPartitionsDefinition(
        start_date=configuration.start_date.isoformat(), timezone=configuration.timezone
    )


def partition_day(context: dg.AssetExecutionContext) -> date:
    """The KST day that this run is about."""
    return parse_day(context.partition_key)

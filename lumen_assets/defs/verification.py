"""The ``verification/<destination>`` assets."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.defs.partitions import partition_day
from lumen_assets.verification import Level, Verification, restore_command
from lumen_assets.workspace import Workspace


def verification_asset(partitions: dg.PartitionsDefinition[str], destination: str, kind: str) -> dg.AssetsDefinition:
    """The verdict on the day's replica at one destination."""

    @dg.asset(
        key=["verification", destination],
        partitions_def=partitions,
        group_name="verification",
        kinds={kind},
        owners=["team:operators"],
        retry_policy=STORE_RETRIES,
        pool=kind,
        op_tags=order_tags(kind),
        deps=[dg.AssetKey(["replica", destination])],
        description=f"Whether the replica at {destination} can be restored: read back and compared. "
        "Anything but MATCH (or REMOVED, by retention) fails, with the verdict in the failure's metadata.",
    )
    def verification(
        context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        with translated():
            day = partition_day(context)
            level = Level(lumen.settings.configuration.verify.new_day_level)
            found = lumen.verify(destination, day, lumen.frozen_day(day).manifest.revision, level)
        if found.verdict.accepted:
            return dg.MaterializeResult(metadata=_metadata(found))
        raise dg.Failure(
            description=f"{found.verdict}: replica of {found.day} at {destination}: {found.detail}",
            metadata={**_metadata(found), **way_back(lumen, [day], context.run.run_id)},
            allow_retries=False,
        )

    return verification


def observation(found: Verification) -> dg.AssetObservation:
    """A verdict that was come to outside of the day's run, for the day's partition of the verification asset."""
    return dg.AssetObservation(
        asset_key=["verification", found.destination], partition=found.day.isoformat(), metadata=_metadata(found)
    )


def way_back(lumen: Workspace, days: Sequence[date], run_id: str) -> dict[str, dg.MetadataValue]:
    """For the metadata of a failed verification: how to restore the newest good revision of the days, and the run."""
    ui_url = lumen.settings.configuration.alerts.ui_url.rstrip("/")
    commands = [restore_command(day, lumen.ledger.standing(day, day)) for day in days]
    said = [command or f"no good revision of {day} is known" for day, command in zip(days, commands, strict=True)]
    return {
        "restore": dg.MetadataValue.text("\n".join(said)),
        "run": dg.MetadataValue.url(f"{ui_url}/runs/{run_id}"),
    }


def _metadata(found: Verification) -> dict[str, dg.MetadataValue]:
    return {
        "verdict": dg.MetadataValue.text(found.verdict.value),
        "finding": dg.MetadataValue.text(found.finding.value),
        "level": dg.MetadataValue.text(found.level.value),
        "detail": dg.MetadataValue.text(found.detail),
        "bytes_read": dg.MetadataValue.int(found.bytes_read),
        "revision": dg.MetadataValue.int(found.revision),
    }

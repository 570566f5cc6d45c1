"""The ``replica/<destination>`` assets."""

import dagster as dg

from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.errors import IntegrityError
from lumen_assets.replication import replicate
from lumen_assets.verification import Level
from lumen_assets.workspace import Workspace


def replica_asset(partitions: dg.PartitionsDefinition[str], destination: str, kind: str) -> dg.AssetsDefinition:
    """The day's replica at one destination.

    Args:
        kind: the destination's type, which is also the pool that bounds how many run at once.
    """

    @dg.asset(
        key=["replica", destination],
        partitions_def=partitions,
        group_name="replication",
        kinds={kind},
        owners=["team:operators"],
        retry_policy=RETRIES,
        pool=kind,
        deps=["archive"],
        description=f"The day's archive and manifest at destination {destination}, write-once.",
    )
    def replica(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        with translated():
            day = partition_day(context)
            frozen = lumen.frozen_day(day)
            try:
                receipt = replicate(frozen, lumen.stores[destination])
            except IntegrityError:  # something else is there: an earlier MATCH must not stand
                lumen.verify(destination, day, frozen.manifest.revision, Level.BYTES)
                raise
        stored = receipt.archive.stored
        return dg.MaterializeResult(
            metadata={
                "uri": dg.MetadataValue.url(stored.uri),
                "revision": frozen.manifest.revision,
                "created": receipt.created,
                "size": stored.size,
                "sha256": frozen.manifest.archive.sha256,
                "bytes_sent": receipt.archive.bytes_sent,
            }
        )

    return replica

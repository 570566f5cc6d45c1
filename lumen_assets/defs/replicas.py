"""The ``replica/<destination>`` assets."""

import time
from collections.abc import Iterator

import dagster as dg

from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.withheld import withhold
from lumen_assets.errors import LumenError
from lumen_assets.replication import replicate
from lumen_assets.workspace import Workspace


def replica_asset(
    partitions: dg.PartitionsDefinition[str], destination: str, kind: str, *, dry_run: bool = False
) -> dg.AssetsDefinition:
    """The day's replica at one destination.

    Args:
        kind: the destination's type, which is also the pool that bounds how many run at once.
        dry_run: whether it only says what it would put; then nothing is materialized, here and downstream.
    """

    @dg.asset(
        key=["replica", destination],
        partitions_def=partitions,
        group_name="replication",
        kinds={kind},
        owners=["team:operators"],
        retry_policy=STORE_RETRIES,
        pool=kind,
        op_tags=order_tags(kind),
        deps=["archive"],
        output_required=not dry_run,
        description=f"The day's archive and manifest at destination {destination}, write-once.",
    )
    def replica(
        context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None]]:
        with translated():
            day = partition_day(context)
            frozen = lumen.frozen_day(day)
            if dry_run:
                size = frozen.manifest.archive.size
                withhold(context, f"put {day} r{frozen.manifest.revision}, {size:,} bytes, at {destination}")
                return
            started = time.monotonic()
            try:
                removal = lumen.removed_from(destination, frozen.manifest)
                if removal is not None:
                    said = f"removed by retention on {removal.removed_at:%Y-%m-%d}, and not put again: {removal.reason}"
                    context.log.info(said)
                    yield dg.MaterializeResult(metadata={"revision": frozen.manifest.revision, "removed": said})
                    return
                receipt = replicate(frozen, lumen.stores[destination], _Said(context.log, frozen.manifest.archive.size))
            except LumenError as error:  # an earlier MATCH must not stand
                lumen.note_failed_put(destination, frozen.manifest, error)
                raise
        stored = receipt.archive.stored
        seconds = time.monotonic() - started
        yield dg.MaterializeResult(
            metadata={
                "uri": stored.uri,
                "revision": frozen.manifest.revision,
                "created": receipt.created,
                "size": stored.size,
                "sha256": frozen.manifest.archive.sha256,
                "bytes_sent": receipt.archive.bytes_sent,
                "attempts": receipt.archive.attempts,
                "seconds": round(seconds, 3),
                "mb_per_second": round(receipt.archive.bytes_sent / 1e6 / seconds, 3) if seconds else 0.0,
            }
        )

    return replica


class _Said:
    """Says in the run's log how far an upload is, at most every ten seconds."""

    def __init__(self, log: dg.DagsterLogManager, size: int) -> None:
        self._log = log
        self._size = size
        self._sent = 0
        self._next = time.monotonic() + 10

    def __call__(self, count: int) -> None:
        self._sent += count
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10
            self._log.info("%.1f of %.1f MB sent", self._sent / 1e6, self._size / 1e6)

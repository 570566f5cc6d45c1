"""The ``replica/<destination>`` assets."""

import time
from collections.abc import Iterator
from typing import Final

import dagster as dg

from lumen_assets.archive import FrozenDay, Manifest, Removal, archive_name, revision_prefix
from lumen_assets.archive.freeze import MANIFEST_NAME
from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.defs.ordering import order_tags
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.withheld import withhold
from lumen_assets.errors import IntegrityError, LumenError
from lumen_assets.replication import replicate
from lumen_assets.verification import Verdict
from lumen_assets.workspace import Workspace

PATIENCE: Final = 120.0
"""Seconds in which the manifest of an archive that another machine put may still come: its upload may be throttled."""

BETWEEN_LOOKS: Final = 5.0
"""Seconds."""


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
                if needless := _needless(lumen, destination, frozen.manifest):
                    context.log.info(needless)
                else:
                    withhold(context, f"put {day} r{frozen.manifest.revision}, {size:,} bytes, at {destination}")
                return
            started = time.monotonic()
            try:
                removal = lumen.removed_from(destination, frozen.manifest)
                if removal is not None:
                    why = _removed(removal)
                    context.log.info(why)
                    yield dg.MaterializeResult(metadata={"revision": frozen.manifest.revision, "removed": why})
                    return
                try:
                    said = _Said(context.log, frozen.manifest.archive.size)
                    receipt = replicate(frozen, lumen.stores[destination], said)
                except IntegrityError as error:
                    done = _settled(lumen, destination, frozen, error)
                    context.log.info(done)
                    yield dg.MaterializeResult(metadata={"revision": frozen.manifest.revision, "settled": done})
                    return
                lumen.note_replica(frozen)
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


def _needless(lumen: Workspace, destination: str, manifest: Manifest) -> str:
    """Why a put would do nothing, for people; empty if it would.

    Raises:
        TransientError, PermanentError: if the destination could not be used.
    """
    removal = lumen.removed_from(destination, manifest)
    if removal is not None:
        return _removed(removal)
    prefix = revision_prefix(manifest.day, manifest.revision)
    names = (archive_name(manifest.day, manifest.revision), MANIFEST_NAME)
    there = all(lumen.stores[destination].stat(prefix + name) is not None for name in names)
    return f"{manifest.day} r{manifest.revision} is at {destination} already" if there else ""


def _removed(removal: Removal) -> str:
    return f"removed by retention on {removal.removed_at:%Y-%m-%d}, and not put again: {removal.reason}"


def _settled(lumen: Workspace, destination: str, frozen: FrozenDay, error: IntegrityError) -> str:
    """What was done about another archive in the place of ours, for people.

    Raises:
        IntegrityError: ``error``, if nothing may be done.
        TransientError, PermanentError: if the destination could not be used.
    """
    manifest = frozen.manifest
    if error.error_class != "conflict":
        raise error
    deadline = time.monotonic() + PATIENCE
    while (same := lumen.has_another_freezing(destination, manifest)) is None and time.monotonic() < deadline:
        time.sleep(BETWEEN_LOOKS)
    if same is False:
        raise error
    if same is None:
        outcome = lumen.repaired(lumen.look_closely(destination, manifest.day, manifest.revision))
        if outcome.repair is not None and not outcome.problem:
            if outcome.repair.source == lumen.archive_store.name:
                lumen.note_replica(frozen)
            aside = ", ".join(outcome.repair.set_aside)
            return f"put where another machine was lost before its manifest: set aside {aside}"
        if outcome.before.verdict is not Verdict.MATCH:  # its manifest came just now
            raise error
    return "another machine froze the same content at the same time, and its archive is the replica"


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

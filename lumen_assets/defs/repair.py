"""The ``repair`` asset: a day's missing or bad replicas put again."""

import dagster as dg

from lumen_assets.defs.failures import translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.defs.verification import verdict_table
from lumen_assets.errors import LumenError
from lumen_assets.verification import Level, Verdict, Verification
from lumen_assets.workspace import Workspace


def repair_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The repair of a day, for its own job: it is not part of the daily one."""

    @dg.asset(partitions_def=partitions, group_name="replication", owners=["team:operators"], deps=["archive"])
    def repair(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        """Every replica of the day read back, and what is missing or bad put again from a copy that is good.

        What was in the place of a damaged replica is kept beside it under another name.
        """
        day = partition_day(context)
        with translated():
            revision = lumen.newest_revisions((day,))[day]
            verdicts = [lumen.verify_or_unreachable(name, day, revision, Level.BYTES) for name in lumen.stores]
        after: list[Verification] = []
        problems: list[str] = []
        kept: list[str] = []
        for before in verdicts:
            if before.verdict in (Verdict.MATCH, Verdict.UNVERIFIABLE):
                after.append(before)
                continue
            try:
                repaired = lumen.repair(before)
            except LumenError as error:
                context.log.error("%s", error)
                problems.append(str(error))
                after.append(before)
            else:
                context.log.info("%s: put again from %s", before.destination, repaired.source)
                kept += [f"{before.destination}: {key}" for key in repaired.set_aside]
                after.append(repaired.after)
        metadata = {
            "repaired": dg.MetadataValue.int(sum(a is not b for a, b in zip(after, verdicts, strict=True))),
            "set_aside": dg.MetadataValue.json(kept),
            "verdicts": verdict_table(after),
        }
        bad = [item for item in after if item.verdict is not Verdict.MATCH]
        if bad:
            raise dg.Failure(
                description=f"{len(bad)} of {len(after)} replicas of {day} are still not good. " + " ".join(problems),
                metadata=metadata,
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata=metadata)

    return repair

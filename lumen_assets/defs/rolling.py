"""The ``rolling_verification/<destination>`` assets: older replicas read again, a share a day."""

import dagster as dg

from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.verification import verdict_table
from lumen_assets.verification import Verdict
from lumen_assets.workspace import Workspace


def rolling_verification_asset(destination: str, kind: str) -> dg.AssetsDefinition:
    """The verdicts on the older replicas at one destination whose turn it is."""

    @dg.asset(
        key=["rolling_verification", destination],
        group_name="verification",
        kinds={kind},
        owners=["team:operators"],
        retry_policy=RETRIES,
        pool=kind,
        description=f"Older replicas at {destination}, the longest unread first, read in full: a share a day, so that each "
        "is read at least every `verify.full_read_days`. Anything but MATCH fails, after all of them were read.",
    )
    def rolling_verification(lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        with translated():
            found = lumen.verify_due(destination)
        bad = [item for item in found if item.verdict is not Verdict.MATCH]
        metadata = {
            "replicas_read": dg.MetadataValue.int(len(found)),
            "bytes_read": dg.MetadataValue.int(sum(item.bytes_read for item in found)),
            "not_good": dg.MetadataValue.int(len(bad)),
            "verdicts": verdict_table(bad or found),
        }
        if bad:
            raise dg.Failure(
                description=f"{len(bad)} of {len(found)} replicas at {destination} are not good: "
                + "; ".join(f"{item.day} r{item.revision} {item.verdict}, {item.detail}" for item in bad[:10]),
                metadata=metadata,
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata=metadata)

    return rolling_verification

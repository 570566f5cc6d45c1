"""The ``attestation`` asset and its check."""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from lumen_assets.defs.failures import translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.workspace import Workspace


def attestation_asset(
    partitions: dg.PartitionsDefinition[str], verifications: Sequence[dg.AssetKey], freshness: dg.FreshnessPolicy
) -> dg.AssetsDefinition:
    """The day's verdicts counted against the policy.

    Args:
        verifications: those of the destinations that are configured.
        freshness: by when one is expected.
    """

    @dg.asset(
        partitions_def=partitions,
        group_name="verification",
        owners=["team:operators"],
        deps=verifications,
        freshness_policy=freshness,
        check_specs=[
            dg.AssetCheckSpec(
                "policy", asset="attestation", description="The day has as many good replicas as the policy asks for."
            )
        ],
    )
    def attestation(
        context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """How many good replicas the day has, against how many it needs: materialized also where they are too few."""
        day = partition_day(context)
        try:
            with translated():
                revision = lumen.newest_revision(day)
                found = lumen.attest(day, revision)
                newest = lumen.ledger.newest(day, day).get(day, {})
        except dg.Failure:
            lumen.ping(day, "fail")
            raise
        lumen.ping(day, "success" if found.ok else "fail")
        yield dg.MaterializeResult(
            metadata={
                "good": found.good,
                "required": found.required,
                "destinations": found.destinations,
                "ok": found.ok,
                "revision": revision,
                "verdicts": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {
                                "destination": name,
                                "verdict": str(verdict or "not verified"),
                                "level": str(newest[name].level) if verdict else "",
                                "detail": newest[name].detail if verdict else "",
                                "at": newest[name].at.isoformat(timespec="seconds") if verdict else "",
                            }
                        )
                        for name, verdict in found.verdicts.items()
                    ]
                ),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="policy",
                    passed=found.ok,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=str(found),
                )
            ],
        )

    return attestation


def came_to_attestation(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether a run made the attestation, or failed at it: then the dead man's switch has heard of the day.

    Args:
        events: the run's; those of its steps' ends are enough.
    """
    return any(event.step_key == "attestation" and (event.is_step_success or event.is_step_failure) for event in events)

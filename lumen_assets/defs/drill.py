"""The ``drill`` asset: every week one replica is restored for real; its job, schedule and check."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from lumen_assets.defs.failures import STORE_RETRIES, translated
from lumen_assets.settings import Configuration
from lumen_assets.workspace import Workspace

DRILL = dg.AssetKey("drill")
DRILL_AGE = dg.AssetCheckKey(DRILL, "age")


def drill_asset() -> dg.AssetsDefinition:
    """One replica, restored from the destination's bytes and compared file by file."""

    @dg.asset(
        key=DRILL,
        group_name="drill",
        owners=["team:operators"],
        retry_policy=STORE_RETRIES,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=8)),
    )
    def drill(lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        """A replica not drilled yet or longest ago, restored with nothing local into a scratch folder and compared."""
        with translated():
            found = lumen.drill()
        metadata: dict[str, str | int | float] = {
            "day": found.day.isoformat(),
            "revision": found.revision,
            "destination": found.destination,
            "files": found.files,
            "bytes": found.bytes,
            "seconds": round(found.seconds, 3),
            "mb_per_second": round(found.mb_per_second, 3),
            "detail": found.detail,
        }
        if not found.good:
            raise dg.Failure(
                description=f"restore drill of {found.day} from {found.destination}: {found.detail}",
                metadata={**metadata, "verdict": "drill"},  # told by the state of the drills
                allow_retries=found.good is None,
            )
        return dg.MaterializeResult(metadata={**metadata, **_coverage(lumen)})

    return drill


def _coverage(lumen: Workspace) -> Mapping[str, str]:
    """How many of the replicas were ever drilled with success, by destination."""
    places = lumen.drillable()
    good = {(found.day, found.destination) for found in lumen.ledger.drills() if found.good}
    total, drilled = Counter(name for _, name in places), Counter(name for _, name in places.keys() & good)
    return {f"coverage at {name}": f"{drilled[name]} of {count} replicas" for name, count in total.items()}


def drill_job() -> "dg.UnresolvedAssetJobDefinition":
    """The drill alone."""
    return dg.define_asset_job(
        "restore_drill",  # an op has the asset's name
        selection=dg.AssetSelection.assets(DRILL),
        description="One replica restored for real, from its destination alone, and compared file by file.",
    )


def drill_schedule(configuration: Configuration, job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Weekly, four hours after Wednesday's daily run."""
    schedule = configuration.schedule
    hour, minute = map(int, schedule.at.split(":"))
    runs = schedule.enabled and configuration.drill.enabled
    return dg.ScheduleDefinition(
        name="drill",
        job=job,
        cron_schedule=f"{minute} {(hour + 4) % 24} * * 3",
        execution_timezone="Asia/Seoul",
        default_status=dg.DefaultScheduleStatus.RUNNING if runs else dg.DefaultScheduleStatus.STOPPED,
        description="One replica is restored for real, every Wednesday, four hours after the daily run.",
    )


def drill_age_check(verifications: Sequence[dg.AssetKey]) -> dg.AssetChecksDefinition:
    """Whether the last good drill is young enough, on ``drill``, looked at with every attestation.

    Args:
        verifications: what a run makes before it looks.
    """

    @dg.asset_check(
        asset=DRILL,
        name=DRILL_AGE.name,
        additional_deps=verifications,
        description="The last good restore drill is at most `drill.overdue_days` old.",
    )
    def age(lumen: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        good = [found for found in lumen.ledger.drills() if found.good]
        limit = lumen.settings.configuration.drill.overdue_days
        old = datetime.now(UTC) - good[-1].at if good else None
        return dg.AssetCheckResult(
            passed=old is not None and old <= timedelta(days=limit),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"the last good one was {old.days} days ago, {limit} are allowed"
            if old
            else "there was none yet",
        )

    return age

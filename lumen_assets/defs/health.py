"""The health check as an asset check of the daily job: it warns, and stops nothing."""

import dagster as dg

from lumen_assets.days import parse_day, yesterday
from lumen_assets.health import Finding, healthcheck
from lumen_assets.workspace import Workspace


def health_check() -> dg.AssetChecksDefinition:
    """The health check, on ``telemetry``, the first asset of the day."""

    @dg.asset_check(
        asset="telemetry",
        name="health",
        blocking=False,
        description="What `lumen healthcheck` finds while yesterday's run is under way. It only warns: no step waits "
        "for it, and the day succeeds or fails by itself. Runs of older days skip it.",
    )
    def health(context: dg.AssetCheckExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        key = context.run.tags.get("dagster/partition")  # a ranged run has none
        if key != yesterday().isoformat():
            return dg.AssetCheckResult(passed=True, description="skipped: only yesterday's run looks")
        try:
            findings = healthcheck(lumen, underway=parse_day(key))
        except Exception as error:
            return _result([Finding("health", ok=False, detail=f"unexpected {type(error).__name__}")])
        return _result(findings)

    return health


def _result(findings: list[Finding]) -> dg.AssetCheckResult:
    bad = [str(finding) for finding in findings if not finding.ok]
    return dg.AssetCheckResult(
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(bad) or f"{len(findings)} checks, all good",
        metadata={
            "pass": dg.MetadataValue.json([str(finding) for finding in findings if finding.ok]),
            "fail": dg.MetadataValue.json(bad),
        },
    )

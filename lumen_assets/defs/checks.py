"""Asset checks where a person would look for them. Nothing rests on them: what is wrong is told by the alerts."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import dagster as dg

from lumen_assets import archive as domain
from lumen_assets.days import parse_day
from lumen_assets.errors import LumenError
from lumen_assets.report.findings import with_few_values
from lumen_assets.report.model import DayReport
from lumen_assets.settings import Configuration
from lumen_assets.workspace import Workspace

COVERAGE: Final = dg.AssetCheckSpec(
    "coverage",
    asset="report",
    description="The day has as many rows as the rate of each source promises, but for its `min_coverage`, and each "
    "configured signal as many values. It warns.",
)


def coverage_result(report: DayReport, configuration: Configuration) -> dg.AssetCheckResult:
    """The day's rows, of each source, against those that its rate promises; and the values of configured signals."""
    passed, said, metadata = True, [], dict[str, float]()
    for name, source in configuration.sources.by_name.items():
        recording, of_source = report.recordings[name], f"{name}: " if name else ""
        passed &= recording.coverage >= source.min_coverage
        rows = f"{recording.rows:,} of {recording.expected_rows:,.0f} rows, {recording.coverage:.1%}"
        said.append(f"{of_source}{rows}; {source.min_coverage:.0%} are expected at least")
        metadata |= {
            f"{of_source}coverage": recording.coverage,
            f"{of_source}gaps": recording.gap_count,
            f"{of_source}silent_seconds": recording.silent_seconds,
        }
    min_coverage = {name: source.min_coverage for name, source in configuration.sources.by_name.items()}
    few = with_few_values(report, min_coverage)
    said += [f"{signal.name}: {signal.coverage:.1%} of its values" for signal in few]
    metadata |= {f"{signal.name}: coverage": signal.coverage for signal in few}
    passed &= not few
    return dg.AssetCheckResult(
        check_name=COVERAGE.name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=". ".join(said),
        metadata=metadata,
    )


def copies_check(verifications: Sequence[dg.AssetKey]) -> dg.AssetChecksDefinition:
    """The day's archive here and at its destinations, on ``archive``.

    Args:
        verifications: what a run makes before it looks.
    """

    @dg.asset_check(
        asset="archive",
        name="copies",
        additional_deps=verifications,
        description="The day's newest revision lies here whole, and its replica at every destination is MATCH. Where "
        "several machines do the days, each has only those that it made.",
    )
    def copies(context: dg.AssetCheckExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        key = context.run.tags.get("dagster/partition")  # a ranged run has none
        if key is None:
            return dg.AssetCheckResult(passed=True, description="skipped: a run of one day looks")
        bad = list(_missing_copies(lumen, parse_day(key)))
        return dg.AssetCheckResult(
            passed=not bad,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(bad) or f"{key}: here, and MATCH at every destination",
        )

    return copies


def _missing_copies(lumen: Workspace, day: date) -> Iterator[str]:
    try:
        frozen = domain.newest(lumen.settings.archive_folder, day, lumen.keyring)
        if frozen is None and lumen.settings.state_url is None:  # else it may lie on another machine
            yield f"{day} is not here"
            return
        revision = lumen.newest_revision(day)
    except LumenError as error:
        yield f"here: {error.cause}"
        return
    newest = lumen.ledger.newest(day, day).get(day, {})
    for name in lumen.settings.configuration.destinations:
        found = newest.get(name)
        if found is None or found.revision < revision:
            yield f"{name}: r{revision} was not verified"
        elif not found.verdict.accepted:
            yield f"{name}: {found.verdict}, {found.detail}"


def freshness(configuration: Configuration) -> dg.FreshnessPolicy:
    """An attestation a day, between the start of the daily run and ``alerts.deadline``, KST.

    Dagster looks at the newest materialization of any partition, so a backfill of old days counts too.
    """
    hour, minute = map(int, configuration.alerts.deadline.split(":"))
    start = datetime.strptime(configuration.schedule.at, "%H:%M")  # noqa: DTZ007 - a time of day
    window = datetime.strptime(configuration.alerts.deadline, "%H:%M") - start  # noqa: DTZ007
    early = timedelta(minutes=configuration.schedule.spread_minutes)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{minute} {hour} * * *",
        lower_bound_delta=(window % timedelta(days=1)) + early,
        timezone="Asia/Seoul",
    )

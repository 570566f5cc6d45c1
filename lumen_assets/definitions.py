"""Everything that Dagster loads, assembled: no asset code here."""

from __future__ import annotations

import dagster as dg

from lumen_assets.defs.alerts.sensors import alert_sensors
from lumen_assets.defs.archive import archive_asset
from lumen_assets.defs.attestation import attestation_asset
from lumen_assets.defs.catch_up import catch_up_sensor, heal_sensor
from lumen_assets.defs.checks import copies_check, freshness
from lumen_assets.defs.distribution import distribution_asset
from lumen_assets.defs.drill import drill_age_check, drill_asset, drill_job, drill_schedule
from lumen_assets.defs.forked_runs import fork_runs
from lumen_assets.defs.grafana import grafana_asset
from lumen_assets.defs.health import health_check
from lumen_assets.defs.jobs import attestation_job, daily_job
from lumen_assets.defs.late_data import late_data_check, late_data_job, late_data_schedule
from lumen_assets.defs.partitions import daily_partitions
from lumen_assets.defs.periods import period_asset, period_job, period_schedule
from lumen_assets.defs.repair import repair_job
from lumen_assets.defs.replicas import replica_asset
from lumen_assets.defs.report import report_asset, report_pdf_asset
from lumen_assets.defs.retention import retention_job, retention_schedule
from lumen_assets.defs.rolling import rolling_job
from lumen_assets.defs.schedules import daily_schedule, rolling_schedule
from lumen_assets.defs.sensors import attestation_sensor
from lumen_assets.defs.telemetry import telemetry_asset
from lumen_assets.defs.verification import verification_asset
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


def build_defs(workspace: Workspace) -> dg.Definitions:
    """The definitions for an installation; also the seam that tests build theirs with."""
    configuration = workspace.settings.configuration
    partitions = daily_partitions(configuration)
    destinations = {name: destination.type for name, destination in configuration.destinations.items()}
    verifications = [dg.AssetKey(["verification", name]) for name in destinations]
    dry_run = configuration.dry_run
    daily, attest, rolling = daily_job(), attestation_job(), rolling_job(destinations)
    retention, late_data = retention_job(destinations), late_data_job()
    drill, weekly, monthly = drill_job(), period_job("week"), period_job("month")
    schedules = [
        daily_schedule(configuration.schedule, daily),
        rolling_schedule(configuration.schedule, rolling),
        retention_schedule(configuration, retention),
        late_data_schedule(configuration.schedule, late_data),
        drill_schedule(configuration, drill),
        period_schedule("week", configuration.schedule, weekly),
        period_schedule("month", configuration.schedule, monthly),
    ]
    catch_up = configuration.catch_up
    workers = [attestation_sensor(attest), catch_up_sensor(catch_up, daily), heal_sensor(catch_up)]
    watched = [*(schedule.name for schedule in schedules), *(sensor.name for sensor in workers)]
    return dg.Definitions(
        assets=[
            telemetry_asset(partitions),
            grafana_asset(partitions),
            report_asset(partitions, pictures=workspace.settings.grafana is not None),
            report_pdf_asset(partitions),
            archive_asset(partitions),
            *(replica_asset(partitions, name, kind, dry_run=dry_run) for name, kind in destinations.items()),
            *(verification_asset(partitions, name, kind) for name, kind in destinations.items()),
            distribution_asset(partitions),
            drill_asset(),
            period_asset("week", configuration),
            period_asset("month", configuration),
            attestation_asset(partitions, verifications, freshness(configuration)),
        ],
        asset_checks=[
            health_check(),
            copies_check(verifications),
            late_data_check(),
            drill_age_check(verifications),
        ],
        jobs=[
            daily,
            attest,
            rolling,
            retention,
            late_data,
            drill,
            weekly,
            monthly,
            repair_job(partitions, destinations),
        ],
        schedules=schedules,
        sensors=[*workers, *alert_sensors(watched)],
        resources={"lumen": workspace},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Loaded by Dagster, on the process's environment; nothing is read before it asks."""
    fork_runs()
    return build_defs(Workspace(load_settings()))

"""The sensor that attests a day whose run ended, well or not, without an attestation."""

import json
from typing import Final

import dagster as dg
from dagster import DagsterEventType, RunStatusChangeRecordsFilter
from dagster._core.event_api import RunStatusChangeEventType

from lumen_assets.days import parse_day
from lumen_assets.defs.attestation import came_to_attestation
from lumen_assets.workspace import Workspace

ATTESTED_BY_CALLER = {"lumen/attested_by": "caller"}
"""Tag of runs whose starter makes the attestation itself."""

_ENDED: Final[tuple[RunStatusChangeEventType, ...]] = (
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
)
_EVENTS_A_TICK = 50


def attestation_sensor(job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    """Requests an attestation for every ended run that touched a replica or a verification and did not come to one."""

    @dg.sensor(
        name="attest_ended_days",
        job=job,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Attests the day of every ended run, good or bad, that did not come to its attestation itself.",
    )
    def attest_ended_days(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SensorResult:
        if lumen.settings.configuration.dry_run:
            return dg.SensorResult(skip_reason="dry run: nothing was put that could be counted")
        after: dict[str, int] = json.loads(context.cursor) if context.cursor else {}
        requests: dict[str, dg.RunRequest] = {}
        for event_type in _ENDED:
            events = context.instance.fetch_run_status_changes(
                RunStatusChangeRecordsFilter(event_type, after_storage_id=after.get(event_type.value, 0)),
                limit=_EVENTS_A_TICK,
                ascending=True,
            )
            for event in events.records:
                after[event_type.value] = event.storage_id
                run = context.instance.get_run_by_id(event.run_id)
                if run is None or not _concerns_replicas(run) or _told_itself(context.instance, run):
                    continue
                day = run.tags["dagster/partition"]
                if not run.is_success and not _was_frozen(context.instance, run, lumen):
                    lumen.ping(parse_day(day), "fail")  # there is nothing to attest, and why is told already
                    continue
                requests[day] = dg.RunRequest(run_key=f"{day}:{run.run_id}", partition_key=day)
        return dg.SensorResult(run_requests=list(requests.values()), cursor=json.dumps(after))

    return attest_ended_days


def _was_frozen(instance: dg.DagsterInstance, run: dg.DagsterRun, lumen: Workspace) -> bool:
    """Whether the day of a run is frozen, by that run, here, or as far as is known here anywhere."""
    if parse_day(run.tags["dagster/partition"]) in lumen.existing_days():
        return True
    made = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    keys = (entry.get_dagster_event().asset_key for entry in made)
    return any(key is not None and key.path[0] in ("archive", "replica", "verification") for key in keys)


def _concerns_replicas(run: dg.DagsterRun) -> bool:
    if "dagster/partition" not in run.tags or ATTESTED_BY_CALLER.items() <= run.tags.items():
        return False
    selected = run.asset_selection
    if not selected:  # a whole job
        return run.job_name in ("daily", "repair")
    return any(key.path[0] in ("replica", "verification") for key in selected)


def _told_itself(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    ends = instance.all_logs(run.run_id, of_type={DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE})
    return came_to_attestation(entry.get_dagster_event() for entry in ends)

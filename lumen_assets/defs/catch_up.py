"""The sensor that runs what was missed: a schedule never catches up on ticks that it did not make."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.catch_up import REMEMBERED, Plan, plan
from lumen_assets.days import days_between, parse_day, yesterday
from lumen_assets.defs.alerts.telling import open_outbox
from lumen_assets.defs.own_runs import end_dead_runs
from lumen_assets.defs.periods import is_of_a_period
from lumen_assets.defs.schedules import start_of_run
from lumen_assets.defs.started_again import to_be_started_again
from lumen_assets.defs.under_way import runs_under_way
from lumen_assets.health.due import unattested
from lumen_assets.settings import CatchUp, Configuration
from lumen_assets.workspace import Workspace

TAG: Final = "lumen/catch_up"
"""Tag of the runs that the sensor requested: ``daily`` or ``repair``."""

_ATTEMPT: Final = "lumen/attempt"
_PARTITION: Final = "dagster/partition"

_NEWEST: Final = 50
"""Runs of a day of which one is of its last attempt: what people start again keeps the number that it had."""

GRACE: Final = timedelta(minutes=30)
"""How long the schedule is given to start a day itself."""

_BEHIND_THE_SCHEDULE: Final = {"dagster/priority": "-1"}


def catch_up_sensor(settings: CatchUp, daily: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    """Requests a run of every day that is missing.

    All that it knows is read anew at each tick: what is frozen, and the runs of the instance. So it survives a restart
    of the daemon, and a run key a day and attempt keeps a tick that is made twice from doubling one.
    """

    @dg.sensor(
        name="catch_up",
        job=daily,
        minimum_interval_seconds=60,
        default_status=_status(settings),
        description="Runs days that are missing, a few at a time, with growing waits between attempts; gives up a day "
        "loudly that keeps failing.",
    )
    def catch_up(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SensorResult:
        if lumen.settings.sample:
            return dg.SensorResult(skip_reason="sample data: there is nothing to catch up on")
        if not lumen.take_over():
            return dg.SensorResult(skip_reason="no day is known here, and no destination answers: there may be many")
        end_dead_runs(lumen, context.instance)  # of commands, which no daemon looks after
        now = datetime.now(UTC)
        chosen = _plan(context.instance, "daily", _missing(lumen, now), settings, now, attempts=settings.attempts)
        given_up = _given_up(chosen.given_up, settings.attempts, now)
        open_outbox(context.instance, lumen).reconcile(Kind.GIVEN_UP, given_up, now)
        return _result(context.instance, "daily", chosen)

    return catch_up


def heal_sensor(settings: CatchUp) -> dg.SensorDefinition:
    """Requests a repair of every day below policy; never gives up, since what is down comes back."""

    @dg.sensor(
        name="heal",
        job_name="repair",
        minimum_interval_seconds=60,
        default_status=_status(settings),
        description="Repairs days that are attested below policy, or were frozen and never attested, with growing "
        "waits between attempts.",
    )
    def heal(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SensorResult:
        if lumen.settings.configuration.dry_run:
            return dg.SensorResult(skip_reason="dry run: nothing is put")
        now = datetime.now(UTC)
        below = _below_policy(lumen, now)
        chosen = _plan(context.instance, "repair", below, settings, now, attempts=None)
        return _result(context.instance, "repair", chosen)

    return heal


def _status(settings: CatchUp) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if settings.enabled else dg.DefaultSensorStatus.STOPPED


def _plan(
    instance: dg.DagsterInstance, job: str, wanted: set[date], settings: CatchUp, now: datetime, *, attempts: int | None
) -> Plan:
    in_flight = set(
        runs_under_way(instance)
    )  # before the others: what ends meanwhile is left alone until the next tick
    lately = _runs_lately(instance, wanted, now)
    go_on = [record for record in lately if record.end_time is None and not record.dagster_run.is_finished]
    in_flight |= {_day(record) for record in [*go_on, *to_be_started_again(instance, lately, now)]}
    room = max(0, min(settings.per_tick, settings.in_flight - len(in_flight)))
    return plan(wanted, in_flight, _ends(lately, job, now), settings, now, attempts=attempts, room=room)


def _result(instance: dg.DagsterInstance, job: str, chosen: Plan) -> dg.SensorResult:
    if chosen.requests:
        return dg.SensorResult(run_requests=[_request(instance, job, day) for day in chosen.requests])
    said = f"{len(chosen.waiting)} days wait for their next attempt, {len(chosen.given_up)} are given up"
    return dg.SensorResult(skip_reason=said)


def newest_expected(configuration: Configuration, now: datetime) -> date:
    """The newest day that is over in KST and that the schedule should have started by now."""
    day = yesterday(now)
    return day if now >= start_of_run(day + timedelta(days=1), configuration.schedule) + GRACE else day - timedelta(1)


def _missing(lumen: Workspace, now: datetime) -> set[date]:
    configuration = lumen.settings.configuration
    return {*days_between(configuration.start_date, newest_expected(configuration, now))} - lumen.existing_days()


def _below_policy(lumen: Workspace, now: datetime) -> set[date]:
    """Frozen days that are not attested within the policy as it is now, or were not at all a while after freezing."""
    configuration = lumen.settings.configuration
    first, last = configuration.start_date, yesterday(now)
    attested = lumen.ledger.newest_attestations(first, last)
    never = {day for day in unattested(lumen.frozen_revisions(), attested, now) if day >= first}
    below = {day for day, found in attested.items() if not found.met}
    asked = configuration.policy.required_replicas
    by_less = {day: found.revision or 0 for day, found in attested.items() if found.met and found.required < asked}
    verdicts = lumen.ledger.newest(first, last) if by_less else {}
    return never | below | {day for day, n in by_less.items() if not lumen.count(day, n, verdicts.get(day, {})).ok}


def _runs_lately(instance: dg.DagsterInstance, days: Collection[date], now: datetime) -> list[dg.RunRecord]:
    """The runs of these days that something became of within a week: however many others the instance has."""
    if not days:
        return []
    of_days = {_PARTITION: [day.isoformat() for day in sorted(days)]}
    records = instance.get_run_records(dg.RunsFilter(tags=of_days, updated_after=now - REMEMBERED))
    return [record for record in records if not is_of_a_period(record.dagster_run)]


def _day(record: dg.RunRecord) -> date:
    return parse_day(record.dagster_run.tags[_PARTITION])


def _ends(lately: Iterable[dg.RunRecord], job: str, now: datetime) -> dict[date, Collection[datetime]]:
    """When the attempts at each day ended. A run and those that Dagster started again for it are one attempt."""
    ends: dict[date, dict[str, datetime]] = {}
    for record in lately:
        tags, ended = record.dagster_run.tags, record.end_time and _instant(record.end_time)
        if tags.get(TAG) == job and ended and now - ended < REMEMBERED:
            of_day = ends.setdefault(_day(record), {})
            attempt = tags.get(_ATTEMPT, record.dagster_run.run_id)
            of_day[attempt] = max(of_day.get(attempt, ended), ended)
    return {day: list(of_day.values()) for day, of_day in ends.items()}


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _request(instance: dg.DagsterInstance, job: str, day: date) -> dg.RunRequest:
    attempt = _last_attempt(instance, job, day) + 1
    return dg.RunRequest(
        run_key=f"{job}:{day}:{attempt}",
        partition_key=day.isoformat(),
        tags={TAG: job, _ATTEMPT: str(attempt), **_BEHIND_THE_SCHEDULE},
    )


def _last_attempt(instance: dg.DagsterInstance, job: str, day: date) -> int:
    """The number of the last attempt at a day, at any time; 0 if there was none.

    Not a count: somebody may have deleted runs, and a run key that was used is not used again.
    """
    of_day = {_PARTITION: day.isoformat(), TAG: job}  # a database looks for them in this order: few have the first
    runs = instance.get_runs(dg.RunsFilter(tags=of_day), limit=_NEWEST)
    return max((int(run.tags.get(_ATTEMPT, 0)) for run in runs), default=0)


def _given_up(days: Iterable[date], attempts: int, now: datetime) -> list[Event]:
    return [
        Event(
            id=event_id(Kind.GIVEN_UP, day),
            kind=Kind.GIVEN_UP,
            severity=Severity.CRITICAL,
            state=State.FIRING,
            source="catch_up",
            subject=str(day),
            at=now,
            title=f"{day} is given up: {attempts} attempts failed within a week",
            error_class="attempts",
            cause="every attempt failed; the alert of the asset that failed says why",
            retry_helps=False,
            hint="mend the cause, then run the day; by itself it is tried again in a week",
            command=f"lumen daily --day {day}",
        )
        for day in days
    ]

"""The sensors that tell: one reads the runs that ended, one looks at the state of things, one delivers."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from lumen_assets.defs.alerts.runs import read_ended_runs
from lumen_assets.defs.alerts.telling import all_of_them, look, look_at_ticks, open_outbox, send
from lumen_assets.health import exposition, vitals
from lumen_assets.health.textfile import write_textfile
from lumen_assets.workspace import Workspace

KEPT: Final = timedelta(days=90)
"""How long what was delivered stays in the outbox."""

RUNS_AT_ONCE: Final = 100
SECONDS_A_TICK: Final = 30.0
"""Dagster gives a sensor 60 s for a tick."""


def alert_sensors(watched: Sequence[str]) -> list[dg.SensorDefinition]:
    """The three sensors.

    Args:
        watched: names of the other sensors and schedules, which must tick.
    """

    @dg.sensor(
        name="alerts_runs",
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Puts what failed, and what is good again, of every ended run into the outbox; sees that the "
        "other sensors and the schedules tick.",
    )
    def alerts_runs(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SkipReason:
        outbox, end = open_outbox(context.instance, lumen), time.monotonic() + SECONDS_A_TICK
        over: Callable[[], bool] = lambda: time.monotonic() >= end  # noqa: E731 - typed
        ui_url = lumen.settings.configuration.alerts.ui_url
        said = ""

        def read_runs() -> None:
            nonlocal said
            cursor, position, more, new = context.cursor, None, True, 0
            while more:
                now = datetime.now(UTC)
                read = read_ended_runs(
                    context.instance, cursor, position, ui_url=ui_url, limit=RUNS_AT_ONCE, now=now, until=over
                )
                new += outbox.record(read.events, now)
                cursor, position, more = read.cursor, read.position, read.more and not over()
                context.update_cursor(cursor)  # only now: a crash before this line reads the same runs again
                said = f"{new} new events{', more to read' if read.more else ''}"

        names = frozenset((*watched, "alerts_runs", "alerts_survey", "alerts_deliver"))  # also what it fails at itself
        all_of_them(lambda: look_at_ticks(context.instance, outbox, names), read_runs)
        return dg.SkipReason(said)

    @dg.sensor(
        name="alerts_survey",
        minimum_interval_seconds=120,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares the state of days, replicas, runs and tokens with what is being told; writes the "
        "gauges to metrics/lumen.prom under LUMEN_HOME.",
    )
    def alerts_survey(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SkipReason:
        outbox = open_outbox(context.instance, lumen)

        def write_gauges() -> None:
            gauges = lumen.settings.home / "metrics" / "lumen.prom"
            gauges.parent.mkdir(parents=True, exist_ok=True)
            write_textfile(gauges, exposition(vitals(lumen, outbox=outbox)))

        all_of_them(
            lambda: look(lumen, context.instance, outbox),
            write_gauges,
            lambda: outbox.forget(datetime.now(UTC) - KEPT),
        )
        return dg.SkipReason(f"{len(outbox.open_incidents())} incidents are open")

    @dg.sensor(
        name="alerts_deliver",
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends what the outbox holds, with backoff, until each channel has taken it.",
    )
    def alerts_deliver(context: dg.SensorEvaluationContext, lumen: dg.ResourceParam[Workspace]) -> dg.SkipReason:
        done = send(lumen, open_outbox(context.instance, lumen), seconds=SECONDS_A_TICK)
        return dg.SkipReason(str(done))

    return [alerts_runs, alerts_survey, alerts_deliver]

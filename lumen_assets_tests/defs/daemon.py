"""Our sensors, evaluated on an instance as Dagster's daemon does."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import date
from typing import Any

import dagster as dg

from lumen_assets.definitions import build_defs
from lumen_assets.workspace import Workspace

SENSORS = ("alerts_runs", "alerts_survey", "alerts_deliver")


def assets_of_days(definitions: dg.Definitions) -> list[dg.AssetKey]:
    """The assets with a partition a day, which the asset graph can make in one run."""
    graph = definitions.resolve_asset_graph()
    days = graph.get(dg.AssetKey("archive")).partitions_def
    return sorted(key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == days)


class Daemon:
    """Evaluates our sensors on an instance, as Dagster's daemon does: each with the cursor that it left."""

    def __init__(
        self,
        workspace: Workspace,
        instance: dg.DagsterInstance,
        cursors: MutableMapping[str, str | None] | None = None,
    ) -> None:
        self.workspace = workspace
        self.instance = instance
        self.definitions = build_defs(workspace)
        self.cursors: MutableMapping[str, str | None] = {} if cursors is None else cursors

    def run(self, day: date, job: str = "daily", **options: Any) -> bool:
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=day.isoformat(), raise_on_error=False, **options
        )
        return result.success

    def tick(self, name: str) -> str:
        sensor = self.definitions.get_repository_def().get_sensor_def(name)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(name), resources={"lumen": self.workspace}
        ) as context:
            self.prepare(name, context)
            data = sensor.evaluate_tick(context)
            self.cursors[name] = context.cursor
        return data.skip_message or ""

    def prepare(self, name: str, context: dg.SensorEvaluationContext) -> None:
        """For those who want to see what an evaluation does."""

    def ticks(self) -> None:
        for name in SENSORS:
            self.tick(name)

"""The ``telemetry`` asset."""

import dagster as dg

from lumen_assets import telemetry as domain
from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.defs.partitions import partition_day
from lumen_assets.telemetry import InputReading
from lumen_assets.workspace import Workspace


def telemetry_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The day's rows, cut out of the inputs."""

    @dg.asset(
        partitions_def=partitions,
        group_name="telemetry",
        kinds={"csv", "polars"},
        owners=["team:operators"],
        op_tags={"dagster/priority": "1"},  # a run begins with it, as it tells the dead man's switch
        retry_policy=RETRIES,
    )
    def telemetry(context: dg.AssetExecutionContext, lumen: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
        """The KST day's part of every input, cut out of the append-only files, verbatim.

        Bad lines are counted by kind and shown with examples; they fail nothing and are frozen with the rest. The slice
        stays under LUMEN_HOME until it is frozen.
        """
        day = partition_day(context)
        lumen.ping(day, "start")
        with translated(), lumen.working_on(day):
            lumen.take_over()  # on a new machine: the day may be frozen elsewhere, and others too
            day_slice = lumen.inputs.cut(day)
            reading = lumen.inputs.read(day_slice)
            domain.require_names(reading, lumen.inputs.telemetry_files)
        signals = [column for rows in reading.tables for column in rows.columns if column != "ts"]
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": sum(rows.height for rows in reading.tables),
                "signals": ", ".join(signals),
                "rejected": sum(sum(domain.left_out(item.rejected).values()) for item in reading.inputs),
                "sample_data": reading.sample,
                "inputs": dg.MetadataValue.table(
                    [_input_record(item) for item in reading.inputs], schema=_INPUT_SCHEMA
                ),
            }
        )

    return telemetry


_INPUT_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("input", "string"),
        dg.TableColumn("present", "bool"),
        dg.TableColumn("rows", "int"),
        dg.TableColumn("rejected", "string"),
        dg.TableColumn("blank", "int"),
        dg.TableColumn("sha256", "string"),
    ]
)


def _input_record(item: InputReading) -> dg.TableRecord:
    rejected = ", ".join(f"{kind} {count}" for kind, count in sorted(domain.left_out(item.rejected).items()))
    return dg.TableRecord(
        {
            "input": item.name,
            "present": item.present,
            "rows": item.rows,
            "rejected": rejected or "none",
            "blank": item.rejected.get("blank", 0),
            "sha256": item.sha256,
        }
    )

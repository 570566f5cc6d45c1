"""What the ``telemetry`` asset says of what it read, in a real run."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from lumen_assets.definitions import build_defs
from lumen_assets_tests.installation import LAST_DAY, Installation


def test_blank_lines_are_not_among_those_that_were_left_out(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    path = installation.data_root / "logs" / "metrics.csv"
    rows = [f"{LAST_DAY}T00:00:0{second}.000+09:00,0.04" for second in range(3)]
    path.write_text("\n".join(["ts,phase_diff", rows[0], "", "torn", rows[1], "", rows[2], ""]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(installation.workspace)
            .resolve_job_def("daily")
            .execute_in_process(
                instance=instance, partition_key=str(LAST_DAY), asset_selection=[dg.AssetKey("telemetry")]
            )
        )
    (made,) = result.asset_materializations_for_node("telemetry")
    table = made.metadata["inputs"]
    assert isinstance(table, dg.TableMetadataValue)
    records = {record.data["input"]: record.data for record in table.records}
    found = records["logs/metrics.csv"]
    assert (found["rows"], found["rejected"], found["blank"]) == (3, "torn 1", 2)
    others = {name: record["rejected"] for name, record in records.items() if name != "logs/metrics.csv"}
    assert made.metadata["rejected"].value == 1 + sum(
        int(part.split()[-1]) for said in others.values() if said != "none" for part in said.split(", ")
    )

"""docs/architecture.md draws the assets that there are, with the edges that there are."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg

from lumen_assets.definitions import build_defs
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.documents.reading import ROOT, blocks


def drawn() -> tuple[set[str], set[tuple[str, str]]]:
    """Names and edges of the picture."""
    [picture] = [block for block in blocks(ROOT / "docs" / "architecture.md") if block.language == "mermaid"]
    names: set[str] = set()
    edges: set[tuple[str, str]] = set()
    for line in picture.text.splitlines()[1:]:
        ends = re.split(r" -\.?-> ", line.strip())
        names |= set(ends)
        edges |= {(ends[0], ends[1])} if len(ends) == 2 else set()
    return names, edges


def test_the_picture_is_the_asset_graph_of_the_settings_that_ship(tmp_path: Path) -> None:
    def graph_and_edges(**grafana: str) -> tuple[dg.AssetGraph, set[tuple[str, str]]]:
        workspace = Workspace(load_settings({"LUMEN_HOME": str(tmp_path), **grafana}, tmp_path))
        graph = build_defs(workspace).resolve_asset_graph()
        return graph, {
            (parent.to_user_string(), key.to_user_string())
            for key in graph.get_all_asset_keys()
            for parent in graph.get(key).parent_keys
        }

    graph, edges = graph_and_edges(
        GRAFANA_BASE="https://grafana.example.org",
        GRAFANA_TOKEN="nobody-s",  # noqa: S106 - nobody's
        GRAFANA_DASHBOARD_UID="abc",
    )
    keys = graph.get_all_asset_keys()
    assert drawn() == ({key.to_user_string() for key in keys}, edges)
    assert graph_and_edges()[1] == edges - {("grafana_snapshot", "report")}
    daily = {key for key in keys if isinstance(graph.get(key).partitions_def, dg.TimeWindowPartitionsDefinition)}
    assert keys - daily == {dg.AssetKey("drill")}

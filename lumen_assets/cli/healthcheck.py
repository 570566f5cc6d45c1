"""``lumen healthcheck``: whether all is well, for monitors."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.markup import escape

from lumen_assets.cli.running import PROBLEM, json_option, print_json
from lumen_assets.days import yesterday
from lumen_assets.errors import SettingsError
from lumen_assets.health.checks import healthcheck as look
from lumen_assets.health.checks import wrong_settings
from lumen_assets.health.findings import Finding
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@click.option(
    "--ui", is_flag=True, help="Also the Dagster UI where alerts.ui_url is the default: it should be running."
)
@click.option("--before-run", is_flag=True, help="Nothing is expected of yesterday yet: its run is to begin.")
@json_option
def healthcheck(ui: bool, before_run: bool, as_json: bool) -> None:
    """Check endpoint, report, disk, key, clock, destinations and last attestation, side by side, in 15 s at most.

    Exits 0 if all is well and 1 if not, wrong settings included. With --json: {"pass": […], "fail": […]}.
    """
    try:
        findings = look(Workspace(load_settings()), ui=ui, underway=yesterday() if before_run else None)
    except SettingsError as error:
        findings = wrong_settings(error)
    if as_json:
        print_json(
            {
                "pass": [str(item) for item in findings if item.ok],
                "fail": [str(item) for item in findings if not item.ok],
            }
        )
    else:
        print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise SystemExit(PROBLEM)


def print_findings(findings: Sequence[Finding]) -> None:
    """A line a finding, and the fix below what is not good."""
    console = Console()
    for finding in findings:
        mark = "[yellow]![/]" if finding.warning else "[green]✓[/]" if finding.ok else "[red]✗[/]"
        text = escape(f"{finding.name}: {finding.detail}")
        console.print(f"{mark} {text}", soft_wrap=True, highlight=False)
        if finding.fix:
            console.print(f"    fix: {escape(finding.fix)}", soft_wrap=True, highlight=False)

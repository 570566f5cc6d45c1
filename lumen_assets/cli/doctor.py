"""``lumen doctor``: whether everything that a day needs is there, with the fix for what is not."""

from __future__ import annotations

from dataclasses import asdict

import click

from lumen_assets.cli.healthcheck import print_findings
from lumen_assets.cli.running import PROBLEM, USAGE, json_option, print_json
from lumen_assets.errors import SettingsError
from lumen_assets.health.checks import doctor as look
from lumen_assets.health.checks import wrong_settings
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at configuration, key, inputs, disk, clock, destinations and instance; name the fix for what is wrong."""
    exit_code = PROBLEM
    try:
        findings = look(Workspace(load_settings()))
    except SettingsError as error:
        findings, exit_code = wrong_settings(error), USAGE
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(findings)
    if not ok:
        raise SystemExit(exit_code)

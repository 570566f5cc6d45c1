"""``lumen doctor``: what is set up, what answers, and the fix for what is not right."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import click

from lumen_assets.alerting.channels import message_about
from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.cli.healthcheck import print_findings
from lumen_assets.cli.notify import deliveries
from lumen_assets.cli.outbox import outbox_of
from lumen_assets.cli.running import PROBLEM, USAGE, json_option, print_json
from lumen_assets.errors import LumenError, SettingsError
from lumen_assets.health import Finding, telling
from lumen_assets.health.checks import doctor as look
from lumen_assets.health.checks import wrong_settings
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@click.option("--send-test", is_flag=True, help="Send a test message through each channel, and say what it answered.")
@json_option
def doctor(send_test: bool, as_json: bool) -> None:
    """Look at configuration, key, inputs, disk, clock, destinations and alerts; name the fix for what is wrong."""
    exit_code = PROBLEM
    try:
        workspace = Workspace(load_settings())
        findings = look(workspace)
        if workspace.channels:
            findings.append(_outbox(workspace))
        if send_test:
            findings += _tested(workspace)
    except SettingsError as error:
        findings, exit_code = wrong_settings(error), USAGE
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(findings)
    if not ok:
        raise SystemExit(exit_code)


def _outbox(workspace: Workspace) -> Finding:
    try:
        return telling.outbox(outbox_of(workspace), datetime.now(UTC))
    except LumenError as error:
        return Finding("outbox", ok=False, detail=f"{error.subject}: {error.cause}", fix=error.hint)


def _tested(workspace: Workspace) -> Iterator[Finding]:
    if not workspace.channels:
        yield Finding("test message", ok=False, detail="there is no channel to send it through", fix="configure one")
        return
    event = Event(
        id=str(uuid.uuid4()),
        kind=Kind.TEST,
        severity=Severity.INFO,
        state=State.NOTICE,
        source="lumen doctor",
        at=datetime.now(UTC),
        title="Test: alerts of Lumen arrive here (시험 알림)",
        hint="nothing: somebody ran `lumen doctor --send-test`",
    )
    for result in deliveries(workspace.channels, message_about(event)):
        yield Finding(f"test message {result.channel}", ok=result.ok, detail=result.answer, fix=result.fix)

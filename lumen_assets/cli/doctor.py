"""``lumen doctor``: whether everything that a day needs is there, with the fix for what is not."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import click
from rich.console import Console
from rich.markup import escape

from lumen_assets import archive
from lumen_assets.alerting.channels import message_about, open_channels
from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.cli.notify import deliveries
from lumen_assets.cli.running import PROBLEM, USAGE, json_option, print_json
from lumen_assets.days import yesterday
from lumen_assets.errors import LumenError, SettingsError
from lumen_assets.settings import Settings, load_settings
from lumen_assets.workspace import Workspace

LEAST_FREE: Final = 1 << 30
"""Bytes that LUMEN_HOME's disk should have free: some ten days of 5 Hz telemetry with their copies."""


@dataclass(frozen=True)
class Finding:
    """What one look found: its name, whether it is good, what was seen, and what to do where it is not.

    A warning is good enough for a day to succeed; ``fix`` says what would be better.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    warning: bool = False


@click.command()
@click.option("--send-test", is_flag=True, help="Send a test message through each channel, and say what it answered.")
@json_option
def doctor(send_test: bool, as_json: bool) -> None:
    """Look at configuration, key, inputs, disk, clock, destinations and alerts; name the fix for what is wrong."""
    findings = list(_look(send_test=send_test))
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if not ok:
        wrong_setting = any(finding.name.startswith("setting ") for finding in findings)
        raise SystemExit(USAGE if wrong_setting else PROBLEM)


def _look(*, send_test: bool) -> Iterator[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        for problem in error.problems:
            name, _, rest = problem.partition(": ")
            yield Finding(f"setting {name}", ok=False, detail=rest, fix="")
        return
    source = settings.configuration_file or "the defaults that ship"
    yield Finding("configuration", ok=True, detail=f"{source}: valid")
    workspace = Workspace(settings)
    yield _guarded("archive key", lambda: _key(workspace))
    yield _guarded("inputs", lambda: _inputs(settings))
    yield from _home(settings)
    yield _guarded("clock", lambda: _clock(settings))
    yield _font(settings)
    for name in workspace.stores:
        yield _guarded(f"destination {name}", lambda name=name: _destination(workspace, name))  # type: ignore[misc]
    yield from _alerts(settings)
    if send_test:
        yield from _tested(settings)


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except LumenError as error:
        return Finding(name, ok=False, detail=error.cause, fix=error.hint)
    except OSError as error:
        return Finding(name, ok=False, detail=f"{error.filename}: {error.strerror}")


def _key(workspace: Workspace) -> Finding:
    made = workspace.settings.archive_key is not None or workspace.key_file.exists()
    if not made and not workspace.anything_frozen():
        return Finding("archive key", ok=True, detail=f"none yet: the first run makes one at {workspace.key_file}")
    workspace.require_fitting_key()
    keyring = workspace.keyring
    newest = max((entry.day for entry in archive.read_index(workspace.settings.archive_folder)), default=None)
    if newest:
        workspace.frozen_day(newest)  # it must also be the key that the archives were made with
    where = "LUMEN_ARCHIVE_KEY" if workspace.settings.archive_key else workspace.key_file
    return Finding(
        "archive key", ok=True, detail=f"id {keyring.primary.id}, from {where}; keep a copy of it somewhere else"
    )


def _inputs(settings: Settings) -> Finding:
    path = settings.data_root / settings.configuration.sources.telemetry.path
    if settings.sample:
        return Finding("inputs", ok=True, detail=f"LUMEN_DATA_ROOT is not set: sample data under {settings.data_root}")
    if not path.is_file():
        return Finding(
            "inputs",
            ok=False,
            detail=f"there is no {path}",
            fix="correct LUMEN_DATA_ROOT or sources.telemetry.path",
        )
    if not os.access(path, os.R_OK):
        return Finding("inputs", ok=False, detail=f"{path} may not be read", fix="give this user read access")
    size, changed = path.stat().st_size, datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Finding("inputs", ok=True, detail=f"{path}: {size:,} bytes, last written {changed:%Y-%m-%d %H:%M} UTC")


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"x")
    except OSError as error:
        yield Finding("LUMEN_HOME", ok=False, detail=f"{home}: {error.strerror}", fix="make it writable or set another")
        return
    yield Finding("LUMEN_HOME", ok=True, detail=f"{home}: writable")
    free = shutil.disk_usage(existing).free
    yield Finding(
        "disk",
        ok=free >= LEAST_FREE,
        detail=f"{free / 2**30:.1f} GiB free under {existing}",
        fix="" if free >= LEAST_FREE else f"free room: less than {LEAST_FREE / 2**30:.0f} GiB is left",
    )


def _clock(settings: Settings) -> Finding:
    day = yesterday()
    newest = max((entry.day for entry in archive.read_index(settings.archive_folder)), default=None)
    if newest and day < newest:
        return Finding(
            "clock",
            ok=False,
            detail=f"it says that yesterday was {day} in KST, but {newest} is already frozen",
            fix="set the machine's clock (NTP)",
        )
    return Finding("clock", ok=True, detail=f"yesterday was {day} in KST")


def _font(settings: Settings) -> Finding:
    from lumen_assets.report.fonts import typeface  # reportlab is slow to import

    def look() -> Finding:
        face = typeface(settings.configuration.report.font)
        return Finding("font", ok=True, detail=f"{face.regular}: has Korean glyphs")

    return _guarded("font", look)


def _destination(workspace: Workspace, name: str) -> Finding:
    held = workspace.stores[name].list(f"{yesterday()}/")
    count = sum(1 for _ in held)
    return Finding(f"destination {name}", ok=True, detail=f"answers; {count} objects of yesterday")


def _alerts(settings: Settings) -> Iterator[Finding]:
    channels = open_channels(settings)
    if not channels:
        yield Finding(
            "alerts",
            ok=True,
            detail="no channel is configured: nobody is told of a failure",
            fix="set LUMEN_ALERT_URL, or see docs/alerts.md for the others",
            warning=True,
        )
        return
    yield Finding("alerts", ok=True, detail=f"by {', '.join(channels)}; `lumen doctor --send-test` tries them")
    if "webhook" in channels and not settings.alert_secrets:
        yield Finding(
            "alert webhook",
            ok=True,
            detail="it is not signed: its receiver cannot tell our messages from others'",
            fix="set LUMEN_ALERT_SECRET, here and at the receiver",
            warning=True,
        )


def _tested(settings: Settings) -> Iterator[Finding]:
    channels = open_channels(settings)
    if not channels:
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
    for result in deliveries(channels, message_about(event)):
        yield Finding(f"test message {result.channel}", ok=result.ok, detail=result.answer, fix=result.fix)


def _print(findings: list[Finding]) -> None:
    console = Console()
    for finding in findings:
        mark = "[yellow]![/]" if finding.warning else "[green]✓[/]" if finding.ok else "[red]✗[/]"
        console.print(f"{mark} {escape(finding.name)}: {escape(finding.detail)}", soft_wrap=True, highlight=False)
        if finding.fix:
            console.print(f"    fix: {escape(finding.fix)}", soft_wrap=True, highlight=False)

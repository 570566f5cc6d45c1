"""``lumen alerts``: what is wrong, who was told, and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape

from lumen_assets.alerting.delivery import deliver
from lumen_assets.alerting.events import Event, Kind, Severity, State, event_id
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.alerting.reading import OpenIncident
from lumen_assets.cli.outbox import outbox_of
from lumen_assets.cli.running import PROBLEM, json_option, print_json
from lumen_assets.days import kst, parse_day
from lumen_assets.errors import LumenError
from lumen_assets.settings import load_settings
from lumen_assets.texts import counted
from lumen_assets.verification import restore_command
from lumen_assets.workspace import Workspace

SECONDS: Final = 60.0
SUBJECTS_SHOWN: Final = 5


@click.command()
@click.option("--send", is_flag=True, help="First send what waits and may go now, as the daemon does by itself.")
@click.option(
    "--close",
    metavar="KIND:SOURCE",
    help="First close what is open of this kind and source, where nothing will by itself: an asset that is no more. "
    "What is still wrong is opened again.",
)
@json_option
def alerts(send: bool, close: str | None, as_json: bool) -> None:
    """Show the incidents that are open, and what waits for each channel and why.

    Exits 1 if an incident is open or a channel does not take messages.
    """
    workspace = Workspace(load_settings())
    outbox = outbox_of(workspace)
    if close:
        _close(outbox, close)
    if send:
        deliver(outbox, workspace.channels, lambda: datetime.now(UTC), seconds=SECONDS)
    incidents = outbox.open_incidents()
    ways_back = _ways_back(workspace, incidents)
    channels = _channels(outbox)
    ok = not incidents and all(channel["error"] is None for channel in channels.values())
    if as_json:
        shown = [_as_json(incident, ways_back) for incident in incidents]
        print_json({"ok": ok, "incidents": shown, "channels": channels})
    else:
        _print(incidents, ways_back, channels, Console())
    if not ok:
        raise SystemExit(PROBLEM)


def _close(outbox: Outbox, what: str) -> None:
    kind, _, source = what.partition(":")
    now = datetime.now(UTC)
    if not any((incident.kind, incident.source) == (kind, source) for incident in outbox.open_incidents()):
        raise click.BadParameter(
            f"nothing of {what!r} is open; `lumen alerts` shows what is, as KIND: SOURCE", param_hint="--close"
        )
    event = Event(
        id=event_id("closed by hand", what, now),
        kind=Kind(kind),
        severity=Severity.INFO,
        state=State.RESOLVED,
        source=source,
        at=now,
        title=f"{source} was closed by hand",
    )
    outbox.record([event], now)


def _ways_back(workspace: Workspace, incidents: Iterable[OpenIncident]) -> dict[str, str]:
    """The command that restores, by day with a replica that is not good; empty where no revision is good.

    By the verdicts that stand now: the copy that was good when the incident was told may be bad by now.
    """
    days = {day for one in incidents if one.kind is Kind.REPLICA_NOT_GOOD for day in one.subjects}
    if not days:
        return {}
    try:
        standing = workspace.ledger.standing(parse_day(min(days)), parse_day(max(days)))
    except LumenError as error:  # what is open is shown all the same
        Console(stderr=True).print(f"[yellow]how to restore[/]: {escape(str(error))}", soft_wrap=True, highlight=False)
        return {}
    return {day: restore_command(parse_day(day), standing) for day in sorted(days)}


def _channels(outbox: Outbox) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, depth in outbox.depth(datetime.now(UTC)).items():
        error = outbox.last_error(name)
        found[name] = {
            "waiting": depth.messages,
            "oldest_seconds": round(depth.oldest.total_seconds()),
            "error": error and error.text,
            "next_try": error and error.next_try.isoformat(timespec="seconds"),
        }
    return found


def _of(incident: OpenIncident, ways_back: Mapping[str, str]) -> dict[str, str]:
    if incident.kind is not Kind.REPLICA_NOT_GOOD:
        return {}
    return {day: ways_back[day] for day in incident.subjects if day in ways_back}


def _as_json(incident: OpenIncident, ways_back: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": incident.kind.value,
        "source": incident.source,
        "error_class": incident.error_class,
        "severity": incident.severity.value,
        "since": incident.since.isoformat(timespec="seconds"),
        "events": incident.count,
        "subjects": list(incident.subjects),
        "messages": incident.messages,
        "restore": {day: command or None for day, command in _of(incident, ways_back).items()},
    }


def _print(
    incidents: Sequence[OpenIncident],
    ways_back: Mapping[str, str],
    channels: Mapping[str, dict[str, Any]],
    console: Console,
) -> None:
    def line(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    if not incidents:
        line("[green]no incident is open[/]")
    for incident in incidents:
        shown = ", ".join(incident.subjects[:SUBJECTS_SHOWN])
        more = len(incident.subjects) - SUBJECTS_SHOWN
        subjects = f" for {shown}{f' and {more} more' if more > 0 else ''}" if shown else ""
        colour = "red" if incident.severity == "critical" else "yellow"
        what = f"{incident.kind}: {incident.source}" + (f", {incident.error_class}" if incident.error_class else "")
        line(f"[{colour}]{incident.severity}[/] {escape(what)}{escape(subjects)}")
        told = f"told {counted(incident.messages, 'time')}" if channels else "told to nobody"
        line(f"    since {kst(incident.since)}, {counted(incident.count, 'event')}, {told}")
        for day, command in islice(_of(incident, ways_back).items(), SUBJECTS_SHOWN):
            line(f"    to restore {day}: {command or 'no good revision of it is known'}")
    if not channels:
        line("[yellow]no channel is configured: nobody is told[/]; see docs/alerts.md")
    for name, channel in channels.items():
        waits = f"{counted(channel['waiting'], 'message')} to be sent" if channel["waiting"] else "nothing waits"
        if channel["error"]:
            next_try = kst(datetime.fromisoformat(channel["next_try"]))
            line(f"[red]✗[/] {name}: {waits}; {escape(channel['error'])}; not tried again before {next_try}")
        else:
            line(f"[green]✓[/] {name}: {waits}")

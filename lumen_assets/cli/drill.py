"""``lumen drill``: a replica restored for real, to see that it can be."""

from __future__ import annotations

from datetime import date
from typing import Final

import click
from rich.console import Console

from lumen_assets.cli.outbox import tell_verdicts
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings
from lumen_assets.verification import Drill, restore_command
from lumen_assets.workspace import Workspace


@click.command()
@click.option("--day", type=DAY, help="The KST day. Default: one that was not drilled yet, or longest ago.")
@click.option("--destination", metavar="NAME", help="Where from. Default: any.")
@click.option("--coverage", is_flag=True, help="Only show which replicas were drilled.")
@json_option
def drill(day: date | None, destination: str | None, coverage: bool, as_json: bool) -> None:
    """Restore a replica from its destination alone into a scratch folder, and compare every file.

    Nothing local is used but the key. The scratch folder is removed. Exits 1 if a file did not come back as it was
    frozen, or the destination could not be used. What came of it is told at once.
    """
    workspace = Workspace(load_settings())
    if destination is not None and destination not in workspace.stores:
        raise PermanentError(
            action="drill",
            subject=f"destination {destination}",
            cause="there is none of this name in the settings",
            error_class="configuration",
            hint=f"choose from {', '.join(workspace.stores)}",
        )
    if coverage:
        _coverage(workspace, as_json=as_json)
        return
    found = workspace.drill(day, destination)
    told = tell_verdicts(workspace)
    way_back = None if found.good else _way_back(workspace, found)
    if as_json:
        print_json({"ok": bool(found.good), **_as_json(found), "restore": way_back, "alerts": told})
    else:
        colour, what = _SAID[found.good]
        where = f"{found.day} r{found.revision} from {found.destination}"
        Console().print(f"[{colour}]{what}[/] {where}: {found.detail}", soft_wrap=True, highlight=False)
        Console().print(f"{found.seconds:.1f} s, {found.mb_per_second:.1f} MB/s", highlight=False)
        if not found.good:
            click.echo(f"to restore {found.day}: {way_back or 'no good revision of it is known'}")
        for channel, what in told.items():
            click.echo(f"alerts {channel}: {what}")
    if not found.good:
        raise SystemExit(PROBLEM)


_SAID: Final = {True: ("green", "restored"), False: ("red", "not restored"), None: ("red", "could not be tried:")}


def _way_back(workspace: Workspace, found: Drill) -> str | None:
    """The command that restores the day; None where no good revision is known, at a destination that answers."""
    standing = workspace.ledger.standing(found.day, found.day)
    if found.good is None:
        standing = {
            revision: {name: verdict for name, verdict in replicas.items() if name != found.destination}
            for revision, replicas in standing.items()
        }
    return restore_command(found.day, standing) or None


def _as_json(found: Drill) -> dict[str, object]:
    return {
        "day": found.day.isoformat(),
        "revision": found.revision,
        "destination": found.destination,
        "at": found.at.isoformat(timespec="seconds"),
        "good": found.good,
        "files": found.files,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
        "mb_per_second": round(found.mb_per_second, 3),
        "detail": found.detail,
    }


def _coverage(workspace: Workspace, *, as_json: bool) -> None:
    drills = workspace.ledger.drills()
    good = {(found.day, found.destination): found.at for found in drills if found.good}
    places = workspace.drillable()
    of_destination = {
        name: {
            "replicas": sum(place[1] == name for place in places),
            "drilled": sum(place[1] == name for place in places.keys() & good.keys()),
        }
        for name in workspace.stores
    }
    if as_json:
        print_json({"ok": True, "destinations": of_destination, "drills": [_as_json(found) for found in drills]})
        return
    for name, counts in of_destination.items():
        click.echo(f"{name}: {counts['drilled']} of {counts['replicas']} replicas were restored by a drill")
    for found in drills[-10:]:
        said = "good" if found.good else "BAD" if found.good is False else "could not be tried"
        click.echo(f"  {found.at:%Y-%m-%d} {found.day} from {found.destination}: {said}, {found.seconds:.1f} s")

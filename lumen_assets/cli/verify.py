"""``lumen verify``: read replicas back and say what they are worth."""

from __future__ import annotations

from datetime import date

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lumen_assets.cli.outbox import tell_verdicts
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings
from lumen_assets.verification import Attestation, Level, Verdict, Verification, restore_command
from lumen_assets.workspace import Workspace


@click.command()
@click.argument("days", type=DAY, nargs=-1, metavar="[DAY]...")
@click.option("--destination", "chosen", multiple=True, metavar="NAME", help="Only this destination; may be repeated.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    help="Default: verify.new_day_level of the settings.",
)
@json_option
def verify(days: tuple[date, ...], chosen: tuple[str, ...], level: str | None, as_json: bool) -> None:
    """Verify the replicas of the given days, or of every day there is and the history that their manifests form.

    Needs only the destinations and the key: it works the same on a fresh machine. What it finds is told at once.
    """
    settings = load_settings()
    workspace = Workspace(settings)
    destinations = _destinations(workspace, chosen)
    known = workspace.known(days)
    wanted = Level(level or settings.configuration.verify.new_day_level)
    verdicts: list[Verification] = []
    console = Console(stderr=True, quiet=as_json)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("verifying", total=len(known.revisions) * len(destinations))
        for day, revision in known.revisions:
            for name in destinations:
                verdicts.append(workspace.verify_or_unreachable(name, day, revision, wanted))
                progress.advance(task)
    broken = [str(item) for item in known.planted]
    if not days:
        broken += workspace.broken_history(known)
    first, last = known.revisions[0][0], known.revisions[-1][0]
    standing = workspace.ledger.standing(first, last)
    worse = [
        stands
        for found in verdicts
        if not (stands := standing[found.day, found.revision][found.destination]).verdict.accepted
        and found.verdict.accepted
    ]
    bad_days = {found.day for found in (*verdicts, *worse) if not found.verdict.accepted}
    ways_back = {day: restore_command(day, standing) for day in sorted(bad_days)}
    counted = [workspace.attest_if_known(day, revision) for day, revision in known.newest.items()]
    attestations = [found for found in counted if found is not None]
    ok = (
        all(found.verdict.accepted for found in (*verdicts, *worse))
        and all(found.ok for found in attestations)
        and not broken
        and not known.silent
    )
    told = tell_verdicts(workspace)
    if as_json:
        print_json(
            {
                "ok": ok,
                "verdicts": [found.as_json() for found in verdicts],
                "standing": [found.as_json() for found in worse],
                "attestations": {
                    found.day.isoformat(): {"good": found.good, "required": found.required, "ok": found.ok}
                    for found in attestations
                },
                "restore": {day.isoformat(): command or None for day, command in ways_back.items()},
                "history": broken,
                "silent": dict(known.silent),
                "alerts": told,
            }
        )
    else:
        _print(verdicts, attestations)
        _print_standing(worse)
        for day, command in ways_back.items():
            click.echo(f"to restore {day}: {command or 'no good revision of it is known'}")
        _print_named("history broken", *broken)
        _print_named("not asked", *(f"{name}: {why}" for name, why in known.silent.items()))
        for channel, what in told.items():
            click.echo(f"alerts {channel}: {what}")
    if not ok:
        raise SystemExit(PROBLEM)


def _destinations(workspace: Workspace, chosen: tuple[str, ...]) -> list[str]:
    known = list(workspace.stores)
    for name in chosen:
        if name not in known:
            raise PermanentError(
                action="verify",
                subject=f"destination {name}",
                cause="there is none of this name in the settings",
                error_class="configuration",
                hint=f"choose from {', '.join(known)}",
            )
    return list(chosen) or known


def _print(verdicts: list[Verification], attestations: list[Attestation]) -> None:
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day", "rev", "destination", "level", "verdict", "finding"):
        table.add_column(heading, no_wrap=True)
    for found in verdicts:
        colour = "green" if found.verdict.accepted else "red"
        table.add_row(
            str(found.day),
            f"r{found.revision}",
            found.destination,
            found.level,
            f"[{colour}]{found.verdict}[/]",
            found.finding,
        )
    console.print(table)
    for found in verdicts:
        if found.verdict is not Verdict.MATCH:
            where = f"{found.day} r{found.revision} at {found.destination}"
            console.print(f"[red]{where}[/]: {found.detail}", soft_wrap=True, highlight=False)
    for attestation in attestations:
        colour = "green" if attestation.ok else "red"
        console.print(f"{attestation.day}: [{colour}]{attestation}[/]", highlight=False)


def _print_standing(worse: list[Verification]) -> None:
    for found in worse:
        where = f"{found.day} r{found.revision} at {found.destination}"
        what = f"{found.verdict} at level {found.level} of {found.at:%Y-%m-%d %H:%M} UTC: {found.detail}"
        _print_named("still stands", f"{where}: {what}")


def _print_named(name: str, *items: str) -> None:
    for what in items:
        click.echo(f"{click.style(f'{name}:', fg='red', bold=True)} {what}")

"""``lumen repair``: missing or bad replicas put again from a good copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lumen_assets.cli.outbox import tell_verdicts
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.settings import load_settings
from lumen_assets.verification import Level, RepairOutcome
from lumen_assets.workspace import Workspace


@click.command()
@click.argument("days", type=DAY, nargs=-1, metavar="[DAY]...")
@click.option(
    "--keep",
    "kept",
    metavar="NAME",
    help="Where two machines froze other content of one day: what this destination holds is right.",
)
@json_option
def repair(days: tuple[date, ...], kept: str | None, as_json: bool) -> None:
    """Put missing or bad replicas again, of the given days, or of every day there is.

    Every replica of a given day is read back first. Without days, a replica that was read and found good is only looked
    at, by the provider's checksum, and read where there is none. What was in the place of a damaged one is kept beside
    it under another name, and never deleted.
    """
    workspace = Workspace(load_settings())
    if kept is None:
        outcomes = _repaired(workspace, days, Console(stderr=True, quiet=as_json))
    elif len(days) == 1 and kept in workspace.stores:
        outcomes = workspace.keep(kept, days[0], workspace.known(days).newest[days[0]])
    else:
        raise click.UsageError(f"--keep takes one DAY and one of {', '.join(workspace.stores)}")
    ok = all(_ok(outcome) for outcome in outcomes)
    told = tell_verdicts(workspace)
    if as_json:
        print_json({"ok": ok, "replicas": [_as_json(outcome) for outcome in outcomes], "alerts": told})
    else:
        _print(outcomes)
        for channel, what in told.items():
            click.echo(f"alerts {channel}: {what}")
    if not ok:
        raise SystemExit(PROBLEM)


def _repaired(workspace: Workspace, days: Sequence[date], console: Console) -> list[RepairOutcome]:
    known = workspace.known(days)
    outcomes = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("repairing", total=len(known.revisions) * len(workspace.stores))
        for day, revision in known.revisions:
            for name in workspace.stores:
                outcomes.append(_repair(workspace, name, day, revision, glance=not days))
                progress.advance(task)
            workspace.attest(day, known.newest[day])
    return outcomes


def _ok(outcome: RepairOutcome) -> bool:
    return outcome.now.verdict.accepted


def _repair(workspace: Workspace, name: str, day: date, revision: int, *, glance: bool) -> RepairOutcome:
    """Repair what is not good now. A glance goes by the provider's checksum where one is known to have been right."""
    standing = workspace.ledger.standing(day, day).get((day, revision), {}).get(name)
    if glance and standing is not None and standing.verdict.accepted:
        looked = workspace.verify_or_unreachable(name, day, revision, Level.DIGEST)
        if looked.verdict.accepted:
            return RepairOutcome(looked)
    return workspace.repaired(workspace.look_closely(name, day, revision))


def _as_json(outcome: RepairOutcome) -> dict[str, object]:
    done = outcome.repair
    return {
        "day": outcome.before.day.isoformat(),
        "revision": outcome.before.revision,
        "destination": outcome.before.destination,
        "ok": _ok(outcome),
        "before": outcome.before.verdict.value,
        "after": done.after.verdict.value if done else None,
        "repaired": done is not None,
        "source": done.source if done else None,
        "set_aside": list(done.set_aside) if done else [],
        "problem": outcome.problem,
    }


def _print(outcomes: list[RepairOutcome]) -> None:
    console = Console()
    touched = [outcome for outcome in outcomes if outcome.repair or outcome.problem]
    if not touched:
        console.print(f"[green]nothing to repair[/]: {len(outcomes)} replicas are good")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day", "rev", "destination", "was", "is", "from"):
        table.add_column(heading)
    for outcome in touched:
        done = outcome.repair
        table.add_row(
            str(outcome.before.day),
            f"r{outcome.before.revision}",
            outcome.before.destination,
            outcome.before.verdict,
            f"[green]{done.after.verdict}[/]" if done and _ok(outcome) else "[red]not repaired[/]",
            done.source if done else "",
        )
    console.print(table)
    for outcome in touched:
        kept = outcome.repair.set_aside if outcome.repair else ()
        said = "; ".join(filter(None, (outcome.problem, *(f"what was there is kept as {key}" for key in kept))))
        if said:
            where = f"{outcome.before.day} r{outcome.before.revision} at {outcome.before.destination}"
            console.print(f"{where}: {said}", soft_wrap=True, highlight=False)

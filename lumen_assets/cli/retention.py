"""``lumen retention``: which archives stay where, and why; with ``--apply`` the others are removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lumen_assets.cli.running import PROBLEM, json_option, print_json
from lumen_assets.retention.carrying_out import Outcome, Outlook, carry_out, look
from lumen_assets.retention.lifecycle import lifecycles
from lumen_assets.retention.policy import Decision
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@click.option("--apply", "applied", is_flag=True, help="Remove what the plan lets go. Default: only show the plan.")
@click.option(
    "--s3-lifecycle", "lifecycle", is_flag=True, help="Print a lifecycle configuration for each S3 destination."
)
@json_option
def retention(applied: bool, lifecycle: bool, as_json: bool) -> None:
    """Show which archives stay at each destination and which may go, with the reasons.

    Manifests stay for ever, and of every revision one good copy. Exits 1 if a destination did not answer, the clock
    looks wrong, or something could not be removed.
    """
    settings = load_settings()
    if lifecycle:
        if applied:
            raise click.UsageError("--s3-lifecycle prints only: leave --apply out")
        print_json(lifecycles(settings.configuration))
        return
    workspace = Workspace(settings)
    if applied and settings.configuration.dry_run:
        click.echo("dry run: nothing is removed; this is what would be", err=True)
        applied = False
    outlook = look(workspace)
    outcomes: list[Outcome] = []
    if applied:
        removing = carry_out(workspace, outlook)
        total = len(outlook.plan.removals)
        console = Console(stderr=True, quiet=as_json)
        outcomes = list(track(removing, "removing", total, console=console, transient=True))
    ok = not (outlook.plan.stopped or outlook.silent or any(outcome.problem for outcome in outcomes))
    if as_json:
        print_json(_as_json(outlook, outcomes, applied=applied, ok=ok))
    else:
        _print(outlook, outcomes, list(workspace.stores), applied=applied)
    if not ok:
        raise SystemExit(PROBLEM)


def _as_json(outlook: Outlook, outcomes: Sequence[Outcome], *, applied: bool, ok: bool) -> dict[str, Any]:
    done = [outcome.decision for outcome in outcomes if not outcome.problem]
    return {
        "ok": ok,
        "applied": applied,
        "stopped": outlook.plan.stopped or None,
        "silent": dict(outlook.silent),
        "keep": [_decision_json(item) for item in outlook.plan.kept],
        "remove": [_decision_json(item) for item in outlook.plan.removals],
        "bytes": _bytes(outlook.plan.removals),
        "removed": [_decision_json(item) for item in done],
        "bytes_removed": _bytes(done),
        "problems": [
            {**_decision_json(outcome.decision), "problem": outcome.problem} for outcome in outcomes if outcome.problem
        ],
    }


def _decision_json(item: Decision) -> dict[str, Any]:
    return {
        "day": item.day.isoformat(),
        "revision": item.revision,
        "destination": item.destination,
        "size": item.size,
        "reasons": list(item.reasons),
    }


def _bytes(items: Iterable[Decision]) -> int:
    return sum(item.size for item in items)


def _print(outlook: Outlook, outcomes: Sequence[Outcome], destinations: Sequence[str], *, applied: bool) -> None:
    console = Console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    plan = outlook.plan
    if plan.stopped:
        say(f"[red]nothing is removed:[/] {plan.stopped}")
    for name, why in outlook.silent.items():
        say(f"[red]not asked, so nothing is removed there:[/] {name}: {why}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("destination")
    for heading in ("kept", "bytes", "to go", "bytes"):
        table.add_column(heading, justify="right")
    for name in destinations:
        kept = [item for item in plan.kept if item.destination == name]
        going = [item for item in plan.removals if item.destination == name]
        table.add_row(name, str(len(kept)), f"{_bytes(kept):,}", str(len(going)), f"{_bytes(going):,}")
    console.print(table)
    say("\nkept because")
    for reason, count in Counter(item.reasons[0] for item in plan.kept).most_common():
        say(f"  {count:>5}  {reason}")
    failed = {outcome.decision: outcome.problem for outcome in outcomes}
    if plan.removals:
        say(f"\n{'removed' if applied else 'to go'}")
    for item in plan.removals:
        where = f"{item.day} r{item.revision} at {item.destination}, {item.size:,} bytes"
        problem = failed.get(item, "")
        say(f"  {where}: [red]not removed[/]: {problem}" if problem else f"  {where}: {'; '.join(item.reasons)}")
    if plan.removals and not applied:
        say("\nnothing was changed: `lumen retention --apply` removes what is to go")

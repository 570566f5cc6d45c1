"""``lumen verify``: read replicas back and say what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lumen_assets.cli.outbox import tell_verdicts
from lumen_assets.cli.running import DAY, PROBLEM, first_of_last, json_option, print_json, refuse_both
from lumen_assets.cli.summary import append_summary, cell, summary_option, table_of, verdict_row
from lumen_assets.days import days_between, yesterday
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings
from lumen_assets.verification import Attestation, Level, Verdict, Verification, restore_command
from lumen_assets.workspace import Workspace


@dataclass(frozen=True)
class Findings:
    """What a verification found.

    Attributes:
        verdicts: those that were made now.
        worse: those that stand all the same, though a weaker look found nothing now.
        attestations: of every day whose verdicts all count.
        missing: days that were asked for by a range and that no place has.
        ways_back: the command that restores, by day with a replica that is not good; empty if nothing can.
        broken: what the history, or a manifest that cannot be believed, shows.
        silent: why a place was not asked, by name.
    """

    verdicts: Sequence[Verification]
    worse: Sequence[Verification]
    attestations: Sequence[Attestation]
    missing: Sequence[date]
    ways_back: Mapping[date, str]
    broken: Sequence[str]
    silent: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether all is as it should be, and all was asked."""
        return (
            all(found.verdict.accepted for found in (*self.verdicts, *self.worse))
            and all(found.ok for found in self.attestations)
            and not (self.missing or self.broken or self.silent)
        )


@click.command()
@click.argument("days", type=DAY, nargs=-1, metavar="[DAY]...")
@click.option("--from", "first", type=DAY, help="Every day from here on, instead of DAYs. Default: start_date.")
@click.option("--to", "last", type=DAY, help="Up to this one. Default: yesterday KST.")
@click.option("--last", "count", type=click.IntRange(1), help="The last so many days up to --to, instead of --from.")
@click.option("--destination", "chosen", multiple=True, metavar="NAME", help="Only this destination; may be repeated.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    help="Default: verify.new_day_level of the settings.",
)
@summary_option
@json_option
def verify(
    days: tuple[date, ...],
    first: date | None,
    last: date | None,
    count: int | None,
    chosen: tuple[str, ...],
    level: str | None,
    summary: Path | None,
    as_json: bool,
) -> None:
    """Verify the replicas of the given days, or of every day there is, and the history that their manifests form.

    Of a range, a day that no place has is named too, and the history is walked whole. Needs only the destinations and
    the key: it works the same on a fresh machine. What it finds is told at once.
    """
    refuse_both(days=days, **{"from": first, "last": count})
    refuse_both(days=days, to=last)
    settings = load_settings()
    workspace = Workspace(settings)
    destinations = _destinations(workspace, chosen)
    span = _span(workspace, first, last, count) if first or last or count else ()
    wanted = Level(level or settings.configuration.verify.new_day_level)
    found = _verify(workspace, days, span, destinations, wanted, Console(stderr=True, quiet=as_json))
    told = tell_verdicts(workspace)
    if summary:
        append_summary(summary, _as_markdown(found))
    if as_json:
        print_json({**_as_json(found), "alerts": told})
    else:
        _print(found)
        for channel, what in told.items():
            click.echo(f"alerts {channel}: {what}")
    if not found.ok:
        raise SystemExit(PROBLEM)


def _verify(
    workspace: Workspace,
    days: Sequence[date],
    span: Sequence[date],
    destinations: Sequence[str],
    level: Level,
    console: Console,
) -> Findings:
    known = workspace.known(days)
    revisions = [revision for revision in known.revisions if not span or span[0] <= revision[0] <= span[-1]]
    verdicts: list[Verification] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("verifying", total=len(revisions) * len(destinations))
        for day, revision in revisions:
            for name in destinations:
                verdicts.append(workspace.verify_or_unreachable(name, day, revision, level))
                progress.advance(task)
    broken = [str(item) for item in known.planted]
    if not days:
        broken += workspace.broken_history(known)
    standing = workspace.ledger.standing(revisions[0][0], revisions[-1][0]) if revisions else {}
    worse = [
        stands
        for found in verdicts
        if not (stands := standing[found.day, found.revision][found.destination]).verdict.accepted
        and found.verdict.accepted
    ]
    bad_days = {found.day for found in (*verdicts, *worse) if not found.verdict.accepted}
    counted = [workspace.attest_if_known(day, revision) for day, revision in dict(revisions).items()]
    return Findings(
        verdicts=verdicts,
        worse=worse,
        attestations=[found for found in counted if found is not None],
        missing=[day for day in span if day not in known.newest],
        ways_back={day: restore_command(day, standing) for day in sorted(bad_days)},
        broken=broken,
        silent=known.silent,
    )


def _span(workspace: Workspace, first: date | None, last: date | None, count: int | None) -> list[date]:
    start = workspace.settings.configuration.start_date
    last = min(last or yesterday(), yesterday())
    first = first_of_last(count, last, start) if count else max(first or start, start)
    if first > last:
        raise PermanentError(
            action="verify",
            subject=f"{first} to {last}",
            cause="there is no day in this range",
            error_class="configuration",
            hint=f"days go from {start} (start_date) to {yesterday()}",
        )
    return list(days_between(first, last))


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


def _as_json(found: Findings) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "verdicts": [verdict.as_json() for verdict in found.verdicts],
        "standing": [verdict.as_json() for verdict in found.worse],
        "attestations": {
            one.day.isoformat(): {"good": one.good, "required": one.required, "ok": one.ok}
            for one in found.attestations
        },
        "missing": [day.isoformat() for day in found.missing],
        "restore": {day.isoformat(): command or None for day, command in found.ways_back.items()},
        "history": list(found.broken),
        "silent": dict(found.silent),
    }


def _print(found: Findings) -> None:
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day", "rev", "destination", "level", "verdict", "finding"):
        table.add_column(heading, no_wrap=True)
    for one in found.verdicts:
        colour = "green" if one.verdict.accepted else "red"
        table.add_row(
            str(one.day), f"r{one.revision}", one.destination, one.level, f"[{colour}]{one.verdict}[/]", one.finding
        )
    console.print(table)
    for one in found.verdicts:
        if one.verdict is not Verdict.MATCH:
            console.print(f"[red]{_place(one)}[/]: {one.detail}", soft_wrap=True, highlight=False)
    for attestation in found.attestations:
        colour = "green" if attestation.ok else "red"
        console.print(f"{attestation.day}: [{colour}]{attestation}[/]", highlight=False)
    for label, what in _problems(found):
        click.echo(f"{click.style(f'{label}:', fg='red', bold=True)} {what}")
    for day, command in found.ways_back.items():
        click.echo(f"to restore {day}: {command or 'no good revision of it is known'}")


def _as_markdown(found: Findings) -> list[str]:
    problems = [f"❌ **{label}**: {cell(what)}" for label, what in _problems(found)]
    attested = [f"{one.day}: **{one}**" for one in found.attestations]
    rows = [(str(one.day), f"r{one.revision}", *verdict_row(one)) for one in found.verdicts]
    heading = ("day", "revision", "destination", "verdict", "level", "detail")
    return ["### Verification", *table_of(heading, rows), *attested, *problems]


def _problems(found: Findings) -> list[tuple[str, str]]:
    """What is wrong besides the verdicts that were made now: what it is, and of what."""
    return [
        *(
            (
                "still stands",
                f"{_place(one)}: {one.verdict} at level {one.level} of {one.at:%Y-%m-%d %H:%M} UTC: {one.detail}",
            )
            for one in found.worse
        ),
        *(("missing", f"{day} is nowhere: `lumen daily --day {day}` makes it") for day in found.missing),
        *(("history broken", what) for what in found.broken),
        *(("not asked", f"{name}: {why}") for name, why in found.silent.items()),
    ]


def _place(found: Verification) -> str:
    return f"{found.day} r{found.revision} at {found.destination}"

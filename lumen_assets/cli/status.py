"""``lumen status``: what exists, day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lumen_assets.archive import Manifest
from lumen_assets.cli.changed import changed_json, changed_lines
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.days import KST, days_between, yesterday
from lumen_assets.errors import PermanentError
from lumen_assets.report.numbers import with_few_rows
from lumen_assets.settings import load_settings
from lumen_assets.verification import Attested, Verification
from lumen_assets.workspace import Workspace

DEFAULT_DAYS: Final = 30


@dataclass(frozen=True)
class DayStatus:
    """What is known of a day.

    Attributes:
        manifest: of its newest revision, from the local archive, else from a destination; None if it is nowhere.
        attestation: the newest one; None if there is none.
        coverage: share of its rows that it was frozen with; None where that is not known here.
        few_rows: whether that is less than it should be.
    """

    day: date
    report: bool
    pdf: bool
    manifest: Manifest | None
    verdicts: dict[str, Verification]
    attestation: Attested | None
    coverage: float | None
    few_rows: bool

    @property
    def attested(self) -> bool:
        """Whether the newest attestation met the policy."""
        return self.attestation is not None and self.attestation.met


@click.command()
@click.option("--from", "first", type=DAY, help=f"First day. Default: {DEFAULT_DAYS} days up to the last.")
@click.option("--to", "last", type=DAY, help="Last day. Default: yesterday KST.")
@json_option
def status(first: date | None, last: date | None, as_json: bool) -> None:
    """Per day: report, archive revision, verdict per destination, attestation; and a calendar.

    Exits 1 if a day is below policy, or if a place that may have a missing day did not answer.
    """
    settings = load_settings()
    workspace = Workspace(settings)
    last = min(last or yesterday(), yesterday())
    start = settings.configuration.start_date
    first = max(first or last - timedelta(days=DEFAULT_DAYS - 1), start)
    if first > last:
        raise PermanentError(
            action="show",
            subject=f"{first} to {last}",
            cause="there is no day in this range",
            error_class="configuration",
            hint=f"days go from {start} (start_date) to {yesterday()}",
        )
    manifests, silent = workspace.newest_manifests(first, last)
    days = _statuses(workspace, first, last, manifests)
    old = _older_that_are_bad(workspace, days)
    changed = {day: names for day, names in workspace.frozen_inputs.changed().items() if first <= day <= last}
    if as_json:
        print_json({**_as_json(days, silent, old), "inputs_changed": changed_json(changed)})
    else:
        _print(days, list(workspace.stores), Console())
        _print_problems(days, silent, old, Console())
        for text in changed_lines(changed):
            click.echo(text)
    if silent or old or any(day.attestation is not None and not day.attested for day in days):
        raise SystemExit(PROBLEM)


def _print(days: Sequence[DayStatus], destinations: Sequence[str], console: Console) -> None:
    _print_calendar(days, console)
    _print_table([day for day in days if day.manifest or day.report], destinations, console)


def _print_problems(
    days: Sequence[DayStatus], silent: Mapping[str, str], old: Sequence[Verification], console: Console
) -> None:
    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    few = [day for day in days if day.few_rows]
    if few:
        say(f"\n[yellow]{len(few)} of {len(days)} days have few rows[/]: {_ranges(few)}")
    missing = [day for day in days if day.manifest is None]
    if missing:
        what = "were not found" if silent else "are missing"
        say(f"\n[yellow]{len(missing)} of {len(days)} days {what}[/]: {_ranges(missing)}")
    for name, why in silent.items():
        say(f"[red]not asked: {name}[/], which may have them: {why}")
    for found in old:
        where = f"{found.day} r{found.revision} at {found.destination}"
        say(f"[red]{found.verdict}: older revision {where}[/]: {found.detail}")


def _statuses(workspace: Workspace, first: date, last: date, manifests: Mapping[date, Manifest]) -> list[DayStatus]:
    settings = workspace.settings
    verdicts = workspace.ledger.newest(first, last)
    attestations = workspace.ledger.newest_attestations(first, last)
    numbers = workspace.frozen_numbers(first, last)
    few = with_few_rows(numbers, settings.configuration.sources.telemetry.min_coverage)
    statuses = []
    for day in days_between(first, last):
        report = settings.reports_folder / f"report_{day}.md"
        statuses.append(
            DayStatus(
                day=day,
                report=report.exists(),
                pdf=report.with_suffix(".pdf").exists(),
                manifest=manifests.get(day),
                verdicts=verdicts.get(day, {}),
                attestation=attestations.get(day),
                coverage=numbers[day].coverage if day in numbers else None,
                few_rows=day in few,
            )
        )
    return statuses


def _older_that_are_bad(workspace: Workspace, days: Sequence[DayStatus]) -> list[Verification]:
    newest = {day.day: day.manifest.revision for day in days if day.manifest}
    return [
        found
        for (day, revision), replicas in workspace.ledger.standing(days[0].day, days[-1].day).items()
        for name, found in replicas.items()
        if revision < newest.get(day, 0) and not found.verdict.accepted and name in workspace.stores
    ]


def _as_json(days: Sequence[DayStatus], silent: Mapping[str, str], old: Sequence[Verification]) -> dict[str, Any]:
    return {
        "days": {day.day.isoformat(): _day_json(day) for day in days if day.manifest or day.report},
        "missing": [day.day.isoformat() for day in days if day.manifest is None],
        "silent": dict(silent),
        "older_revisions_not_good": [found.as_json() for found in old],
    }


def _day_json(day: DayStatus) -> dict[str, Any]:
    manifest = day.manifest
    return {
        "report": day.report,
        "pdf": day.pdf,
        "coverage": day.coverage,
        "few_rows": day.few_rows,
        "archive": manifest
        and {
            "revision": manifest.revision,
            "content_digest": manifest.content.digest,
            "size": manifest.archive.size,
        },
        "replicas": {
            name: {
                "verdict": found.verdict.value,
                "level": found.level.value,
                "at": found.at.isoformat(timespec="seconds"),
                "bytes_read": found.bytes_read,
            }
            for name, found in day.verdicts.items()
        },
        "attestation": day.attestation
        and {"good": day.attestation.good, "required": day.attestation.required, "ok": day.attested},
    }


def _mark(day: DayStatus) -> Text:
    number = f"{day.day.day:>2}"
    if day.manifest is None:
        return Text(f"{number} ·", style="dim")
    if day.attestation is None:
        return Text(f"{number} ○", style="yellow")
    return Text(f"{number} ●", style="green") if day.attested else Text(f"{number} ✗", style="bold red")


def _print_calendar(days: Sequence[DayStatus], console: Console) -> None:
    for (year, month), members in groupby(days, key=lambda item: (item.day.year, item.day.month)):
        table = Table(title=f"{year}-{month:02}", title_justify="left", box=None, padding=(0, 1))
        for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
            table.add_column(name, justify="right")
        of_month = {item.day: item for item in members}
        start = date(year, month, 1)
        week = start - timedelta(days=start.weekday())
        while week <= max(of_month):
            cells = [week + timedelta(days=offset) for offset in range(7)]
            if any(cell in of_month for cell in cells):
                table.add_row(*(_mark(of_month[cell]) if cell in of_month else Text("") for cell in cells))
            week += timedelta(days=7)
        console.print(table)
    console.print("[green]●[/] attested  [bold red]✗[/] below policy  [yellow]○[/] not attested  [dim]·[/] missing\n")


def _print_table(days: Sequence[DayStatus], destinations: Sequence[str], console: Console) -> None:
    if not days:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day", "rows", "report", "PDF", "archive", *destinations, "attestation"):
        table.add_column(heading)
    for day in days:
        manifest = day.manifest
        table.add_row(
            str(day.day),
            _rows(day),
            "yes" if day.report else "no",
            "yes" if day.pdf else "no",
            f"r{manifest.revision} {manifest.archive.size:,} B" if manifest else "—",
            *(_verdict(day.verdicts.get(name), manifest.revision if manifest else None) for name in destinations),
            _attested(day),
        )
    console.print(table)


def _verdict(found: Verification | None, revision: int | None) -> str:
    if found is None:
        return "[dim]not verified[/]"
    if found.revision != revision:
        return f"[yellow]r{found.revision} only[/]"
    colour = "green" if found.verdict.accepted else "red"
    return f"[{colour}]{found.verdict}[/] {found.level} [dim]{found.at.astimezone(KST):%m-%d %H:%M}[/]"


def _rows(day: DayStatus) -> str:
    share = "—" if day.coverage is None else f"{day.coverage:.0%}"
    return f"[yellow]{share}[/]" if day.few_rows else share


def _attested(day: DayStatus) -> str:
    if day.attestation is None:
        return "[dim]—[/]"
    return f"[{'green' if day.attested else 'red'}]{day.attestation.good} good, {day.attestation.required} required[/]"


def _ranges(days: Sequence[DayStatus]) -> str:
    spans: list[tuple[date, date]] = []
    for item in days:
        if spans and item.day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], item.day)
        else:
            spans.append((item.day, item.day))
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in spans)

"""``lumen backfill``: the missing days, in parallel worker processes."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lumen_assets.backfill.choosing import Choice, days_asked, workers_that_fit
from lumen_assets.backfill.processes import Ended, Event, Lost, Said, Stop
from lumen_assets.cli.daily import tell_people
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.day_inputs import SAMPLE_DAYS
from lumen_assets.days import yesterday
from lumen_assets.settings import Settings, load_settings
from lumen_assets.workspace import Workspace

if TYPE_CHECKING:
    from lumen_assets.backfill.running import Result

INTERRUPTED: Final = 130


@click.command()
@click.option("--from", "first", type=DAY, help="The oldest KST day. Default: start_date (of sample data: its first).")
@click.option("--to", "last", type=DAY, help="The newest KST day. Default: yesterday.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes at once. Default: one a core.")
@json_option
def backfill(first: date | None, last: date | None, workers: int | None, as_json: bool) -> None:
    """Make the days that are missing: not frozen, or not attested within the policy; oldest first.

    Each is a Dagster run, as of `lumen daily`, in worker processes that stay alive over many days. A day that fails
    keeps no other from being made. Ctrl-C lets the days under way end; a second one ends them at once. The same command
    goes on with what is left.
    """
    from lumen_assets.backfill.running import choose_days, run_backfill  # Dagster: half a second
    from lumen_assets.defs.day_runs import open_instance

    settings = load_settings()
    workspace = Workspace(settings)
    newest = yesterday()
    start_date = settings.configuration.start_date
    last = last or newest
    asked = days_asked(first or _first(settings, last), last, start_date=start_date, newest=newest)
    workspace.ensure_key()  # a key that is made or missing is said before anything else
    console = Console(stderr=True, quiet=as_json)
    stop = Stop()
    with open_instance(workspace) as instance:
        choice = choose_days(workspace, instance, asked)
        count = workers or workers_that_fit(len(choice.missing))
        with _shown(choice, count, console) as show, _signals_to(stop):
            result = run_backfill(instance, choice, _new_id(), workers=count, stop=stop, listener=show)
        told = tell_people(workspace, instance, result.runs) if result.runs else {}
    dry_run = settings.configuration.dry_run
    if as_json:
        print_json({**_as_json(result, asked, told), "dry_run": dry_run})
    else:
        _print(result, asked, told, Console())
        if dry_run:
            click.echo("dry run        days were reported and frozen here; nothing was put, verified or attested")
    if stop.asked and result.left:
        raise SystemExit(INTERRUPTED)
    if not result.ok:
        raise SystemExit(PROBLEM)


def _first(settings: Settings, last: date) -> date:
    """The first day; of sample data, which is made up for the last few days only, the first of those."""
    start_date = settings.configuration.start_date
    return max(start_date, min(last, yesterday() - timedelta(days=SAMPLE_DAYS - 1))) if settings.sample else start_date


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextmanager
def _signals_to(stop: Stop) -> Iterator[None]:
    """Ctrl-C, or SIGTERM, asks for the end instead of raising."""

    def ask(_: int, __: FrameType | None) -> None:
        stop.ask()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(choice: Choice, workers: int, console: Console) -> Iterator[Callable[[Event], None]]:
    """A progress bar with rate and remaining time; where there is no terminal, a line a day."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"days, {workers} at once", total=len(choice.missing), rate="")
        started = datetime.now(UTC)

        def show(event: Event) -> None:
            _say(event, console)
            if isinstance(event, Ended) or (isinstance(event, Lost) and not event.again):
                progress.advance(task)
                minutes = (datetime.now(UTC) - started).total_seconds() / 60
                progress.update(task, rate=f"{progress.tasks[0].completed / minutes:.1f} days/min")

        yield show


def _say(event: Event, console: Console) -> None:
    match event:
        case Said(text):
            console.print(f"[yellow]![/] {escape(text)}", soft_wrap=True, highlight=False)
        case Lost(day, cause, again):
            what = "trying once more" if again else "given up"
            console.print(f"[red]✗[/] {day}: its process {cause}; {what}", highlight=False)
        case Ended(day, skipped, failures) if skipped or failures:
            mark = "[yellow]–[/]" if skipped else "[red]✗[/]"
            what = skipped or "; ".join(f"{asset}: {cause}" for asset, cause in failures.items())
            console.print(f"{mark} {day}: {escape(what)}", soft_wrap=True, highlight=False)
        case Ended(day) if not console.is_terminal:
            console.print(f"[green]✓[/] {day} {event.seconds:.1f} s", highlight=False)
        case _:
            pass


def _as_json(result: Result, asked: tuple[date, ...], told: Mapping[str, str]) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "asked": [str(day) for day in asked],
        "good_before": [str(day) for day in result.choice.good],
        "done": [str(day) for day in sorted(result.done)],
        "failed": {str(day): causes for day, causes in sorted(result.failed.items())},
        "skipped": {str(day): why for day, why in sorted(result.skipped.items())},
        "left": [str(day) for day in result.left],
        "seconds": round(result.seconds, 1),
        "days_per_minute": round(result.days_per_minute, 2),
        "alerts": dict(told),
    }


def _print(result: Result, asked: tuple[date, ...], told: Mapping[str, str], console: Console) -> None:
    def line(label: str, value: str) -> None:
        console.print(f"{label:<14} {value}", soft_wrap=True, highlight=False)

    line("days", f"{asked[0]} to {asked[-1]}, {len(asked)} in all")
    if result.choice.good:
        line("good before", str(len(result.choice.good)))
    if not result.choice.missing:
        line("made", "nothing: no day is missing" + (" that nothing is at work on" if result.skipped else ""))
    else:
        rate = f"{result.days_per_minute:.1f} days/min" if result.days_per_minute else "none ended"
        line("made", f"[green]{len(result.done)}[/] in {result.seconds:.0f} s, {rate}")
    for day, why in sorted(result.skipped.items()):
        line("skipped", f"{day}: {escape(why)}")
    for day, causes in sorted(result.failed.items()):
        for asset, cause in causes.items():
            line("[red]failed[/]        ", f"{day} {asset}: {escape(cause)}")
    if result.left:
        line("left", f"{len(result.left)}, from {result.left[0]} to {result.left[-1]}; to go on:")
        line("", f"lumen backfill --from {asked[0]} --to {asked[-1]}")
    for channel, what in told.items():
        line(f"alerts {channel}", what)

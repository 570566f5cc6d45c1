"""``lumen backfill``: the missing days, in parallel worker processes."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lumen_assets.backfill.choosing import Choice, days_asked, workers_that_fit
from lumen_assets.backfill.processes import Ended, Event, Lost, Said, Stop
from lumen_assets.cli.daily import few_rows, rows_said, tell_people
from lumen_assets.cli.running import DAY, PROBLEM, first_of_last, json_option, print_json, refuse_both
from lumen_assets.day_inputs import SAMPLE_DAYS
from lumen_assets.days import yesterday
from lumen_assets.settings import Settings, load_settings
from lumen_assets.workspace import Workspace

if TYPE_CHECKING:
    import dagster as dg

    from lumen_assets.backfill.running import Result

INTERRUPTED: Final = 130


@click.command()
@click.option("--from", "first", type=DAY, help="The oldest KST day. Default: start_date (of sample data: its first).")
@click.option("--to", "last", type=DAY, help="The newest KST day. Default: yesterday.")
@click.option("--last", "count", type=click.IntRange(1), help="The last so many days up to --to, instead of --from.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes at once. Default: one a core.")
@click.option("--absent-only", is_flag=True, help="Only days that no place has; others are verified elsewhere.")
@json_option
def backfill(
    first: date | None, last: date | None, count: int | None, workers: int | None, absent_only: bool, as_json: bool
) -> None:
    """Make the days that are missing: not frozen, or not attested within the policy; oldest first.

    Each is a Dagster run, as of `lumen daily`, in worker processes that stay alive over many days. A day that fails
    keeps no other from being made. Ctrl-C lets the days under way end; a second one ends them at once. The same command
    goes on with what is left.

    A machine that remembers no verdicts, as a CI runner, makes every day again unless --absent-only is given.
    """
    from lumen_assets.backfill.running import choose_days, run_backfill  # Dagster: half a second
    from lumen_assets.defs.day_runs import open_instance

    refuse_both(**{"from": first, "last": count})
    settings = load_settings()
    workspace = Workspace(settings)
    newest = yesterday()
    start_date = settings.configuration.start_date
    last = last or newest
    earliest = _first(settings, last)
    first = first or (first_of_last(count, last, earliest) if count else earliest)
    asked = days_asked(first, last, start_date=start_date, newest=newest)
    workspace.ensure_key()  # a key that is made or missing is said before anything else
    console = Console(stderr=True, quiet=as_json)
    stop = Stop()
    recorded: set[str] = set()
    workspace.take_over()
    with open_instance(workspace) as instance:
        choice = choose_days(workspace, instance, asked, absent_only=absent_only)
        processes = workers or workers_that_fit(len(choice.missing))
        with _shown(choice, processes, console) as show, _signals_to(stop):
            listen = _recording(workspace, instance, recorded, show)
            result = run_backfill(workspace, instance, choice, _new_id(), workers=processes, stop=stop, listener=listen)
        unrecorded = [run_id for run_id in result.runs if run_id not in recorded]
        told = tell_people(workspace, instance, unrecorded) if result.runs or not result.ok else {}
    dry_run = settings.configuration.dry_run
    few = few_rows(workspace, asked[0], asked[-1], result.done)
    of_all = f"of the {count} asked for: the first one is {earliest}" if count and len(asked) < count else "in all"
    if as_json:
        print_json({**_as_json(result, asked, few, told), "dry_run": dry_run})
    else:
        click.echo(f"{'days':<14} {asked[0]} to {asked[-1]}, {len(asked)} {of_all}")
        _print(result, few, told, Console(), _command(asked, workers, absent_only=absent_only))
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


def _recording(
    workspace: Workspace, instance: dg.DagsterInstance, recorded: set[str], listener: Callable[[Event], None]
) -> Callable[[Event], None]:
    """A listener that also records, for the alerts, what a day's runs came to: nothing is lost where we are killed."""
    from lumen_assets.defs.alerts.telling import record_run

    def listen(event: Event) -> None:
        with suppress(Exception):  # it is tried again when people are told, which says why
            for run_id in event.runs if isinstance(event, Ended) else ():
                record_run(workspace, instance, run_id)
                recorded.add(run_id)
        listener(event)

    return listen


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


def _as_json(
    result: Result, asked: tuple[date, ...], few: Mapping[str, float], told: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "asked": [str(day) for day in asked],
        "good_before": [str(day) for day in result.choice.good],
        "done": [str(day) for day in sorted(result.done)],
        "few_rows": few,
        "failed": {str(day): causes for day, causes in sorted(result.failed.items())},
        "skipped": {str(day): why for day, why in sorted(result.skipped.items())},
        "made_elsewhere": [str(day) for day in sorted(result.made_elsewhere)],
        "left": [str(day) for day in result.left],
        "seconds": round(result.seconds, 1),
        "days_per_minute": round(result.days_per_minute, 2),
        "alerts": dict(told),
    }


def _command(asked: tuple[date, ...], workers: int | None, *, absent_only: bool) -> str:
    """The command that goes on with the same days in the same way."""
    number = f" --workers {workers}" if workers else ""
    return f"lumen backfill --from {asked[0]} --to {asked[-1]}{number}{' --absent-only' if absent_only else ''}"


def _print(
    result: Result,
    few: Mapping[str, float],
    told: Mapping[str, str],
    console: Console,
    to_go_on: str,
) -> None:
    def line(label: str, value: str) -> None:
        console.print(f"{label:<14} {value}", soft_wrap=True, highlight=False)

    if result.choice.good:
        line("good before", str(len(result.choice.good)))
    if not result.choice.missing:
        line("made", "nothing: no day is missing" + (" besides those skipped" if result.skipped else ""))
    else:
        rate = f"{result.days_per_minute:.1f} days/min" if result.days_per_minute else "none ended"
        line("made", f"[green]{len(result.done)}[/] in {result.seconds:.0f} s, {rate}")
    for name, share in few.items():
        line("[yellow]few rows[/]      ", rows_said(name, share))
    for day, why in sorted(result.skipped.items()):
        line("skipped", f"{day}: {escape(why)}")
    for day, causes in sorted(result.failed.items()):
        for asset, cause in causes.items():
            line("[red]failed[/]        ", f"{day} {asset}: {escape(cause)}")
    if result.left:
        line("left", f"{len(result.left)}, from {result.left[0]} to {result.left[-1]}; to go on:")
        line("", to_go_on)
    for channel, what in told.items():
        line(f"alerts {channel}", what)

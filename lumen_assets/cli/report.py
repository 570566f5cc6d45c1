"""``lumen report``: the report of a week or month, through Dagster, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from lumen_assets.cli.daily import show_event, tell_people
from lumen_assets.cli.running import PROBLEM, LumenGroup, json_option, print_json
from lumen_assets.outcomes import Outcome
from lumen_assets.report.periods import (
    Kind,
    Period,
    PeriodReport,
    last_over,
    require_expected,
    require_over,
)
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group(cls=LumenGroup)
def report() -> None:
    """Make the report of a week or month from the numbers of its frozen days, as the schedules do.

    Made again it is what the days are by then.
    """


class _PeriodType(click.ParamType[Period]):
    """A week ``2026-W10`` or a month ``2026-03``."""

    def __init__(self, kind: Kind) -> None:
        self.name = kind
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Period:
        """The period that was written."""
        if isinstance(value, Period):
            return value
        try:
            return Period.named(self._kind, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _options(kind: Kind, form: str) -> Callable[[_Command], _Command]:
    def decorated(command: _Command) -> _Command:
        verbose = click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
        return click.argument("period", type=_PeriodType(kind), required=False, metavar=f"[{form}]")(
            verbose(json_option(command))
        )

    return decorated


@report.command()
@_options("week", "YYYY-Www")
def week(period: Period | None, verbose: bool, as_json: bool) -> None:
    """The report of a KST week, 2026-W10 as ISO 8601 counts them. Default: the last one that is over."""
    _make("week", period, verbose=verbose, as_json=as_json)


@report.command()
@_options("month", "YYYY-MM")
def month(period: Period | None, verbose: bool, as_json: bool) -> None:
    """The report of a KST month, 2026-03. Default: the last one that is over."""
    _make("month", period, verbose=verbose, as_json=as_json)


def _make(kind: Kind, asked: Period | None, *, verbose: bool, as_json: bool) -> None:
    workspace = Workspace(load_settings())
    period = asked or last_over(kind, datetime.now(UTC))
    require_over(period)
    require_expected(period, workspace.settings.configuration.start_date)
    outcome, told = _run(workspace, period, Console(stderr=True, quiet=as_json), verbose=verbose)
    made = next(iter(outcome.materialized.values()), None)
    found = PeriodReport.from_json(Path(made["numbers"]).read_text(encoding="utf-8")) if made else None
    if as_json:
        print_json({**_as_json(period, outcome, made, found), "alerts": told})
    else:
        _print(period, outcome, made, found, told, Console())
    if not outcome.ok:
        raise SystemExit(PROBLEM)


def _run(workspace: Workspace, period: Period, console: Console, *, verbose: bool) -> tuple[Outcome, dict[str, str]]:
    """Materialize the period on the installation's own Dagster instance, and tell whom it concerns what came of it."""
    from lumen_assets.defs.day_runs import DayRunner, open_instance  # Dagster: half a second that --help does not wait

    with open_instance(workspace) as instance:
        runner = DayRunner(workspace, instance, listener=lambda entry: show_event(entry, console), verbose=verbose)
        outcome = runner.report_on(period)
        return outcome, tell_people(workspace, instance, list(outcome.runs.values()))


def _as_json(
    period: Period, outcome: Outcome, made: Mapping[str, Any] | None, found: PeriodReport | None
) -> dict[str, Any]:
    compared = found.before.period.name if found and found.before.compared else None
    return {
        "ok": outcome.ok,
        "kind": period.kind,
        "period": period.name,
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "sample": found.sample if found else False,
        "report": made["path"] if made else None,
        "pdf": made["pdf"] if made else None,
        "numbers": made["numbers"] if made else None,
        "days": len(found.days) if found else None,
        "missing": [day.isoformat() for day in found.missing] if found else None,
        "compared_with": compared,
        "findings": [
            {"kind": one.kind, "signal": one.signal, "numbers": dict(one.numbers), "text": one.text}
            for one in (found.findings if found else ())
        ],
        "failures": outcome.failures,
        "runs": outcome.runs,
    }


_MARKS: Final = {"bad": "[red]✗[/]", "good": "[green]✓[/]"}


def _print(
    period: Period,
    outcome: Outcome,
    made: Mapping[str, Any] | None,
    found: PeriodReport | None,
    told: Mapping[str, str],
    console: Console,
) -> None:
    """A line a fact, unwrapped, so that paths can be copied and lines be searched for; then the findings."""
    from lumen_assets.report.finding_sections import tone_of
    from lumen_assets.report.period_findings import basis_text
    from lumen_assets.report.wording import Wording

    def line(label: str, value: str) -> None:
        console.print(f"{label:<14} {value}", soft_wrap=True, highlight=False)

    sample = "  [yellow](sample data)[/]" if found and found.sample else ""
    line(period.kind, f"[bold]{period.name}[/], {period.first} to {period.last} KST{sample}")
    if made and found:
        line("days", f"{len(found.days)} of {found.expected} frozen")
        line("report", escape(made["path"]))
        line("PDF", escape(made["pdf"]))
        line("numbers", escape(made["numbers"]))
        for finding in found.findings:
            console.print(
                f"{_MARKS.get(tone_of(finding), '•')} {escape(finding.text)}", soft_wrap=True, highlight=False
            )
        console.print(f"[dim]{escape(basis_text(found, Wording(found.language)))}[/]", soft_wrap=True, highlight=False)
    for channel, what in told.items():
        line(f"alerts {channel}", what)
    for asset, cause in outcome.failures.items():
        console.print(f"[red]✗ {asset}[/]: {escape(cause)}", soft_wrap=True, highlight=False)

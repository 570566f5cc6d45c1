"""``lumen daily``: the whole path for a day, through Dagster, in this process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.markup import escape

from lumen_assets.cli.changed import changed_json, changed_lines
from lumen_assets.cli.outbox import TELLING_SECONDS, said_of
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.cli.summary import append_summary, cell, summary_option, table_of, verdict_row
from lumen_assets.days import yesterday
from lumen_assets.errors import PermanentError
from lumen_assets.outcomes import STEPS, Outcome
from lumen_assets.report.numbers import with_few_rows
from lumen_assets.settings import Settings, load_settings
from lumen_assets.verification import restore_command
from lumen_assets.workspace import Workspace

if TYPE_CHECKING:
    import dagster as dg


_LOOKED_LATELY: Final = timedelta(hours=12)
"""Days whose inputs were looked at since are not looked at again: a daemon does so every day."""


@click.command()
@click.option("--day", type=DAY, help="The KST day. Default: yesterday.")
@click.option("--until", type=click.Choice(STEPS), help="Stop after this step; without it, the day is attested too.")
@click.option(
    "--dry-run", is_flag=True, help="Make the report and freeze it; upload, send and remove nothing. As dry_run does."
)
@click.option(
    "--fewer-rows", is_flag=True, help="Freeze the day even if its telemetry has lost rows or values frozen of it."
)
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
@summary_option
@json_option
def daily(
    day: date | None,
    until: str | None,
    dry_run: bool,
    fewer_rows: bool,
    verbose: bool,
    summary: Path | None,
    as_json: bool,
) -> None:
    """Take a day through report, PDF, archive, replicas, verification and attestation."""
    settings = load_settings().dry() if dry_run else load_settings()
    workspace = Workspace(settings)
    workspace.inputs.fewer_rows = fewer_rows
    day = day or yesterday()
    workspace.require_day(day)
    workspace.ensure_key()  # a key that is made or missing is said before anything else
    console = Console(stderr=True, quiet=as_json)
    outcome = run_day(workspace, day, until=until, verbose=verbose, console=console)
    way_back = _way_back(workspace, outcome)
    few = few_rows(workspace, day, day, {day} if "archive" in outcome.materialized else ())
    changed = workspace.frozen_inputs.changed()
    if summary:
        append_summary(summary, [*_as_markdown(outcome, few), *([f"To restore it: `{way_back}`"] if way_back else [])])
    if as_json:
        print_json(
            {
                **_as_json(outcome, settings),
                "few_rows": few,
                "restore": way_back,
                "inputs_changed": changed_json(changed),
            }
        )
    else:
        _print(outcome, settings, few, Console())
        if way_back:
            click.echo(f"to restore {day}: {way_back}")
        for text in changed_lines(changed):
            click.echo(text)
    if not outcome.ok:
        raise SystemExit(PROBLEM)


def run_day(
    workspace: Workspace, day: date, *, until: str | None = None, verbose: bool = False, console: Console
) -> Outcome:
    """Run the jobs of a day on the installation's own Dagster instance."""
    from lumen_assets.defs.day_runs import DayRunner, open_instance  # Dagster: half a second that --help does not wait

    with suppress(PermanentError):  # a damaged ledger is said when the day's run has been told
        workspace.take_over()
    with open_instance(workspace) as instance:
        runner = DayRunner(workspace, instance, listener=lambda entry: show_event(entry, console), verbose=verbose)
        try:
            outcome = runner.run(day, until)
        except Exception:
            tell_people(workspace, instance, list(runner.runs.values()))
            raise
        return replace(outcome, told=tell_people(workspace, instance, list(outcome.runs.values())))


def tell_people(workspace: Workspace, instance: dg.DagsterInstance, run_ids: Sequence[str]) -> dict[str, str]:
    """Put what happened into the outbox and send it, see ``said_of``; late data too, where no daemon looks for it."""
    from lumen_assets.defs.alerts.telling import tell

    said = said_of(lambda: tell(workspace, instance, run_ids, seconds=TELLING_SECONDS))
    with suppress(Exception):  # inputs that cannot be read have failed the day, which was told
        before = workspace.frozen_inputs.changed()
        workspace.look_for_late_data(again_after=_LOOKED_LATELY)
        if workspace.frozen_inputs.changed() != before:
            said = said_of(lambda: tell(workspace, instance, (), seconds=TELLING_SECONDS))
    return said


def _way_back(workspace: Workspace, outcome: Outcome) -> str | None:
    """The command that restores the day where a replica of it is not good; None without one, or without a good one."""
    bad = any(not found.verdict.accepted for found in outcome.verdicts.values())
    if not bad and not any(asset.startswith("replica/") for asset in outcome.failures):
        return None
    return restore_command(outcome.day, workspace.ledger.standing(outcome.day, outcome.day)) or None


def few_rows(workspace: Workspace, first: date, last: date, made: Collection[date]) -> dict[str, float]:
    """The share of its rows that a day was frozen with, by day, of those that were made now and have too few."""
    wanted = workspace.settings.configuration.sources.telemetry.min_coverage
    few = with_few_rows(workspace.frozen_numbers(first, last), wanted)
    return {str(day): found.coverage for day, found in few.items() if day in made}


def rows_said(day: str, share: float) -> str:
    """For people: how few rows a day has."""
    return f"{day}: {share:.2%} of those expected" if share else f"{day}: none"


def show_event(entry: dg.EventLogEntry, console: Console) -> None:
    """A line for a step that begins, ends, fails or is tried again, and for a check that does not pass."""
    event = entry.dagster_event
    if event is None:
        return
    step = str(event.step_key).replace("__", "/")  # the asset key, as the UI writes it
    if event.is_step_start:
        console.print(f"[dim]… {step}[/]")
    elif event.is_step_success:
        console.print(f"[green]✓[/] {step} [dim]{event.step_success_data.duration_ms / 1000:.1f} s[/]")
    elif event.is_step_failure:
        console.print(f"[red]✗[/] {step}")
    elif event.event_type_value == "ASSET_CHECK_EVALUATION":
        check = event.asset_check_evaluation_data
        if not check.passed:
            console.print(f"[yellow]![/] {check.check_name}: {escape(check.description or '')}", highlight=False)
    elif event.is_step_up_for_retry:
        console.print(f"[yellow]↻[/] {step}: trying again")


def _replicas(outcome: Outcome, settings: Settings) -> dict[str, dict[str, Any]]:
    replicas: dict[str, dict[str, Any]] = {}
    for name in settings.configuration.destinations:
        found = outcome.verdicts.get(name)
        replicas[name] = {
            "uri": outcome.materialized.get(f"replica/{name}", {}).get("uri"),
            "verdict": found.verdict.value if found else None,
            "level": found.level.value if found else None,
            "detail": found.detail if found else None,
        }
    return replicas


def _sent(made: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """To whom the report went; None where it went to nobody."""
    distribution = made.get("distribution")
    return distribution if distribution and distribution["sent"] else None


def _as_json(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    made = outcome.materialized
    attestation = made.get("attestation")
    archive = made.get("archive")
    sent = _sent(made)
    return {
        "ok": outcome.ok,
        "day": outcome.day.isoformat(),
        "sample": made.get("telemetry", {}).get("sample_data", False),
        "report": made.get("report", {}).get("path"),
        "pdf": made.get("report_pdf", {}).get("path"),
        "archive": archive
        and {
            key: archive[key] for key in ("path", "revision", "created", "content_digest", "size", "sha256", "key_id")
        },
        "replicas": _replicas(outcome, settings),
        "attestation": attestation and {key: attestation[key] for key in ("good", "required", "destinations", "ok")},
        "distribution": sent and {key: sent[key] for key in ("revision", "sent", "to")},
        "dry_run": settings.configuration.dry_run,
        "withheld": outcome.withheld,
        "failures": outcome.failures,
        "runs": outcome.runs,
        "alerts": outcome.told,
    }


def _print(outcome: Outcome, settings: Settings, few: Mapping[str, float], console: Console) -> None:
    """A line a fact, unwrapped, so that paths can be copied and lines be searched for."""

    def line(label: str, value: str) -> None:
        console.print(f"{label:<14} {value}", soft_wrap=True, highlight=False)

    made = outcome.materialized
    sample = "  [yellow](sample data)[/]" if made.get("telemetry", {}).get("sample_data") else ""
    line("day", f"[bold]{outcome.day}[/] KST{sample}")
    line("report", _value(made, "report", "path"))
    line("PDF", _value(made, "report_pdf", "path"))
    line("archive", _value(made, "archive", "path"))
    for label, value in _frozen(made, few):
        line(label, value)
    for asset, what in outcome.withheld.items():
        line(asset, f"[yellow]withheld[/], this is a dry run: {what}")
    for name, replica in _replicas(outcome, settings).items():
        if f"replica/{name}" in outcome.withheld:
            continue
        verdict = replica["verdict"] or "not verified"
        colour = "green" if verdict == "MATCH" else "red"
        level = f" at level {replica['level']}" if replica["level"] else ""
        line(f"replica {name}", f"[{colour}]{verdict}[/]{level}  [dim]{replica['detail'] or ''}[/]")
    if "attestation" in made:
        found = made["attestation"]
        colour = "green" if found["ok"] else "red"
        line("attestation", f"[{colour}]{found['good']} of {found['destinations']}[/] ({found['required']} required)")
    if sent := _sent(made):
        line("report sent", f"r{sent['revision']} to {sent['to']}")
    for channel, what in outcome.told.items():
        line(f"alerts {channel}", what)
    for asset, cause in outcome.failures.items():
        console.print(f"[red]✗ {asset}[/]: {cause}", soft_wrap=True, highlight=False)


def _frozen(made: Mapping[str, dict[str, Any]], few: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    if archive := made.get("archive"):
        new = "new" if archive["created"] else "unchanged: the revision that exists is kept, no new one was made"
        yield "", f"revision {archive['revision']}, {archive['size']:,} bytes, {new}"
    for day, share in few.items():
        yield "[yellow]few rows[/]      ", rows_said(day, share)


def _as_markdown(outcome: Outcome, few: Mapping[str, float]) -> list[str]:
    made = outcome.materialized
    sample = " (sample data)" if made.get("telemetry", {}).get("sample_data") else ""
    blocks = [f"### {outcome.day} KST{sample}"]
    if archive := made.get("archive"):
        new = "new" if archive["created"] else "unchanged"
        blocks += [f"Archive: revision {archive['revision']}, {archive['size']:,} bytes, {new}."]
    blocks += [f"⚠️ **Few rows** in {rows_said(day, share)}." for day, share in few.items()]
    blocks += table_of(
        ("destination", "verdict", "level", "detail"), [verdict_row(found) for found in outcome.verdicts.values()]
    )
    if attested := made.get("attestation"):
        mark = "✅" if attested["ok"] else "❌"
        good = f"{attested['good']} of {attested['destinations']} replicas good"
        blocks += [f"{mark} **Attestation: {good}, {attested['required']} required.**"]
    blocks += table_of(("withheld, this is a dry run", "what"), list(outcome.withheld.items()))
    return blocks + [f"❌ **{cell(asset)}**: {cell(cause)}" for asset, cause in outcome.failures.items()]


def _value(made: dict[str, dict[str, Any]], asset: str, key: str) -> str:
    return str(made[asset][key]) if asset in made else "[dim]not made[/]"

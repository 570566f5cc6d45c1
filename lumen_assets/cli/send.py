"""``lumen send``: the report of a day to those who do not have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click

from lumen_assets.cli.daily import tell_people
from lumen_assets.cli.running import DAY, PROBLEM, json_option, print_json
from lumen_assets.distribution import Delivery, State, targets
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@click.argument("day", type=DAY)
@click.option(
    "--again", is_flag=True, help="Also to those of whom nobody knows whether it reached them: they may have it twice."
)
@json_option
def send(day: date, again: bool, as_json: bool) -> None:
    """Send the report of a frozen day, however old, to those of `distribution` who do not have it.

    It runs the asset `distribution`. Nobody who has the report of the newest revision is sent it once more.
    """
    from lumen_assets.defs.day_runs import DayRunner, open_instance  # Dagster: half a second that --help does not wait

    workspace = Workspace(load_settings())
    workspace.require_day(day)
    to = targets(workspace.settings.configuration)
    if not to:
        raise PermanentError(
            action="send",
            subject=f"the report of {day}",
            cause="nobody is to have it",
            error_class="configuration",
            hint="set distribution.mail.to or distribution.folder",
        )
    revision = workspace.frozen_day(day).manifest.revision
    with open_instance(workspace) as instance:
        outcome = DayRunner(workspace, instance).send(day, again=again)
        told = tell_people(workspace, instance, list(outcome.runs.values()))
    known = workspace.deliveries.of(day, revision)
    deliveries = [known[one] for one in to if one in known]
    all_sent = [one.state for one in deliveries] == [State.SENT] * len(to)
    ok = not outcome.failures and bool(outcome.withheld or all_sent)
    said = {**outcome.withheld, **outcome.failures}
    if as_json:
        shown = [_as_json(one) for one in deliveries]
        print_json({"ok": ok, "day": str(day), "revision": revision, "to": shown, "said": said, "alerts": told})
    else:
        _print(day, revision, deliveries, said)
    if not ok:
        raise SystemExit(PROBLEM)


def _as_json(delivery: Delivery) -> dict[str, str]:
    return {
        "target": delivery.target,
        "state": delivery.state.value,
        "at": delivery.at.isoformat(timespec="seconds"),
        "detail": delivery.detail,
    }


def _print(day: date, revision: int, deliveries: Sequence[Delivery], said: dict[str, str]) -> None:
    for one in deliveries:
        colour = "green" if one.state is State.SENT else "red"
        why = f": {one.detail}" if one.detail else ""
        click.echo(f"{day} r{revision} to {one.target}: {click.style(one.state.value, fg=colour)}{why}")
    for what in said.values():
        click.echo(what)

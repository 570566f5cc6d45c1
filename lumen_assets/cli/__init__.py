"""The ``lumen`` command: thin, over the same domain functions as the Dagster assets.

Each command lives in a module of its own and is imported only when it is called, so that ``lumen --help`` and
``lumen archive`` never wait for Dagster.
"""

from __future__ import annotations

import click

from lumen_assets import __version__
from lumen_assets.cli.running import LumenGroup
from lumen_assets.version import git_revision


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"lumen {__version__} (git revision {git_revision() or 'unknown'})")
        ctx.exit()


@click.group(
    cls=LumenGroup,
    commands_in={
        "alerts": "alerts",
        "archive": "archive",
        "backfill": "backfill",
        "daily": "daily",
        "demo": "demo",
        "doctor": "doctor",
        "drill": "drill",
        "gauges": "gauges",
        "healthcheck": "healthcheck",
        "key": "key",
        "notify": "notify",
        "repair": "repair",
        "report": "report",
        "restore": "restore",
        "retention": "retention",
        "retry": "retry",
        "send": "send",
        "status": "status",
        "ui": "ui",
        "verify": "verify",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Say which this is.",
)
def main() -> None:
    """Each KST day of telemetry becomes a report, an encrypted archive and replicas that are proven restorable.

    Exit codes: 0 good, 1 found a problem, 2 usage or configuration.
    """

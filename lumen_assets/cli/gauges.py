"""``lumen gauges``: the state of the installation for Prometheus."""

from __future__ import annotations

from pathlib import Path

import click

from lumen_assets.cli.outbox import outbox_of
from lumen_assets.cli.serving import ADDRESS, serve_page
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file, at once: for the textfile collector of the node exporter.",
)
@click.option("--serve", type=ADDRESS, help="Serve it at http://HOST:PORT/metrics until Ctrl-C; :PORT is loopback.")
def gauges(output: Path | None, serve: tuple[str, int] | None) -> None:
    """Print the installation's gauges in the Prometheus text format: what is missing, below policy, waiting.

    From what this machine remembers; no destination is asked.
    """
    from lumen_assets.health import exposition, vitals
    from lumen_assets.health.textfile import write_textfile

    if output and serve:
        raise click.UsageError("--output and --serve exclude each other")
    workspace = Workspace(load_settings())
    outbox = outbox_of(workspace)

    def page() -> bytes:
        return exposition(vitals(workspace, outbox=outbox))

    if serve:
        page()  # what is wrong with the ledger is said now, not at the first scrape
        serve_page(serve, page, "gauges")
    elif output:
        write_textfile(output, page())
    else:
        click.echo(page(), nl=False)

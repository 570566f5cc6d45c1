"""``lumen ui``: the Dagster UI and daemon on the installation's own instance."""

from __future__ import annotations

import os
import signal
import socket
import sys

import click

from lumen_assets.cli.running import PROBLEM
from lumen_assets.defs.instance import prepare_instance, with_settings_for_runs
from lumen_assets.errors import PermanentError
from lumen_assets.settings import load_settings


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="TCP port on loopback.")
def ui(port: int) -> None:
    """Open the Dagster UI, with the daemon that runs schedules and sensors, until Ctrl-C.

    It has no authentication, so it listens on loopback only.
    """

    settings = load_settings()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PermanentError(
                action="open the UI on",
                subject=f"port {port}",
                cause=error.strerror or "it cannot be used",
                error_class="configuration",
                hint="is another `lumen ui` running? --port chooses another port",
            ) from error
    environment = {**os.environ, "DAGSTER_HOME": str(prepare_instance(settings.dagster_home))}
    click.echo(f"Dagster UI: http://127.0.0.1:{port} (instance {settings.dagster_home})", err=True)
    command = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--module-name", "lumen_assets.definitions"]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a script's background job ignores it, and Dagster after it
    try:
        os.execve(sys.executable, command, with_settings_for_runs(environment))  # noqa: S606 - no shell is meant
    except OSError as error:
        click.echo(f"could not start dagster: {error}", err=True)
        raise SystemExit(PROBLEM) from error

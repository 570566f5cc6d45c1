"""What commands that serve a page share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from lumen_assets.errors import PermanentError


class AddressType(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``, ``[::1]:PORT`` or ``:PORT``, the latter on loopback."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Host and port."""
        if isinstance(value, tuple):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
            self.fail(f"{value!r} is not of the form HOST:PORT", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


ADDRESS: Final = AddressType()


def serve_page(address: tuple[str, int], page: Callable[[], bytes], what: str) -> None:
    """Serve a page of metrics until Ctrl-C.

    Raises:
        PermanentError: if nothing can listen there.
    """
    from lumen_assets.health.serving import MetricsServer

    host, port = address
    try:
        server = MetricsServer(host, port, page)
    except OSError as error:
        raise PermanentError(
            action="serve",
            subject=f"{what} on {host}:{port}",
            cause=error.strerror or type(error).__name__,
            error_class="configuration",
            hint="is another one running? Choose another port",
        ) from error
    with server:
        click.echo(f"{what}: {server.url}", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)

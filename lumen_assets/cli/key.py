"""``lumen key``: make, name and export archive keys."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from lumen_assets.archive import Keyring, new_key_text, parse_keyring, tink_keyset_json
from lumen_assets.cli.running import LumenGroup, json_option, print_json
from lumen_assets.errors import PermanentError
from lumen_assets.settings import read_secret


def read_keyring() -> Keyring:
    """The keyring in ``LUMEN_ARCHIVE_KEY``, its file, or where AWS keeps it; no other setting is read.

    Raises:
        PermanentError: if it is not set, cannot be had, or is no keyring.
    """
    key = read_secret("LUMEN_ARCHIVE_KEY")
    if key is None:
        raise PermanentError(
            action="find",
            subject="the archive key",
            cause="none of LUMEN_ARCHIVE_KEY, LUMEN_ARCHIVE_KEY_FILE and LUMEN_ARCHIVE_KEY_AWS is set",
            error_class="configuration",
            hint="set one; `lumen key new` makes a key; the one made on first run is keys/archive.key in LUMEN_HOME",
        )
    return parse_keyring(key.get_secret_value())


@click.group(cls=LumenGroup)
def key() -> None:
    """Make, name and export archive keys."""


@key.command()
@json_option
def new(as_json: bool) -> None:
    """Print a new key, as LUMEN_ARCHIVE_KEY takes it. Nothing is stored."""
    text = new_key_text()
    key_id = parse_keyring(text).primary.id
    if as_json:
        print_json({"ok": True, "key": text, "id": key_id})
        return
    click.echo(text)
    click.echo(f"key {key_id}: keep it in two safe places; without it no archive can ever be read", err=True)


@key.command(name="id")
@json_option
def show_id(as_json: bool) -> None:
    """Name the keys of LUMEN_ARCHIVE_KEY; the first one makes new archives."""
    ids = [one.id for one in read_keyring().keys]
    if as_json:
        print_json({"ok": True, "id": ids[0], "ids": ids})
        return
    table = Table.grid(padding=(0, 2))
    for number, key_id in enumerate(ids):
        table.add_row(key_id, "reads" if number else "reads, makes new archives")
    Console().print(table, highlight=False)


@key.command(name="export-tink")
@click.option("--id", "key_id", metavar="ID", help="Which key of the keyring. Default: the first.")
@json_option
def export_tink(key_id: str | None, as_json: bool) -> None:
    """Print a key as a cleartext Tink JSON keyset: any Tink reads its archives. It is as secret as the key."""
    keyring = read_keyring()
    chosen = keyring.find(key_id) if key_id else keyring.primary
    keyset = tink_keyset_json(chosen)
    if as_json:
        print_json({"ok": True, "id": chosen.id, "keyset": json.loads(keyset)})
        return
    click.echo(keyset)

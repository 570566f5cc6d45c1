"""``lumen key``: make, name and export archive keys, and say what each is needed for."""

from __future__ import annotations

import json
from datetime import date

import click
from rich.console import Console
from rich.table import Table

from lumen_assets.archive import new_key_text, parse_keyring, tink_keyset_json
from lumen_assets.cli.keyring import read_keyring
from lumen_assets.cli.running import PROBLEM, LumenGroup, json_option, print_json
from lumen_assets.texts import counted


@click.group(cls=LumenGroup)
def key() -> None:
    """Make, name and export archive keys; say what each is needed for."""


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


@key.command()
@json_option
def used(as_json: bool) -> None:
    """Say how many archives each key is needed for, by every manifest here and at the destinations.

    A key with none may be taken out of LUMEN_ARCHIVE_KEY, if it is not the first. Manifests that name a key that is not
    there, and destinations that do not answer, are a problem.
    """
    from lumen_assets.settings import load_settings  # half a second, for this command alone
    from lumen_assets.workspace import Workspace

    workspace = Workspace(load_settings())
    known = workspace.known()
    revisions: dict[str, set[tuple[date, int]]] = {key.id: set() for key in workspace.keyring.keys}
    for items in known.held.values():
        for item in items:
            revisions[item.manifest.key_id].add((item.manifest.day, item.manifest.revision))
    unknown = [str(refused) for refused in known.refused if refused.unknown_key]
    if as_json:
        keys = [
            {
                "id": key_id,
                "archives": len(found),
                "first": min(found)[0].isoformat() if found else None,
                "last": max(found)[0].isoformat() if found else None,
            }
            for key_id, found in revisions.items()
        ]
        print_json(
            {"ok": not (unknown or known.silent), "keys": keys, "unknown": unknown, "silent": dict(known.silent)}
        )
    else:
        table = Table.grid(padding=(0, 2))
        for key_id, found in revisions.items():
            days = f"{min(found)[0]} to {max(found)[0]}" if found else "none needs it"
            table.add_row(key_id, counted(len(found), "archive"), days)
        Console().print(table, highlight=False)
        for what in (*unknown, *(f"{name} did not answer: {why}" for name, why in known.silent.items())):
            click.echo(f"{click.style('not known:', fg='red', bold=True)} {what}")
    if unknown or known.silent:
        raise SystemExit(PROBLEM)


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

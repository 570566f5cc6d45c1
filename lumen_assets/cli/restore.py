"""``lumen restore``: a day's files back from any good copy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import click
from rich.console import Console

from lumen_assets.cli.running import DAY, json_option, print_json
from lumen_assets.errors import LumenError, PermanentError
from lumen_assets.replication import Store
from lumen_assets.replication.restore import Restored, restore_replica
from lumen_assets.settings import load_settings
from lumen_assets.verification import read_manifest
from lumen_assets.workspace import Workspace


@click.command()
@click.argument("day", type=DAY)
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="A folder, new or empty."
)
@click.option("--from", "source", metavar="NAME", help="Only from this destination. Default: the first good copy.")
@click.option("--revision", "chosen", type=click.IntRange(1), help="Default: the newest.")
@click.argument("paths", nargs=-1)
@json_option
def restore(
    day: date, folder: Path, source: str | None, chosen: int | None, paths: tuple[str, ...], as_json: bool
) -> None:
    """Restore the day's snapshot, or only the given PATHS of it, into a folder.

    The folder becomes a BagIt bag with the files under data/; with PATHS, only those files are put there. Nothing is
    put in place before all of it is proven; a copy that is not good is passed over and named.
    """
    workspace = Workspace(load_settings())
    known = workspace.known((day,))
    if chosen is not None and (day, chosen) not in known.revisions:
        numbers = ", ".join(str(number) for _, number in known.revisions)
        raise PermanentError(
            action="restore",
            subject=f"{day} r{chosen}",
            cause=f"there is no such revision; there are {numbers}",
            error_class="configuration",
        )
    revision = chosen or known.newest[day]
    stores = _candidates(workspace, source)
    console = Console(stderr=True, quiet=as_json)
    if chosen is None:
        for name, why in known.silent.items():
            console.print(
                f"[yellow]{name} did not answer, and may hold a newer revision than r{revision}[/]: {why}",
                soft_wrap=True,
                highlight=False,
            )
    passed_over: dict[str, str] = {}
    for store in stores:
        try:
            restored = _restore(workspace, store, day, revision, folder, paths)
        except LumenError as error:
            if len(stores) == 1 or error.error_class in ("output", "input"):
                raise
            passed_over[store.name] = str(error)
            console.print(f"[yellow]passed over {store.name}[/]: {error}", soft_wrap=True, highlight=False)
            continue
        _say(restored, day, folder, passed_over, known.silent, as_json=as_json)
        return
    raise PermanentError(
        action="restore",
        subject=f"{day} r{revision}",
        cause="no copy of it could be used: " + "; ".join(f"{name}: {why}" for name, why in passed_over.items()),
        error_class="missing",
    )


def _candidates(workspace: Workspace, source: str | None) -> list[Store]:
    if source is None:
        return [workspace.archive_store, *workspace.remembering_stores.values()]
    if source not in workspace.stores:
        raise PermanentError(
            action="restore from",
            subject=source,
            cause="there is no destination of this name in the settings",
            error_class="configuration",
            hint=f"choose from {', '.join(workspace.stores)}",
        )
    return [workspace.remembering_stores[source]]


def _restore(
    workspace: Workspace, store: Store, day: date, revision: int, folder: Path, paths: tuple[str, ...]
) -> Restored:
    manifest = read_manifest(store, day, revision, workspace.keyring)
    return restore_replica(store, manifest, workspace.keyring, folder, paths)


def _say(
    restored: Restored,
    day: date,
    folder: Path,
    passed_over: Mapping[str, str],
    silent: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "ok": True,
                "day": day.isoformat(),
                "revision": restored.revision,
                "from": restored.destination,
                "to": str(folder),
                "files": restored.files,
                "bytes": restored.bytes,
                "passed_over": dict(passed_over),
                "silent": dict(silent),
            }
        )
        return
    Console().print(
        f"[green]restored[/] {day} r{restored.revision} from {restored.destination}: {restored.files} files, "
        f"{restored.bytes:,} bytes in {folder}, every SHA-256 right",
        soft_wrap=True,
        highlight=False,
    )

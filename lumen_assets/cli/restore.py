"""``lumen restore``: a day's files back from any good copy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.console import Console

from lumen_assets.archive import revision_prefix
from lumen_assets.archive.layout import MANIFEST_NAME
from lumen_assets.cli.running import PROBLEM, DayType, json_option, print_json
from lumen_assets.errors import LumenError, PermanentError
from lumen_assets.replication import Store
from lumen_assets.replication.restore import Restored, restore_replica
from lumen_assets.settings import load_settings
from lumen_assets.texts import counted
from lumen_assets.verification import read_manifest
from lumen_assets.workspace import Workspace

ALL: Final = "all"


class _DayOrAll(DayType):
    """A day, or ``all`` of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The day that was written, or ``all``."""
        return ALL if value == ALL else super().convert(value, param, ctx)


@click.command()
@click.argument("day", type=_DayOrAll())
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="A folder, new or empty."
)
@click.option("--from", "source", metavar="NAME", help="Only from this destination. Default: the first good copy.")
@click.option("--revision", "chosen", type=click.IntRange(1), help="Default: the newest.")
@click.argument("paths", nargs=-1)
@json_option
def restore(
    day: date | Literal["all"],
    folder: Path,
    source: str | None,
    chosen: int | None,
    paths: tuple[str, ...],
    as_json: bool,
) -> None:
    """Restore the day's snapshot, or only the given PATHS of it, into a folder.

    The folder becomes a BagIt bag with the files under data/; with PATHS, only those files are put there. Nothing is
    put in place before all of it is proven; a copy that is not good is passed over and named.

    With `all` for DAY, the newest revision of every day there is, each in a folder YYYY-MM-DD of its own; one whose
    folder is there already is left alone, so the same command goes on where it was stopped.
    """
    workspace = Workspace(load_settings())
    console = Console(stderr=True, quiet=as_json)
    if day == ALL:
        if chosen is not None:
            raise click.UsageError("--revision chooses one of a day's revisions, and `all` takes the newest of each")
        _restore_all(workspace, folder, source, paths, console, as_json=as_json)
        return
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
    if chosen is None:
        _say_silent(known.silent, f"may hold a newer revision than r{revision}", console)
    restored, passed_over = _restore(workspace, day, revision, folder, source, paths, console)
    if as_json:
        print_json({**_as_json(day, folder, restored, passed_over), "silent": dict(known.silent)})
    else:
        _say(day, folder, restored)


def _restore_all(
    workspace: Workspace,
    folder: Path,
    source: str | None,
    paths: tuple[str, ...],
    console: Console,
    *,
    as_json: bool,
) -> None:
    known = workspace.known()
    _say_silent(known.silent, "may hold days or revisions that are not restored here", console)
    days: dict[str, Any] = {}
    failed: dict[str, str] = {}
    there = [day for day in known.newest if _has_something(folder / str(day))]
    for day, revision in known.newest.items():
        to = folder / str(day)
        if day in there:
            continue
        try:
            restored, passed_over = _restore(workspace, day, revision, to, source, paths, console)
        except LumenError as error:
            if error.error_class == "output":
                raise
            failed[str(day)] = str(error)
            console.print(f"[red]not restored: {day} r{revision}[/]: {error}", soft_wrap=True, highlight=False)
            continue
        days[str(day)] = _as_json(day, to, restored, passed_over)
        if not as_json:
            _say(day, to, restored)
    ok = not failed and not known.silent
    if as_json:
        print_json(
            {
                "ok": ok,
                "days": days,
                "there": [str(day) for day in there],
                "failed": failed,
                "silent": dict(known.silent),
            }
        )
    else:
        was_there = f", {counted(len(there), 'folder')} left alone that were there already" if there else ""
        click.echo(f"{counted(len(days), 'day')} restored{was_there}, {len(failed)} failed")
    if not ok:
        raise SystemExit(PROBLEM)


def _has_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _say_silent(silent: Mapping[str, str], what: str, console: Console) -> None:
    for name, why in silent.items():
        console.print(f"[yellow]{name} did not answer, and {what}[/]: {why}", soft_wrap=True, highlight=False)


def _restore(
    workspace: Workspace,
    day: date,
    revision: int,
    folder: Path,
    source: str | None,
    paths: tuple[str, ...],
    console: Console,
) -> tuple[Restored, dict[str, str]]:
    """From the first copy that is good; with it, why others before it were passed over."""
    stores = _candidates(workspace, day, revision, source)
    passed_over: dict[str, str] = {}
    for store in stores:
        try:
            manifest = read_manifest(store, day, revision, workspace.keyring)
            return restore_replica(store, manifest, workspace.keyring, folder, paths), passed_over
        except LumenError as error:
            if len(stores) == 1 or error.error_class in ("output", "input"):
                raise
            passed_over[store.name] = str(error)
            console.print(f"[yellow]passed over {store.name}[/]: {error}", soft_wrap=True, highlight=False)
    raise PermanentError(
        action="restore",
        subject=f"{day} r{revision}",
        cause="no copy of it could be used: " + "; ".join(f"{name}: {why}" for name, why in passed_over.items()),
        error_class="missing",
    )


def _candidates(workspace: Workspace, day: date, revision: int, source: str | None) -> list[Store]:
    if source is None:
        frozen_here = workspace.archive_store.stat(revision_prefix(day, revision) + MANIFEST_NAME) is not None
        return [*([workspace.archive_store] if frozen_here else []), *workspace.remembering_stores.values()]
    if source not in workspace.stores:
        raise PermanentError(
            action="restore from",
            subject=source,
            cause="there is no destination of this name in the settings",
            error_class="configuration",
            hint=f"choose from {', '.join(workspace.stores)}",
        )
    return [workspace.remembering_stores[source]]


def _as_json(day: date, folder: Path, restored: Restored, passed_over: Mapping[str, str]) -> dict[str, Any]:
    return {
        "ok": True,
        "day": day.isoformat(),
        "revision": restored.revision,
        "from": restored.destination,
        "to": str(folder),
        "files": restored.files,
        "bytes": restored.bytes,
        "passed_over": dict(passed_over),
    }


def _say(day: date, folder: Path, restored: Restored) -> None:
    Console().print(
        f"[green]restored[/] {day} r{restored.revision} from {restored.destination}: {restored.files} files, "
        f"{restored.bytes:,} bytes in {folder}, every SHA-256 right",
        soft_wrap=True,
        highlight=False,
    )

"""``lumen archive``: the archive format alone, with nothing configured but ``LUMEN_ARCHIVE_KEY``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lumen_assets.archive import (
    FileRange,
    create_archive,
    extract_paths,
    extract_stream,
    scan_folder,
    verify_stream,
)
from lumen_assets.archive.manifest import FORMAT
from lumen_assets.cli.keyring import read_keyring
from lumen_assets.cli.running import LumenGroup, json_option, print_json
from lumen_assets.durable import remove_abandoned
from lumen_assets.errors import PermanentError

_file = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))


def _one_line(_: click.Context, __: click.Parameter, label: str) -> str:
    """A label as it can be written into a bag's tag file."""
    if len(label.splitlines()) > 1 or not label.isprintable():
        raise click.BadParameter("it must be one line of text that can be printed")
    return label


_label = click.option(
    "--label",
    default="",
    callback=_one_line,
    metavar="TEXT",
    help="What the archive is bound to; reading takes the same. That of a frozen day is 'YYYY-MM-DD|rN'.",
)


@click.group(cls=LumenGroup)
def archive() -> None:
    """Make, verify and extract single archives. Needs only LUMEN_ARCHIVE_KEY."""


@archive.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The archive; must not exist."
)
@_label
@click.option("--level", default=1, show_default=True, type=click.IntRange(1, 19), help="Zstandard level.")
@click.option("--threads", default=0, type=click.IntRange(0, 64), help="Compressing threads. 0: one a core, at most 8.")
@click.option(
    "--links",
    default="refuse",
    show_default=True,
    type=click.Choice(["refuse", "follow"]),
    help="Symbolic links below FOLDER: an error, or what they stand for in their place.",
)
@json_option
def create(folder: Path, *, output: Path, label: str, level: int, threads: int, links: str, as_json: bool) -> None:
    """Put every file below FOLDER into a new encrypted archive."""
    keyring = read_keyring()
    remove_abandoned(output)  # it may lie in the folder itself
    scan = scan_folder(folder, follow_links=links == "follow")
    total = sum(os.lstat(path).st_size for path in scan.members.values())
    with _progress("archiving", total, as_json) as advance:
        created = create_archive(
            scan.members,
            output,
            key=keyring.primary,
            associated_data=_associated_data(label),
            base_name=folder.resolve().name or "archive",
            bag_info={"External-Identifier": label.strip()} if label.strip() else {},
            mtime=None,
            level=level,
            threads=threads,
            progress=advance,
        )
    _say(
        "created",
        {
            "archive": str(output),
            "files": created.files,
            "bytes": created.bytes,
            "content_digest": created.content_digest,
            "key_id": keyring.primary.id,
            **vars(created.digests),
            "links_followed": list(scan.links),
        },
        as_json,
    )


@archive.command()
@_file
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="A folder, new or empty."
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@_label
@json_option
def extract(file: Path, folder: Path, paths: tuple[str, ...], label: str, as_json: bool) -> None:
    """Extract FILE, or only the given PATHs of its payload, into a folder.

    The folder becomes a BagIt bag with the files under data/; with PATHs, only those files are put there. It is made
    only when everything is proven.
    """
    keyring = read_keyring()
    bound_to = _associated_data(label)
    with _opened(file) as (stream, size):
        if paths:
            found = extract_paths(
                FileRange(stream), paths, folder, key=keyring, associated_data=bound_to, name=str(file)
            )
            result: dict[str, Any] = {"files": found.files, "bytes": found.bytes}
        else:
            with _progress("extracting", size, as_json) as advance:
                contents = extract_stream(
                    stream, folder, key=keyring, associated_data=bound_to, name=str(file), progress=advance
                )
            result = {
                "files": contents.files,
                "bytes": contents.bytes,
                "content_digest": contents.content_digest,
                "key_id": contents.key_id,
            }
    _say("extracted, every SHA-256 right", {"archive": str(file), "to": str(folder), **result}, as_json)


@archive.command()
@_file
@_label
@json_option
def verify(file: Path, label: str, as_json: bool) -> None:
    """Read all of FILE: authenticate, decompress, compare every file with the bag's manifest."""
    keyring = read_keyring()
    with _opened(file) as (stream, size), _progress("verifying", size, as_json) as advance:
        contents = verify_stream(
            stream, key=keyring, associated_data=_associated_data(label), name=str(file), progress=advance
        )
    _say(
        "verified, every SHA-256 right",
        {
            "archive": str(file),
            "files": contents.files,
            "bytes": contents.bytes,
            "content_digest": contents.content_digest,
            "key_id": contents.key_id,
        },
        as_json,
    )


def _associated_data(label: str) -> bytes:
    return f"{FORMAT}|{label}".encode()


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, int]]:
    try:
        with file.open("rb", buffering=0) as stream:
            yield stream, file.stat().st_size
    except OSError as error:
        raise PermanentError(
            action="read", subject=str(file), cause=error.strerror or type(error).__name__, error_class="input"
        ) from error


@contextmanager
def _progress(what: str, total: int, as_json: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr where that is a terminal and people read it."""
    if as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # slow to import
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _say(what: str, result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, **result})
        return
    click.secho(what, fg="green")
    for name, value in result.items():  # no table: a digest must never be cut
        click.echo(f"{click.style(f'{name:<22}', dim=True)} {_shown(value)}")


def _shown(value: str | int | list[str]) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else ", ".join(value) or "none"

"""The slice folder on disk: its description beside it, and replacing it as a whole."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from lumen_assets.days import parse_day
from lumen_assets.durable import replace_bytes, temporary_beside
from lumen_assets.telemetry.model import DaySlice, InputSlice


def description_path(folder: Path) -> Path:
    """Where a slice folder is described: ``<folder>.json`` beside it."""
    return folder.with_name(f"{folder.name}.json")


def save_description(cut: DaySlice) -> None:
    """Write ``<folder>.json``; the same slice gives the same bytes."""
    content = {"day": cut.day.isoformat(), "inputs": [asdict(item) for item in cut.inputs]}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    replace_bytes(description_path(cut.folder), text.encode("ascii"))


def load_slice(folder: Path) -> DaySlice | None:
    """The slice that lies in ``folder``; None if there is none, or if its files are not those that were cut."""
    folder = folder.absolute()
    try:
        content = json.loads(description_path(folder).read_text("utf-8"))
        inputs = tuple(
            InputSlice(**{**item, "byte_range": (int(item["byte_range"][0]), int(item["byte_range"][1]))})
            for item in content["inputs"]
        )
        cut = DaySlice(parse_day(content["day"]), folder, inputs)
        whole = folder.is_dir() and all(_is_intact(folder, item) for item in inputs)
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return cut if whole else None


def _is_intact(folder: Path, item: InputSlice) -> bool:
    if not item.present:
        return True
    with (folder / item.name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == item.sha256


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours with everything in it."""
    shutil.rmtree(folder)


def swap_folders(new: Path, folder: Path) -> None:
    """Put ``new`` at ``folder``; what was there goes. Two that do so at once both succeed, the last one stays."""
    for _ in range(100):
        old = temporary_beside(folder)
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        finally:
            shutil.rmtree(old, ignore_errors=True)
    raise OSError(errno.EBUSY, "others keep putting it there", str(folder))

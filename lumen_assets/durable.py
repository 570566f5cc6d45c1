"""Files that are either whole or not there: temporary name, fsync, rename, fsync of the folder.

Temporary names start with ``.tmp-``, so that a reader can tell what a crash left behind.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

TEMPORARY_PREFIX: Final = ".tmp-"


_LEFT_OVER: Final = 86_400
"""Seconds; what is being written is never this old."""


def remove_left_over(folder: Path) -> None:
    """Remove what processes that were killed left in ``folder``: temporary names that are a day old."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # another process may do the same
            if time.time() - path.lstat().st_mtime < _LEFT_OVER:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def temporary_beside(path: Path) -> Path:
    """A fresh temporary name in the folder of ``path``, so that a rename stays on one file system."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{path.name[-120:]}")


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_new(temporary: Path, final: Path) -> None:
    """Give ``temporary`` its final name, write-once.

    A hard link fails where the name is taken, which a rename does not; file systems without hard links
    (FAT, some network mounts) get a check and a rename.

    Raises:
        FileExistsError: if ``final`` exists; ``temporary`` is left in place.
    """
    try:
        os.link(temporary, final, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if final.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
        os.rename(temporary, final)
    else:
        os.unlink(temporary)
    fsync_folder(final.parent)


@contextmanager
def _writing(path: Path, mode: int) -> Iterator[tuple[BinaryIO, Path]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            yield file, temporary
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file that must not exist yet; it appears under ``path`` only when the block ends well.

    Raises:
        FileExistsError: if ``path`` exists when the block ends; what was there is untouched.
    """
    with _writing(path, mode) as (file, temporary):
        yield file
    try:
        publish_new(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replaced_file(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file that may replace an older one (a report, a cache; never an archive or a replica)."""
    with _writing(path, mode) as (file, temporary):
        yield file
    os.replace(temporary, path)
    fsync_folder(path.parent)


def replace_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """``replaced_file`` for content that is at hand; a file that has it already is left alone, its times too."""
    with suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    with replaced_file(path, mode=mode) as file:
        file.write(content)

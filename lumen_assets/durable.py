"""Files that are either whole or not there: temporary name, fsync, rename, fsync of the folder.

Temporary names start with ``.tmp-``, so that a reader can tell what a crash left behind. Whoever fills one holds a lock
on it, which the kernel drops when the process is gone: so what is abandoned is told from what is being written.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
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
            _remove(path)


def remove_abandoned(path: Path) -> None:
    """Remove what processes that were killed while they made ``path`` left beside it, of whatever age.

    Where the file system has no locks, or the folder cannot be looked into, nothing is removed.
    """
    left = re.compile(f"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{12}}-{re.escape(_ending(path))}")
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if name.startswith(TEMPORARY_PREFIX) and left.fullmatch(name):  # the folder can hold thousands of others
                _remove_unless_held(path.with_name(name))


def _remove_unless_held(temporary: Path) -> None:
    with suppress(OSError):  # it is being written, or another process removes it too
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(temporary)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def temporary_beside(path: Path) -> Path:
    """A fresh temporary name in the folder of ``path``, so that a rename stays on one file system."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{_ending(path)}")


def _ending(path: Path) -> str:
    """As much of a name's end as a temporary name, of at most 255 bytes, has room for."""
    return os.fsencode(path.name)[-120:].decode(errors="ignore")


def _hold(descriptor: int, path: Path) -> bool:
    """Lock what was just made at ``path`` until its descriptor is closed; False if it was removed before."""
    with suppress(OSError):  # no locks on this file system: then nothing is ever taken for abandoned
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Make all that was written to the file system of ``folder`` survive a power cut: many files in one wait.

    Raises:
        OSError: if some of it could not be written; not where the system has no syncfs(2), as macOS.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
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
def new_folder_beside(path: Path) -> Iterator[Path]:
    """A new folder with a temporary name in the folder of ``path``, mode 0700, held until the block ends.

    It is the caller's to rename; it is removed where the block, or this, ends in an exception, at whatever moment.
    """
    held = False
    temporary = temporary_beside(path)
    try:
        while not held:
            temporary = temporary_beside(path)
            temporary.mkdir(mode=0o700)
            with suppress(FileNotFoundError):
                descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
                held = _hold(descriptor, temporary)
                if not held:
                    os.close(descriptor)
        yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if held:
            os.close(descriptor)


def _new_temporary(path: Path, mode: int) -> tuple[int, Path]:
    while True:
        temporary = temporary_beside(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        if _hold(descriptor, temporary):
            return descriptor, temporary
        os.close(descriptor)


@contextmanager
def _writing(path: Path, mode: int, publish: Callable[[Path, Path], None]) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = _new_temporary(path, mode)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            publish(temporary, path)  # while it is held
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file that must not exist yet; it appears under ``path`` only when the block ends well.

    Raises:
        FileExistsError: if ``path`` exists when the block ends; what was there is untouched.
    """
    with _writing(path, mode, publish_new) as file:
        yield file


@contextmanager
def replaced_file(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file that may replace an older one (a report, a cache; never an archive or a replica)."""
    with _writing(path, mode, _replace) as file:
        yield file


def _replace(temporary: Path, final: Path) -> None:
    os.replace(temporary, final)
    fsync_folder(final.parent)


def replace_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """``replaced_file`` for content that is at hand; a file that has it already is left alone, its times too."""
    with suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    with replaced_file(path, mode=mode) as file:
        file.write(content)

"""A folder as a destination: another disk, a network mount."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from lumen_assets.archive.digests import Digests
from lumen_assets.durable import TEMPORARY_PREFIX, fsync_folder, publish_new
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.replication.store import (
    Progress,
    Reader,
    Receipt,
    StoredObject,
    aside_key,
    checked_key,
    other_content,
)

CHUNK: Final = 1 << 20

_PERMANENT: Final = {
    errno.EACCES: ("permission", "give the user that runs Lumen access to it"),
    errno.EPERM: ("permission", "give the user that runs Lumen access to it"),
    errno.EROFS: ("permission", "mount it writable"),
    errno.ENOSPC: ("quota", "free room on it or move the destination"),
    errno.EDQUOT: ("quota", "free room on it or move the destination"),
    errno.ENAMETOOLONG: ("configuration", "choose a shorter destination path"),
    errno.ENOTDIR: ("configuration", "correct the destination's path"),
}


def folder_error(error: OSError, action: str, subject: str) -> LumenError:
    """An error of the file system, as one of ours."""
    cause = error.strerror or type(error).__name__
    if error.errno in _PERMANENT:
        error_class, hint = _PERMANENT[error.errno]
        return PermanentError(action=action, subject=subject, cause=cause, error_class=error_class, hint=hint)
    return TransientError(action=action, subject=subject, cause=cause, error_class="provider")


class LocalStore:
    """Replicas in a folder, under their keys.

    A file system computes no checksum of its own, so what it can prove without reading is the size alone.

    Args:
        name: the destination's name.
        folder: absolute; must exist unless ``create`` is set, so that a disk that is not mounted is an error
            and not an empty folder on another disk.
        create: whether to make ``folder`` where it is missing.
    """

    def __init__(self, name: str, folder: Path, *, create: bool = False) -> None:
        self._name = name
        self._folder = folder
        self._create = create

    @property
    def name(self) -> str:
        """The destination's name in ``lumen.yaml``."""
        return self._name

    def put(self, key: str, source: Path, digests: Digests, progress: Progress | None = None) -> Receipt:
        """See ``Store.put``. The file appears under its name only when it is whole and on the disk.

        What an earlier process was killed over is compared with the source, and only the rest is written.
        """
        path = self._path(key)
        subject = f"{source.name} to {path}"
        try:
            self._require_folder()
            if _is_taken(path):
                return self._identical(key, path, digests)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{TEMPORARY_PREFIX}{digests.sha256[:16]}-{path.name[-120:]}")
            with source.open("rb") as reading, _only_writer(partial) as writing:
                if _is_taken(path):  # another process finished the same put while this one waited
                    partial.unlink(missing_ok=True)
                    return self._identical(key, path, digests)
                try:
                    sent = _copy(reading, writing, digests, subject, progress)
                    publish_new(partial, path)
                except (OSError, IntegrityError):  # of no use to a later put, and a full disk needs the room
                    partial.unlink(missing_ok=True)
                    if _is_taken(path):
                        return self._identical(key, path, digests)
                    raise
            for folder in (path.parent.parent, self._folder):
                fsync_folder(folder)
        except OSError as error:
            raise folder_error(error, "copy", subject) from error
        return Receipt(self._stored(key, path), created=True, bytes_sent=sent)

    def stat(self, key: str) -> StoredObject | None:
        """See ``Store.stat``."""
        path = self._path(key)
        try:
            self._require_folder()
            return self._stored(key, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise folder_error(error, "look at", str(path)) from error

    @contextmanager
    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """See ``Store.read``."""
        path = self._path(key)
        try:
            self._require_folder()
            file = _open_regular(path)
        except FileNotFoundError as error:
            raise PermanentError(
                action="read", subject=str(path), cause="there is no such file", error_class="missing"
            ) from error
        except OSError as error:
            raise folder_error(error, "read", str(path)) from error
        with file:
            file.seek(start)
            yield _FileReader(file, path, length)

    def set_aside(self, key: str) -> str:
        """See ``Store.set_aside``."""
        path = self._path(key)
        self._require_folder()
        aside = aside_key(key, datetime.now(UTC))
        try:
            publish_new(path, self._path(aside))
        except FileNotFoundError as error:
            raise PermanentError(
                action="set aside", subject=str(path), cause="there is no such file", error_class="missing"
            ) from error
        except OSError as error:
            raise folder_error(error, "set aside", str(path)) from error
        return aside

    def remove(self, key: str) -> bool:
        """See ``retention.removing.Remover``. For good: a folder has no trash."""
        path = self._path(key)
        try:
            self._require_folder()
            _require_regular(path, path.lstat())
            path.unlink()
            fsync_folder(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise folder_error(error, "remove", str(path)) from error
        return True

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See ``Store.list``."""
        start = self._folder / prefix.rpartition("/")[0]
        found = []
        try:
            self._require_folder()
            for folder, _, names in os.walk(start, onerror=_raise_unless_gone):
                for name in names:
                    path = Path(folder) / name
                    key = path.relative_to(self._folder).as_posix()
                    if key.startswith(prefix) and not name.startswith(TEMPORARY_PREFIX) and _is_regular(path):
                        found.append((key, path))
        except OSError as error:
            raise folder_error(error, "list", str(start)) from error
        for key, path in sorted(found):
            with suppress(FileNotFoundError):
                yield self._stored(key, path)

    def _path(self, key: str) -> Path:
        return self._folder / checked_key(key)

    def _require_folder(self) -> None:
        if self._folder.is_dir():
            return
        if not self._create:
            raise PermanentError(
                action="use",
                subject=f"destination {self._name}",
                cause=f"there is no folder {self._folder}",
                error_class="configuration",
                hint="mount the disk, or create the folder once",
            )
        self._folder.mkdir(parents=True, exist_ok=True)

    def _stored(self, key: str, path: Path) -> StoredObject:
        found = path.lstat()
        _require_regular(path, found)
        return StoredObject(key=key, size=found.st_size, uri=path.as_uri())

    def _identical(self, key: str, path: Path, digests: Digests) -> Receipt:
        with _open_regular(path) as file:
            same = (
                os.fstat(file.fileno()).st_size == digests.size
                and hashlib.file_digest(file, "sha256").hexdigest() == digests.sha256
            )
        if not same:
            raise other_content(str(path))
        return Receipt(self._stored(key, path), created=False, bytes_sent=0)


def _is_taken(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:  # set aside or removed by another process since the folder was read
        return False


def _require_regular(path: Path, found: os.stat_result) -> None:
    """A link could lead anywhere and a device never end: neither is a replica.

    Raises:
        IntegrityError: if it is no regular file.
    """
    if not stat.S_ISREG(found.st_mode):
        raise IntegrityError(
            action="read",
            subject=str(path),
            cause=f"it is no regular file but a {'folder' if stat.S_ISDIR(found.st_mode) else 'link or special file'}",
            error_class="not-a-file",
        )


def _open_regular(path: Path) -> FileIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            _require_regular(path, path.lstat())
        raise
    file = FileIO(descriptor, "rb")
    try:
        _require_regular(path, os.fstat(descriptor))
    except IntegrityError:
        file.close()
        raise
    return file


class _FileReader:
    """Bounded reads of a file, with our errors."""

    def __init__(self, file: FileIO, path: Path, length: int | None) -> None:
        self._file = file
        self._path = path
        self._left = length

    def read(self, size: int, /) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        try:
            data = self._file.read(size)
        except OSError as error:
            raise folder_error(error, "read", str(self._path)) from error
        if self._left is not None:
            self._left -= len(data)
        return data


@contextmanager
def _only_writer(path: Path) -> Iterator[BinaryIO]:
    """A file for reading and writing, made where it is missing, that one process at a time has."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        with suppress(OSError):  # some network mounts have no locks; there a second writer fails when it publishes
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _copy(reading: BinaryIO, writing: BinaryIO, digests: Digests, subject: str, progress: Progress | None) -> int:
    """Make ``writing`` hold what ``reading`` holds, keeping what it already has of it; returns the bytes written."""
    digest = hashlib.sha256()
    sent = 0
    resuming = True
    while data := reading.read(CHUNK):
        digest.update(data)
        if resuming:
            if writing.read(len(data)) == data:
                continue
            resuming = False
            writing.seek(reading.tell() - len(data))
            writing.truncate()
        writing.write(data)
        sent += len(data)
        if progress:
            progress(len(data))
    if digest.hexdigest() != digests.sha256:
        raise IntegrityError(
            action="copy",
            subject=subject,
            cause=f"the source's SHA-256 is {digest.hexdigest()}, its manifest says {digests.sha256}",
            error_class="digest",
            hint="the source is damaged; nothing was stored",
        )
    writing.truncate(digests.size)
    os.fsync(writing.fileno())
    return sent


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error

"""Payload files: which there are, what they are now, and their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from lumen_assets.archive import bag
from lumen_assets.archive.names import Collisions, path_problem
from lumen_assets.archive.stream import Progress
from lumen_assets.archive.tar import MAX_MTIME
from lumen_assets.errors import PermanentError, TransientError

_CHUNK: Final = 1 << 20
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Source:
    """A payload file as it was when the archive was begun.

    Attributes:
        path: where it is.
        size: bytes.
        mode: 0o755 if its owner may execute it, else 0o644.
        mtime: seconds since 1970-01-01 UTC, rounded down.
        mtime_ns: the same in nanoseconds, to see changes by.
    """

    path: Path
    size: int
    mode: int
    mtime: int
    mtime_ns: int


def members_of(folder: Path) -> Mapping[str, Path]:
    """Every file below a folder, by its path there. Empty folders are not kept: a bag has none.

    Raises:
        PermanentError: if there is no such folder, or it holds links or devices: naming the first few.
    """
    members: dict[str, Path] = {}
    unusable: list[str] = []

    def scan(current: Path, prefix: str) -> None:
        with os.scandir(current) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    scan(Path(entry.path), f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    members[name] = Path(entry.path)
                else:
                    unusable.append(name)

    try:
        scan(folder, "")
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from error
    if unusable:
        more = f" and {len(unusable) - 5} more" if len(unusable) > 5 else ""
        raise PermanentError(
            action="archive",
            subject=str(folder),
            cause=f"these are links, devices or sockets: {', '.join(map(repr, unusable[:5]))}{more}",
            error_class="input",
            hint="an archive holds regular files only: remove them, or put the files there that they stand for",
        )
    return members


def content_digest_of(members: Mapping[str, Path], progress: Progress | None = None) -> str:
    """The content digest that an archive of these files would have.

    Raises:
        PermanentError, TransientError: as ``create_archive``.
    """
    digests = {}
    for path, source in inspect_payload(members, "").items():
        digest = hashlib.sha256()
        for data in read_source(source, progress):
            digest.update(data)
        digests[f"{bag.DATA}/{path}"] = digest.hexdigest()
    return bag.sha256(bag.manifest_bytes(digests))


def inspect_payload(members: Mapping[str, Path], base_name: str) -> dict[str, Source]:
    """The payload files as they are now, sorted by the bytes of their path.

    Raises:
        PermanentError: if one is unusable: a name that cannot be extracted again, a link, a device, no such file.
    """
    collisions = Collisions()
    sources = {}
    for path in sorted(members, key=os.fsencode):
        problem = path_problem(path) or path_problem(f"{base_name or 'x'}/{bag.DATA}/{path}")
        if problem:
            raise refused(path, f"it is {problem}", "rename the file")
        earlier = collisions.add(path)
        if earlier is not None:
            cause = f"on some file systems it is the same as {earlier!r}"
            raise refused(path, cause, "rename one of them: case and Unicode form must not be the only difference")
        sources[path] = _inspect_file(path, members[path])
    for path in sources:
        parts = path.split("/")
        if any("/".join(parts[:count]) in sources for count in range(1, len(parts))):
            raise refused(path, "a part of it is both a file and a folder", "rename one of them")
    return sources


def _inspect_file(path: str, file: Path) -> Source:
    try:
        found = file.lstat()
    except OSError as error:
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise refused(path, f"{file} is {kind}", "an archive holds regular files only")
    if abs(found.st_mtime) > MAX_MTIME:
        raise refused(path, f"{file} has an impossible time", "touch the file")
    mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
    return Source(file, found.st_size, mode, found.st_mtime_ns // 10**9, found.st_mtime_ns)


def read_source(source: Source, progress: Progress | None) -> Iterator[bytes]:
    """The file's bytes, exactly as many as it had when the archive was begun.

    Raises:
        TransientError: if it is not the file any more that it was then.
        PermanentError: if it cannot be read.
    """
    try:
        with os.fdopen(os.open(source.path, _OPEN), "rb", buffering=0) as file:
            _check_unchanged(source, file)
            left = source.size
            while left and (data := file.read(min(_CHUNK, left))):
                left -= len(data)
                yield data
                if progress:
                    progress(len(data))
            _check_unchanged(source, file)
    except OSError as error:
        raise _unreadable(source.path, error) from error
    if left:
        raise _changed(source.path)


def _check_unchanged(source: Source, file: FileIO) -> None:
    now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns, stat.S_ISREG(now.st_mode)) != (source.size, source.mtime_ns, True):
        raise _changed(source.path)


def refused(path: str, cause: str, hint: str) -> PermanentError:
    """The error of a name or file that cannot be in an archive."""
    return PermanentError(action="archive", subject=repr(path), cause=cause, error_class="input", hint=hint)


def _unreadable(path: Path, error: OSError) -> PermanentError:
    return PermanentError(
        action="read", subject=str(path), cause=error.strerror or type(error).__name__, error_class="input"
    )


def _changed(path: Path) -> TransientError:
    return TransientError(
        action="archive",
        subject=str(path),
        cause="it changed while it was read",
        error_class="input",
        hint="wait until nothing writes to it",
    )

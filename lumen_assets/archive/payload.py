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

_LINK: Final = "a symbolic link"
_FOLLOW: Final = "remove them, put the files there that they stand for, or have links followed (--links follow)"
_CHUNK: Final = 1 << 20
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True)
class FolderScan:
    """The files below a folder.

    Attributes:
        members: each file by its path there.
        links: the symbolic links among them, and to folders among those, that were followed.
    """

    members: Mapping[str, Path]
    links: tuple[str, ...]


def members_of(folder: Path) -> Mapping[str, Path]:
    """Every file below a folder that holds no links; see ``scan_folder``."""
    return scan_folder(folder).members


def scan_folder(folder: Path, *, follow_links: bool = False) -> FolderScan:
    """Every file below a folder, by its path there. Empty folders are not kept: a bag has none.

    Args:
        follow_links: take what symbolic links stand for, wherever it is, in their place.

    Raises:
        PermanentError: if there is no such folder; if it holds devices, or links that are not followed, lead nowhere
            or lead round in a circle: naming the first few.
    """
    scan = _Scan(follow_links)
    try:
        scan.folder(folder, "", ())
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from error
    if scan.unusable:
        more = f" and {len(scan.unusable) - 5} more" if len(scan.unusable) > 5 else ""
        raise PermanentError(
            action="archive",
            subject=str(folder),
            cause=f"these are no regular files: {', '.join(scan.unusable[:5])}{more}",
            error_class="input",
            hint=_FOLLOW if scan.has_links else "remove them, or archive another folder",
        )
    return FolderScan(scan.members, tuple(scan.links))


class _Scan:
    """One walk through a folder, in the order of the names' bytes."""

    def __init__(self, follow_links: bool) -> None:
        self._follow = follow_links
        self.members: dict[str, Path] = {}
        self.links: list[str] = []
        self.unusable: list[str] = []
        self.has_links = False

    def folder(self, current: Path, prefix: str, above: tuple[Path, ...]) -> None:
        """Walk through a folder; ``above`` are the real folders that it is in, to see a circle by."""
        with os.scandir(current) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                self._entry(entry, prefix + entry.name, (*above, current))

    def _entry(self, entry: os.DirEntry[str], name: str, above: tuple[Path, ...]) -> None:
        place = Path(entry.path)
        if entry.is_symlink():
            place = Path(os.path.realpath(place))
            problem = self._link_problem(place, above)
            if problem:
                self.unusable.append(f"{name!r} ({problem})")
                return
            self.links.append(name)
        if entry.is_dir():
            self.folder(place, f"{name}/", above)
        elif entry.is_file():
            self.members[name] = place
        else:
            self.unusable.append(f"{name!r} (a device or socket)")

    def _link_problem(self, target: Path, above: tuple[Path, ...]) -> str | None:
        if not self._follow:
            self.has_links = True
            return _LINK
        if not target.exists():
            return "a link to nothing"
        circular = any(target.samefile(folder) for folder in above)
        return "a link to a folder that it is in" if circular else None


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
        kind = _LINK if stat.S_ISLNK(found.st_mode) else "not a regular file"
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
        action="read",
        subject=str(path),
        cause=error.strerror or type(error).__name__,
        error_class="input",
        hint="give Lumen access to it" if isinstance(error, PermissionError) else "",
    )


def _changed(path: Path) -> TransientError:
    return TransientError(
        action="archive",
        subject=str(path),
        cause="it changed while it was read",
        error_class="input",
        hint="wait until nothing writes to it",
    )

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

StrPath = str | Path
_LINK: Final = "a symbolic link"
_FOLLOW: Final = "remove them, put the files there that they stand for, or have links followed (--links follow)"
_CHUNK: Final = 1 << 20
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Source:
    """A payload file as it was when the archive was begun.

    Attributes:
        size: bytes.
        mode: 0o755 if its owner may execute it, else 0o644.
        mtime_ns: nanoseconds since 1970-01-01 UTC, to see changes by.
    """

    size: int
    mode: int
    mtime_ns: int

    @property
    def mtime(self) -> int:
        """Seconds since 1970-01-01 UTC, rounded down."""
        return self.mtime_ns // 10**9


@dataclass(frozen=True)
class FolderScan:
    """The files below a folder.

    Attributes:
        members: each file by its path there.
        links: the symbolic links among them, and to folders among those, that were followed.
    """

    members: Mapping[str, str]
    links: tuple[str, ...]


class _Files(Mapping[str, str]):
    """Files by their path in a folder; where they are is put together when it is asked for.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._elsewhere: dict[str, str | None] = {}

    def add(self, name: str, place: str) -> None:
        """Take in a file, which a link may have led to."""
        self._elsewhere[name] = None if place == f"{self._root}/{name}" else place

    def __getitem__(self, name: str) -> str:
        elsewhere = self._elsewhere[name]
        return f"{self._root}/{name}" if elsewhere is None else elsewhere

    def __iter__(self) -> Iterator[str]:
        return iter(self._elsewhere)

    def __len__(self) -> int:
        return len(self._elsewhere)


def members_of(folder: Path) -> Mapping[str, str]:
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
    scan = _Scan(folder, follow_links)
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

    def __init__(self, root: Path, follow_links: bool) -> None:
        self._follow = follow_links
        self.members = _Files(root)
        self.links: list[str] = []
        self.unusable: list[str] = []
        self.has_links = False

    def folder(self, current: Path, prefix: str, above: tuple[Path, ...]) -> None:
        """Walk through a folder; ``above`` are the real folders that it is in, to see a circle by."""
        with os.scandir(current) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                self._entry(entry, prefix + entry.name, (*above, current))

    def _entry(self, entry: os.DirEntry[str], name: str, above: tuple[Path, ...]) -> None:
        place = entry.path
        if entry.is_symlink():
            place = os.path.realpath(place)
            problem = self._link_problem(Path(place), above)
            if problem:
                self.unusable.append(f"{name!r} ({problem})")
                return
            self.links.append(name)
        if entry.is_dir():
            self.folder(Path(place), f"{name}/", above)
        elif entry.is_file():
            self.members.add(name, place)
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


def content_digest_of(members: Mapping[str, StrPath], progress: Progress | None = None) -> str:
    """The content digest that an archive of these files would have.

    Raises:
        PermanentError, TransientError: as ``create_archive``.
    """
    sources = inspect_payload(members, "")
    manifest = hashlib.sha256()
    for path in sorted(sources, key=lambda path: path.encode()):
        digest = hashlib.sha256()
        for data in read_source(members[path], sources[path], progress):
            digest.update(data)
        manifest.update(bag.manifest_line(f"{bag.DATA}/{path}", digest.hexdigest()))
    return manifest.hexdigest()


def inspect_payload(members: Mapping[str, StrPath], base_name: str) -> dict[str, Source]:
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


def _inspect_file(path: str, file: StrPath) -> Source:
    try:
        found = os.lstat(file)
    except OSError as error:
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(found.st_mode):
        kind = _LINK if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise refused(path, f"{file} is {kind}", "an archive holds regular files only")
    if abs(found.st_mtime) > MAX_MTIME:
        raise refused(path, f"{file} has an impossible time", "touch the file")
    mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
    return Source(found.st_size, mode, found.st_mtime_ns)


def read_source(path: StrPath, source: Source, progress: Progress | None) -> Iterator[bytes]:
    """The file's bytes, exactly as many as it had when the archive was begun.

    Raises:
        TransientError: if it is not the file any more that it was then.
        PermanentError: if it cannot be read.
    """
    try:
        with os.fdopen(os.open(path, _OPEN), "rb", buffering=0) as file:
            _check_unchanged(path, source, file)
            left = source.size
            while left and (data := file.read(min(_CHUNK, left))):
                left -= len(data)
                yield data
                if progress:
                    progress(len(data))
            _check_unchanged(path, source, file)
    except OSError as error:
        raise _unreadable(path, error) from error
    if left:
        raise _changed(path)


def _check_unchanged(path: StrPath, source: Source, file: FileIO) -> None:
    now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns, stat.S_ISREG(now.st_mode)) != (source.size, source.mtime_ns, True):
        raise _changed(path)


def refused(path: str, cause: str, hint: str) -> PermanentError:
    """The error of a name or file that cannot be in an archive."""
    return PermanentError(action="archive", subject=repr(path), cause=cause, error_class="input", hint=hint)


def _unreadable(path: StrPath, error: OSError) -> PermanentError:
    return PermanentError(
        action="read",
        subject=str(path),
        cause=error.strerror or type(error).__name__,
        error_class="input",
        hint="give Lumen access to it" if isinstance(error, PermissionError) else "",
    )


def _changed(path: StrPath) -> TransientError:
    return TransientError(
        action="archive",
        subject=str(path),
        cause="it changed while it was read",
        error_class="input",
        hint="wait until nothing writes to it",
    )

"""An archive back into a folder: staged beside it, moved into place by one rename when all of it is proven."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lumen_assets.archive.keys import Key, Keyring
from lumen_assets.archive.output import new_output, unusable
from lumen_assets.archive.read import ArchiveContents, unpack
from lumen_assets.archive.stream import Progress, ReadableStream, fail
from lumen_assets.archive.tar import Member
from lumen_assets.durable import fsync_folder, new_folder_beside, remove_abandoned, sync_file_system
from lumen_assets.errors import PermanentError

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def extract_stream(
    stream: ReadableStream,
    to: Path,
    *,
    key: Key | Keyring,
    associated_data: bytes,
    content_digest: str | None = None,
    name: str = "the archive",
    progress: Progress | None = None,
) -> ArchiveContents:
    """Extract the whole bag: ``to/bagit.txt``, ``to/data/…``. Times and the executable mark are restored.

    Args:
        stream: the archive's bytes.
        to: must not exist, or be an empty folder. It is made only when everything is proven.
        key: the key, or a keyring of which one opens it.
        associated_data: what the archive was bound to.
        content_digest: what the content must be, where a manifest tells it.
        name: what to call it in errors.
        progress: told of ciphertext bytes.

    Raises:
        IntegrityError: if anything in the archive is not as it must be.
        PermanentError: with ``error_class="output"`` if ``to`` cannot be used.
    """
    with staged_folder(to) as staging:
        unpacking = Staging(staging, to)
        contents = unpack(stream, unpacking, key=key, associated_data=associated_data, name=name, progress=progress)
        if content_digest is not None and contents.content_digest != content_digest:
            fail(name, "it is authentic, but its content is not the one that its manifest names", "digest")
        unpacking.finish()
    return contents


class Staging:
    """Writes members into a folder that nobody else knows of yet.

    Args:
        folder: an existing, empty folder; it stands for the bag.
        to: what it will be called, for errors.
    """

    def __init__(self, folder: Path, to: Path) -> None:
        self._root = folder
        self._to = to
        self._masked = os.umask(0o077)
        os.umask(self._masked)
        self._times: list[tuple[Path, int]] = []

    def folder(self, path: str, member: Member) -> None:
        """Make a folder; its parent was made before."""
        place = self._root / path
        if path:
            place.mkdir(mode=0o755)
        self._times.append((place, member.mtime))

    def file(self, path: str, member: Member, content: Iterator[bytes | memoryview]) -> None:
        """Write a file that must not be there yet, through no link."""
        free = shutil.disk_usage(self._root).free
        if member.size > free:
            raise _unusable(self._to, f"{path!r} needs {member.size:,} bytes, {free:,} are free", "free room there")
        with os.fdopen(os.open(self._root / path, _NEW, 0o600), "wb") as file:
            for data in content:
                file.write(data)
            file.flush()
            os.fchmod(file.fileno(), member.mode & ~self._masked)
            os.utime(file.fileno(), (member.mtime, member.mtime))

    def open_up(self, place: Path) -> None:
        """Give a folder the mode of a new one."""
        place.chmod(0o755 & ~self._masked | place.stat().st_mode & stat.S_ISGID)

    def finish(self) -> None:
        """Give the folders their times, deepest first: writing into them changed those."""
        for place, mtime in reversed(self._times):
            self.open_up(place)
            os.utime(place, (mtime, mtime))


@contextmanager
def staged_folder(to: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``to`` when the block ends well, and else is removed.

    What a process left beside ``to`` that was killed is removed first.

    Raises:
        PermanentError: with ``error_class="output"`` if ``to`` is taken or cannot be written.
    """
    to = to.resolve()
    beside = to / "bag" if os.path.ismount(to) else to
    remove_abandoned(beside)
    with new_output("extract to", to):
        _require_free(to)
        with new_folder_beside(beside) as staging:
            if to.is_dir():
                _give_group(staging, to.stat())
            yield staging
            sync_file_system(staging)
            _move_into_place(staging, to)


def _give_group(staging: Path, existing: os.stat_result) -> None:
    """Of a folder that stands there already: its group, which what is in it inherits where it is marked so."""
    with suppress(PermissionError):  # somebody else's group
        os.chown(staging, -1, existing.st_gid)
        staging.chmod(0o700 | existing.st_mode & stat.S_ISGID)


def _move_into_place(staging: Path, to: Path) -> None:
    if staging.parent == to:  # a mount point cannot be renamed away: its parts are moved, bag-info.txt last
        for place in sorted(staging.iterdir(), reverse=True):
            place.rename(to / place.name)
        staging.rmdir()
        fsync_folder(to)
        return
    if to.is_dir():
        staging.chmod(stat.S_IMODE(to.stat().st_mode))
    staging.rename(to)  # takes the place of an empty folder, of nothing else
    fsync_folder(to.parent)


def _require_free(to: Path) -> None:
    if not os.path.lexists(to):
        return
    if not to.is_dir():
        raise _unusable(to, "it is not a folder", "choose a folder that is new or empty")
    if any(to.iterdir()):
        raise _unusable(to, "it is not empty", "choose a folder that is new or empty")


def _unusable(to: Path, cause: str, hint: str) -> PermanentError:
    return unusable("extract to", to, cause, hint)

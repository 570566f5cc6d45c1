"""Where inputs lie: a folder, a bucket (``s3_root.py``), or either with one input that is kept elsewhere."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Protocol

from lumen_assets.durable import TEMPORARY_PREFIX
from lumen_assets.errors import PermanentError
from lumen_assets.settings import S3Folder
from lumen_assets.telemetry.lines import Source, unchanged_mark

_log = logging.getLogger(__name__)

ABSENT: Final = "absent"
"""The mark of an input that is not there."""

WHERE_SET: Final = (
    "check LUMEN_DATA_ROOT, and the path in sources.telemetry, sources.beside or sources.extra that names it"
)

_COPY: Final = "copy or mount the file there instead"


class DataRoot(Protocol):
    """The inputs, each by its path under the root, with ``/``."""

    def found(self, pattern: str) -> set[str]:
        """The inputs that are there and that a pattern with a wildcard means."""

    def open(self, name: str) -> AbstractContextManager[Source | None]:
        """An input; None if it is not there.

        Raises:
            PermanentError: ``error_class="input"``, if it is there and cannot be read.
            TransientError: if the service that has it does not answer.
        """

    def mark(self, name: str) -> Hashable | None:
        """What an input is known by as long as nobody writes to it; None of one that was written to just now."""

    def place(self, name: str) -> str:
        """Where an input is, in words."""


def is_pattern(text: str) -> bool:
    """Whether ``text`` has a wildcard; without one it names a file that is expected."""
    return any(sign in text for sign in "*?[")


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def matches(name: str, pattern: str) -> bool:
    """Whether a path under the data root is one that ``pattern`` means."""
    return _matches(PurePosixPath(name).parts, PurePosixPath(pattern).parts)


@dataclass(frozen=True)
class FolderRoot:
    """Inputs in a folder. Symbolic links that lead out of it are never read.

    Attributes:
        links: whether those that lead to what is in it are read, or refused.
    """

    folder: Path
    links: Literal["follow", "refuse"] = "follow"

    def found(self, pattern: str) -> set[str]:
        """See ``DataRoot.found``. What leads out of the folder is not taken."""
        return {path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern) if self._is_input(path)}

    @contextmanager
    def open(self, name: str) -> Iterator[Source | None]:
        """See ``DataRoot.open``."""
        path, root = self.folder / name, Path(os.path.realpath(self.folder))
        real = Path(os.path.realpath(path))  # where Path.resolve() raises, on a loop of links, opening says so
        link = real != root / name
        if link and not real.is_relative_to(root):
            raise self._unreadable(path, "a symbolic link leads out of LUMEN_DATA_ROOT", _COPY)
        if link and self.links == "refuse":
            hint = "put the file itself there, or set sources.links to follow"
            raise self._unreadable(path, "it is a symbolic link, or lies behind one", hint)
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)  # a named pipe would block
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except OSError as error:
            raise self._unreadable(path, error.strerror or type(error).__name__) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._unreadable(path, "it is not a regular file")
            yield Source(descriptor, link=link)
        finally:
            os.close(descriptor)

    def mark(self, name: str) -> Hashable | None:
        """See ``DataRoot.mark``."""
        try:
            return unchanged_mark((self.folder / name).stat())
        except OSError:
            return ABSENT

    def place(self, name: str) -> str:
        """Its path."""
        return str(self.folder / name)

    def _is_input(self, path: Path) -> bool:
        if path.name.startswith(TEMPORARY_PREFIX) or not path.is_file():
            return False
        if path.resolve().is_relative_to(self.folder.resolve()):
            return True
        _log.warning("%s leads out of LUMEN_DATA_ROOT and is not taken; %s", path, _COPY)
        return False

    def _unreadable(self, path: Path, cause: str, hint: str = WHERE_SET) -> PermanentError:
        return PermanentError(action="read", subject=str(path), cause=cause, error_class="input", hint=hint)


@dataclass(frozen=True)
class WithFile:
    """A data root in which one input is a file that lies elsewhere: what a server was asked for.

    Attributes:
        root: where all others are.
        name: the input.
        file: where it lies.
    """

    root: DataRoot
    name: str
    file: Path

    def found(self, pattern: str) -> set[str]:
        """See ``DataRoot.found``."""
        return self.root.found(pattern)

    def open(self, name: str) -> AbstractContextManager[Source | None]:
        """See ``DataRoot.open``."""
        return FolderRoot(self.file.parent).open(self.file.name) if name == self.name else self.root.open(name)

    def mark(self, name: str) -> Hashable | None:
        """See ``DataRoot.mark``."""
        return None if name == self.name else self.root.mark(name)

    def place(self, name: str) -> str:
        """See ``DataRoot.place``."""
        return self.root.place(name)


def open_root(place: Path | S3Folder, links: Literal["follow", "refuse"]) -> DataRoot:
    """The inputs of an installation, but for what a server is asked for.

    Args:
        links: of a folder: see ``FolderRoot``.
    """
    if isinstance(place, Path):
        return FolderRoot(place, links)
    from lumen_assets.telemetry.s3_root import S3Root  # boto3 takes a while

    return S3Root(place)

"""Kills processes with -9 while they make or restore an archive, and looks at what they leave.

A program of its own, which has one thread and so may fork: ``python -m … {create,restore,freeze} FOLDER KILLS SIZE``
prints the tallies as JSON. Half of the moments are times, one in each of as many equal parts of a whole run. Half are
steps, just before a file or folder is opened, made, linked, renamed or removed: the last dozen of a run's, and others
at random.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from lumen_assets.archive import Key, Keyring, extract_stream, members_of, revisions, verify_stream
from lumen_assets.archive.index import INDEX_NAME
from lumen_assets.archive.manifest import associated_data
from lumen_assets.errors import PermanentError
from lumen_assets_tests.archive.conftest import BOUND_TO, make
from lumen_assets_tests.archive.test_freeze import DAY, Place

KEY: Final = Key(bytes(range(32)))
STEPS: Final = {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "os.utime", "os.chmod"}
FILES: Final = 6


class Work(ABC):
    """Something that is killed.

    Args:
        root: a folder of its own.
        size: payload bytes.
    """

    def __init__(self, root: Path, size: int) -> None:
        self.root = root
        self.place = root / "place"
        self.place.mkdir(parents=True)
        self.folder = root / "folder"
        for number in range(FILES):
            path = self.folder / f"{number}" / "기록.bin"
            path.parent.mkdir(parents=True)
            path.write_bytes(os.urandom(size // FILES))
        self.digests = {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.folder.rglob("*.bin")
        }

    @abstractmethod
    def run(self) -> None:
        """Do it, whole."""

    @abstractmethod
    def look(self) -> bool:
        """Make sure that everything with a final name is whole; returns whether the result has its final name."""

    @abstractmethod
    def left(self) -> list[str]:
        """What lies there besides the result."""

    @abstractmethod
    def clear(self) -> None:
        """Take the result away."""


class Create(Work):
    """A new archive."""

    def __init__(self, root: Path, size: int) -> None:
        super().__init__(root, size)
        self.final = self.place / "a.tar.zst.tink"

    def run(self) -> None:
        make(members_of(self.folder), self.final, KEY, threads=2)

    def look(self) -> bool:
        if not self.final.exists():
            return False
        with self.final.open("rb") as file:
            assert verify_stream(file, key=KEY, associated_data=BOUND_TO).sha256 == self.digests
        return True

    def left(self) -> list[str]:
        return [path.name for path in self.place.iterdir() if path != self.final]

    def clear(self) -> None:
        self.final.unlink()


class Restore(Work):
    """An archive's files in a new folder."""

    def __init__(self, root: Path, size: int) -> None:
        super().__init__(root, size)
        self.final = self.place / "restored"
        make(members_of(self.folder), root / "a", KEY)

    def run(self) -> None:
        with (self.root / "a").open("rb") as file:
            extract_stream(file, self.final, key=KEY, associated_data=BOUND_TO)

    def look(self) -> bool:
        if not self.final.exists():
            return False
        for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            for line in (self.final / manifest).read_text().splitlines():
                digest, path = line.split("  ", 1)
                assert hashlib.sha256((self.final / path).read_bytes()).hexdigest() == digest, path
        found = {path.relative_to(self.final / "data").as_posix() for path in (self.final / "data").rglob("*.bin")}
        assert found == set(self.digests)
        return True

    def left(self) -> list[str]:
        return [path.name for path in self.place.iterdir() if path != self.final]

    def clear(self) -> None:
        shutil.rmtree(self.final)


class Freeze(Work):
    """A day's first revision: archive, manifest and a line of the index."""

    def __init__(self, root: Path, size: int) -> None:
        super().__init__(root, size)
        self.frozen = Place(self.place, Keyring([KEY]))
        self.content = "x".join(map(str, range(size // 8)))

    def run(self) -> None:
        self.frozen.freeze(self.content)

    def look(self) -> bool:
        for frozen in revisions(self.frozen.archive, DAY, self.frozen.keyring):
            assert frozen.manifest.revision == 1
            with frozen.archive_path.open("rb") as file:
                contents = verify_stream(file, key=KEY, associated_data=associated_data(DAY, 1))
            assert contents.content_digest == frozen.manifest.content.digest
            return True
        return False

    def left(self) -> list[str]:
        known = {".locks", DAY.isoformat(), INDEX_NAME}
        return [path.name for path in self.frozen.archive.glob("*") if path.name not in known]

    def clear(self) -> None:
        for path in sorted(self.frozen.archive.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def steps_of(work: Work) -> int:
    """How many steps a run has."""
    reader, writer = os.pipe()

    def counted() -> None:
        seen = count_steps(lambda _: None)
        work.run()
        os.write(writer, str(seen()).encode())

    os.waitpid(forked(counted), 0)
    work.clear()
    os.close(writer)
    with os.fdopen(reader) as found:
        return int(found.read())


def count_steps(tell: Callable[[int], None]) -> Callable[[], int]:
    """Tell of each step of this process from now on before it is taken; the function returned says how many were."""
    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event in STEPS:
            seen += 1
            tell(seen)

    sys.addaudithook(hook)
    return lambda: seen


def forked(run: Callable[[], None]) -> int:
    """The id of a child that runs this and nothing else."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        run()
        code = 0
    finally:
        os._exit(code)


def killed_after(work: Work, seconds: float, attempt: int) -> bool:
    """Run, killed after so many seconds, at each further attempt sooner; whether it still ran then."""
    child = forked(work.run)
    time.sleep(seconds * 0.7**attempt)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_before(work: Work, step: int, attempt: int) -> bool:
    """Run, killed just before this step, at each further attempt one sooner; whether it came to that."""

    def run() -> None:
        count_steps(lambda seen: os.kill(os.getpid(), signal.SIGKILL) if seen == step - attempt else None)
        work.run()

    return os.WIFSIGNALED(os.waitpid(forked(run), 0)[1])


def moments(work: Work, kills: int) -> Iterator[Callable[[int], bool]]:
    """What kills at each of so many moments, given how often that was tried in vain."""
    start = time.monotonic()
    os.waitpid(forked(work.run), 0)
    whole_run = time.monotonic() - start
    work.clear()
    steps = steps_of(work)
    last = range(max(1, steps - 11), steps + 1)
    others = random.sample(range(1, last[0]), min(last[0] - 1, max(0, kills // 2 - len(last))))
    chosen = [*reversed(last), *others][: kills // 2]
    for step in chosen:
        yield partial(killed_before, work, step)
    parts = kills - len(chosen)
    for number in range(parts):
        yield partial(killed_after, work, whole_run * (number + random.random()) / parts)  # noqa: S311 - no secret


def campaign(work: Work, kills: int) -> dict[str, int]:
    """Kill so many times; after each, what is there is whole, and the next run cleans up and succeeds."""
    tally = {"kills": 0, "ended before": 0, "left something": 0, "had its final name": 0}
    work.run()
    assert work.look()
    work.clear()
    for kill in moments(work, kills):
        attempt = 0
        while not kill(attempt):
            attempt += 1
            assert work.look()  # it had ended
            work.clear()
        tally["kills"] += 1
        tally["ended before"] += attempt
        final = work.look()
        tally["had its final name"] += final
        tally["left something"] += bool(work.left())
        try:
            work.run()
        except PermanentError:
            assert final  # what is there is never written over
        assert work.look()
        assert work.left() == []
        work.clear()
    return tally


if __name__ == "__main__":
    kind, folder, number, payload = sys.argv[1:]
    makers = {"create": Create, "restore": Restore, "freeze": Freeze}
    print(json.dumps(campaign(makers[kind](Path(folder), int(payload)), int(number))))

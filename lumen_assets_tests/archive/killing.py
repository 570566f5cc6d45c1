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
from collections.abc import Callable
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


def killed_after(work: Work, seconds: float) -> bool:
    """Run, killed after so many seconds; whether it still ran then."""
    child = forked(work.run)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_before(work: Work, step: int) -> bool:
    """Run, killed just before this step; whether it came to that."""

    def run() -> None:
        count_steps(lambda seen: os.kill(os.getpid(), signal.SIGKILL) if seen == step else None)
        work.run()

    return os.WIFSIGNALED(os.waitpid(forked(run), 0)[1])


def campaign(work: Work, kills: int) -> dict[str, float | int]:
    """Kill so many times; after each, what is there is whole, and the next run cleans up and succeeds."""
    durations = []
    for _ in range(3):
        start = time.monotonic()
        os.waitpid(forked(work.run), 0)
        durations.append(time.monotonic() - start)
        assert work.look()
        work.clear()
    whole_run, steps = sorted(durations)[1], steps_of(work)
    by_time = kills // 2
    moments: list[Callable[[], bool]] = []
    for number in range(by_time):
        seconds = whole_run * (number + random.random()) / by_time  # noqa: S311 - no secret
        moments.append(lambda seconds=seconds: killed_after(work, seconds))  # type: ignore[misc]
    last = set(range(max(1, steps - 11), steps + 1))
    others = random.sample(range(1, steps + 1), min(steps, max(0, kills - by_time)))
    chosen = sorted([*last, *(step for step in others if step not in last)], reverse=True)[: kills - by_time]
    moments += [lambda step=step: killed_before(work, step) for step in chosen]  # type: ignore[misc]
    while len(moments) < kills:  # a run has fewer steps than that
        moments.append(lambda: killed_after(work, whole_run * random.random()))  # noqa: S311
    tally = {"kills": 0, "ended before": 0, "left something": 0, "had its final name": 0}
    for kill in moments:
        tally["kills" if kill() else "ended before"] += 1
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
    return {**tally, "steps": steps, "seconds": round(whole_run, 3)}


if __name__ == "__main__":
    kind, folder, number, payload = sys.argv[1:]
    makers = {"create": Create, "restore": Restore, "freeze": Freeze}
    print(json.dumps(campaign(makers[kind](Path(folder), int(payload)), int(number))))

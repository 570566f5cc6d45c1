"""The restore drill: one replica restored for real, from the destination's bytes alone, and every file compared."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from lumen_assets.archive import Keyring, content_digest_of
from lumen_assets.errors import IntegrityError, LumenError, PermanentError
from lumen_assets.replication.restore import restore_replica
from lumen_assets.replication.store import Store
from lumen_assets.verification.verify import read_manifest

Place = tuple[date, str]
"""A day and a destination."""

_PAYLOAD: Final = "data"  # the folder of a bag (RFC 8493) that holds the files


@dataclass(frozen=True)
class Drill:
    """What a drill came to.

    Attributes:
        day: the KST day.
        revision: which of the day.
        destination: where the bytes came from.
        at: when it began, in UTC.
        good: whether every file came back as it was frozen; None where that is unknown, since a destination or this
            machine could not be used.
        seconds: the restore and the comparison took.
        files: that were restored.
        bytes: of them.
        detail: what was found, for people.
    """

    day: date
    revision: int
    destination: str
    at: datetime
    good: bool | None
    seconds: float
    files: int
    bytes: int
    detail: str

    @property
    def mb_per_second(self) -> float:
        """Megabytes of restored files a second."""
        return self.bytes / 1e6 / self.seconds if self.seconds else 0.0


def choose(places: Collection[Place], drilled: Mapping[Place, datetime], generator: random.Random) -> Place:
    """One of those that were never drilled, at random; if there is none, of the quarter drilled longest ago.

    Args:
        places: at least one.
        drilled: when each was last drilled.
        generator: of randomness.
    """
    never = sorted(place for place in places if place not in drilled)
    if never:
        return generator.choice(never)
    oldest = sorted(places, key=lambda place: (drilled[place], place))
    return generator.choice(oldest[: -(-len(oldest) // 4)])


def run_drill(store: Store, day: date, revision: int, keyring: Keyring, scratch: Path) -> Drill:
    """Restore a day from a destination into a new folder under ``scratch``, compare, and remove it.

    Nothing local is used but the key: the manifest, too, is the destination's.

    Args:
        store: the destination.
        scratch: a folder that this drill has for itself; what is left in it of one that was killed is removed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    for left in scratch.iterdir():
        shutil.rmtree(left, ignore_errors=True)
    at, begun = datetime.now(UTC), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"{day}-r{revision}-", dir=scratch))
    good: bool | None
    files = size = 0
    try:
        manifest = read_manifest(store, day, revision, keyring)
        restored = restore_replica(store, manifest, keyring, folder / "bag")
        files, size = restored.files, restored.bytes
        _compare(folder / "bag" / _PAYLOAD, manifest.content.digest, f"{day} r{revision} from {store.name}")
    except LumenError as error:
        bad = isinstance(error, IntegrityError) or error.error_class in ("missing", "unknown-key")
        good, detail = False if bad else None, str(error)
    else:
        good = True
        detail = f"{files} files, {size:,} bytes, every one as it was frozen"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Drill(day, revision, store.name, at, good, time.monotonic() - begun, files, size, detail)


def _compare(payload: Path, content_digest: str, name: str) -> None:
    """Read every file back from the disk, by name; the digest is that of the list of all of them.

    Raises:
        IntegrityError: if a file is missing, extra or different.
    """
    files = {path.relative_to(payload).as_posix(): path for path in payload.rglob("*") if path.is_file()}
    found = content_digest_of(files)
    if found != content_digest:
        raise IntegrityError(
            action="compare",
            subject=name,
            cause=f"the files restored have the content digest {found}, the signed manifest says {content_digest}",
            error_class="digest",
        )


def nothing_to_drill(what: str) -> PermanentError:
    """The error where no replica can be drilled."""
    return PermanentError(
        action="drill",
        subject=what,
        cause="no replica of it is known to be there",
        error_class="missing",
        hint="`lumen verify` looks at every replica, `lumen daily` makes a day",
    )

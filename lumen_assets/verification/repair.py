"""A missing or bad replica put again from a good one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumen_assets.archive import Digests, Keyring, Manifest, archive_name, digest_file, revision_prefix
from lumen_assets.archive.freeze import MANIFEST_NAME
from lumen_assets.errors import IntegrityError, LumenError
from lumen_assets.replication.fetch import fetch_object
from lumen_assets.replication.store import Store
from lumen_assets.verification.verdicts import Finding, Level, Verdict, Verification
from lumen_assets.verification.verify import Identify, read_manifest, verify_replica


@dataclass(frozen=True)
class Repair:
    """What was done for one replica.

    Attributes:
        source: the name of the copy that it was put again from.
        set_aside: keys that hold what was there before; nothing is deleted.
        before: the verdict that made it necessary.
        after: the verdict on what is there now, at level bytes or the stronger one that it failed at.
    """

    source: str
    set_aside: tuple[str, ...]
    before: Verification
    after: Verification


@dataclass(frozen=True)
class RepairOutcome:
    """What became of one replica.

    Attributes:
        before: the verdict that it had.
        repair: what was done, where it was put again.
        problem: why it was not, where it should have been.
    """

    before: Verification
    repair: Repair | None = None
    problem: str = ""

    @property
    def now(self) -> Verification:
        """The newest verdict."""
        return self.repair.after if self.repair else self.before


def repair_replica(
    store: Store,
    before: Verification,
    sources: Sequence[Store],
    keyring: Keyring,
    scratch: Path,
    identify: Identify = lambda _sha256, _size: None,
    *,
    expected: Manifest | None = None,
    displace: bool = False,
) -> Repair:
    """Put a replica again from the first source that is good at the level at which the replica is not.

    Args:
        before: the verdict on the replica; anything but MATCH.
        sources: where good copies may be, the best first; ``store`` itself is passed over.
        scratch: a folder with room for one archive.
        expected: the manifest of the revision, where one is known: a source of other content is none.
        displace: put it again also where it is itself intact, but of another freezing of the same day.

    Raises:
        IntegrityError: with ``error_class="no-good-copy"`` if no source is good; with ``"conflict"`` if the replica is
            itself intact, but of another freezing of the same day.
        TransientError, PermanentError: if a destination could not be used.
    """
    day, revision = before.day, before.revision
    level = at_least_bytes(before.level)
    others = [source for source in sources if source.name != store.name]
    source, manifest = _good_source(before, level, others, keyring, expected)
    if before.finding is Finding.MANIFEST_DIFFERS and not displace:
        own = verify_replica(store, day, revision, level, keyring, identify=identify)
        if own.verdict is Verdict.MATCH:
            raise IntegrityError(
                action="repair",
                subject=f"{day} r{revision} at {store.name}",
                cause=f"it is intact, but frozen another time than the one at {source.name}",
                error_class="conflict",
                hint="two machines froze other content of the same day: see which one is right, then "
                f"`lumen repair {day} --keep NAME`",
            )
    set_aside: list[str] = []
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=scratch) as folder:
        copies = _fetched(source, manifest, Path(folder))
        after = before
        for _ in range(2):  # a manifest that is not good hides what the archive is
            set_aside += _put_again(store, copies, _known_bad(after))
            after = verify_replica(store, day, revision, level, keyring, expected=manifest, identify=identify)
            if after.verdict is not Verdict.MISMATCH:
                break
    return Repair(source.name, tuple(set_aside), before, after)


def at_least_bytes(level: Level) -> Level:
    """The level itself, or bytes where it is weaker: a repair goes by what was read."""
    return max(level, Level.BYTES, key=list(Level).index)


def _fetched(source: Store, manifest: Manifest, folder: Path) -> dict[str, Path]:
    """Copies of the archive and its manifest, by their keys."""
    prefix = revision_prefix(manifest.day, manifest.revision)
    archive = archive_name(manifest.day, manifest.revision)
    fetch_object(source, prefix + archive, folder / archive, manifest.archive.sha256)
    fetch_object(source, prefix + MANIFEST_NAME, folder / MANIFEST_NAME)
    return {prefix + name: folder / name for name in (archive, MANIFEST_NAME)}


def _put_again(store: Store, copies: Mapping[str, Path], known_bad: str | None) -> list[str]:
    """Put the objects that are missing or different; returns the keys of what was set aside for them."""
    set_aside: list[str] = []
    for key, local in copies.items():
        if key == known_bad and store.stat(key):
            # a provider's checksum may say that it is identical, but bytes were read that are not
            set_aside.append(store.set_aside(key))
        set_aside += _put(store, key, local, digest_file(local))
    return set_aside


def _good_source(
    before: Verification, level: Level, sources: Sequence[Store], keyring: Keyring, expected: Manifest | None
) -> tuple[Store, Manifest]:
    day, revision = before.day, before.revision
    found: list[str] = []
    for source in sources:
        try:
            verdict = verify_replica(source, day, revision, level, keyring, expected=expected)
            if verdict.verdict is Verdict.MATCH:
                return source, read_manifest(source, day, revision, keyring)
            found.append(f"{source.name}: {verdict.verdict}, {verdict.detail}")
        except LumenError as error:
            found.append(f"{source.name}: {error.cause}")
    raise IntegrityError(
        action="repair",
        subject=f"{day} r{revision} at {before.destination}",
        cause="no other copy of it is good: " + "; ".join(found),
        error_class="no-good-copy",
        hint=f"where the inputs still have the day, move archive/{day} under LUMEN_HOME away and run "
        f"`lumen daily --day {day}`: it makes the next revision; else what the damaged one still holds may be "
        "salvaged by hand (docs/format.md)",
    )


def _known_bad(before: Verification) -> str | None:
    """The key of the object whose bytes were read and found wrong."""
    prefix = revision_prefix(before.day, before.revision)
    if before.finding in (Finding.MANIFEST_REJECTED, Finding.MANIFEST_DIFFERS):
        return prefix + MANIFEST_NAME
    if before.bytes_read and before.verdict is Verdict.MISMATCH:
        return prefix + archive_name(before.day, before.revision)
    return None


def _put(store: Store, key: str, local: Path, digests: Digests) -> list[str]:
    """Put an object; what is in its place and different is set aside. Returns the keys set aside."""
    try:
        store.put(key, local, digests)
    except IntegrityError as error:
        if error.error_class != "conflict":
            raise
        aside = store.set_aside(key)
        store.put(key, local, digests)
        return [aside]
    return []

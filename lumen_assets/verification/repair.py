"""A missing or bad replica put again from a good one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
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
        after: the verdict at level bytes on what is there now.
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
) -> Repair:
    """Put a replica again from the first source that is good at level bytes.

    Args:
        before: the verdict on the replica; anything but MATCH.
        sources: where good copies may be, the best first; ``store`` itself is passed over.
        scratch: a folder with room for one archive.

    Raises:
        IntegrityError: with ``error_class="no-good-copy"`` if no source is good; with ``"conflict"`` if the replica is
            itself intact, but of another freezing of the same day.
        TransientError, PermanentError: if a destination could not be used.
    """
    day, revision = before.day, before.revision
    source, manifest = _good_source(store, day_revision=before, sources=sources, keyring=keyring)
    if before.finding is Finding.MANIFEST_DIFFERS:
        own = verify_replica(store, day, revision, Level.BYTES, keyring, identify=identify)
        if own.verdict is Verdict.MATCH:
            raise IntegrityError(
                action="repair",
                subject=f"{day} r{revision} at {store.name}",
                cause=f"it is intact, but frozen another time than the one at {source.name}",
                error_class="conflict",
                hint="two installations froze the same day with the same key; keep one of them",
            )
    prefix = revision_prefix(day, revision)
    set_aside: list[str] = []
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=scratch) as folder:
        for name in (archive_name(day, revision), MANIFEST_NAME):
            local = Path(folder) / name
            fetch_object(source, prefix + name, local, None if name == MANIFEST_NAME else manifest.archive.sha256)
            if name in _known_bad(
                before
            ):  # a provider's checksum may say that it is identical: bytes were read that are not
                set_aside += _moved_away(store, prefix + name)
            set_aside += _put(store, prefix + name, local, digest_file(local))
    after = verify_replica(store, day, revision, Level.BYTES, keyring, expected=manifest, identify=identify)
    return Repair(source.name, tuple(set_aside), before, after)


def _good_source(
    store: Store, *, day_revision: Verification, sources: Sequence[Store], keyring: Keyring
) -> tuple[Store, Manifest]:
    day, revision = day_revision.day, day_revision.revision
    found: list[str] = []
    for source in sources:
        if source.name == store.name:
            continue
        try:
            verdict = verify_replica(source, day, revision, Level.BYTES, keyring)
            if verdict.verdict is Verdict.MATCH:
                return source, read_manifest(source, day, revision, keyring)
            found.append(f"{source.name}: {verdict.verdict}, {verdict.detail}")
        except LumenError as error:
            found.append(f"{source.name}: {error.cause}")
    raise IntegrityError(
        action="repair",
        subject=f"{day} r{revision} at {store.name}",
        cause="no other copy of it is good: " + "; ".join(found),
        error_class="no-good-copy",
        hint="what the damaged one still holds may be salvaged by hand; docs/format.md says how",
    )


def _known_bad(before: Verification) -> Sequence[str]:
    """The objects whose bytes were read and found wrong."""
    if before.finding in (Finding.MANIFEST_REJECTED, Finding.MANIFEST_DIFFERS):
        return (MANIFEST_NAME,)
    if before.bytes_read and before.verdict is Verdict.MISMATCH:
        return (archive_name(before.day, before.revision),)
    return ()


def _moved_away(store: Store, key: str) -> list[str]:
    return [store.set_aside(key)] if store.stat(key) else []


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

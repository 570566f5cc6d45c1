"""From an installation to its plan, and from the plan to what is removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from lumen_assets.archive import REMOVAL_NAME, Keyring, Manifest, Removal, archive_name, revision_prefix
from lumen_assets.days import day_of
from lumen_assets.errors import LumenError, PermanentError
from lumen_assets.replication import Store
from lumen_assets.retention.policy import Decision, Place, Plan, Replica, Revision, plan
from lumen_assets.retention.removing import remove_archive, withdraw_if_stale
from lumen_assets.settings import Configuration, S3Destination, Settings
from lumen_assets.verification import Attestation, Finding, Level, Verdict, Verification
from lumen_assets.verification.known import Known

if TYPE_CHECKING:
    from lumen_assets.verification.ledger import VerdictLedger


class Installation(Protocol):
    """What retention works on: the part of ``Workspace`` that this package needs."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def keyring(self) -> Keyring:
        """The archive keys."""

    @property
    def stores(self) -> Mapping[str, Store]:
        """A store a destination, by name."""

    @property
    def remembering_stores(self) -> Mapping[str, Store]:
        """The same, asked no more once they could not be reached."""

    @property
    def ledger(self) -> VerdictLedger:
        """The verdicts so far."""

    def known(self) -> Known:
        """What every place that answers knows."""

    def verify_or_unreachable(self, destination: str, day: date, revision: int, level: Level) -> Verification:
        """The verdict on a replica, recorded."""

    def count(self, day: date, revision: int, newest: Mapping[str, Verification]) -> Attestation:
        """Verdicts counted against the policy."""

    def attest(self, day: date, revision: int) -> Attestation:
        """The verdicts that stand counted against the policy, recorded."""

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Held by one process at a time on this machine."""


@dataclass(frozen=True)
class Outlook:
    """What there is and what is to become of it.

    Attributes:
        plan: the decisions.
        manifests: an authentic manifest of each revision.
        recorded: replicas, by destination and revision, that are there beside a record that they were removed.
        silent: why a destination was not asked, or not fully.
    """

    plan: Plan
    manifests: Mapping[Revision, Manifest]
    recorded: frozenset[tuple[str, Revision]]
    silent: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What became of a replica that was to go: removed, or why not."""

    decision: Decision
    problem: str = ""


def look(installation: Installation, today: date | None = None) -> Outlook:
    """Look at every destination and decide; nothing is changed but the ledger, which hears of removals on record.

    Args:
        installation: the workspace.
        today: the KST day of the clock; tests give their own.
    """
    configuration = installation.settings.configuration
    try:
        known = installation.known()
    except PermanentError as error:
        if error.error_class != "missing":
            raise
        return Outlook(Plan(()), {}, frozenset(), {})
    listed, silent = _listed(installation, known)
    manifests = known.manifests
    recorded = frozenset(_recorded(listed, manifests))
    _hear_of_removals(installation, listed, manifests)
    standing = installation.ledger.standing(date.min, date.max)
    replicas: dict[Revision, dict[str, Replica]] = {}
    for revision in manifests:
        counted = installation.count(*revision, standing.get(revision, {})).verdicts
        replicas[revision] = {
            name: Replica(counted[name], sizes.get(_archive_key(revision))) for name, sizes in listed.items()
        }
    decided = plan(
        replicas,
        _places(configuration, silent),
        required=configuration.policy.required_replicas,
        today=today or day_of(datetime.now(UTC)),
        start_date=configuration.start_date,
        holds=configuration.retention.hold,
        newest_within_days=configuration.retention.newest_within_days,
        without_rows={day for day, _ in manifests} - {day for (day, _), found in manifests.items() if _has_rows(found)},
    )
    return Outlook(decided, manifests, recorded, silent)


def carry_out(installation: Installation, outlook: Outlook, destinations: Collection[str] = ()) -> Iterator[Outcome]:
    """Remove what the plan lets go, everywhere or at these destinations, one after the other.

    Each is proven once more to have a good copy elsewhere before it goes. What could not be removed stops no other.
    """
    chosen = [item for item in outlook.plan.decisions if not destinations or item.destination in destinations]
    with installation.locked("retention"):
        for name, revision in outlook.recorded - {(i.destination, (i.day, i.revision)) for i in outlook.plan.removals}:
            withdraw_if_stale(installation.stores[name], outlook.manifests[revision], installation.keyring)
        touched: dict[date, int] = {}
        not_done = set(outlook.silent)
        for decision in chosen:
            if decision.kept:
                continue
            problem = _removed(installation, decision, outlook.manifests[decision.day, decision.revision])
            touched[decision.day] = max(number for day, number in outlook.manifests if day == decision.day)
            not_done |= {decision.destination} if problem else set()
            yield Outcome(decision, problem)
        for day, revision_number in touched.items():
            installation.attest(day, revision_number)
        if not outlook.plan.stopped:
            for name in {*(destinations or installation.stores)} - not_done:
                installation.ledger.note_retention(name, datetime.now(UTC))


def _removed(installation: Installation, decision: Decision, manifest: Manifest) -> str:
    """Remove one archive; returns why not."""
    removal = Removal(
        day=decision.day,
        revision=decision.revision,
        destination=decision.destination,
        archive_sha256=manifest.archive.sha256,
        reason=decision.outlived,
        removed_at=datetime.now(UTC).replace(microsecond=0),
        stays=decision.stays,
    )
    store = installation.stores[decision.destination]
    scratch = installation.settings.home / "retention"
    try:
        remove_archive(store, manifest, removal, installation.keyring, scratch, _proof(installation, decision))
    except LumenError as error:
        return str(error)
    gone = installation.verify_or_unreachable(decision.destination, decision.day, decision.revision, Level.DIGEST)
    return "" if gone.verdict is Verdict.REMOVED else f"it was removed, but now it is {gone.verdict}: {gone.detail}"


def _proof(installation: Installation, decision: Decision) -> Callable[[], bool]:
    """Whether a copy that is to stay is good now, and nobody is about to remove that one."""

    def is_good(name: str) -> bool:
        record = revision_prefix(decision.day, decision.revision) + REMOVAL_NAME
        try:
            if installation.stores[name].stat(record) is not None:
                return False
        except LumenError:
            return False
        for level in (Level.DIGEST, Level.BYTES):
            found = installation.verify_or_unreachable(name, decision.day, decision.revision, level)
            if found.finding is not Finding.NO_CHECKSUM:
                return found.verdict is Verdict.MATCH
        return False

    return lambda: any(is_good(name) for name in decision.stays)


def _listed(installation: Installation, known: Known) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """Sizes by key by destination; and why a destination did not answer."""
    names = installation.remembering_stores
    silent = {name: why for name, why in known.silent.items() if name in names}
    listed: dict[str, dict[str, int]] = {}
    for name, store in names.items():
        try:
            listed[name] = {stored.key: stored.size for stored in store.list()}
        except LumenError as error:
            silent[name] = str(error)
    return listed, silent


def _hear_of_removals(
    installation: Installation, listed: Mapping[str, Mapping[str, int]], manifests: Mapping[Revision, Manifest]
) -> None:
    """Verify what has a record and no archive where the ledger does not know: after a crash, or on another machine."""
    standing = installation.ledger.standing(date.min, date.max)
    for name, sizes in listed.items():
        for revision in manifests:
            verdict = standing.get(revision, {}).get(name)
            if (
                _record_key(revision) in sizes
                and _archive_key(revision) not in sizes
                and (verdict is None or verdict.verdict is not Verdict.REMOVED)
            ):
                installation.verify_or_unreachable(name, *revision, Level.DIGEST)


def _recorded(
    listed: Mapping[str, Mapping[str, int]], manifests: Mapping[Revision, Manifest]
) -> Iterator[tuple[str, Revision]]:
    for name, sizes in listed.items():
        for revision in manifests:
            if _record_key(revision) in sizes and _archive_key(revision) in sizes:
                yield name, revision


def _places(configuration: Configuration, silent: Mapping[str, str]) -> dict[str, Place]:
    """Other machines before folders of this one: the copy that stays should outlive it."""
    destinations = sorted(configuration.destinations.items(), key=lambda item: item[1].type == "local")
    return {
        name: Place(
            keep=configuration.retention.at(destination.retention),
            locked_days=destination.lock.days if isinstance(destination, S3Destination) and destination.lock else 0,
            silent=silent.get(name, ""),
        )
        for name, destination in destinations
    }


def _has_rows(manifest: Manifest) -> bool:
    """Whether anything of the telemetry belongs to the day."""
    return any(part.role == "telemetry" and part.end > part.start for part in manifest.provenance.inputs)


def _archive_key(revision: Revision) -> str:
    return revision_prefix(*revision) + archive_name(*revision)


def _record_key(revision: Revision) -> str:
    return revision_prefix(*revision) + REMOVAL_NAME

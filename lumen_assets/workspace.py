"""Settings turned into the objects that do the work: what assets and commands share.

Everything is opened when it is first asked for, so that loading definitions touches no key, disk or network.
"""

from __future__ import annotations

import fcntl
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

from lumen_assets import archive, replication
from lumen_assets.alerting.clean import Cleaner
from lumen_assets.alerting.events import event_id
from lumen_assets.archive import FrozenDay, Keyring, Manifest, Removal
from lumen_assets.archive.layout import revisions_named
from lumen_assets.archive.snapshot import frozen_report
from lumen_assets.day_inputs import DayInputs
from lumen_assets.day_pictures import DayPictures
from lumen_assets.days import day_of, days_between, yesterday
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.replication import Store
from lumen_assets.replication.catalog import revisions_held
from lumen_assets.replication.fetch import fetch_revision
from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.remembering import RememberingStore
from lumen_assets.replication.retrying import RetryingStore
from lumen_assets.replication.withholding import WithholdingStore
from lumen_assets.report.model import PastDay
from lumen_assets.report.numbers import DayNumbers, history_kept
from lumen_assets.settings import Settings
from lumen_assets.telemetry.model import InputSlice
from lumen_assets.verification import (
    Attestation,
    Drill,
    Level,
    Repair,
    RepairOutcome,
    Unpacked,
    Verdict,
    Verification,
    attest,
    read_manifest,
    read_removal,
    repair_replica,
    unreachable,
    verify_replica,
)
from lumen_assets.verification.drill import Place, choose, nothing_to_drill, run_drill
from lumen_assets.verification.history import broken_history
from lumen_assets.verification.known import Known, displaced_manifests, key_fits, look_around
from lumen_assets.verification.repair import at_least_bytes
from lumen_assets.verification.sampling import due_for_reading

if TYPE_CHECKING:
    import sqlalchemy as sa

    from lumen_assets.alerting.messages import Channel
    from lumen_assets.alerting.outbox import Outbox
    from lumen_assets.distribution import Delivery, DeliveryLedger
    from lumen_assets.late_data import FrozenInputs
    from lumen_assets.report.numbers_ledger import NumbersLedger
    from lumen_assets.verification.ledger import VerdictLedger

_log = logging.getLogger(__name__)

_NUMBERS: Final = "day-numbers/numbers.sqlite"
_VERDICTS: Final = "verification/verdicts.sqlite"


class Workspace:
    """The folders, keys, stores and ledger of one installation.

    Args:
        settings: as ``load_settings`` returned them.
        stores: a store a destination, by name; default: those that the settings describe.
    """

    def __init__(self, settings: Settings, stores: Mapping[str, Store] | None = None) -> None:
        self.settings = settings
        self._given_stores = stores
        self._manifests: dict[tuple[date, int], Manifest] = {}
        self._unpacked: Unpacked = {}
        self._outboxes: dict[sa.URL, Outbox] = {}
        self._cleaner = Cleaner(())
        self.inputs = DayInputs(settings, self.locked, self._newest_report)
        self.pictures = DayPictures(settings, self.newest_known, lambda: self.keyring)
        self._key_fits = False

    @property
    def key_file(self) -> Path:
        """Where the key that was made on first run lies."""
        return self.settings.home / "keys" / "archive.key"

    @cached_property
    def keyring(self) -> Keyring:
        """The archive keys: ``LUMEN_ARCHIVE_KEY``, else the key made on first run. None is ever made here.

        Raises:
            PermanentError: if there is no key, or it is unusable.
        """
        given = self.settings.archive_key
        if given is not None:
            return archive.parse_keyring(given.get_secret_value())
        if not self.key_file.exists():
            raise PermanentError(
                action="read",
                subject="the archive key",
                cause=f"LUMEN_ARCHIVE_KEY is not set and there is no {self.key_file}",
                error_class="configuration",
                hint="set it to the key that the archives were made with, or put your copy of that file back; "
                "where there are none yet, `lumen daily` makes one",
            )
        return archive.load_or_create_key_file(self.key_file, may_create=False)

    def ensure_key(self) -> None:
        """Make the first key of an installation that has none and has frozen nothing, and say so loudly.

        Raises:
            PermanentError: if there is no key while archives exist, here or at a destination, that need it; or if the
                key made none of those that exist.
        """
        if self.settings.archive_key is not None or self.key_file.exists() or self.anything_frozen():
            self.require_fitting_key()
            return
        keyring = archive.load_or_create_key_file(self.key_file, may_create=True)
        _log.warning(
            "made a new archive key, id %s, at %s: without it no archive can ever be read. "
            "Keep a copy somewhere else, now.",
            keyring.primary.id,
            self.key_file,
        )

    def require_fitting_key(self) -> None:
        """Refuse a key that made nothing of what exists: another one did, and archives would be doubled under this one.

        Raises:
            PermanentError: if there are archives, here or at a destination that answers, and none is of our keys.
        """
        keyring, foreign = self.keyring, []
        if self._key_fits:
            return
        for place in (self.archive_store, *self.remembering_stores.values()):
            with suppress(LumenError):
                fits = key_fits(place, keyring)
                if fits:
                    self._key_fits = True
                    return
                if fits is False:
                    foreign.append(place.name)
        if foreign:
            raise PermanentError(
                action="use",
                subject=f"the archive key {keyring.primary.id}",
                cause=f"it made none of the archives that exist, at {', '.join(foreign)}",
                error_class="configuration",
                hint="set LUMEN_ARCHIVE_KEY to the key that they were made with (to go on with another one, put it in "
                "front of it, with a comma), or give this installation destinations of its own",
            )

    def anything_frozen(self) -> bool:
        """Whether any archive exists here or at a destination that answers."""
        for store in (self.archive_store, *self.remembering_stores.values()):
            with suppress(LumenError):
                if revisions_held(store):
                    return True
        return False

    @cached_property
    def stores(self) -> Mapping[str, Store]:
        """A store a destination, by name, in the settings' order."""
        stores = self._given_stores or replication.open_stores(self.settings)
        if self.settings.configuration.dry_run:
            return {name: WithholdingStore(store) for name, store in stores.items()}
        return stores

    def trying_once(self) -> Workspace:
        """The same installation, whose destinations are asked once and not again: for a look that may not wait.

        Raises:
            LumenError: if a store cannot be opened.
        """
        stores = self.stores.items()
        return Workspace(self.settings, {name: _once(store) for name, store in stores})

    @cached_property
    def remembering_stores(self) -> Mapping[str, Store]:
        """The same, but asked no more once they could not be reached: for whatever asks about many days.

        The steps that put and verify use ``stores``, so that their retry, some time later, asks again.
        """
        return {name: RememberingStore(store) for name, store in self.stores.items()}

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        """The ways to people that are configured, by name."""
        from lumen_assets.alerting.channels import open_channels  # with the mail and web clients
        from lumen_assets.alerting.withholding import WithholdingChannel

        channels = open_channels(self.settings)
        if self.settings.configuration.dry_run:
            return {name: WithholdingChannel(channel) for name, channel in channels.items()}
        return channels

    def ping(self, day: date, signal: Literal["start", "success", "fail"]) -> None:
        """Tell the dead man's switch how the day's run goes, where one is configured; never raises.

        Only of yesterday: that an older day is made again says nothing of today.
        """
        url = self.settings.dead_man_url
        if url is not None and day == yesterday() and not self.settings.configuration.dry_run:
            from lumen_assets.alerting import dead_man  # with a web client

            dead_man.ping(url.get_secret_value(), signal, event_id("dead man's switch", day))

    def outbox(self, url: sa.URL | None = None) -> Outbox:
        """The outbox of the alerts: at ``url``, or where the rest is kept that this installation remembers.

        A dry run has one of its own, a file wherever the other is: what waits for people must not count as sent.
        """
        import sqlalchemy as sa  # 0.2 s, and most processes alert nobody

        from lumen_assets.alerting.channels import AT_ONCE
        from lumen_assets.alerting.outbox import Outbox

        dry_run = self.settings.configuration.dry_run
        place = self.settings.home / "alerts" / "dry-run.sqlite" if dry_run else self._state("alerts/outbox.sqlite")
        file = sa.URL.create("sqlite", database=str(place)) if isinstance(place, Path) else place
        where = file if dry_run else url or file
        if where not in self._outboxes:
            self._outboxes[where] = Outbox(
                where,
                alerts=self.settings.configuration.alerts,
                channels=list(self.channels),
                at_once=AT_ONCE,
                cleaner=self._cleaner,
            )
        self._cleaner.learn(secret.get_secret_value() for secret in self.settings.secrets)
        return self._outboxes[where]

    @cached_property
    def archive_store(self) -> Store:
        """The local archive, read like a destination: it has the same layout."""
        return LocalStore("archive", self.settings.archive_folder, create=True)

    @cached_property
    def ledger(self) -> VerdictLedger:
        """The verdicts so far."""
        from lumen_assets.verification.ledger import VerdictLedger  # SQLAlchemy

        return VerdictLedger(self._state(_VERDICTS))

    @cached_property
    def deliveries(self) -> DeliveryLedger:
        """What became of reports on their way to people and folders."""
        from lumen_assets.distribution import DeliveryLedger  # SQLAlchemy

        return DeliveryLedger(self._state("distribution/deliveries.sqlite"))

    def distribute(self, day: date, *, mails: bool, again: bool) -> Sequence[Delivery]:
        """Give the report of the day's newest revision to all who are to have it; see ``distribution.distribute``.

        Raises:
            LumenError: of the archive or the ledger.
        """
        from lumen_assets.distribution import distribute  # with a mail client

        settings, scratch = self.settings, self.settings.home / "distribution"
        stores = self.stores if settings.configuration.distribution.folder else {}
        frozen, ledger = self.frozen_day(day), self.deliveries
        return distribute(frozen, self.keyring, settings, stores, ledger, scratch, mails=mails, again=again)

    def _state(self, file: str) -> Path | sa.URL:
        """Where something is remembered: a file under ``LUMEN_HOME``, or ``LUMEN_STATE_URL`` for several machines."""
        url = self.settings.state_url
        if url is None:
            return self.settings.home / file
        from lumen_assets.state import postgres_url  # SQLAlchemy

        return postgres_url(url.get_secret_value())

    def _has_recorded(self, file: str) -> bool:
        """False only where nothing can have been: then no ledger is opened, for which SQLAlchemy is loaded."""
        return self.settings.state_url is not None or (self.settings.home / file).exists()

    def require_day(self, day: date) -> None:
        """Refuse a day that has no partition.

        Raises:
            PermanentError: if it is not over in KST yet, or before ``start_date``.
        """
        first, last = self.settings.configuration.start_date, yesterday()
        if not first <= day <= last:
            cause = f"it is before start_date, {first}" if day < first else "it is not over yet in KST"
            raise PermanentError(
                action="work on",
                subject=str(day),
                cause=cause,
                error_class="configuration",
                hint=f"choose a day from {first} to {last}",
            )

    def working_on(self, day: date) -> AbstractContextManager[None]:
        """Held while the day's slice is cut, read or removed: two runs of one day at once wait for each other."""
        return self.locked(day.isoformat())

    def frozen_day(self, day: date) -> FrozenDay:
        """The newest revision of the day, brought here from a destination where this machine has none or an older one.

        Raises:
            PermanentError: if the day is frozen neither here nor at a destination that answered.
        """
        if not self.has_newest(day):
            self.bring_newest(day)
        frozen = archive.newest(self.settings.archive_folder, day, self.keyring)
        if frozen is None:
            raise PermanentError(
                action="use",
                subject=f"the archive of {day}",
                cause=f"there is none under {self.settings.archive_folder}, nor at a destination that answered",
                error_class="missing",
                hint=f"`lumen daily --day {day}` makes it",
            )
        return frozen

    def newest_known(self, day: date) -> FrozenDay | None:
        """The newest revision of the day, as ``frozen_day``; None where nothing here knows of one: no place is asked.

        Raises:
            LumenError: if what lies here cannot be used.
        """
        here = revisions_named(self.settings.archive_folder, day)
        if not here and not self._has_recorded(_VERDICTS):
            return None
        if not here and not self.ledger.proven(day) and day not in self.ledger.seen():
            return None
        if not self.has_newest(day):
            self.bring_newest(day)
        return archive.newest(self.settings.archive_folder, day, self.keyring)

    def has_newest(self, day: date) -> bool:
        """Whether the day is frozen here, and no other machine is known to have frozen a newer revision."""
        frozen = archive.newest(self.settings.archive_folder, day, self.keyring)
        newest = self.ledger.proven(day).get(day)
        return frozen is not None and (newest is None or frozen.manifest.revision >= newest[0])

    def newest_revision(self, day: date) -> int:
        """The number of the newest revision of the day; nothing is fetched for it where it is known.

        Raises:
            PermanentError: as ``frozen_day``.
        """
        here = archive.newest(self.settings.archive_folder, day, self.keyring)
        known = [revision for revision, _ in self.ledger.proven(day).values()]
        known += [here.manifest.revision] if here else []
        return max(known) if known else self.frozen_day(day).manifest.revision

    def bring_newest(self, day: date) -> int:
        """Bring the newest revision of a day that this machine does not have from a destination into the archive.

        Returns the newest revision that is known: of which any destination has an authentic manifest, or which was
        found good before; 0 if none. A copy that is not good, or a destination that does not answer, is passed over
        with a warning: freezing goes on without it.
        """
        known = look_around(self.remembering_stores.values(), self.keyring, days=(day,))
        for name, why in known.silent.items():
            _log.warning("%s was not asked for %s: %s", name, day, why)
        for item in known.refused:
            _log.warning("%s", item)
        newest = max((number for _, number in known.manifests), default=0)
        for name, items in known.held.items():
            if not any(item.manifest.revision == newest for item in items):
                continue
            try:
                fetch_revision(self.remembering_stores[name], day, newest, self.settings.archive_folder, self.keyring)
            except LumenError as error:
                _log.warning("%s r%d was not brought from %s: %s", day, newest, name, error)
            else:
                break
        return max([newest, *(revision for revision, _ in self.ledger.proven(day).values())])

    def parents_elsewhere(self) -> Sequence[str] | None:
        """What the next manifest names as its parents where the index of this machine's archive cannot tell; else None.

        With several machines none has the index of the others: there a manifest counts when a destination was noted to
        have it, as that of a machine that was lost before, or that came second, is nowhere to be found later.
        A machine that has frozen nothing, as a CI runner is anew every day, reads what the destinations hold. One that
        does not answer is passed over with a warning.
        """
        if self.settings.state_url is not None:
            return self.ledger.heads()
        if archive.read_index(self.settings.archive_folder):
            return None
        return archive.heads(archive.IndexEntry.of(manifest) for manifest in self._history_elsewhere.values())

    def take_over(self) -> bool:
        """Let an installation that froze nothing and never looked around, as on a new machine, know what there is.

        By their lists alone: a look at every manifest follows with the job `rolling_verification`. Until it was called
        all days count as missing there, and would be made again.

        Returns:
            False if it knows nothing still, as no destination answered.
        """
        if archive.read_index(self.settings.archive_folder) or self.ledger.seen():
            return True
        seen: dict[date, int] = {}
        silent = 0
        for store in self.remembering_stores.values():
            try:
                held = revisions_held(store)
            except LumenError as error:
                _log.warning("%s was not asked which days there are: %s", store.name, error)
                silent += 1
            else:
                for day, revisions in held.items():
                    seen[day] = max(seen.get(day, 0), *revisions)
        if seen:
            self.ledger.note_seen(seen)
        return not silent or silent < len(self.remembering_stores)

    @cached_property
    def _history_elsewhere(self) -> Mapping[tuple[date, int], Manifest]:
        """A manifest of every revision that the destinations hold, each read once; who is silent is passed over."""
        held: dict[tuple[date, int], Manifest] = {}
        for store in self.remembering_stores.values():
            known = look_around((store,), self.keyring, except_for=held.keys())
            held |= known.manifests
            for name, why in known.silent.items():
                _log.warning("%s was not asked which days there are: %s", name, why)
        return held

    def note_replica(self, frozen: FrozenDay) -> None:
        """The manifest of a frozen day is at a destination now."""
        self._note_manifests({frozen.manifest_digest: frozen.manifest.parents})

    def _note_manifests(self, parents: Mapping[str, Sequence[str]]) -> None:
        if self.settings.state_url is not None:
            self.ledger.note_manifests(parents)

    def _without_lost(self, known: Known) -> Known:
        """Without what was frozen here and no destination took: another machine may have made that revision instead."""
        if self.settings.state_url is None:
            return known
        held_somewhere = self.ledger.manifests()
        here = [item for item in known.held.get(self.archive_store.name, ()) if item.digest in held_somewhere]
        return replace(known, held={**known.held, self.archive_store.name: here})

    def has_another_freezing(self, destination: str, manifest: Manifest) -> bool | None:
        """Whether what a destination has in place of an archive is another one of the same content; None: no manifest.

        So it is where two machines froze a day at once: either is right. One that should be ours and is not is damaged.

        Raises:
            LumenError: if the manifest there is not authentic, or the destination could not be used.
        """
        try:
            held = read_manifest(self.stores[destination], manifest.day, manifest.revision, self.keyring)
        except PermanentError as error:
            if error.error_class != "missing":
                raise
            return None
        another = held.archive.sha256 != manifest.archive.sha256
        return another and held.content.digest == manifest.content.digest

    def _newest_report(self, day: date) -> str | None:
        """The report, its JSON, in the newest revision of a day, here or brought here, whoever made it."""
        if self.settings.archive_key is None and not self.key_file.exists():
            return None
        if not self._has_recorded(_VERDICTS) and not archive.read_index(self.settings.archive_folder):
            return None  # no day is known, and ``take_over`` looked for some
        if not self.has_newest(day):
            self.bring_newest(day)
        frozen = archive.newest(self.settings.archive_folder, day, self.keyring)
        return None if frozen is None else frozen_report(frozen, self.keyring)

    @cached_property
    def frozen_inputs(self) -> FrozenInputs:
        """What each day that was frozen was frozen from."""
        from lumen_assets.late_data import FrozenInputs  # SQLAlchemy

        return FrozenInputs(self._state("archive-inputs/inputs.sqlite"))

    @cached_property
    def numbers(self) -> NumbersLedger:
        """The numbers of each day that was frozen."""
        from lumen_assets.report.numbers_ledger import NumbersLedger  # SQLAlchemy

        return NumbersLedger(self._state(_NUMBERS))

    def frozen_numbers(self, first: date, last: date) -> dict[date, DayNumbers]:
        """The numbers of the days from ``first`` to ``last`` that were frozen, as far as is known here."""
        recorded = self.numbers.between(first, last) if self._has_recorded(_NUMBERS) else ()
        return {found.day: found for found in recorded}

    def history(self, day: date, inputs: Sequence[InputSlice]) -> tuple[PastDay, ...]:
        """The days that the report of a day is compared with: those it was frozen with, else those frozen by now."""
        kept = self.frozen_history(day, inputs)
        if kept is not None:
            return kept
        return self.numbers.history(day) if self._has_recorded(_NUMBERS) else ()

    def frozen_history(self, day: date, inputs: Sequence[InputSlice]) -> tuple[PastDay, ...] | None:
        """The days that the report in the newest revision here was compared with; None as ``history_kept`` says.

        None too if that revision cannot be read, with a warning: freezing and verification deal with it.
        """
        if not (self.settings.archive_folder / day.isoformat()).exists():
            return None
        try:
            frozen = archive.newest(self.settings.archive_folder, day, self.keyring)
            return history_kept(frozen_report(frozen, self.keyring), inputs) if frozen else None
        except LumenError as error:
            _log.warning("what %s was compared with when it was frozen is not known: %s", day, error)
            return None

    def drillable(self, day: date | None = None) -> dict[Place, int]:
        """The newest revision of every replica that should be there, of one day or of all, by day and destination.

        What the ledger says is MATCH; where it says nothing, or of a day that is asked for, what the destinations hold.
        """
        if day is None:
            newest = self.ledger.newest(self.settings.configuration.start_date, yesterday())
            places = {
                (of_day, name): found.revision
                for of_day, replicas in newest.items()
                for name, found in replicas.items()
                if found.verdict is Verdict.MATCH and name in self.stores
            }
            if places:
                return places
        known = self.known(() if day is None else (day,))
        return {
            (item.manifest.day, name): item.manifest.revision
            for name in self.stores
            for item in known.held.get(name, ())
            if item.manifest.revision == known.newest[item.manifest.day]
            and self._standing(name, item.manifest.day, item.manifest.revision) is not Verdict.REMOVED
        }

    def _standing(self, destination: str, day: date, revision: int) -> Verdict | None:
        found = self.ledger.standing(day, day).get((day, revision), {}).get(destination)
        return found.verdict if found else None

    def drill(self, day: date | None = None, destination: str | None = None) -> Drill:
        """Restore one replica for real and compare every file; recorded in the ledger. See ``verification.drill``.

        Args:
            day: the KST day; None: one that was not drilled yet, or longest ago. A try that failed is no drill.
            destination: where from; None: the same.

        Raises:
            PermanentError: if no such replica is known to be there.
        """
        places = {place: revision for place, revision in self.drillable(day).items() if destination in (None, place[1])}
        if not places:
            raise nothing_to_drill(" at ".join(str(part) for part in (day or "any day", destination) if part))
        drilled = {(found.day, found.destination): found.at for found in self.ledger.drills() if found.good is not None}
        chosen = choose(places, drilled, random.SystemRandom())
        with self.locked("drill"):
            store = self.stores[chosen[1]]
            found = run_drill(store, chosen[0], places[chosen], self.keyring, self.settings.home / "drills")
        self.ledger.record_drill(found)
        if found.good is False:
            self.verify_or_unreachable(chosen[1], found.day, found.revision, Level.MEMBERS)  # the verdict to repair by
        return found

    def look_for_late_data(self, again_after: timedelta = timedelta(0)) -> int:
        """Compare inputs with what was frozen of them, see ``late_data``; returns how many days were looked at.

        Args:
            again_after: a day that was looked at more lately than that is left out.
        """
        from lumen_assets.late_data import days_to_look_at, inputs_of  # SQLAlchemy

        now = datetime.now(UTC)
        within = timedelta(days=self.settings.configuration.verify.full_read_days)
        known = [item for item in self.frozen_inputs.known() if now - item.looked_at >= again_after]
        days = days_to_look_at(known, day_of(now), within)
        for day in days:
            self.frozen_inputs.look(day, inputs_of(self.inputs.describe(day)), now)
        return len(days)

    def known(self, days: Sequence[date] = ()) -> Known:
        """What the local archive, its index and every destination that answers know of ``days``, or of every day.

        Raises:
            TransientError: if a day that was asked for was not found while a place did not answer.
            PermanentError: if it is nowhere, or there is none at all.
        """
        known = look_around(
            (self.archive_store, *self.remembering_stores.values()),
            self.keyring,
            remembered=((entry.day, entry.revision) for entry in archive.read_index(self.settings.archive_folder)),
            days=days,
            between=(self.settings.configuration.start_date, yesterday()),
        )
        known = self._without_lost(known)
        self._manifests |= known.manifests
        if not days:
            self.ledger.note_seen(known.newest)
            at_destinations = [item for name in self.stores for item in known.held.get(name, ())]
            self._note_manifests({item.digest: item.manifest.parents for item in at_destinations})
        absent = [str(day) for day in days if day not in known.newest]
        if absent or not known.newest:
            subject = ", ".join(absent) or "any day"
            if known.silent:
                raise TransientError(
                    action="find an archive of",
                    subject=subject,
                    cause=f"no place that answered has one, and {' and '.join(known.silent)} did not answer",
                    error_class="unreachable",
                    hint="; ".join(known.silent.values()),
                )
            raise PermanentError(
                action="find an archive of",
                subject=subject,
                cause="neither this machine nor any destination has one",
                error_class="missing",
                hint="`lumen daily --day DAY` makes it where the inputs still have the day",
            )
        return known

    def frozen_revisions(self) -> dict[date, tuple[int, datetime]]:
        """The newest revision by day that was frozen here, or found good anywhere, and when that was."""
        newest = self.ledger.proven()
        for day, revision in archive.newest_revisions(self.settings.archive_folder).items():
            if revision >= newest.get(day, (0,))[0]:
                newest[day] = revision, _last_changed(self.settings.archive_folder / day.isoformat())
        return newest

    def existing_days(self) -> set[date]:
        """The days that are frozen, by what is known here, without asking any destination.

        That is the index of this machine's own archive, verdicts and attestations, and what the last look at all places
        found, which the job `rolling_verification` takes every day.
        """
        days = {entry.day for entry in archive.read_index(self.settings.archive_folder)}
        attestations = self.ledger.newest_attestations(date.min, date.max)
        days |= {day for day, attested in attestations.items() if attested.good}
        return days | self.ledger.proven().keys() | self.ledger.seen().keys()

    def good_days(self, first: date, last: date) -> set[date]:
        """The days in the range whose newest revision is attested within the policy, by what is known here."""
        met = {day: found for day, found in self.ledger.newest_attestations(first, last).items() if found.met}
        if not met:
            return set()
        frozen = self.frozen_revisions()
        return {day for day, found in met.items() if (found.revision or 0) >= (frozen[day][0] if day in frozen else 0)}

    def ask_again(self) -> None:
        """Forget which destinations could not be reached: for a process that goes on to another day."""
        vars(self).pop("remembering_stores", None)

    def broken_history(self, known: Known) -> list[str]:
        """What the manifests of every day show to be removed or rewritten, for people."""
        gaps = broken_history(known.held)
        if gaps:  # rarely: then what a repair displaced is looked for too
            places = (self.archive_store, *self.remembering_stores.values())
            gaps = broken_history(known.held, displaced_manifests(places, self.keyring))
        return [gap.what for gap in gaps]

    def _expected(self, day: date, revision: int) -> Manifest | None:
        """The authentic manifest of a revision, from the local archive or any destination; it never changes."""
        if (day, revision) not in self._manifests:
            found = self._without_lost(look_around((self.archive_store,), self.keyring, days=(day,))).manifests
            if (day, revision) not in found:
                found |= look_around(self.remembering_stores.values(), self.keyring, days=(day,)).manifests
            self._manifests |= found
        return self._manifests.get((day, revision))

    def verify(self, destination: str, day: date, revision: int, level: Level) -> Verification:
        """The verdict on a replica, recorded in the ledger.

        Raises:
            TransientError, PermanentError: if there is none; that it is unknown is recorded, so that no earlier MATCH
                stands.
        """
        return self._verified(self.stores[destination], day, revision, level)

    def verify_or_unreachable(self, destination: str, day: date, revision: int, level: Level) -> Verification:
        """The same, where a destination that gives no answer is a verdict too: UNVERIFIABLE, with the reason.

        A destination that could not be reached is not asked again.
        """
        try:
            return self._verified(self.remembering_stores[destination], day, revision, level)
        except LumenError as error:
            return unreachable(destination, day, revision, level, error)

    def _verified(self, store: Store, day: date, revision: int, level: Level) -> Verification:
        try:
            found = verify_replica(
                store,
                day,
                revision,
                level,
                self.keyring,
                expected=self._expected(day, revision),
                identify=self.identify_archive,
                unpacked=self._unpacked,
            )
        except LumenError as error:
            self.ledger.record(unreachable(store.name, day, revision, level, error))
            raise
        self.ledger.record(found)
        return found

    def removed_from(self, destination: str, manifest: Manifest) -> Removal | None:
        """The record that retention removed an archive from a destination; None if it is there, or lost.

        Raises:
            TransientError, PermanentError: if the destination, or the key of the record, could not be used.
        """
        store = self.stores[destination]
        key = archive.revision_prefix(manifest.day, manifest.revision)
        if store.stat(key + archive.archive_name(manifest.day, manifest.revision)) is not None:
            return None
        with suppress(IntegrityError):
            return read_removal(store, manifest, self.keyring)
        return None

    def note_failed_put(self, destination: str, manifest: Manifest, error: LumenError) -> None:
        """Record what a failed put says of the replica: what else is in its place, or that it is unknown."""
        if isinstance(error, IntegrityError):
            self.verify_or_unreachable(destination, manifest.day, manifest.revision, Level.BYTES)
        else:
            self.ledger.record(unreachable(destination, manifest.day, manifest.revision, Level.DIGEST, error))

    def verify_due(self, destination: str) -> list[Verification]:
        """Read in full the replicas at a destination whose turn it is, so that none waits longer than the settings say.

        Every revision that is known anywhere should be there. Each verdict is recorded as it is made, and the days are
        attested again.

        Raises:
            TransientError: if the destination could not be reached.
        """
        setting = self.settings.configuration.verify
        known = self.known()
        read = self.ledger.last_read(destination)
        due = due_for_reading(
            {replica: read.get(replica) for replica in known.revisions}, datetime.now(UTC), setting.full_read_days
        )
        level = max(Level(setting.new_day_level), Level.BYTES, key=list(Level).index)
        found: list[Verification] = []
        for day, revision in due:
            try:
                found.append(self.verify(destination, day, revision, level))
            except PermanentError as error:  # of this replica alone, or else every one says it
                found.append(unreachable(destination, day, revision, level, error))
        for day in sorted({day for day, _ in due}):
            self.attest(day, known.newest[day])
        return found

    def repair(self, before: Verification) -> Repair:
        """Put a replica again from the local archive or a destination that is good; the new verdict is recorded.

        Raises:
            LumenError: as ``repair_replica``.
        """
        repair = repair_replica(
            self.remembering_stores[before.destination],
            before,
            [self.archive_store, *self.remembering_stores.values()],
            self.keyring,
            self.settings.home / "repair",
            self.identify_archive,
            expected=self._expected(before.day, before.revision),
        )
        self.ledger.record(repair.after)
        return repair

    def repair_day(self, day: date, destinations: Sequence[str] = ()) -> list[RepairOutcome]:
        """Read the replicas of every revision of a day back, everywhere or there, and put again what is not good."""
        known = self.known((day,))
        outcomes = [
            self.repaired(self.look_closely(name, day, revision))
            for _, revision in known.revisions
            for name in destinations or self.stores
        ]
        self.attest(day, known.newest[day])
        return outcomes

    def look_closely(self, destination: str, day: date, revision: int) -> Verification:
        """The verdict on a replica at level bytes, or at the stronger level at which it was found wrong."""
        standing = self.ledger.standing(day, day).get((day, revision), {}).get(destination)
        bad = standing is not None and standing.verdict is Verdict.MISMATCH
        level = at_least_bytes(standing.level) if standing is not None and bad else Level.BYTES
        return self.verify_or_unreachable(destination, day, revision, level)

    def keep(self, destination: str, day: date, revision: int) -> list[RepairOutcome]:
        """Make what one destination holds of a revision that of every other, and of the local archive.

        For a day that two machines froze with other content under one number. What gives way is set aside.

        Raises:
            LumenError: if what is to be kept is not good itself.
        """
        kept = verify_replica(self.remembering_stores[destination], day, revision, Level.MEMBERS, self.keyring)
        if kept.verdict is not Verdict.MATCH:
            raise IntegrityError(
                action="keep",
                subject=f"{day} r{revision} of {destination}",
                cause=f"it is not good itself: {kept.detail}",
                error_class="no-good-copy",
            )
        source = self.remembering_stores[destination]
        manifest = self._manifests[day, revision] = read_manifest(source, day, revision, self.keyring)
        outcomes = []
        for store in (self.archive_store, *self.remembering_stores.values()):
            before = verify_replica(store, day, revision, Level.BYTES, self.keyring, expected=manifest)
            absent_here = store is self.archive_store and before.verdict is Verdict.MISSING
            if before.verdict.accepted or absent_here:
                outcomes.append(RepairOutcome(before))
                continue
            scratch = self.settings.home / "repair"
            done = repair_replica(store, before, [source], self.keyring, scratch, displace=True)
            outcomes.append(RepairOutcome(before, done))
        for outcome in outcomes[1:]:
            self.ledger.record(outcome.now)
        self.attest(day, self.known((day,)).newest[day])
        return outcomes

    def repaired(self, before: Verification) -> RepairOutcome:
        """Repair a replica if its verdict asks for it; what hinders that is the outcome's problem."""
        if before.verdict.accepted:
            return RepairOutcome(before)
        if before.verdict is Verdict.UNVERIFIABLE:
            return RepairOutcome(before, problem=before.detail)
        try:
            if key_fits(self.remembering_stores[before.destination], self.keyring) is False:
                where = f"everything at {before.destination} was made with another key"
                return RepairOutcome(before, problem=f"{where}: is LUMEN_ARCHIVE_KEY the right one?")
            done = self.repair(before)
        except LumenError as error:
            return RepairOutcome(before, problem=str(error))
        problem = "" if done.after.verdict is Verdict.MATCH else f"put again, but it is {done.after.detail}"
        return RepairOutcome(before, done, problem)

    def attest(self, day: date, revision: int) -> Attestation:
        """The verdicts that stand on a day counted against the policy, recorded in the ledger."""
        attestation = self.count(day, revision, self.ledger.newest(day, day).get(day, {}))
        self.ledger.record_attestation(attestation, datetime.now(UTC))
        return attestation

    def attest_if_known(self, day: date, revision: int) -> Attestation | None:
        """The same where there is a verdict that counts on every destination; else None, and nothing is recorded."""
        counted = self.count(day, revision, self.ledger.newest(day, day).get(day, {}))
        return None if None in counted.verdicts.values() else self.attest(day, revision)

    def count(self, day: date, revision: int, newest: Mapping[str, Verification]) -> Attestation:
        """Verdicts, by destination, counted against the policy."""
        configuration = self.settings.configuration
        return attest(
            day,
            revision,
            newest,
            destinations=list(configuration.destinations),
            required=configuration.policy.required_replicas,
            level=min(Level(configuration.verify.new_day_level), Level.BYTES, key=list(Level).index),
        )

    def newest_manifests(self, first: date, last: date) -> tuple[dict[date, Manifest], dict[str, str]]:
        """The manifest of the newest revision of each day in the range, from wherever it can be read.

        The local archive is read first, then the destinations for days that it lacks, as on a fresh machine.

        Returns:
            The manifests by day; and why a place that was asked did not answer, by its name: then a day that was not
            found may exist all the same.
        """
        found: dict[date, Manifest] = {}
        silent: dict[str, str] = {}
        for place in (self.archive_store, *self.remembering_stores.values()):
            lacking = [day for day in days_between(first, last) if day not in found]
            if not lacking:
                break
            known = look_around((place,), self.keyring, days=lacking)
            found |= {day: manifest for (day, _), manifest in sorted(known.manifests.items(), key=lambda item: item[0])}
            silent |= known.silent
            for why in known.refused:
                _log.warning("passed over: %s", why)
        return found, silent

    def identify_archive(self, sha256: str, size: int) -> str | None:
        """The day and revision of an archive that is known here or at a destination, by its SHA-256 and size."""
        for entry in archive.read_index(self.settings.archive_folder):
            if entry.archive_sha256 == sha256:
                return f"{entry.day} r{entry.revision}"
        for store in self.remembering_stores.values():
            with suppress(LumenError):
                for stored in store.list():
                    named = archive.parse_archive_key(stored.key) if stored.size == size else None
                    if named is None:
                        continue
                    day, revision = named
                    with suppress(LumenError):
                        if read_manifest(store, day, revision, self.keyring).archive.sha256 == sha256:
                            return f"{day} r{revision}"
        return None

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Held by one process at a time on this machine."""
        with self._lock_file(name) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def locked_if_free(self, name: str) -> Iterator[bool]:
        """The same without waiting: whether it is held by us now. A process that dies lets go of what it held."""
        with self._lock_file(name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _lock_file(self, name: str) -> TextIO:
        folder = self.settings.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("w")


def _last_changed(folder: Path) -> datetime:
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except FileNotFoundError:  # it was frozen here once
        return datetime.min.replace(tzinfo=UTC)


def _once(store: Store) -> Store:
    return store.once if isinstance(store, RetryingStore | WithholdingStore) else store

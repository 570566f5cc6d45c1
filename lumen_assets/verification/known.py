"""Which revisions there are, by the authentic manifests of every place, and never by a name alone.

Whoever can write to a destination can make a name there; only somebody with the key makes a manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from lumen_assets.archive import Keyring, Manifest
from lumen_assets.errors import LumenError, TransientError
from lumen_assets.replication.catalog import manifests_set_aside, revisions_held
from lumen_assets.replication.store import Store
from lumen_assets.verification.history import Held, Revision
from lumen_assets.verification.verify import read_held, read_held_at

_FEW: Final = 3
"""Up to so many days are listed one by one; for more, one listing of everything costs less."""


@dataclass(frozen=True)
class Refused:
    """A manifest that was not believed: where it lies, the revision that its name claims, and why not.

    Attributes:
        unknown_key: whether it names a key that we do not have; it may be genuine.
    """

    place: str
    revision: Revision
    why: str
    unknown_key: bool = False

    def __str__(self) -> str:
        day, number = self.revision
        return f"{self.place} has a manifest for {day} r{number} that is not to be believed: {self.why}"


@dataclass(frozen=True)
class Known:
    """What a look around found.

    Attributes:
        held: the authentic manifests, by the name of the place.
        remembered: revisions that this machine froze at some time, whatever has become of them.
        refused: manifests that are not authentic or cannot be read with our keys.
        silent: why a place, or some of it, was not asked, by its name.
        between: the first and the last day that can be.
    """

    held: Mapping[str, Sequence[Held]]
    remembered: frozenset[Revision]
    refused: Sequence[Refused]
    silent: Mapping[str, str]
    between: tuple[date, date] = (date.min, date.max)

    @property
    def manifests(self) -> dict[Revision, Manifest]:
        """An authentic manifest of each revision: that of the first place, in the order asked."""
        found: dict[Revision, Manifest] = {}
        for items in self.held.values():
            for item in items:
                found.setdefault((item.manifest.day, item.manifest.revision), item.manifest)
        return found

    @property
    def revisions(self) -> list[Revision]:
        """Every revision there is, sorted.

        A day of which nothing at all can be believed has what its names claim, so that verifying it says why; but not a
        day that cannot be.
        """
        believed = {*self.manifests, *self.remembered}
        days = {day for day, _ in believed}
        first, last = self.between
        claimed = {item.revision for item in self.refused if first <= item.revision[0] <= last}
        return sorted(believed | {(day, number) for day, number in claimed if day not in days})

    @property
    def newest(self) -> dict[date, int]:
        """The newest revision of each day, in order of day."""
        return dict(self.revisions)  # sorted, so the highest of a day comes last

    @property
    def planted(self) -> list[Refused]:
        """What claims to be a revision that does not exist. Other refused ones show when their replica is verified."""
        there = set(self.revisions)
        return [item for item in self.refused if item.revision not in there]


def look_around(
    places: Iterable[Store],
    keyring: Keyring,
    *,
    remembered: Iterable[Revision] = (),
    days: Sequence[date] = (),
    except_for: Collection[Revision] = (),
    between: tuple[date, date] = (date.min, date.max),
) -> Known:
    """Read every manifest that these places hold, of the given days or of all.

    Args:
        places: the local archive and destinations, the most trusted first.
        keyring: the keys that make a manifest authentic.
        remembered: see ``Known``.
        days: only of these; none: of all.
        except_for: revisions whose manifests are not read.
        between: see ``Known``.
    """
    held: dict[str, list[Held]] = {}
    refused: list[Refused] = []
    silent: dict[str, str] = {}
    for place in places:
        try:
            each = [revisions_held(place, day) for day in days] if 0 < len(days) <= _FEW else [revisions_held(place)]
        except LumenError as error:
            silent[place.name] = str(error)
            continue
        found = held.setdefault(place.name, [])
        listed = {(day, number) for part in each for day, numbers in part.items() for number in numbers}
        listed -= {*except_for}
        for day, number in sorted(revision for revision in listed if not days or revision[0] in days):
            try:
                found.append(read_held(place, day, number, keyring))
            except TransientError as error:  # what could not be read may well be authentic
                silent[place.name] = str(error)
            except LumenError as error:
                unknown_key = error.error_class == "unknown-key"
                why = f"it names {error.subject}; {error.cause}" if unknown_key else error.cause
                refused.append(Refused(place.name, (day, number), why, unknown_key))
    wanted = frozenset(revision for revision in remembered if not days or revision[0] in days)
    return Known(held, wanted, refused, silent, between)


def displaced_manifests(places: Iterable[Store], keyring: Keyring) -> list[Held]:
    """The authentic manifests that gave way to another one and are kept aside, at the places that answer."""
    found = []
    for place in places:
        with suppress(LumenError):
            for key, (day, number) in manifests_set_aside(place).items():
                with suppress(LumenError):
                    found.append(read_held_at(place, key, day, number, keyring))
    return found


def key_fits(place: Store, keyring: Keyring) -> bool | None:
    """Whether one of our keys made anything that a place holds; None if it holds nothing made with any key.

    Newest first, up to the first manifest that is authentic: where the key is right, one is read.

    Raises:
        LumenError: if the place does not answer.
    """
    foreign = False
    held = revisions_held(place)
    for day, number in sorted(((day, n) for day, numbers in held.items() for n in numbers), reverse=True):
        try:
            read_held(place, day, number, keyring)
        except TransientError:
            raise
        except LumenError as error:
            foreign = foreign or error.error_class == "unknown-key"
        else:
            return True
    return False if foreign else None

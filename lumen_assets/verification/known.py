"""Which revisions there are, by the authentic manifests of every place, and never by a name alone.

Whoever can write to a destination can make a name there; only somebody with the key makes a manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from lumen_assets.archive import Keyring, Manifest
from lumen_assets.errors import LumenError
from lumen_assets.replication.catalog import revisions_held
from lumen_assets.replication.store import Store
from lumen_assets.verification.history import Held, Revision
from lumen_assets.verification.verify import read_held

_FEW: Final = 3
"""Up to so many days are listed one by one; for more, one listing of everything costs less."""


@dataclass(frozen=True)
class Refused:
    """A manifest that was not believed: where it lies, the revision that its name claims, and why not."""

    place: str
    revision: Revision
    why: str

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
        silent: why a place was not asked, by its name.
    """

    held: Mapping[str, Sequence[Held]]
    remembered: frozenset[Revision]
    refused: Sequence[Refused]
    silent: Mapping[str, str]

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

        A day of which nothing at all can be believed has what its names claim, so that verifying it says why.
        """
        believed = {*self.manifests, *self.remembered}
        days = {day for day, _ in believed}
        return sorted(believed | {item.revision for item in self.refused if item.revision[0] not in days})

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
    places: Iterable[Store], keyring: Keyring, *, remembered: Iterable[Revision] = (), days: Sequence[date] = ()
) -> Known:
    """Read every manifest that these places hold, of the given days or of all.

    Args:
        places: the local archive and destinations, the most trusted first.
        remembered: see ``Known``.
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
        for day, number in sorted(revision for revision in listed if not days or revision[0] in days):
            try:
                found.append(read_held(place, day, number, keyring))
            except LumenError as error:
                refused.append(Refused(place.name, (day, number), error.cause))
    wanted = frozenset(revision for revision in remembered if not days or revision[0] in days)
    return Known(held, wanted, refused, silent)

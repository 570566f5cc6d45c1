"""The manifests of every day form a history, as commits do: what it names and nobody has, was removed or rewritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lumen_assets.archive import Manifest

Revision = tuple[date, int]


@dataclass(frozen=True)
class Held:
    """A manifest that is held somewhere: its content and the digest that later ones name it by."""

    manifest: Manifest
    digest: str


@dataclass(frozen=True)
class Gap:
    """Something that the history shows to be wrong.

    Attributes:
        what: for people, with the days concerned.
        named_by: the day and revision whose manifest shows it.
    """

    what: str
    named_by: Revision


def broken_history(held: Mapping[str, Sequence[Held]]) -> list[Gap]:
    """What is missing from, or rewritten in, the history of all authentic manifests that are held anywhere.

    Args:
        held: manifests by where they are held.

    A parent that nobody holds was removed everywhere. Two authentic manifests of one revision mean that it was frozen
    twice, by two installations with the same key or by somebody who has the key. What no later manifest names, the
    newest ones of all, can only be missed by comparing places with each other or with what is known elsewhere.
    """
    known = {item.digest: item.manifest for items in held.values() for item in items}
    gaps: list[Gap] = []
    for _, manifest in sorted(known.items(), key=lambda pair: (pair[1].day, pair[1].revision)):
        named_by = (manifest.day, manifest.revision)
        gaps += [
            Gap(
                f"a manifest with SHA-256 {parent}, made before {manifest.day} r{manifest.revision}, is nowhere",
                named_by,
            )
            for parent in manifest.parents
            if parent not in known
        ]
    digests: dict[Revision, set[str]] = {}
    for digest, manifest in known.items():
        digests.setdefault((manifest.day, manifest.revision), set()).add(digest)
    gaps += [
        Gap(f"there are {len(found)} different manifests of {revision[0]} r{revision[1]}", revision)
        for revision, found in sorted(digests.items())
        if len(found) > 1
    ]
    return gaps

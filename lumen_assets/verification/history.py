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


def broken_history(held: Mapping[str, Sequence[Held]], displaced: Sequence[Held] = ()) -> list[Gap]:
    """What is missing from, or rewritten in, the history of all authentic manifests that are held anywhere.

    Args:
        held: manifests by where they are held.
        displaced: manifests that gave way to another one of their revision and are kept aside: a later one may name
            them. One whose revision is held no more was removed, wherever it lies now.

    A parent that nobody holds was removed everywhere. Two authentic manifests of one revision that name other content
    mean that it was frozen twice, by two installations with the same key or by somebody who has the key; where they
    name the same content, two machines froze it while neither saw the other's, and either is right. What no later
    manifest names, the newest ones of all, can only be missed by comparing places with each other or with what is known
    elsewhere.
    """
    known = {item.digest: item.manifest for items in held.values() for item in items}
    revisions = {(manifest.day, manifest.revision) for manifest in known.values()}
    nameable = {
        *known,
        *(item.digest for item in displaced if (item.manifest.day, item.manifest.revision) in revisions),
    }
    gaps: list[Gap] = []
    for _, manifest in sorted(known.items(), key=lambda pair: (pair[1].day, pair[1].revision)):
        named_by = (manifest.day, manifest.revision)
        gaps += [
            Gap(
                f"a manifest with SHA-256 {parent}, made before {manifest.day} r{manifest.revision}, is nowhere",
                named_by,
            )
            for parent in manifest.parents
            if parent not in nameable
        ]
    contents: dict[Revision, set[str]] = {}
    for manifest in known.values():
        contents.setdefault((manifest.day, manifest.revision), set()).add(manifest.content.digest)
    gaps += [
        Gap(f"there are {len(found)} different contents of {revision[0]} r{revision[1]}", revision)
        for revision, found in sorted(contents.items())
        if len(found) > 1
    ]
    return gaps

"""Which days and revisions a destination holds, from its listing alone."""

from __future__ import annotations

from datetime import date

from lumen_assets.archive import parse_manifest_key
from lumen_assets.replication.store import ASIDE, Store


def revisions_held(store: Store, day: date | None = None) -> dict[date, set[int]]:
    """The revisions with a manifest at a destination, by day; of one day only where ``day`` is given.

    Raises:
        LumenError: as ``Store.list``.
    """
    held: dict[date, set[int]] = {}
    for stored in store.list(f"{day.isoformat()}/" if day else ""):
        parsed = parse_manifest_key(stored.key)
        if parsed:
            held.setdefault(parsed[0], set()).add(parsed[1])
    return held


def manifests_set_aside(store: Store) -> dict[str, tuple[date, int]]:
    """The manifests that gave way to another one and are kept: day and revision by key.

    Raises:
        LumenError: as ``Store.list``.
    """
    keys = [stored.key for stored in store.list() if ASIDE in stored.key]
    parsed = {key: parse_manifest_key(key.partition(ASIDE)[0]) for key in keys}
    return {key: revision for key, revision in parsed.items() if revision is not None}

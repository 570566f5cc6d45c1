"""Which days and revisions a destination holds, from its listing alone."""

from __future__ import annotations

from datetime import date

from lumen_assets.archive import parse_manifest_key
from lumen_assets.replication.store import Store


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

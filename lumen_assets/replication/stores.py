"""From the destinations in the settings to their stores."""

from __future__ import annotations

from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.store import Store
from lumen_assets.settings import Settings


def open_stores(settings: Settings) -> dict[str, Store]:
    """A store a configured destination, by name, in the settings' order. Nothing is connected yet."""
    stores: dict[str, Store] = {}
    for name, destination in settings.configuration.destinations.items():
        stores[name] = LocalStore(name, settings.destination_path(name), create=not destination.path.is_absolute())
    return stores

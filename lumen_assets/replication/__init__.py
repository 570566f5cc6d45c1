"""Archives to destinations and back: one interface, one file a kind of destination."""

from lumen_assets.replication.replicate import ReplicaReceipt, replicate
from lumen_assets.replication.store import Receipt, Store, StoredObject
from lumen_assets.replication.stores import open_stores

__all__ = ["Receipt", "ReplicaReceipt", "Store", "StoredObject", "open_stores", "replicate"]

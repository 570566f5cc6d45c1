"""What Dagster asks its storage for at every step and check, by statements that are made once.

Dagster builds each query anew, which takes longer than to run it, and asks some for nothing. The answers are its own:
anything but the usual case, such as an asset that somebody wiped, is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import dagster as dg
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.migration import ASSET_KEY_INDEX_COLS
from dagster._core.storage.event_log.schema import AssetEventTagsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster_shared.serdes import deserialize_value
from sqlalchemy import bindparam, func, or_, select

_ASSET: Final = AssetKeyTable.c
_EVENT: Final = SqlEventLogStorageTable.c
_TAG: Final = AssetEventTagsTable.c

_OF_A_PARTITION: Final = (
    _EVENT.asset_key == bindparam("key"),
    _EVENT.dagster_event_type == bindparam("type"),
    _EVENT.partition == bindparam("partition"),
)
_NEWEST_EVENT: Final = select(_EVENT.id, _EVENT.event).where(*_OF_A_PARTITION).order_by(_EVENT.id.desc()).limit(1)
_NEWEST_TAGS: Final = select(_TAG.key, _TAG.value).where(
    _TAG.event_id == select(func.max(_EVENT.id)).where(*_OF_A_PARTITION).scalar_subquery(),
    _TAG.key.in_(bindparam("tags", expanding=True)),
)
_ASSETS: Final = (
    select(
        _ASSET.id,
        _ASSET.asset_key,
        _ASSET.last_materialization,
        _ASSET.last_run_id,
        _ASSET.asset_details,
        _ASSET.cached_status_data,
    )
    .where(
        _ASSET.asset_key.in_(bindparam("keys", expanding=True)),
        or_(_ASSET.wipe_timestamp.is_(None), _ASSET.last_materialization_timestamp > _ASSET.wipe_timestamp),
    )
    .order_by(_ASSET.asset_key)
)
_WIPED: Final = select(_ASSET.asset_details).where(_ASSET.asset_key == bindparam("key"))


class QuickLookups(SqliteEventLogStorage):
    """Dagster's SQLite storage of events, on a database that has all of its columns and indexes."""

    def _fetch_asset_rows(self, asset_keys: Sequence[dg.AssetKey] | None = None, **other: Any) -> Sequence[Any]:
        has_all = self.has_secondary_index(ASSET_KEY_INDEX_COLS) and self.can_read_asset_status_cache()
        if not asset_keys or other or not has_all:
            return super()._fetch_asset_rows(asset_keys, **other)
        with self.index_connection() as connection:
            keys = [key.to_string() for key in asset_keys]
            return connection.execute(_ASSETS, {"keys": keys}).mappings().all()

    def _get_latest_materialization_records(
        self, raw_asset_rows: Sequence[Any]
    ) -> Mapping[dg.AssetKey, dg.EventLogRecord | None]:
        """Dagster asks the table of events, too, though each row has its record."""
        found: dict[dg.AssetKey, dg.EventLogRecord | None] = {}
        for row in raw_asset_rows:
            key = dg.AssetKey.from_db_string(row["asset_key"])
            record = _read(row["last_materialization"]) if row["last_materialization"] else None
            if key is None or row["asset_details"] or not isinstance(record, dg.EventLogRecord):
                return super()._get_latest_materialization_records(raw_asset_rows)
            found[key] = record
        return found

    def get_latest_tags_by_partition(
        self,
        asset_key: dg.AssetKey,
        event_type: DagsterEventType,
        tag_keys: Sequence[str],
        asset_partitions: Sequence[str] | None = None,
        before_cursor: int | None = None,
        after_cursor: int | None = None,
    ) -> Mapping[str, Mapping[str, str]]:
        """Asked for each input of a step."""
        known = tag_keys and len(self.get_asset_tags_to_index(set(tag_keys))) == len(tag_keys)
        usual = known and before_cursor is after_cursor is None
        if usual and asset_partitions and len(asset_partitions) == 1 and not self._was_wiped(asset_key):
            (partition,) = asset_partitions
            sought = _of_a_partition(asset_key, event_type, partition)
            with self.index_connection() as connection:
                found = connection.execute(_NEWEST_TAGS, {**sought, "tags": tag_keys}).all()
            return {partition: {tag.key: tag.value for tag in found}} if found else {}
        return super().get_latest_tags_by_partition(
            asset_key, event_type, tag_keys, asset_partitions, before_cursor, after_cursor
        )

    def _get_event_records(
        self, event_records_filter: dg.EventRecordsFilter, limit: int | None = None, ascending: bool = False
    ) -> Sequence[dg.EventLogRecord]:
        """What is asked for each check: the newest event of its asset's partition."""
        kind, key, partitions, *others = event_records_filter
        usual = limit == 1 and not ascending and all(other is None for other in others)
        if usual and key and partitions and len(partitions) == 1 and not self._was_wiped(key):
            with self.index_connection() as connection:
                found = connection.execute(_NEWEST_EVENT, _of_a_partition(key, kind, partitions[0])).all()
            with suppress(ValueError):  # it is damaged
                return [dg.EventLogRecord(storage_id=number, event_log_entry=_read(text)) for number, text in found]
        return super()._get_event_records(event_records_filter, limit, ascending)

    def _was_wiped(self, key: dg.AssetKey) -> bool:
        with self.index_connection() as connection:
            return bool(connection.execute(_WIPED, {"key": key.to_string()}).scalar())


def _of_a_partition(key: dg.AssetKey, kind: DagsterEventType, partition: str) -> dict[str, Any]:
    return {"key": key.to_string(), "type": kind.value, "partition": partition}


@lru_cache(maxsize=64)
def _read(text: str) -> Any:
    """An event; several steps of a run ask for the same one, and nobody changes it."""
    return deserialize_value(text)

"""Dagster's SQLite storage, whose connections stay open.

Dagster opens its databases anew for every event of a run, and makes the database of each run by way of its migrations.
The files are the same; the daemon and the UI read them as ever.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Final

import dagster as dg
import yaml
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster_shared.serdes import deserialize_value
from sqlalchemy import Connection, Engine, bindparam, create_engine, event, inspect, text

from lumen_assets.defs.lookups import QuickLookups
from lumen_assets.durable import new_file

_TO_ALL: Final = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
"""What the database of all runs has, too."""

_INSERT: Final = SqlEventLogStorageTable.insert()  # to make it anew with its values takes thrice as long as to run it
_UPDATE_ASSET: Final = AssetKeyTable.update().where(AssetKeyTable.c.asset_key == bindparam("key"))

_REMEMBERED: Final = 1000
"""Runs: every second the daemon asks for all that are queued, a whole backfill's; making them of JSON takes longest."""

_STAY_OPEN: Final = 5
"""Databases of events that stay open: the one of all runs, and those of the newest runs."""


def open_instance_in(folder: Path) -> dg.DagsterInstance:
    """The instance whose ``dagster.yaml`` is in ``folder``, wherever ``DAGSTER_HOME`` is."""
    storage = (yaml.safe_load((folder / "dagster.yaml").read_text("utf-8")) or {}).get("storage", {})
    overrides: Any = {}
    if storage.get("custom", {}).get("module") == __name__:
        overrides["storage"] = {"custom": {**storage["custom"], "config": {"base_dir": str(folder)}}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


class KeptOpen(DagsterSqliteStorage):
    """Dagster's SQLite storage in ``base_dir``, for one process that is not forked."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]  # its own opens what is opened here
        self.base_dir, self._inst_data = base_dir, inst_data
        history = Path(base_dir) / "history"
        self._run_storage = _runs_in(history)
        self._event_log_storage = _Events(str(history / "runs"))
        self._schedule_storage = _schedules_in(Path(base_dir) / "schedules")

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> KeptOpen:
        """What ``dagster.yaml`` would configure."""
        return cls.from_local(inst_data=inst_data, **config_value)


def _engine(address: str) -> Engine:
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, max_overflow=-1)
    event.listen(engine, "connect", _without_waiting_for_the_disk)
    return engine


def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    """What is committed survives the process; a run whose end a power cut took counts as killed."""
    connection.execute("PRAGMA synchronous = NORMAL")


class _Runs(SqliteRunStorage):
    @cached_property
    def _engine(self) -> Engine:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def _row_to_run(self, row: Any) -> dg.DagsterRun:
        return _run(row["run_body"]).with_status(dg.DagsterRunStatus(row["status"]))

    def dispose(self) -> None:
        self._engine.dispose()


@lru_cache(_REMEMBERED)
def _run(body: str) -> dg.DagsterRun:
    return deserialize_value(body, dg.DagsterRun)


def _runs_in(folder: Path) -> SqliteRunStorage:
    storage = _Runs(_address(folder, "runs"))
    if _has_all(storage, "runs", "instance_info"):
        return storage
    storage.dispose()
    return _Runs.from_local(str(folder))


def _schedules_in(folder: Path) -> SqliteScheduleStorage:
    """Dagster's own: an instance that is disposed of leaves it open."""
    storage = SqliteScheduleStorage(_address(folder, "schedules"))
    return storage if _has_all(storage, "job_ticks") else SqliteScheduleStorage.from_local(str(folder))


def _address(folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return create_db_conn_string(str(folder), name)


def _has_all(storage: SqliteRunStorage | SqliteScheduleStorage, *tables: str) -> bool:
    """Whether the database has its revision and these tables, and so need not be made.

    Dagster asks for the newest revision besides, only to see that there is one, and reads all migrations for that: at
    every sensor's tick and every run's start, it took longer than all else of opening an instance.
    """
    with storage.connect() as connection:
        if not {"alembic_version", *tables} <= {*inspect(connection).get_table_names()}:
            return False
        return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None


class _Events(QuickLookups):
    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._connections: OrderedDict[str, Connection] = OrderedDict()
        self._there: set[str] = set()
        self._one_at_a_time = RLock()  # Dagster's cannot be taken again by the thread that has it
        super().__init__(base_dir, inst_data)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """All that is stored of an event in the database of all runs is stored in one transaction."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Those of one run, in one transaction."""
        with self.index_connection() as of_all, self.run_connection(events[0].run_id) as of_its_run:
            for each in events:
                row = self._event_to_row(each)
                of_its_run.execute(_INSERT, row)
                if each.dagster_event_type in _TO_ALL:
                    self._relate(each, of_all.execute(_INSERT, row).lastrowid)

    def _relate(self, event: dg.EventLogEntry, event_id: int) -> None:
        if event.dagster_event_type in ASSET_EVENTS:
            self.store_asset_event_tags([event], [event_id])
            self.store_asset_event(event, event_id)
        elif event.dagster_event_type in ASSET_CHECK_EVENTS:
            self.store_asset_check_event(event, event_id)

    def store_asset_event(self, event: dg.EventLogEntry, event_id: int) -> None:
        """As Dagster's own, which first tries to insert the row of an asset, and that is nearly always there."""
        asset_key = event.get_dagster_event().asset_key
        values = self._get_asset_entry_values(event, event_id, has_asset_key_index_cols=True)
        with self.index_connection() as connection:
            if asset_key and values:
                key = asset_key.to_string()
                if not connection.execute(_UPDATE_ASSET, {"key": key, **values}).rowcount:
                    connection.execute(AssetKeyTable.insert(), {"asset_key": key, **values})

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._one_at_a_time:
            connection = self._connection_to(shard)
            with nullcontext() if connection.in_transaction() else connection.begin():
                yield connection

    def _connection_to(self, shard: str) -> Connection:
        if shard not in self._connections:
            self._connections[shard] = self._opened(shard).connect()
        self._connections.move_to_end(shard)
        while len(self._connections) > _STAY_OPEN:
            self._close(self._connections.popitem(last=False)[1])
        return self._connections[shard]

    def _close(self, connection: Connection) -> None:
        connection.close()
        connection.engine.dispose()

    def _opened(self, shard: str) -> Engine:
        path = Path(self.path_for_shard(shard))
        if not path.exists():
            with suppress(FileExistsError):  # the UI asked for the run at the same moment, which makes it
                with new_file(path) as file:
                    file.write(self._empty)
                self._initialized_dbs.add(shard)
        engine = _engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            if not inspect(engine).has_table("alembic_version"):  # reading all migrations takes longer than all else
                self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def has_table(self, table_name: str) -> bool:
        """Asked before every asset's event is stored, as the next two are; what is there stays."""
        return self._is_there(table_name, lambda: super(_Events, self).has_table(table_name))

    def has_secondary_index(self, name: str) -> bool:
        return self._is_there(f"index {name}", lambda: super(_Events, self).has_secondary_index(name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        there = super()._has_asset_key_col_on_connection
        return self._is_there(f"column {column_name}", lambda: there(conn, column_name))

    def _is_there(self, what: str, look: Callable[[], bool]) -> bool:
        if what not in self._there and look():
            self._there.add(what)
        return what in self._there

    @cached_property
    def _empty(self) -> bytes:
        """The database of a run without events."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "empty.db"
            engine = _engine(f"sqlite:///{path}")
            self._initdb(engine)
            engine.dispose()  # which writes all of it into the file
            return path.read_bytes()

    def dispose(self) -> None:
        with self._one_at_a_time:
            while self._connections:
                self._close(self._connections.popitem()[1])
        super().dispose()

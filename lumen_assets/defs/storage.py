"""Dagster's SQLite storage, whose connections stay open.

Dagster opens its databases anew for every event of a run, and makes the database of each run by way of its migrations.
The files are the same; the daemon and the UI read them as ever.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import Connection, Engine, create_engine, event, inspect

from lumen_assets.durable import new_file

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
        super().__init__(base_dir, inst_data)
        history = Path(base_dir) / "history"
        self._run_storage = _Runs.from_local(str(history))
        self._event_log_storage = _Events(str(history / "runs"))

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

    def dispose(self) -> None:
        self._engine.dispose()


class _Events(SqliteEventLogStorage):
    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine_of(shard).begin() as connection:
            yield connection

    def _engine_of(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._engines[shard] = self._opened(shard)
        self._engines.move_to_end(shard)
        while len(self._engines) > _STAY_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

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
        """Asked before every asset's event is stored; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

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
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

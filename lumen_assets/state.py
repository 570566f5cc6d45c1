"""Where an installation keeps what it remembers: SQLite files under ``LUMEN_HOME``, or a Postgres that machines share.

It is a record, not a source of truth: archives and manifests at the destinations are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lumen_assets.errors import LumenError, PermanentError, TransientError

_WAIT: Final = 30
"""Seconds that a writer of a SQLite file waits for another one; a transaction of ours takes milliseconds."""

_LOCK: Final = 0x6C756D65  # "lume": the advisory lock in Postgres under which tables are made

_pool: type[sa.Pool] = sa.NullPool


def keep_connections() -> None:
    """Have every database that this process opens from now on keep its connections: it must never be forked.

    Most of a small transaction is to open the file, and to write the log beside it back when it is closed. That waits
    for the end of the process now: until then, whoever copies a file takes its ``-wal`` along.
    """
    global _pool  # noqa: PLW0603 - of the process, as what forks is
    _pool = sa.QueuePool


def postgres_url(text: str) -> sa.URL:
    """An address as SQLAlchemy wants it: without a driver it means psycopg2, which Dagster brings, not psycopg 3.

    Raises:
        ValueError: if it is no address of a Postgres; the message does not repeat it.
    """
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise ValueError("it is no address") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"it is an address of {url.get_backend_name()}")
    return url.set(drivername="postgresql+psycopg2")


class StateDatabase:
    """Some tables, which several processes may use at once; made when something is first recorded.

    Connections are made for each transaction and not kept, so that nothing is inherited by a forked process; but see
    ``keep_connections``.

    Args:
        place: a SQLite file, made with its folder; or a Postgres, where the tables are in the schema ``lumen``.
        tables: what is in it.
        name: for messages.
        hint: what to do about a damaged file.
    """

    def __init__(self, place: Path | sa.URL, tables: sa.MetaData, *, name: str, hint: str) -> None:
        self._path = place if isinstance(place, Path) else None
        self._tables = tables
        self._name = f"{name} {place}" if isinstance(place, Path) else f"{name} at {place.host}/{place.database}"
        self._hint = hint if self._path else "see that the database is there and may be written to"
        url = sa.URL.create("sqlite", database=str(place)) if isinstance(place, Path) else place
        arguments: dict[str, Any] = {"timeout": _WAIT} if self._path else {"connect_timeout": 10}
        kept = {} if _pool is sa.NullPool else {"pool_pre_ping": True}  # a server may have closed what was kept
        self._engine = sa.create_engine(url, poolclass=_pool, hide_parameters=True, connect_args=arguments, **kept)
        self._prepared: object = None

    @property
    def exists(self) -> bool:
        """False only where nothing can have been recorded."""
        return self._path is None or self._path.exists()

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A transaction.

        Raises:
            TransientError: a Postgres cannot be reached.
            PermanentError: it cannot be used.
        """
        try:
            if self._prepared is None or self._prepared != self._file():
                self._prepare()
            with self._engine.begin() as connection:
                self._choose_schema(connection)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise self._translated(error) from error

    def _file(self) -> object:
        """Which file it is, None where there is none: a connection that was kept may be to one that was moved away."""
        if self._path is None:
            return self._engine
        with suppress(FileNotFoundError):
            status = self._path.stat()
            return status.st_dev, status.st_ino
        return None

    def _prepare(self) -> None:
        self._engine.dispose()
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        with self._engine.begin() as connection:
            if self._path is None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS lumen")
            self._choose_schema(connection)
            for table in self._tables.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        self._prepared = self._file()

    def _choose_schema(self, connection: sa.Connection) -> None:
        if self._path is None:
            connection.exec_driver_sql("SET LOCAL search_path TO lumen")

    def _translated(self, error: sa.exc.SQLAlchemyError) -> LumenError:
        cause = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).strip()
        if self._path is None and isinstance(error, sa.exc.OperationalError):
            return TransientError(action="use", subject=self._name, cause=cause, error_class="state", hint=self._hint)
        return PermanentError(action="use", subject=self._name, cause=cause, error_class="state", hint=self._hint)

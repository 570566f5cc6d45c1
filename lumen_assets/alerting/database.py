"""The database of the outbox: SQLite or Postgres, one writer at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, NullPool, create_engine, event, func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from lumen_assets.alerting.schema import CHANGES, METADATA, VERSION, schema
from lumen_assets.errors import PermanentError, TransientError

_WAIT: Final = 30
"""Seconds that a writer waits for another one; a transaction of ours takes milliseconds."""

_LOCK: Final = 0x6C756D656E  # "lumen": the advisory lock in Postgres that writers of the outbox take


class Database:
    """Transactions of the outbox. Writers follow one another, so what one of them read is true until it commits.

    SQLAlchemy 2.1 takes ``postgresql://`` for psycopg 3; what is installed with Dagster is psycopg2, so that is what
    an address without a driver means here. Connections are made for each transaction and never kept, so that nothing
    is inherited by a forked process.

    Args:
        url: ``sqlite:///…`` (the file is made with its folder on first use) or ``postgresql://…``.
        clean: for what the database says of an error.
    """

    def __init__(self, url: URL | str, clean: Callable[[str], str]) -> None:
        self._url = make_url(url)
        if self._url.drivername in ("postgresql", "postgres"):
            self._url = self._url.set(drivername="postgresql+psycopg2")
        self._clean = clean
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._path = Path(self._url.database) if self._is_sqlite and self._url.database else None
        if self._is_sqlite and self._path is None:
            raise ValueError("an outbox in memory would not be durable")
        arguments: dict[str, Any] = {"timeout": _WAIT} if self._is_sqlite else {"connect_timeout": 10}
        self._engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        if self._is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._ready = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer runs beside.

        Raises:
            TransientError: the database is busy or cannot be reached.
            PermanentError: it cannot be used.
        """
        with self._translated():
            self._prepare()
            with self._locked() as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; raises as ``writing`` does."""
        with self._translated():
            self._prepare()
            with self._engine.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            connection.execution_options(lumen_writes=True)
            with connection.begin():
                if not self._is_sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                yield connection

    def _prepare(self) -> None:
        if self._ready and (self._path is None or self._path.exists()):
            return
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as connection:
            METADATA.create_all(connection)
            version = connection.scalar(select(func.max(schema.c.version)))
            if version is None:
                connection.execute(insert(schema).values(version=VERSION))
            elif version > VERSION:
                raise PermanentError(
                    action="use",
                    subject=self._name,
                    cause=f"its tables are of version {version}, this program knows {VERSION}",
                    error_class="state",
                    hint="use the version of Lumen Assets that made it, or a newer one",
                )
            else:
                for newer in range(version + 1, VERSION + 1):
                    connection.execute(text(CHANGES[newer]))
                    connection.execute(insert(schema).values(version=newer))
        self._ready = True

    @property
    def _name(self) -> str:
        return f"the alert outbox {self._path or f'{self._url.host}/{self._url.database}'}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            origin = error.orig if isinstance(error, DBAPIError) else error
            cause = self._clean(str(origin))
            busy = not self._is_sqlite or "locked" in str(origin) or "busy" in str(origin)
            if isinstance(error, OperationalError) and busy:
                raise TransientError(action="use", subject=self._name, cause=cause, error_class="state") from error
            raise PermanentError(
                action="use",
                subject=self._name,
                cause=cause,
                error_class="state",
                hint="see that the database is there and may be written to",
            ) from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    """WAL, so that readers do not wait; nothing is begun but by ``_begin_sqlite``, as SQLAlchemy's pages say."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    until = time.monotonic() + _WAIT
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:  # the change to WAL does not wait for locks by itself
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lumen_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

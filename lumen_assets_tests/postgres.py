"""A real Postgres on loopback, of the Debian package ``postgresql``.

A test asks for ``postgres`` and makes itself a database. The server refuses to run as root, so where the tests do, it
runs as the user ``postgres`` that the package made.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lumen_assets_tests.ports import free_ports


@dataclass(frozen=True)
class Postgres:
    """A running server: its port on 127.0.0.1, and its one user."""

    port: int
    user: str
    password: str

    def new_database(self, name: str | None = None) -> str:
        """The address of a fresh, empty database, as ``postgresql://…`` with user and password."""
        name = name or f"lumen_{secrets.token_hex(6)}"
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, dbname="postgres"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        finally:
            connection.close()
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{name}"

    def emptied(self, address: str) -> str:
        """The same database without its tables: a new one is 7 MB of files."""
        connection = psycopg2.connect(address)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        finally:
            connection.close()
        return address


@contextmanager
def running_postgres(port: int | None = None, password: str | None = None) -> Iterator[Postgres]:
    """A server with a folder of its own directly under the one for temporary files: pytest's are closed to others."""
    port, password = port or free_ports(1)[0], password or secrets.token_hex(12)
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
    folder = Path(tempfile.mkdtemp(prefix="lumen-postgres-"))
    as_other: dict[str, Any] = {"cwd": "/", "stdin": subprocess.DEVNULL}
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_other |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    (folder / "password").write_text(password)
    data = folder / "data"
    # No test cuts the machine's power.
    not_synced = "-c fsync=off -c full_page_writes=off"
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c max_connections=50 -c shared_buffers=16MB {not_synced}"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-s"]
    try:
        subprocess.run(
            [str(programs / "initdb"), "-D", str(data), "-U", "lumen", "-A", "scram-sha-256", "-E", "UTF8",
             "--no-sync", f"--pwfile={folder / 'password'}"],
            check=True, stdout=subprocess.DEVNULL, env=environment, **as_other,
        )  # fmt: skip
        subprocess.run(
            [*control, "-l", str(folder / "log"), "-o", options, "start"],
            check=True, stdout=subprocess.DEVNULL, env=environment, **as_other,
        )  # fmt: skip
        try:
            yield Postgres(port, "lumen", password)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, env=environment, **as_other)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server

"""Servers that alerts are sent to, and databases that they wait in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.receiver import Server, server
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]


@pytest.fixture
def receiver() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """A second server, which must see nothing."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database, on SQLite and on Postgres."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'alerts' / 'outbox.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.emptied(request.getfixturevalue("database"))

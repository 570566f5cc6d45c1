"""Every test of the outbox runs on SQLite and on Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is empty, or that nobody has made yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'alerts' / 'outbox.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()

"""The stores that the contract is run against, and the servers behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from lumen_assets.replication import Store
from lumen_assets.replication.local import LocalStore


def local_store(request: pytest.FixtureRequest) -> Store:
    folder: Path = request.getfixturevalue("tmp_path")
    return LocalStore("here", folder / "destination", create=True)


STORES: Final[dict[str, Callable[[pytest.FixtureRequest], Store]]] = {
    "local": local_store,
}
"""An empty store of each kind; a server that it needs is a session-scoped fixture that it asks ``request`` for."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return STORES[request.param](request)

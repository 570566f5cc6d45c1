"""The stores that the contract is run against, and the servers behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from lumen_assets.replication import Store
from lumen_assets.replication.local import LocalStore
from lumen_assets_tests.replication.drive_emulator import DriveEmulator, drive_emulator
from lumen_assets_tests.replication.drive_emulator import store_at as drive_store_at
from lumen_assets_tests.replication.dropbox_emulator import DropboxEmulator, dropbox_emulator, store_at
from lumen_assets_tests.replication.s3_stores import s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server, seaweedfs

__all__ = ["seaweedfs"]  # a fixture: imported here, it can be asked for everywhere below


def local_store(request: pytest.FixtureRequest) -> Store:
    folder: Path = request.getfixturevalue("tmp_path")
    return LocalStore("here", folder / "destination", create=True)


@pytest.fixture(scope="session")
def dropbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DropboxEmulator]:
    with dropbox_emulator(tmp_path_factory.mktemp("dropbox")) as emulator:
        yield emulator


def dropbox_store(request: pytest.FixtureRequest) -> Store:
    emulator: DropboxEmulator = request.getfixturevalue("dropbox_server")
    folder: Path = request.getfixturevalue("tmp_path")
    emulator.account.clear()
    return store_at(emulator.port, emulator.new_token(), folder / "uploads")


@pytest.fixture(scope="session")
def drive_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriveEmulator]:
    with drive_emulator(tmp_path_factory.mktemp("drive")) as emulator:
        yield emulator


def drive_store(request: pytest.FixtureRequest) -> Store:
    emulator: DriveEmulator = request.getfixturevalue("drive_server")
    folder: Path = request.getfixturevalue("tmp_path")
    emulator.account.clear()
    return drive_store_at(emulator.url, emulator.new_token(), folder / "uploads")


def s3_store_of_seaweedfs(request: pytest.FixtureRequest) -> Store:
    server: S3Server = request.getfixturevalue("seaweedfs")
    return s3_store(server, request.getfixturevalue("tmp_path") / "uploads")


STORES: Final[dict[str, Callable[[pytest.FixtureRequest], Store]]] = {
    "local": local_store,
    "s3": s3_store_of_seaweedfs,
    "dropbox": dropbox_store,
    "gdrive": drive_store,
}
"""An empty store of each kind; a server that it needs is a session-scoped fixture that it asks ``request`` for."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return STORES[request.param](request)

"""Servers that alerts are sent to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.receiver import Server, server


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

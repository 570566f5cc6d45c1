"""A revision brought from a destination: whole, or a clear error and nothing left."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.replication.fetch import fetch_revision
from lumen_assets_tests.installation import LAST_DAY, Installation


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk does: the system refuses to write more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    installation.json("daily", "--day", str(LAST_DAY))
    workspace = installation.workspace
    folder = installation.settings.archive_folder
    shutil.rmtree(folder)
    folder.mkdir()
    here = workspace.stores["here"]
    with files_of_at_most(100_000), pytest.raises(PermanentError, match=r"File too large.*room"):
        fetch_revision(here, LAST_DAY, 1, folder, workspace.keyring)
    assert list(folder.rglob("*")) == []
    fetch_revision(here, LAST_DAY, 1, folder, workspace.keyring)
    assert workspace.frozen_day(LAST_DAY).manifest.revision == 1
